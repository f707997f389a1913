"""Addresses made to harm: nothing of them runs, and nobody is sent anywhere else."""

import sqlite3
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from azukari.db.open import SqliteFiles
from tests.e2e.serving import Shop, Site
from tests.e2e.shopping import fill_card, is_back, new_session, press, visit
from tests.e2e.watching import Watch
from tests.house import Api
from tests.sessions.hostile import HOSTILE

#: Every place a page of ours could send anybody to.
_PLACES = """() => [
  ...[...document.querySelectorAll("a[href], area[href]")].map((it) => it.href),
  ...[...document.querySelectorAll("form[action], [formaction]")].map((it) => it.formAction ?? it.action),
  ...[...document.querySelectorAll("iframe, frame, object, embed, base")].map((it) => it.outerHTML),
  ...[...document.querySelectorAll("meta[http-equiv]")].map((it) => it.outerHTML),
  ...[...document.querySelectorAll("[data-leave]")].map((it) => it.dataset.leave),
].filter(Boolean)"""
SCRIPT = "javascript:alert(1)"
MARKUP = """"'></script><script>alert(1)</script><img src=x onerror=alert(1)>"""
QUERIES = (
    f"?locale={SCRIPT}", f"?locale={MARKUP}", "?locale=", "?locale=ja%00", "?locale=../../en", "?locale[]=en",
    "?locale=constructor", "?locale=__proto__", f"?failed={SCRIPT}", f"?failed={MARKUP}", "?failed=__proto__",
    "?failed=constructor", f"?code={MARKUP}", f"?return_url={SCRIPT}", "?return_url=https://evil.example/",
    "?redirect_url=https://evil.example/", "?next=//evil.example", "?url=//evil.example", "?session_id=other",
    "?secure_token_id=tok_other", f"?token={SCRIPT}", "?again=1", f"?again={MARKUP}", "?" + "a=1&" * 19, "?%",
    "?%ff%fe", "?=&=&", f"?{MARKUP}", "?locale=en&locale=ja", "?__proto__[x]=1",
)  # fmt: skip
FRAGMENTS = (
    f"#{SCRIPT}", f"#{MARKUP}", "#//evil.example", "#https://evil.example/", "#__proto__", "#constructor", "#form",
    "#credit_card'],[name=method", "#credit_card:checked", "#%00", "#%", "#go", "#alert", "#:~:text=Pay",
    "#konbini#credit_card",
)  # fmt: skip
PATHS = (
    "//evil.example", "/..//evil.example", "/%2e%2e/%2fevil.example", "%2f%2fevil.example", "/javascript:alert(1)",
    "%00", "%0d%0aLocation:%20https://evil.example", ";a=b", "/pay", "/state/", "\\evil.example",
    "/<script>alert(1)</script>", "%3Cscript%3Ealert(1)%3C/script%3E", "'", "%27%20OR%201=1--", "{{7*7}}",
)  # fmt: skip
BEFORE = ("//evil.example/sessions/@", "/%2fevil.example/sessions/@", "/\\evil.example/sessions/@", "/sessions//@",
          "/./sessions/@", "/x/../sessions/@", "/sessions/%2e%2e/@", "/SESSIONS/@")  # fmt: skip


async def places(page: Page) -> set[tuple[str, str]]:
    """The schemes and hosts that the page could send anybody to."""
    found: list[str] = await page.evaluate(_PLACES)
    return {(urlsplit(place).scheme, urlsplit(place).netloc) for place in found}


def keep(site: Site, session: dict[str, Any], address: str) -> None:
    """Write an address where a session's is, as if nobody had looked at it."""
    connection = sqlite3.connect(SqliteFiles.of(site.data).main.uri, uri=True, timeout=30)
    with connection:
        connection.execute("UPDATE sessions SET return_url = ? WHERE id = ?", (address, session["id"]))
    connection.close()


async def test_no_hostile_address_gets_past_the_page_even_if_it_were_kept(
    page: Page, api: Api, server: Site, shop: Shop
) -> None:
    ours = {("http", urlsplit(server.url).netloc)}
    waiting, done = await new_session(api, shop), await new_session(api, shop)
    await visit(page, done)
    await fill_card(page)
    await press(page)
    await is_back(page, shop, done)
    for address in HOSTILE:
        for session in (waiting, done):
            keep(server, session, address)
            await page.goto(session["session_url"])
            assert page.url == session["session_url"]
            assert await places(page) <= ours, address


@pytest.mark.parametrize(
    "address",
    [
        "komoju://creditCard?u=javascript:alert(1)", "com.shop.app:javascript:alert(1)", "my-app://evil.example/",
        "https://shop.example/?u=javascript:alert(1)", "https://shop.example/#javascript:alert(1)",
        "https://shop.example//evil.example", "https://shop.example/%2f%2fevil.example",
        'https://shop.example/"><script>alert(1)</script>', "https://shop.example/'%20onclick=alert(1)%20x='",
        "https://shop.example/?a=%22onmouseover=alert(1)", "https://shop.example/{{7*7}}",
        "https://shop.example.evil.example/", "http://localhost:1/x;y=javascript:",
    ],
)  # fmt: skip
async def test_an_address_that_is_taken_leads_to_its_own_origin_alone(
    page: Page, api: Api, server: Site, shop: Shop, address: str
) -> None:
    session = await new_session(api, shop, return_url=address)
    await page.goto(session["session_url"])

    split = urlsplit(address)
    assert await places(page) == {("http", urlsplit(server.url).netloc), (split.scheme, split.netloc)}
    back = page.locator("#back")
    assert await back.get_attribute("onclick") is None
    assert await back.evaluate("it => it.getAttributeNames().sort().join()") == "class,data-t,href,id"


async def test_nothing_around_a_sessions_address_moves_or_runs(
    page: Page, api: Api, server: Site, shop: Shop, watch: Watch
) -> None:
    session = await new_session(api, shop)
    allowed = {("http", urlsplit(server.url).netloc), ("http", urlsplit(shop.url).netloc)}
    for more in (*QUERIES, *FRAGMENTS):
        await page.goto("about:blank")
        await page.goto(f"{session['session_url']}{more}", wait_until="networkidle")
        assert urlsplit(page.url)[:3] == urlsplit(session["session_url"])[:3], more
        assert await places(page) <= allowed, more
    for path in (*(f"/sessions/{session['id']}{path}" for path in PATHS), *BEFORE):
        reply = await page.goto(f"{server.url}{path.replace('@', session['id'])}")
        assert reply is not None
        assert page.url.startswith(f"{server.url}/"), path
        assert reply.status in (200, 400, 404, 405), path
        # Not a page: an answer of the API's, or of a browser's address that it has put right itself.
        if "text/html" in reply.headers.get("content-type", ""):
            assert await places(page) <= allowed, path


async def test_a_form_that_was_led_astray_still_pays(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session, f"?locale={MARKUP}&failed=card_declined&return_url=https://evil.example{FRAGMENTS[1]}")
    await expect(page.get_by_role("alert")).to_contain_text("このカードではお支払いできませんでした")
    await fill_card(page)
    await press(page)

    await is_back(page, shop, session)
