"""The texts: all of them, in four languages, with the same places to fill."""

import re

import pytest

from azukari.checkout import money, names
from azukari.checkout.instructions_view import grouped
from azukari.checkout.messages import LANGUAGES, fill, in_a_sentence, messages, say
from azukari.checkout.phrases import phrases, split
from azukari.checkout.texts import ERRORS, MESSAGES
from azukari.payment_types import STORES

EVERY = {**ERRORS, **MESSAGES}
_HOLDER = re.compile(r"\{(\w+)\}")
#: Korean names the field beside it anyway, and needs no particle that way.
_WITHOUT_LABEL = {("missing_parameter", "ko"), ("invalid_parameter", "ko")}
#: Where a language says "the shop", or names no sum a second time.
_WITHOUT = {"back", "returning", "consent_both"}


def test_no_key_stands_in_both_tables() -> None:
    assert not ERRORS.keys() & MESSAGES.keys()


@pytest.mark.parametrize("key", EVERY)
def test_every_text_is_there_in_every_language(key: str) -> None:
    assert len(EVERY[key]) == len(LANGUAGES)
    for text in EVERY[key]:
        assert text
        assert text == text.lstrip()


@pytest.mark.parametrize("key", [key for key in EVERY if key not in _WITHOUT])
def test_every_language_has_the_same_places(key: str) -> None:
    places = {
        frozenset(_HOLDER.findall(text))
        for language, text in zip(LANGUAGES, EVERY[key], strict=True)
        if (key, language) not in _WITHOUT_LABEL
    }
    assert len(places) == 1


def test_paying_and_storing_never_share_a_button() -> None:
    for key in ("save_card", "save_wallet", "save_h", "save_lead", "consent_save", "back_save", "done_save"):
        assert "支払う" not in messages("ja")[key]
    assert "支払" in messages("ja")["pay_save"]
    assert "登録" in messages("ja")["pay_save"]


def test_a_value_is_never_taken_for_a_place() -> None:
    assert fill("{shop} / {amount}", shop="{amount}", amount="1") == "{amount} / 1"


@pytest.mark.parametrize(
    ("email", "told"),
    [
        ("바다", "바다로도"),
        ("마을", "마을로도"),
        ("사람", "사람으로도"),
        ("taro@example.com", "taro@example.com(으)로도"),
    ],
)
def test_a_korean_particle_follows_the_last_sound(email: str, told: str) -> None:
    assert say("ko", "mailed", email=email).startswith(told)


def test_tax_is_no_countrys_own_outside_of_japan() -> None:
    assert [messages(language)["tax"] for language in LANGUAGES] == ["消費税", "Tax", "세금", "税费"]


def test_a_label_in_a_sentence_leaves_its_hint_out() -> None:
    assert in_a_sentence("ja", messages("ja")["expiry"]) == "有効期限"
    assert in_a_sentence("en", messages("en")["expiry"]) == "expiry"
    assert in_a_sentence("ko", messages("ko")["code"]) == "보안 코드"


@pytest.mark.parametrize(
    ("language", "yen", "dollars", "euros"),
    [
        ("ja", "5,000円", "USD 50.00", "€50.00"), ("en", "¥5,000", "USD 50.00", "€50.00"),
        ("ko", "5,000엔", "US$50.00", "€50.00"), ("zh", "5,000日元", "US$50.00", "€50.00"),
    ],
)  # fmt: skip
def test_amounts_as_they_are_read(language: str, yen: str, dollars: str, euros: str) -> None:
    assert money.amount(language, 5000, "JPY") == yen
    assert money.amount(language, 5000, "USD") == dollars
    assert money.amount(language, 5000, "EUR") == euros


def test_a_discount_begins_with_its_sign() -> None:
    assert [money.amount(language, -300, "JPY") for language in ("ja", "en", "ko", "zh")] == [
        "-300円",
        "-¥300",
        "-300엔",
        "-300日元",
    ]
    assert [money.amount(language, -300, "USD") for language in ("ja", "en", "ko", "zh")] == [
        "-USD 3.00",
        "-USD 3.00",
        "-US$3.00",
        "-US$3.00",
    ]
    assert money.amount("zh", -300, "CNY") == "-CNY 3.00"
    assert money.amount("en", -300, "EUR") == "-€3.00"


def test_yuan_are_not_taken_for_yen() -> None:
    assert money.amount("zh", 5000, "CNY") == "CNY 50.00"
    assert "¥" not in money.amount("ja", 5000, "CNY")


def test_the_unit_stands_smaller_in_japanese_alone() -> None:
    assert money.parted("ja", 5000, "JPY") == ("5,000", "円")
    assert money.parted("en", 5000, "JPY") == ("¥5,000", "")


def test_times_are_japans_and_say_so_elsewhere() -> None:
    moment = 1_795_964_340_000
    assert money.moment("ja", moment) == "2026年11月29日（日）23:59"
    assert money.moment("en", moment) == "Sun, Nov 29, 2026, 23:59 (Japan time)"
    assert "日本时间" in money.moment("zh", moment)
    assert "일본 시간" in money.moment("ko", moment)


def test_stores_have_names_everywhere() -> None:
    for slug in STORES:
        assert all(names.store(language, slug) != slug for language in LANGUAGES)
    assert say("en", "inst_konbini", store=names.store("en", "family-mart")) == "How to make a payment at Family Mart"


@pytest.mark.parametrize(
    ("number", "shown"),
    [("72527", "72527"), ("123456", "123-456"), ("1234567890123", "1234-567-890-123"), ("シミュレーター銀行",) * 2],
)
def test_numbers_stand_in_groups_of_three_and_four(number: str, shown: str) -> None:
    assert grouped(number) == shown


@pytest.mark.parametrize(
    "parts",
    [
        "お支払い方法の|登録", "お支払いページが|見つかりません", "ご本人確認", "お店に|お問い合わせください。",
        "お支払いを|完了できませんでした",
        "本人認証が|できませんでした", "残高または|ご利用可能額が|足りませんでした", "お手続きは|取り消されました",
        "お支払い期限が|過ぎました",
        "Pay-easy|（ペイジー）での|お支払い方法", "{method}の|代わりの|テスト画面です。|結果を|選んでください。",
        "クレジットカード", "5,000円を|支払って|登録する",
        "お店に|戻っています。|変わらないときは、|ボタンを|押してください。", "Save a payment method",
        "결제 수단 등록", "绑定支付方式", "",
    ],
)  # fmt: skip
def test_a_heading_breaks_between_its_phrases(parts: str) -> None:
    assert split(parts.replace("|", "")) == parts.split("|")


def test_every_phrase_fits_a_line_of_a_small_phone() -> None:
    """Of a heading, in letters of 22 px, between a phone's edges: 13 of them."""
    headings = (
        "save_h", "done_pay", "done_save", "expired", "cancelled", "already", "tds_h", "tds_mid", "not_found",
        "too_many", "bad_request", "locked", "paid_in", "no_late", "inst_bank",
        *(ERRORS.keys() - {"unsupported_card_brand"}),
    )  # fmt: skip
    for key in headings:
        for phrase in split(messages("ja")[key]):
            for part in re.split(r"(?<=[、。）])|(?=（)", phrase):
                assert len(part) <= 13, (key, part)


def test_a_phrase_is_text_and_no_html() -> None:
    assert str(phrases('<b>の山 & "川"')) == "&lt;b&gt;の<wbr>山 &amp; &#34;川&#34;"
