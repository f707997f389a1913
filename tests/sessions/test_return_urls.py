"""Where a shopper may be sent: the web and apps, never what a browser runs or reads itself (SEC-25)."""

import pytest

from azukari.wire.return_urls import OF_THE_BROWSER, with_query
from tests.house import Api
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

_JS = "javascript:alert(1)"
_SPELLINGS = (
    "JAVASCRIPT:alert(1)", "JaVaScRiPt:alert(1)", "javascript://shop.example/%0aalert(1)",
    "javascript:alert(1)//https:",
    "java\tscript:alert(1)", "java\nscript:alert(1)", "java\rscript:alert(1)", "java\0script:alert(1)",
    "\tjavascript:alert(1)", "\njavascript:alert(1)", " javascript:alert(1)", "\x01javascript:alert(1)",
    "\x1fjavascript:alert(1)", "\x7fjavascript:alert(1)", "\x85javascript:alert(1)", "\xa0javascript:alert(1)",
    "\u200bjavascript:alert(1)", "\u2028javascript:alert(1)", "\u2029javascript:alert(1)", "\u3000javascript:alert(1)",
    "\ufeffjavascript:alert(1)", "\u202ejavascript:alert(1)", "\u00adjavascript:alert(1)", "\u2060javascript:alert(1)",
    "javascript\t:alert(1)", "javascript :alert(1)", "javascript\u200b:alert(1)", "javascript\n:alert(1)",
    "javascript：alert(1)", "ｊａｖａｓｃｒｉｐｔ:alert(1)", "jаvascript:alert(1)", "javaſcript:alert(1)",
    "javascrıpt:alert(1)",
    "javascript%3aalert(1)", "%6aavascript:alert(1)", "&#106;avascript:alert(1)", "javascript&colon;alert(1)",
    "java%0ascript:alert(1)", "java%09script:alert(1)", "\\javascript:alert(1)", "/javascript:alert(1)",
    "//javascript:alert(1)", ":javascript:alert(1)", "+javascript:alert(1)", "1javascript:alert(1)",
)  # fmt: skip
_OTHERS = (
    "data:text/html,<script>alert(1)</script>", "DATA:text/html;base64,PHNjcmlwdD4=", "data:,a", "\tdata:text/html,a",
    "vbscript:msgbox(1)", "VBSCRIPT:msgbox(1)", "livescript:a", "mocha:a", "blob:https://shop.example/a", "BLOB:null/a",
    "file:///etc/passwd", "file://host/share", "FILE:///c:/", "about:blank", "about:srcdoc", "ABOUT:BLANK",
    "filesystem:https://shop.example/temporary/a", "view-source:https://shop.example",
    "View-Source:javascript:alert(1)",
    "feed:javascript:alert(1)", "feed://shop.example", "jar:https://shop.example!/a", "pcast:javascript:alert(1)",
    "wyciwyg://0/", "resource://a", "chrome://settings", "chrome-extension://a/b", "moz-extension://a/b", "edge://a",
    "ms-its:a", "mk:@MSITStore:a", "its:a", "mhtml:a", "res://a", "ws://shop.example", "wss://shop.example",
    "ftp://shop.example/a", "intent://a#Intent;S.browser_fallback_url=javascript:alert(1);end", "ms-msdt:/id",
    "search-ms:query=a", "about:javascript:alert(1)", "x-javascript:a",
)  # fmt: skip
_NO_ADDRESS = (
    "", "https", "https:", "https:/", "https://", "https:///path", "https:shop.example", "https:/shop.example",
    "http:\\\\shop.example", "https:\\/shop.example", "https://shop.example\\@evil.example", "//evil.example", "/evil",
    "evil.example", "shop@evil.example", "?a", "#a", "https://user:secret@shop.example/", "https://shop.example@evil/",
    "https://shop.example:port/", "https://shop.example:999999/", "https://shop .example/", "https://shop.example/\n",
    "https://shop.example/\r\nSet-Cookie: a=b", "https://shop.example/\0", "https://shop.example/ a", "https://<a>/",
    "https://あ\u200b_.example/", "https://あ。。example/", "https://shop.example／@evil.example/",
    "https://shop.example＠evil.example/", "https://あ@evil.example/", "https://あ.example:port/", "https://\U0001f4a9-.example/",
    "https://あ．１２７:99999/", "https://xn--a.あ.example/", "https://あ" + "い" * 60 + ".example/", "https://④①①①①①①①①①①①①①①①.example/",
    "komoju:", "komoju", "://a", "https://a:65536/",
    "https://a.example/?card=4111111111111111", "komoju://4111-1111-1111-1111", "https://a.example/4111%201111%201111%201111",
     "-app://a", ".app://a", "app_1://a",
)  # fmt: skip
HOSTILE = [_JS, *_SPELLINGS, *_OTHERS, *(text for text in _NO_ADDRESS if text)]


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
