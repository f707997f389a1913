"""The fields in a shop's own page, in a browser: the dialog of 3-D Secure."""

import asyncio
from urllib.parse import parse_qs

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.browsing import OpenPage, Size
from tests.e2e.fields import (
    CHALLENGED,
    FAILS,
    FAILS_LATER,
    FRICTIONLESS,
    LISTEN,
    pass_the_check,
    press,
    said,
    thanked,
)
from tests.e2e.serving import Shop, Site
from tests.e2e.shopfront import embedded, fill_card, frame, new_session
from tests.e2e.watching import Watch
from tests.house import Api


async def test_who_is_known_to_the_issuer_is_not_asked(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page, FRICTIONLESS)

    await press(page)

    await thanked(page)
    assert (await api.get(f"/sessions/{session}")).json()["payment"]["status"] == "captured"


async def test_names_and_mail_addresses_are_read_as_on_the_page(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, default_locale="ja")
    await page.goto(shop.show("/pay", embedded(server, session, 'payment-type="konbini"')))
    email = frame(page).get_by_role("textbox", name="メールアドレス")
    for no_address in ("a@example.com, b@example.com", "mailto:a@example.com"):
        await email.fill(no_address)
        await email.blur()
        await expect(frame(page).locator(".err:visible")).to_have_text("メールアドレスをご確認ください")
    await email.fill("ａ＠example。com　")
    await email.blur()
    await expect(email).to_have_value("a@example.com")

    await page.evaluate("document.querySelector('komoju-fields').setAttribute('payment-type', 'credit_card')")
    await fill_card(page)
    name = frame(page).locator("#name")
    await name.fill("山田　太郎")
    await name.blur()
    await expect(frame(page).locator(".err.doubt:visible")).to_have_text("カードに印字されたローマ字で入力してください")
    await press(page)
    await thanked(page)


@pytest.mark.parametrize("token", ["", "token"])
async def test_a_challenge_is_met_in_a_dialog(page: Page, server: Site, api: Api, shop: Shop, token: str) -> None:
    session = await new_session(api, shop)
    shop.show("/order", "<h1>Thank you</h1>")
    await page.goto(shop.show("/pay", embedded(server, session, token)))
    await fill_card(page, CHALLENGED)

    await press(page)
    dialog = page.get_by_role("dialog", name="Confirm it's you")
    await expect(dialog).to_be_visible()
    await pass_the_check(page)

    await thanked(page)
    if token:
        given = parse_qs(shop.visits_to("/order")[0].body.decode())["komoju_token"][0]
        order = {"amount": 5_000, "currency": "JPY", "payment_details": given}
        assert (await api.post("/payments", json=order)).json()["status"] == "captured"
    else:
        assert (await api.get(f"/sessions/{session}")).json()["payment"]["status"] == "captured"


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize("answer", ["N", "R"])
async def test_a_bank_that_says_no_at_once_is_heard(
    page: Page, server: Site, api: Api, shop: Shop, answer: str, token: bool
) -> None:
    session = await new_session(api, shop)
    no = {"id": "tok_no", "verification_status": "ERRORED", "three_ds_auth_result": {"transStatus": answer}}
    await page.route("**/api/v1/secure_tokens", lambda route: route.fulfill(json=no))
    tokens = []
    page.on("request", lambda request: tokens.append(request.url) if request.url.endswith("/tokens") else None)
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, session, "token" if token else "")))
    await fill_card(page)

    await press(page)

    await expect(frame(page).get_by_role("alert")).to_contain_text("We couldn't confirm it was you")
    (error,) = await said(page, "komoju-error")
    assert error["detail"]["error"]["code"] == "verification_status_errored"
    assert (tokens, (await api.get(f"/sessions/{session}")).json()["payment"]) == ([], None)


@pytest.mark.parametrize("number", [FAILS_LATER, FAILS])
async def test_who_does_not_pass_does_not_pay(page: Page, server: Site, api: Api, shop: Shop, number: str) -> None:
    session = await new_session(api, shop)
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page, number)

    await press(page)
    if number == FAILS:
        issuer = page.frame_locator("komoju-fields dialog iframe")
        await issuer.get_by_label("Password").fill("111111")
        await issuer.get_by_role("button", name="Confirm").click()

    await expect(frame(page).get_by_role("alert")).to_contain_text("We couldn't confirm it was you")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    (error,) = await said(page, "komoju-error")
    assert error["detail"]["error"]["code"] == "verification_status_errored"
    assert (await api.get(f"/sessions/{session}")).json()["payment"] is None


