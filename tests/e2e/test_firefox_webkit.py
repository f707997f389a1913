"""Every way to pay in Firefox and in WebKitGTK, which has Safari's engine; and what only they do otherwise."""

from typing import Any

from tests.e2e import shopfront, shopping
from tests.e2e.driving import Window
from tests.e2e.serving import Shop, Site
from tests.e2e.shopping import VISA
from tests.house import Api

CHALLENGED, PASSWORD = "4100000000005000", "123456"
#: What a session offers here; none of the tests is about the first one.
TYPES = ("bank_transfer", "credit_card", "konbini", "paypay")
FRAME, DIALOG = "komoju-fields >> iframe", "komoju-fields >> dialog iframe"


async def visit(window: Window, api: Api, shop: Shop, method: str) -> dict[str, Any]:
    """Open a new session's page, and wait until its script is at work; the session."""
    session = await shopping.new_session(api, shop, payment_types=TYPES, default_locale="en")
    window.open(f"{session['session_url']}#{method}")
    # The page comes with the first method chosen.
    window.until(f"document.querySelector('[value={method}]').checked")
    return session


async def embed(window: Window, server: Site, api: Api, shop: Shop, *, before: str = "") -> str:
    """Open a page of the shop's with our fields in it, and wait until they are there; the session's id."""
    session = await shopfront.new_session(api, shop)
    window.open(shop.show("/pay", shopfront.embedded(server, session, before=before)))
    window.until("document.querySelector('komoju-fields').texts")
    return session


def type_card(window: Window, number: str = VISA) -> None:
    """Type a card, sign by sign."""
    for field, text in (("number", number), ("expiry", "1230"), ("code", "123"), ("name", "TARO YAMADA")):
        window.type(f"#{field}", text)


async def is_paid(window: Window, api: Api, shop: Shop, session: str) -> None:
    """The shopper is at the shop again, and the shop has its money."""
    window.until("location.href === arguments[0]", f"{shop.thanks}?session_id={session}")
    found = (await api.get(f"/sessions/{session}")).json()
    assert (found["status"], found["payment"]["status"]) == ("completed", "captured")


async def test_a_card_pays(window: Window, api: Api, shop: Shop) -> None:
    session = await visit(window, api, shop, "credit_card")
    type_card(window)
    assert window.value("#number") == "4111 1111 1111 1111"
    assert window.value("#expiry") == "12 / 30"
    assert not window.too_wide
    window.click("#go")

    await is_paid(window, api, shop, session["id"])


async def test_what_is_wrong_is_told_and_put_right(window: Window, api: Api, shop: Shop) -> None:
    session = await visit(window, api, shop, "credit_card")
    type_card(window, "4111111111111112")
    window.click("#go")
    window.until("document.querySelector('.err')?.textContent === 'Check the card number'")
    window.until("document.activeElement.id === 'number'")
    assert not window.too_wide
    window.press("End")
    window.press("Backspace")
    window.press("1")
    window.until("document.querySelector('.err') === null")
    window.press("Enter")

    await is_paid(window, api, shop, session["id"])


async def test_a_challenge_is_passed(window: Window, api: Api, shop: Shop) -> None:
    session = await visit(window, api, shop, "credit_card")
    type_card(window, CHALLENGED)
    window.click("#go")
    window.type("#password:enabled", PASSWORD)
    assert not window.too_wide
    window.press("Enter")

    await is_paid(window, api, shop, session["id"])


async def test_a_wallet_pays(window: Window, api: Api, shop: Shop) -> None:
    session = await visit(window, api, shop, "paypay")
    assert not window.too_wide
    window.click("#go")
    window.click("[data-send=approved]:enabled")

    await is_paid(window, api, shop, session["id"])


async def test_a_konbini_payment_is_made_and_paid(window: Window, api: Api, shop: Shop) -> None:
    session = await visit(window, api, shop, "konbini")
    window.click("[data-panel=konbini] label:has([value=family-mart])")
    window.type("[data-panel=konbini] [name=email]", "taro@example.com")
    window.click("#go")
    window.until("document.querySelector('#bars')?.naturalWidth === 750")
    assert not window.too_wide
    window.click(".tools button:enabled")

    window.until("document.querySelector('main').innerText.includes('Payment received')")
    assert (await api.get(f"/sessions/{session['id']}")).json()["payment"]["status"] == "captured"


async def test_fields_in_a_shops_page_pay(window: Window, server: Site, api: Api, shop: Shop) -> None:
    session = await embed(window, server, api, shop)
    with window.inside(FRAME):
        type_card(window, CHALLENGED)
        assert not window.too_wide
    assert not window.too_wide
    window.click("#form button")
    with window.inside(DIALOG):
        window.type("#password:enabled", PASSWORD)
        window.press("Enter")

    await is_paid(window, api, shop, session)
