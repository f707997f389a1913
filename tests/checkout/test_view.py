"""What the session page says, and how it says what went wrong."""

import json
import re
from dataclasses import replace

import pytest

from azukari.checkout import accents, manifest, names, pages, view, wording
from azukari.checkout.messages import LANGUAGES, messages
from azukari.checkout.reading import language_of, way_back
from azukari.checkout.view import Item, Method, OrderSummary, Shop
from azukari.core import colours
from azukari.payment_types import METHODS, STORES, default_types
from azukari.web import assets
from tests.checkout.orders import BANK, CARD, KONBINI, ORDER, PAYPAY, method

KB = 1_000
HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{9*1234567}}"""


def html(order: OrderSummary, language: str = "ja") -> str:
    return pages.session(language, order, csrf="c", now=0, secure=True).decode()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mode", ["payment", "customer", "customer_payment"])
def test_every_place_has_a_text_in_every_language(language: str, mode: str) -> None:
    order = replace(ORDER, mode=mode, items=tuple(Item(f"{at}", at, at) for at in range(1, 6)), tax=10)
    places = set(re.findall(r'data-t="([^"]*)"', html(order, "ja")))
    told = view.script_data(language, order)
    assert places <= told["t"].keys()
    assert told["m"].keys() == {each.type for each in order.methods}


@pytest.mark.parametrize("slug", [slug for slug, known in METHODS.items() if known.offered])
def test_every_member_a_request_needs_has_its_place_in_the_form(slug: str) -> None:
    known = METHODS[slug]
    members = (*known.required, *known.additional_fields)
    order = replace(ORDER, methods=(method(slug, known.group, members=members, brands=("visa",)),))
    panel = view.panels(order)[0]
    names = {field.member for field in panel.fields} | ({panel.pick.member} if panel.pick else set())
    # A card's month and year are one field.
    wanted = {"cardnumber", "cc-exp"} if panel.is_card else {*members}
    assert wanted <= names
    told = view.script_data("en", order)
    assert all(told["t"][f"l_{field.label}"] for field in panel.fields)


def test_what_a_merchant_writes_is_never_markup() -> None:
    shop = Shop(HOSTILE, legal_text=HOSTILE)
    text = html(
        replace(ORDER, shop=shop, items=(Item(HOSTILE, 1, 5000),), email=HOSTILE, return_to="https://a.test/?x=\"'")
    )
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "11111103" not in text
    assert "&lt;script&gt;" in text
    # One element with the page's data, which ends where we end it.
    found = re.search(r"data-page='([^']*)'", text)
    assert found is not None
    assert json.loads(found[1])["id"] == "s"


def test_nothing_stands_inline() -> None:
    text = html(ORDER)
    assert " style=" not in text
    assert "<style" not in text
    assert not re.search(r"\son\w+=", text)
    assert re.findall(r"<script([^>]*)></script>", text)
    assert not re.search(r"<script[^>]*>[^<]", text)


def test_every_script_is_held_against_its_hash() -> None:
    for tag in re.findall(r"<(?:script|link rel=\"modulepreload\")[^>]*>", html(ORDER)):
        name = re.search(r"/static/\w+/([\w.]+)\"", tag)
        assert name is not None
        assert f'integrity="{assets.integrity(name[1])}"' in tag
    # A module that is imported and not preloaded would run unchecked.
    for name in pages.SESSION:
        source = assets.static_file(name)
        assert source is not None
        assert set(re.findall(r'from "\./([\w.]+)"', source[0].decode())) <= set(pages.SESSION)


def every_method() -> tuple[Method, ...]:
    """What a merchant in yen offers without having chosen."""
    stores, brands = tuple(STORES), tuple(names.BRANDS)
    return tuple(
        Method(
            known.slug,
            known.group,
            known.names._asdict(),
            5000,
            "JPY",
            190 if known.group == "konbini" else 0,
            brands=stores if known.group == "konbini" else brands if known.group == "card" else (),
            members=(*known.required, *known.additional_fields),
        )
        for slug in default_types("JPY")
        for known in (METHODS[slug],)
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_light(language: str) -> None:
    methods = every_method()
    few = tuple(each for each in methods if each.type in ("credit_card", "paypay", "konbini", "bank_transfer"))
    for offered, most in ((methods[:1], 7 * KB), (few, 10 * KB), (methods, 15 * KB)):
        assert len(html(replace(ORDER, methods=offered), language).encode()) < most


def test_styles_and_modules_are_light() -> None:
    def weight(*files: str) -> int:
        return sum(len(found[0]) for name in files if (found := assets.static_file(name)))

    assert weight("base.css", "pay.css") < 16 * 1_024
    assert weight(*pages.SESSION) < 20 * 1_024
    assert weight(pages.CONTACT) < 3 * 1_024


def test_the_rules_for_mail_and_kana_come_where_something_asks_for_them() -> None:
    cards, more = html(replace(ORDER, methods=(CARD,))), html(ORDER)
    assert pages.CONTACT not in cards
    scripts = [src.rpartition("/")[2] for src in re.findall(r'<script type="module" src="([^"]+)"', more)]
    # In this order: they are there when the last one starts.
    assert scripts == [pages.CONTACT, "pay.js"]
    assert manifest._tags(manifest.read(), more) == []


def test_no_picture_is_drawn_twice() -> None:
    text = html(replace(ORDER, methods=every_method()))
    drawn = re.findall(r'<symbol id="([^"]*)"', text)
    assert len(drawn) == len({*drawn})
    assert {*re.findall(r'href="#([^"]*)"', text)} == {*drawn}


def test_a_page_of_storing_says_nothing_of_paying() -> None:
    order = replace(ORDER, mode="customer", amount=0, methods=(replace(CARD, amount=0), replace(PAYPAY, amount=0)))
    text = html(order)
    assert "支払う" not in text
    assert "円" not in text
    assert view.button("ja", order, PAYPAY) == "paypayを登録する"
    assert view.consent("en", order, CARD) == (
        'By pressing "Save this card" you allow Tea to charge this card for future payments. To withdraw, contact Tea.'
    )


def test_the_button_names_the_act_and_the_sum() -> None:
    assert view.button("ja", ORDER, CARD) == "5,000円を支払う"
    assert view.button("en", ORDER, PAYPAY) == "Continue to paypay"
    assert view.button("en", ORDER, KONBINI) == "Get payment number"
    assert view.button("ko", replace(ORDER, mode="customer_payment"), CARD) == "5,000엔 결제하고 등록하기"


def test_live_pages_carry_no_trace_of_testing() -> None:
    text = html(replace(ORDER, shop=Shop("Tea", live=True)))
    assert "テスト" not in text
    assert 'class="test"' not in text
    assert "[テスト]" in html(ORDER)


@pytest.mark.parametrize(
    ("items", "amounts"),
    [
        ((Item("a", 2, 1300), Item("b", 1, 2400)), [2600, 2400]),
        ((Item("a", 2, 2600), Item("b", 1, 2400)), [2600, 2400]),
        ((Item("a", 2, None),), [None]),
    ],
)
def test_a_lines_amount_is_of_one_piece_unless_only_the_lines_add_up(
    items: tuple[Item, ...], amounts: list[int | None]
) -> None:
    assert view.item_amounts(replace(ORDER, items=items)) == amounts


@pytest.mark.parametrize(
    ("code", "at", "heading"),
    [
        ("card_declined", "alert", "Your card was declined"),
        ("bad_verification_value", "code", "The security code is incorrect. You have not been charged."),
        ("card_expired", "expiry", "This card has expired. You have not been charged."),
        ("internal_server_error", "checking", "We're checking the result"),
        ("unprocessable_entity", "page", "This payment can't be accepted"),
        ("<b>", "page", "This payment can't be accepted"),
    ],
)
def test_errors_are_told_by_their_code(code: str, at: str, heading: str) -> None:
    shown = wording.of_code("en", ORDER, CARD, code)
    assert (shown.at, shown.h) == (at, heading)


def test_a_declined_card_says_that_no_money_moved_and_what_to_do() -> None:
    assert wording.of_code("ja", ORDER, CARD, "insufficient_funds").p == (
        "請求は行われていません。別のカードか、ほかのお支払い方法をお試しください。"
    )
    saving = replace(ORDER, mode="customer")
    shown = wording.of_code("ja", saving, CARD, "card_declined")
    assert (shown.h, "請求" in shown.p) == (messages("ja")["save_failed"], False)


def test_a_wrong_field_is_told_beside_it() -> None:
    shown = wording.of_code("ja", ORDER, CARD, "missing_parameter", "payment_details[month]")
    assert (shown.at, shown.h) == ("expiry", "有効期限を入力してください")
    shown = wording.of_code("en", ORDER, BANK, "invalid_parameter", "payment_details[phone]")
    assert (shown.at, shown.h) == ("phone", "Check the phone number")
    assert wording.of_code("en", ORDER, CARD, "invalid_parameter", "amount").at == "page"


def test_one_code_means_waiting_or_the_end() -> None:
    assert wording.of_code("en", ORDER, CARD, "locked", status=423).at == "status"
    assert wording.of_code("en", ORDER, CARD, "locked", status=422).h == "Too many attempts"


@pytest.mark.parametrize(
    ("query", "accepted", "default", "language"),
    [
        ({}, "en-US,en", "ja", "ja"), ({"locale": "ko"}, "en", "ja", "ko"), ({}, "zh-TW,en;q=0.5", "ja", "zh"),
        ({"locale": "ja"}, "zh", "en", "ja"), ({"locale": "xx"}, "en", "ko", "ko"), ({}, "ko-KR", None, "ko"),
        ({}, "fr", None, "en"),
    ],
)  # fmt: skip
def test_the_language_is_the_links_or_the_sessions(
    query: dict[str, str], accepted: str, default: str | None, language: str
) -> None:
    assert language_of(query, accepted, tuple(LANGUAGES), default) == language


def test_only_a_languages_the_merchant_has_is_taken() -> None:
    assert language_of({"locale": "zh"}, "", ("ja", "en"), "ja") == "ja"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.test", "", "\\\\evil.test"])
def test_a_way_back_that_is_no_address_is_none(url: str) -> None:
    assert way_back(url, "s") is None


def test_the_way_back_keeps_its_query() -> None:
    assert way_back("https://shop.test/a?b=1#c", "s") == "https://shop.test/a?b=1&session_id=s#c"


@pytest.mark.parametrize("colour", ["#1f5a4e", "#7a2048", "#ffe100", "#ffffff", "#000000", "#ff0000"])
def test_any_accent_can_be_read(colour: str) -> None:
    light, dark = re.findall(r":root \{([^}]*)\}", accents.sheet(colour))[:2]
    for rule, ground in ((light, (255, 255, 255)), (dark, (28, 32, 36))):
        roles = dict(re.findall(r"--([\w-]+): (#\w+)", rule))
        of = {name: colours.read(value) for name, value in roles.items()}
        assert colours.contrast(of["fill"], (255, 255, 255)) >= 4.5
        assert colours.contrast(of["fill-press"], (255, 255, 255)) >= 4.5
        assert colours.contrast(of["accent"], of["wash"]) >= 4.5
        assert colours.contrast(of["fill"], ground) >= 3


def test_a_shops_name_is_in_its_own_language_on_every_page() -> None:
    text = pages.notice("zh", Shop("茶舗"), "h").decode()
    assert '<span lang="ja">茶舗</span>' in text
    assert '<html lang="zh-Hans">' in text
