"""The fields in a shop's own page, in a browser: paying with a card and with other methods."""

import json
import re
from urllib.parse import parse_qs

import pytest
from playwright.async_api import Page, expect

from tests.cards import MASTER, VISA
from tests.e2e.browsing import OpenPage
from tests.e2e.fields import DECLINED, LISTEN, press, said, thanked
from tests.e2e.serving import Shop, Site
from tests.e2e.shopfront import embedded, fill_card, frame, new_session
from tests.e2e.watching import Watch
from tests.house import ON_BOTH, Api


@pytest.mark.parametrize("server", ON_BOTH, indirect=True)
async def test_a_card_pays(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page)
    (change,) = await said(page, "komoju-session-change")
    assert change["detail"]["session"]["id"] == session
    assert (change["tag"], change["bubbles"], change["composed"], change["cancelable"]) == (
        "komoju-fields",
        True,
        True,
        False,
    )

    await press(page)

    await thanked(page)
    assert shop.visits_to("/thanks")[0].query["session_id"] == session
    paid = (await api.get(f"/sessions/{session}")).json()
    assert (paid["status"], paid["payment"]["status"]) == ("completed", "captured")
    assert shop.visits_to("/order") == []


@pytest.mark.parametrize("mode", ["customer", "customer_payment"])
async def test_a_customer_is_stored_and_charged_afterwards(
    page: Page, server: Site, api: Api, shop: Shop, mode: str
) -> None:
    session = await new_session(api, shop, mode=mode)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await expect(frame(page).locator(".consent:visible")).to_contain_text("for future payments")
    await fill_card(page, MASTER)

    await press(page)

    await thanked(page)
    stored = (await api.get(f"/sessions/{session}")).json()
    assert (stored["payment"] is None) is (mode == "customer")
    charge = {"amount": 700, "currency": "JPY", "customer": stored["customer_id"]}
    assert (await api.post("/payments", json=charge)).json()["status"] == "captured"


async def test_a_declined_card_is_told_to_shop_and_shopper_and_another_one_pays(
    page: Page, server: Site, api: Api, shop: Shop, watch: Watch
) -> None:
    session = await new_session(api, shop)
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page, DECLINED)
    watch.expect("did not load: .*/fields/pay: 502")

    await press(page)

    await expect(frame(page).get_by_role("alert")).to_contain_text("Your card was declined")
    await expect(frame(page).get_by_role("alert")).to_contain_text("You have not been charged.")
    (error,) = await said(page, "komoju-error")
    assert error["detail"]["error"]["code"] == "card_declined"
    assert error["detail"]["error"]["message"]
    assert error["cancelable"]
    await expect(frame(page).locator("#name")).to_have_value("TARO YAMADA")
    await frame(page).locator("#number").fill(VISA)
    await press(page)
    await thanked(page)


async def test_a_shop_that_cancels_the_error_shows_it_itself(
    page: Page, server: Site, api: Api, shop: Shop, watch: Watch
) -> None:
    session = await new_session(api, shop)
    await page.add_init_script(LISTEN + "document.addEventListener('komoju-error', (e) => e.preventDefault());")
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page, DECLINED)
    watch.expect("did not load: .*/fields/pay: 502")

    await press(page)

    await page.wait_for_function("said.some((one) => one.type === 'komoju-error')")
    await page.evaluate("document.querySelector('komoju-fields').locale = 'ja'")
    await expect(frame(page).get_by_label("カード番号")).to_be_visible()
    await expect(frame(page).locator("#alert")).to_be_empty()


