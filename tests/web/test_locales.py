"""Languages by whatever name, everywhere one is given: the nearest we have, and no refusal. Source: contract 1.7."""

from typing import Any

import pytest

from azukari.checkout.messages import LANGUAGES
from azukari.wire.locales import nearest
from tests.house import Api, House, card
from tests.sessions.sessions import make, pay

#: What is named, and which of the wire's three is nearest to it.
NEAREST = {
    "ja": "ja", "ja-JP": "ja", "ja_JP": "ja", "JA": "ja", "ja_JP.UTF-8": "ja", "ja-Latn-JP-u-ca-japanese": "ja",
    "jpn": "ja", "jp": "ja", " ja ": "ja", "en": "en", "en_US": "en", "EN": "en", "en-GB-oxendict": "en", "eng": "en",
    "English": "en", "ko": "ko", "ko_KR": "ko", "KO-kr": "ko", "ko_KR.eucKR@hangul": "ko", "kor": "ko", "fr": "en",
    "fr_FR": "en", "zh_CN": "en", "zh-Hant": "en", "zh": "en", "de": "en", "pt-BR": "en", "fil": "en", "xx": "en",
    "jam": "en", "enx-US": "en",
}  # fmt: skip
#: What names none: the default stands.
NONE_NAMED = (
    "-", "_", "?", "1", "12", "c", "ja1", "日本語", "ⅉa", "\u202eja", "<script>", "../../etc", "default",
    "undefined-", "x" * 255, "%00",
)  # fmt: skip
EXPECTED = [*NEAREST.items(), *((text, "ja") for text in NONE_NAMED)]


@pytest.mark.parametrize(("given", "expected"), EXPECTED)
def test_the_nearest_language_is_found(given: str, expected: str) -> None:
    assert nearest(given) == expected


async def test_a_session_takes_any_locale(api: Api) -> None:
    for given, expected in EXPECTED:
        made = await make(api, default_locale=given)
        assert made["default_locale"] == expected, given
    for nothing in ("", None):
        assert (await make(api, default_locale=nothing))["default_locale"] == "ja"
    form = {"amount": "1000", "currency": "JPY", "default_locale": "en_US"}
    assert (await api.post("/sessions", data=form)).json()["default_locale"] == "en"


async def test_a_payment_takes_any_locale(api: Api) -> None:
    for given, expected in EXPECTED:
        reply = await api.post(
            "/payments", json={"amount": 1, "currency": "JPY", "payment_details": card(), "locale": given}
        )
        assert (reply.status_code, reply.json()["locale"]) == (200, expected), given


async def test_a_try_at_a_session_takes_any_locale(api: Api) -> None:
    for given, expected in EXPECTED:
        paid = await pay(api, await make(api), json={"api_locale": given})
        assert (paid.status_code, paid.json()["payment"]["locale"]) == (200, expected), given
    for nothing in ("", None):
        session = await make(api, default_locale="ko")
        assert (await pay(api, session, json={"api_locale": nothing})).json()["payment"]["locale"] == "ko"


@pytest.mark.parametrize("given", [1, True, ["ja"], {"ja": "en"}, "ja" + "-" * 254, "4111111111111111"])
async def test_what_is_no_text_far_too_long_or_a_card_number_is_refused(api: Api, given: Any) -> None:
    order = {"amount": 1, "currency": "JPY"}
    session = await make(api)
    for reply, param in (
        (await api.post("/sessions", json={**order, "default_locale": given}), "default_locale"),
        (await api.post("/payments", json={**order, "payment_details": card(), "locale": given}), "locale"),
        (await pay(api, session, json={"api_locale": given}), "api_locale"),
    ):
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["param"]) == (422, "invalid_parameter", param)
    assert (await api.get("/payments")).json()["total"] == 0


async def test_a_page_takes_any_locale_in_its_address(house: House) -> None:
    """Pages speak Chinese too; where none is named, or one they do not speak, the session's own stands."""
    url = (await make(house.api, default_locale="ko"))["session_url"]
    spoken = {"zh_CN": "zh", "zh-Hant": "zh", "EN": "en", "ja-JP": "ja", "jpn": "ja", "fr": "ko", "?": "ko", "": "ko"}
    for given, expected in spoken.items():
        page = await house.api.get(url, params={"locale": given})
        assert (page.status_code, f'<html lang="{LANGUAGES[expected][0]}"' in page.text) == (200, True), given
        assert (await house.api.get(f"{url}/words", params={"locale": given})).status_code == 200


async def test_the_instructions_take_any_locale_in_their_address(house: House) -> None:
    details = {"type": "konbini", "store": "lawson", "email": "taro@example.com"}
    made = await house.api.post(
        "/payments",
        json={
            "amount": 1000,
            "currency": "JPY",
            "payment_details": details,
            "locale": "fr_FR",
        },
    )
    url = made.json()["payment_details"]["instructions_url"]
    assert "/en/instructions/" in url
    for given, expected in {"EN": "en", "ko-KR": "ko", "zh_CN": "zh", "fr": "en", "ja_JP": "ja", "12": "ja"}.items():
        page = await house.api.get(url.replace("/en/", f"/{given}/"))
        assert (page.status_code, f'<html lang="{LANGUAGES[expected][0]}"' in page.text) == (200, True), given
