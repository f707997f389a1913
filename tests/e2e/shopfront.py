"""A shop's page with our fields in it, for the tests."""

from typing import Any

from playwright.async_api import FrameLocator, Page

from tests.cards import VISA
from tests.e2e.serving import Shop, Site
from tests.house import Api

#: What passes each check of the form.


def element(server: Site, session: str, attributes: str = "") -> str:
    """The element as a shop writes it."""
    return (
        f'<komoju-fields session-id="{session}" publishable-key="{server.publishable_key}" {attributes}>'
        "</komoju-fields>"
    )


def embedded(server: Site, session: str, attributes: str = "", *, before: str = "", head: str = "") -> str:
    """The main part of a shop's page: a form with the element. before: stands before it in the form."""
    return (
        f'{head}<script type="module" src="{server.url}/fields.js"></script><h1>Shop</h1>'
        f'<form id="form" method="post" action="/order">{before}{element(server, session, attributes)}'
        '<button type="submit" name="how" value="now">Pay</button></form>'
    )


async def new_session(api: Api, shop: Shop, **more: Any) -> str:
    """The id of a new session that leads back to the shop."""
    order = {"amount": 5_000, "currency": "JPY", "return_url": shop.thanks, "default_locale": "en"} | more
    if order.get("mode") == "customer":
        del order["amount"]
    reply = await api.post("/sessions", json=order)
    assert reply.status_code == 200, reply.text
    found: str = reply.json()["id"]
    return found


def frame(page: Page, at: int = 0) -> FrameLocator:
    """What stands in an element's frame."""
    return page.frame_locator("komoju-fields iframe").nth(at)


async def fill_card(page: Page, number: str = VISA, at: int = 0) -> None:
    """Type a card into an element."""
    inside = frame(page, at)
    await inside.locator("#number").press_sequentially(number)
    await inside.locator("#expiry").press_sequentially("1239")
    await inside.locator("#code").press_sequentially("1234" if number[:2] in ("34", "37") else "123")
    await inside.locator("#name").press_sequentially("TARO YAMADA")