async def test_what_is_missing_is_said_and_nothing_is_sent(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await frame(page).locator("#number").fill("4111 1111 1111 1112")

    button = page.get_by_role("button", name="Pay", exact=True)
    await button.hover()
    await page.mouse.down()
    # What is said of the field that was left does not take the button away from under the finger.
    await expect(frame(page).locator(".err")).to_have_count(1)
    await page.mouse.up()

    await expect(frame(page).locator(".err")).to_have_count(4)
    await expect(frame(page).locator("#number")).to_be_focused()
    (invalid,) = await said(page, "komoju-invalid")
    assert len(invalid["detail"]["errors"]) == 4
    assert "1112" not in json.dumps(invalid)
    assert (await api.get(f"/sessions/{session}")).json()["payment"] is None


async def test_a_konbini_payment_leads_to_its_instructions(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, payment_types=["konbini"])
    await page.goto(shop.show("/pay", embedded(server, session)))
    inside = frame(page)
    await press(page)
    await expect(inside.locator(".err").first).to_contain_text("Choose a store")
    await inside.get_by_text("Lawson").click()
    await inside.get_by_label("Email").fill("taro@example.com")

    await press(page)

    await expect(page.get_by_role("heading", name="How to make a payment at Lawson")).to_be_visible()
    shown = (await api.get(f"/sessions/{session}")).json()
    assert (shown["status"], shown["payment"]["status"]) == ("completed", "authorized")


@pytest.mark.parametrize("type", ["bank_transfer", "pay_easy"])
async def test_a_bank_payment_leads_to_its_instructions(
    page: Page, server: Site, api: Api, shop: Shop, type: str
) -> None:
    session = await new_session(api, shop, payment_types=["credit_card", type])
    await page.goto(shop.show("/pay", embedded(server, session, f"payment-type={type}")))
    inside = frame(page)
    for label, value in (
        ("Email", "taro@example.com"),
        ("Phone number", "090-1234-5678"),
        ("Family name", "やまだ"),
        ("Given name", "たろう"),
    ):
        for control in await inside.get_by_label(re.compile(f"^{label}")).all():
            if await control.is_visible():
                await control.fill(value)
    for control in await inside.get_by_label("Full name").all():
        if await control.is_visible():
            await control.fill("Taro Yamada")

    await press(page)

    await page.wait_for_url("**/instructions/**")
    assert (await api.get(f"/sessions/{session}")).json()["payment"]["payment_details"]["type"] == type


async def test_a_wallet_pays_on_its_own_page(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, payment_types=["credit_card", "paypay"])
    await page.goto(shop.show("/pay", embedded(server, session, "payment-type=paypay")))
    await expect(frame(page).get_by_text("You continue on PayPay's page next.")).to_be_visible()

    await press(page)
    await expect(page.get_by_role("heading", name="KOMOJU Offsite Test Page")).to_be_visible()
    await page.get_by_role("button", name="Capture", exact=True).click()

    await thanked(page)
    assert (await api.get(f"/sessions/{session}")).json()["payment"]["status"] == "captured"


async def test_a_method_that_is_not_here_is_paid_on_the_sessions_page(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop, payment_types=["credit_card", "web_money"])
    await page.goto(shop.show("/pay", embedded(server, session, "payment-type=web_money")))
    await frame(page).get_by_text("on the payment page next").wait_for()

    await press(page)

    await page.wait_for_url(f"{server.url}/sessions/{session}**")
    assert page.url.endswith("#web_money")


async def test_enter_in_the_frame_is_enter_in_the_form(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page)

    await page.keyboard.press("Enter")

    await thanked(page)


async def test_enter_presses_the_forms_button_and_none_that_is_disabled(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop)
    shop.show("/order", "<h1>Ordered</h1>")
    await page.goto(shop.show("/pay", embedded(server, session, "token").replace("<button", "<button disabled")))
    await fill_card(page)

    await page.keyboard.press("Enter")
    # What the frame says next comes after it.
    await page.evaluate("document.querySelector('komoju-fields').locale = 'ja'")
    await expect(page.get_by_title("お支払い情報")).to_be_visible()
    assert not await page.evaluate("document.querySelector('form').matches(':has([name=komoju_token])')")
    await page.evaluate("document.querySelector('button').disabled = false")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="Ordered")).to_be_visible()
    (order,) = shop.visits_to("/order")
    assert parse_qs(order.body.decode())["how"] == ["now"]


async def test_tab_goes_through_the_frame_and_out_again(
    open_page: OpenPage, server: Site, api: Api, shop: Shop
) -> None:
    page = await open_page("desktop", locale="en-GB")
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session, before='<input aria-label="Note">')))
    await frame(page).locator("#number").wait_for()
    await page.get_by_label("Note").focus()

    for field in ("number", "expiry", "code", "name"):
        await page.keyboard.press("Tab")
        await expect(frame(page).locator(f"#{field}")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Pay")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await expect(frame(page).locator("#name")).to_be_focused()
    await page.get_by_label("Note").focus()
    await page.evaluate("document.querySelector('komoju-fields').focus()")
    await expect(frame(page).locator("#number")).to_be_focused()


async def test_a_double_press_pays_once(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page)

    await page.evaluate("for (let at = 0; at < 5; at += 1) document.querySelector('form').requestSubmit()")

    await thanked(page)
    paid = (await api.get("/payments", params={"per_page": 100})).json()["data"]
    assert len([one for one in paid if one["session"] == session]) == 1


async def test_a_session_that_is_over_takes_nothing(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await api.post(f"/sessions/{session}/cancel")
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await expect(frame(page).get_by_text("This was cancelled")).to_be_visible()

    await press(page)

    await page.wait_for_function("said.some((one) => one.type === 'komoju-error')")
    (error,) = await said(page, "komoju-error")
    assert error["detail"]["error"]["code"] == "session_cancelled"
