"""Where a shopper may be sent: the web and apps, never what a browser runs or reads itself (SEC-25)."""

import pytest

from azukari.wire.return_urls import OF_THE_BROWSER, with_query
from tests.house import Api
from tests.sessions.hostile import HOSTILE
from tests.sessions.sessions import make, pay

GOOD = {
    "https://shop.example/thanks": "https://shop.example/thanks?session_id=@",
    "http://localhost:3000": "http://localhost:3000?session_id=@",
    "https://shop.example/?a=1": "https://shop.example/?a=1&session_id=@",
    "https://shop.example/?a=1&": "https://shop.example/?a=1&session_id=@",
    "https://shop.example/?": "https://shop.example/?session_id=@",
    "https://shop.example/#done": "https://shop.example/?session_id=@#done",
    "https://shop.example/a?b=c%20d#e?f=g": "https://shop.example/a?b=c%20d&session_id=@#e?f=g",
    "HTTPS://shop.example/": "https://shop.example/?session_id=@",
    "https://[2001:db8::1]:8443/a": "https://[2001:db8::1]:8443/a?session_id=@",
    "komoju://creditCard?amount=100": "komoju://creditCard?amount=100&session_id=@",
    "com.shop.app:/done": "com.shop.app:/done?session_id=@",
    "my-app://x": "my-app://x?session_id=@",
    "https://shop.example/ありがとう": "https://shop.example/%E3%81%82%E3%82%8A%E3%81%8C%E3%81%A8%E3%81%86?session_id=@",
    "https://shop.example/{id}|100%": "https://shop.example/%7Bid%7D%7C100%25?session_id=@",
    "https://お店.example:8443/a?b": "https://xn--t8jz70l.example:8443/a?b&session_id=@",
    "https://Bücher.example": "https://xn--bcher-kva.example?session_id=@",
    "https://ｓｈｏｐ。example/": "https://shop.example/?session_id=@",
    # A parameter of that name gives way, however it is written; all else stays as it is.
    "https://shop.example/?session_id=old": "https://shop.example/?session_id=@",
    "https://shop.example/?session_id": "https://shop.example/?session_id=@",
    "https://shop.example/?session_id=old&": "https://shop.example/?session_id=@",
    "https://shop.example/?a=1&session_id=old&b=%20+2#c": "https://shop.example/?a=1&b=%20+2&session_id=@#c",
    "https://shop.example/?session_id=1&a=b=c&session_id=2&&session_id": "https://shop.example/?a=b=c&session_id=@",
    "https://shop.example/?session%5fid=old&%73ession%5Fid=old&a": "https://shop.example/?a&session_id=@",
    "https://shop.example/?Session_id=a&xsession_id=b&session_idx=c&b=session_id=d": (
        "https://shop.example/?Session_id=a&xsession_id=b&session_idx=c&b=session_id=d&session_id=@"
    ),
    "https://shop.example/session_id=old?a?session_id=b": (
        "https://shop.example/session_id=old?a?session_id=b&session_id=@"
    ),
    "https://shop.example/?session_id=old#/done?session_id=kept": (
        "https://shop.example/?session_id=@#/done?session_id=kept"
    ),
    "https://shop.example/#session_id=kept": "https://shop.example/?session_id=@#session_id=kept",
    "https://shop.example/?;a=%E3%81%82&;session_id=kept&&": (
        "https://shop.example/?;a=%E3%81%82&;session_id=kept&&session_id=@"
    ),
    "komoju://creditCard?session_id=old&amount=100": "komoju://creditCard?amount=100&session_id=@",
    "com.shop.app:/done?session_id=old": "com.shop.app:/done?session_id=@",
    "https://shop.example/a#b#c": "https://shop.example/a?session_id=@#b%23c",
    'https://shop.example/"><script>': "https://shop.example/%22%3E%3Cscript%3E?session_id=@",
}


def test_there_are_enough_hostile_strings() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 100


@pytest.mark.parametrize("url", GOOD)
async def test_a_good_address_keeps_its_query_and_its_fragment(api: Api, url: str) -> None:
    made = await make(api, return_url=url)

    paid = await pay(api, made)

    assert paid.json()["redirect_url"] == GOOD[url].replace("@", made["id"])


async def test_a_hostile_address_is_refused(api: Api) -> None:
    for url in HOSTILE:
        reply = await api.post("/sessions", json={"amount": 1000, "currency": "JPY", "return_url": url})
        # A NUL is no JSON we read at all.
        expected = (400, "bad_request", None) if "\0" in url else (422, "invalid_parameter", "return_url")
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["param"]) == expected, url


@pytest.mark.parametrize("scheme", sorted(OF_THE_BROWSER))
async def test_no_scheme_of_the_browsers_own_is_taken(api: Api, scheme: str) -> None:
    for spelt in (scheme, scheme.upper(), scheme.title()):
        reply = await api.post(
            "/sessions", json={"amount": 1000, "currency": "JPY", "return_url": f"{spelt}://shop.example/a"}
        )
        assert reply.status_code == 422, spelt


async def test_an_address_longer_than_browsers_like_is_refused(api: Api) -> None:
    reply = await api.post(
        "/sessions", json={"amount": 1000, "currency": "JPY", "return_url": "https://shop.example/" + "a" * 2_000}
    )
    assert reply.status_code == 422


def test_a_parameter_goes_between_query_and_fragment() -> None:
    assert with_query("a:b?c#d", "e", "f") == "a:b?c&e=f#d"
