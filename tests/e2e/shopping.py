"""A shopper on the hosted page."""

from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.cards import VISA
from tests.e2e.serving import Shop
from tests.house import Api

NO_FUNDS = "4123111111111000"


async def new_session(api: Api, shop: Shop, **more: Any) -> dict[str, Any]:
    """A session of the shop's: ¥5,000 unless it says otherwise."""
    asked: dict[str, Any] = {"currency": "JPY", "return_url": shop.thanks, "amount": 5000} | more
    if more.get("mode") == "customer":
        del asked["amount"]
    reply = await api.post("/sessions", json=asked)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def visit(page: Page, session: dict[str, Any], more: str = "") -> None:
    """Open the session's page, and wait until its script is at work."""
    if page.url.startswith(session["session_url"]):
        # From elsewhere: an address that differs in its fragment alone would not be loaded anew.
        await page.goto("about:blank")
    async with page.expect_response(lambda response: "/words?" in response.url):
        await page.goto(f"{session['session_url']}{more}")
    await page.wait_for_function("document.querySelector('#go > span').textContent !== ''")


async def fill_card(page: Page, number: str = VISA, *, code: str = "123") -> None:
    """Type a card."""
    await page.locator("#number").fill(number)
    await page.locator("#expiry").fill("12/30")
    await page.locator("#code").fill(code)
    await page.locator("#name").fill("TARO YAMADA")


async def press(page: Page) -> None:
    """Press the button."""
    await page.locator("#go").click()


def errors(page: Page) -> Locator:
    """What stands below fields."""
    return page.locator(".err:visible")


async def is_back(page: Page, shop: Shop, session: dict[str, Any]) -> None:
    """The shopper is at the shop again, with the session's id."""
    await expect(page).to_have_url(f"{shop.thanks}?session_id={session['id']}")


async def status(api: Api, session: dict[str, Any]) -> str:
    """The session's status, as the merchant sees it."""
    return str((await api.get(f"/sessions/{session['id']}")).json()["status"])
