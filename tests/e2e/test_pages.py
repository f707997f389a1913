"""The start page and the API reference in a browser."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.e2e.browsing import OpenPage, Size
from tests.e2e.looking import axe, too_wide, weigh
from tests.e2e.serving import Shop, Site
from tests.e2e.watching import Watch

PAGES = pytest.mark.parametrize("path", ["/", "/reference"], ids=["start", "reference"])
KB = 1_000


@PAGES
@pytest.mark.parametrize(("size", "dark"), [("small", True), ("phone", False), ("desktop", True), ("desktop", False)])
async def test_a_page_fits_and_axe_finds_nothing(open_page: OpenPage, path: str, size: Size, dark: bool) -> None:
    page = await open_page(size, dark=dark)
    await page.goto(path)

    assert await too_wide(page) == []
    assert await axe(page) == []


@PAGES
async def test_a_page_is_complete_without_script(open_page: OpenPage, path: str) -> None:
    page = await open_page(script=False)
    await page.goto(path)

    await expect(page.locator("h1")).to_be_visible()
    assert await too_wide(page) == []


@PAGES
async def test_a_page_cannot_be_framed(page: Page, server: Site, shop: Shop, watch: Watch, path: str) -> None:
    watch.expect(f"did not load: {server.url}{path}: net::ERR_BLOCKED_BY_RESPONSE")
    watch.expect(f"Framing '{server.url}/' violates .* \"frame-ancestors 'none'\"")
    await page.goto(shop.show("/frame", f'<h1>Shop</h1><iframe title="Ours" src="{server.url}{path}"></iframe>'))

    frame = page.frames[1]
    assert not frame.url.startswith(server.url)
    await expect(frame.get_by_text("Azukari")).to_have_count(0)


async def test_the_start_page_is_light(page: Page) -> None:
    weight = await weigh(page, "/")

    assert sum(weight.values()) < 40 * KB, weight


async def test_a_call_is_found_in_the_reference_and_a_link_leads_to_it(open_page: OpenPage) -> None:
    page = await open_page("desktop", locale="en-GB")
    await page.goto("/reference")
    own = page.locator("code[data-server]").first
    await expect(own).to_have_text(f"{page.url.removesuffix('/reference')}/api/v1")

    await page.get_by_role("searchbox", name="Find a call").fill("payment refund")

    await expect(page.get_by_role("status")).to_have_text(re.compile("^[0-9]+ calls? found$"))
    await expect(page.get_by_role("heading", name="Errors", exact=True)).to_be_hidden()
    await page.evaluate("location.hash = '#errors'")
    await expect(page.get_by_role("heading", name="Errors", exact=True)).to_be_in_viewport()


async def test_the_menu_of_the_reference_closes_behind_a_link(page: Page) -> None:
    await page.goto("/reference")
    menu = page.locator(".menu")
    await menu.locator("summary").first.tap()

    await menu.get_by_role("link", name="Objects", exact=True).tap()

    await expect(page.get_by_role("heading", name="Objects", exact=True)).to_be_in_viewport()
    await expect(menu.get_by_role("link").first).to_be_hidden()