@pytest.mark.parametrize("locale", ["ja", "en", "ko", "zh"])
@pytest.mark.parametrize("size", ["small", "phone", "desktop"])
async def test_the_question_before_a_challenge_is_given_up_is_one_line(
    open_page: OpenPage, server: Site, api: Api, shop: Shop, size: Size, locale: str
) -> None:
    page = await open_page(size)
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session, attributes=f'locale="{locale}"')))
    await fill_card(page, CHALLENGED)
    await press(page)
    await page.frame_locator("komoju-fields dialog iframe").locator("#password").wait_for()
    await page.get_by_role("dialog").get_by_role("button").focus()
    await page.keyboard.press("Escape")

    question = page.locator("komoju-fields dialog p")
    await expect(question).to_be_visible()
    lines = """(it) => {
      const range = document.createRange();
      range.selectNodeContents(it);
      return [...new Set([...range.getClientRects()].map(({ top }) => top))].length;
    }"""
    assert await question.evaluate(lines) == 1


async def test_escape_asks_before_the_challenge_is_given_up(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page, CHALLENGED)
    await press(page)
    dialog = page.get_by_role("dialog")
    await expect(page.frame_locator("komoju-fields dialog iframe").get_by_label("Password")).to_be_visible()

    await dialog.get_by_role("button", name="Stop the check").focus()
    await page.keyboard.press("Escape")
    await expect(dialog.get_by_text("The check isn't finished")).to_be_visible()
    await dialog.get_by_role("button", name="Continue").click()
    await expect(dialog.get_by_text("The check isn't finished")).to_be_hidden()
    await dialog.get_by_role("button", name="Stop the check").click()
    await dialog.get_by_role("button", name="Stop the check").click()

    await expect(dialog).to_have_count(0)
    await expect(frame(page).get_by_role("alert")).to_contain_text("We couldn't confirm it was you")
    assert (await api.get(f"/sessions/{session}")).json()["payment"] is None


async def test_another_method_chosen_during_the_check_leaves_the_payment_as_it_is(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop, mode="customer_payment", payment_types=["credit_card", "paypay"])
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page, CHALLENGED)
    await press(page)
    await expect(page.frame_locator("komoju-fields dialog iframe").get_by_label("Password")).to_be_visible()

    await page.evaluate("document.querySelector('komoju-fields').paymentType = 'paypay'")
    await expect(frame(page).locator("[data-panel=paypay]")).to_be_visible()
    await pass_the_check(page)

    await thanked(page)
    paid = (await api.get(f"/sessions/{session}")).json()
    assert paid["payment"]["payment_details"]["type"] == "credit_card"
    assert (await api.get(f"/customers/{paid['customer_id']}")).json()["source"]["type"] == "credit_card"


async def test_what_is_set_during_the_check_leaves_the_token_as_it_is(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop, payment_types=["credit_card", "paypay"])
    await page.goto(shop.show("/pay", embedded(server, session, "token")))
    await fill_card(page, CHALLENGED)
    await page.evaluate("window.made = document.querySelector('komoju-fields').submit(), null")
    await expect(page.frame_locator("komoju-fields dialog iframe").get_by_label("Password")).to_be_visible()

    await page.evaluate(
        "Object.assign(document.querySelector('komoju-fields'), { paymentType: 'paypay', token: false })"
    )
    await expect(frame(page).locator("[data-panel=paypay]")).to_be_visible()
    await pass_the_check(page)

    token = await page.evaluate("made")
    assert token["payment_details"] == {"type": "credit_card"}
    order = {"amount": 5_000, "currency": "JPY", "payment_details": token["id"]}
    assert (await api.post("/payments", json=order)).json()["status"] == "captured"


async def test_what_was_wrong_with_the_method_before_is_not_said_of_the_one_that_is_shown(
    page: Page, server: Site, api: Api, shop: Shop, watch: Watch
) -> None:
    session = await new_session(api, shop, payment_types=["credit_card", "konbini"])
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page, "4123111111111034")
    watch.expect("did not load: .*/fields/pay: 502")
    go = asyncio.Event()

    async def hold(route: Route) -> None:
        await go.wait()
        await route.continue_()

    await page.route("**/fields/pay", hold)
    async with page.expect_request("**/fields/pay"):
        await press(page)
    await page.evaluate("document.querySelector('komoju-fields').paymentType = 'konbini'")
    await expect(frame(page).get_by_text("Lawson")).to_be_visible()
    go.set()

    await expect(frame(page).get_by_role("alert")).to_contain_text("The security code is incorrect")
    await expect(frame(page).get_by_role("alert")).to_be_focused()
    await page.evaluate("document.querySelector('komoju-fields').paymentType = 'credit_card'")
    await expect(frame(page).locator("#code")).to_have_value("")
