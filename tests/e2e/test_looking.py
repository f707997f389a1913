"""The tools that hold pages against something do find it, and so does the watch."""

import re

import pytest
from playwright.async_api import Browser, Page

from tests.e2e.browsing import new_context
from tests.e2e.looking import axe, too_wide, weigh
from tests.e2e.serving import Shop, Site
from tests.e2e.watching import Watch

CARD = "4111111111111111"


async def test_axe_finds_what_is_wrong_under_our_policy(page: Page) -> None:
    await page.goto("/")
    await page.evaluate("document.querySelector('h1').append(document.createElement('input'))")

    assert [finding.partition(":")[0] for finding in await axe(page)] == ["label"]


async def test_axe_looks_into_frames(page: Page, shop: Shop) -> None:
    picture = '<img width="9" height="9" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'
    inner = shop.show("/inner", f'<!doctype html><html lang="en"><title>Inner</title>{picture}')
    await page.goto(shop.show("/outer", f'<h1>Outer</h1><iframe title="Inner" src="{inner}"></iframe>'))

    assert [finding.partition(":")[0] for finding in await axe(page)] == ["image-alt"]


async def test_targets_under_24_pixels_are_found(page: Page, shop: Shop) -> None:
    small = '<button style="font-size:8px;padding:0;margin:0;border:0;width:12px;height:12px">{}</button>'
    await page.goto(shop.show("/small", f"<h1>Small</h1>{small.format('a')}{small.format('b')}"))

    assert {finding.partition(":")[0] for finding in await axe(page)} == {"target-size"}


async def test_what_sticks_out_is_found(page: Page, shop: Shop) -> None:
    wide = '<h1>Wide</h1><p id="far" style="position: absolute; left: 0; margin: 0; width: 500px">Too wide</p>'
    await page.goto(shop.show("/wide", wide))

    page_itself, *elements = await too_wide(page)
    assert page_itself.endswith(" px of 390")
    assert elements == ["p#far"]


async def test_everything_that_is_loaded_is_weighed(page: Page, shop: Shop) -> None:
    style = shop.show("/style.css", "p{color:#000}" * 100, "text/css")
    address = shop.show("/heavy", f'<!doctype html><html lang="en"><link rel="stylesheet" href="{style}"><p>Heavy')

    weight = await weigh(page, address)

    assert weight[style] == 1_300
    assert set(weight) >= {style, address}


#: What the watch says: the page that makes it say so, and its policy.
FAULTS = {
    "console: oh no": ("<script>console.error('oh no')</script>", ""),
    "page error: .*nowhere": ("<script>nowhere()</script>", ""),
    "CSP: img-src blocks http": ('<img alt="" src="/x">', "img-src 'none'"),
    "CSP: require-trusted-types-for": (
        "<script>try { document.body.innerHTML = 'x' } catch {}</script>",
        "require-trusted-types-for 'script'",
    ),
    "did not load: .*/missing.js: 404": ('<script src="/missing.js"></script>', ""),
    "a card number in the address of a GET to .*/pay$": (
        "<script>fetch('/pay?number=4111+1111+1111+1111')</script>",
        "",
    ),
    "a card number sent to http://localhost": (
        f"<script>fetch('/spy', {{method: 'POST', body: '{{\"n\":\"{CARD}\"}}'}})</script>",
        "",
    ),
    "a request elsewhere: http://127.0.0.1:9$": ("<script>fetch('http://127.0.0.1:9/').catch(() => 0)</script>", ""),
    "a card number in the storage of": (f"<script>sessionStorage.typed = '{CARD}'</script>", ""),
    "a card number in a cookie": (f"<script>document.cookie = 'typed={CARD}'</script>", ""),
    "dialog: here": ("<script>alert('here')</script>", ""),
    "stores .*cards": ("<script>indexedDB.open('cards')</script>", ""),
}


@pytest.mark.parametrize("pattern", FAULTS)
async def test_the_watch_finds_it(browser: Browser, server: Site, shop: Shop, pattern: str) -> None:
    watch = Watch(server.url, shop.url)
    context = await new_context(browser, server.url, "phone")
    await watch.follow(context)
    page = await context.new_page()
    body, policy = FAULTS[pattern]

    await page.goto(shop.show("/page", body, content_security_policy=policy), wait_until="networkidle")

    with pytest.raises(AssertionError, match=re.compile(pattern, re.MULTILINE)):
        await watch.finish()
    await context.close()


async def test_the_watch_reads_the_servers_log(server: Site) -> None:
    watch = Watch(server.url)
    watch.follow_log(server)
    await watch.finish()
    with server.log.open("a") as log:
        log.write('{"level":"error","event":"request failed"}\n')

    with pytest.raises(AssertionError, match=r"server log: .*request failed"):
        await watch.finish()


async def test_what_a_test_expects_must_come(server: Site) -> None:
    watch = Watch(server.url)
    watch.expect("never")

    with pytest.raises(AssertionError, match="did not come"):
        await watch.finish()
