"""Paying and storing on the hosted page, from the shop and back to it."""

import pytest
from playwright.async_api import Page, expect

from tests.cards import VISA
from tests.e2e.browsing import OpenPage, Size
from tests.e2e.serving import Shop
from tests.e2e.shopping import NO_FUNDS, errors, fill_card, is_back, new_session, press, status, visit
from tests.house import Api

LANGUAGES = pytest.mark.parametrize("locale", ["ja", "en"])
SIZES = pytest.mark.parametrize("size", ["phone", "desktop"])


@LANGUAGES
@SIZES
async def test_a_card_pays_and_the_shopper_is_back(
    open_page: OpenPage, api: Api, shop: Shop, size: Size, locale: str
) -> None:
    session = await new_session(api, shop, default_locale=locale)
    page = await open_page(size)
    await visit(page, session)
    await expect(page.locator("#go")).to_have_text({"ja": "5,000円を支払う", "en": "Pay ¥5,000"}[locale])
    await fill_card(page)
    await press(page)

    await is_back(page, shop, session)
    payment = (await api.get(f"/sessions/{session['id']}")).json()["payment"]
    assert (payment["status"], payment["total"]) == ("captured", 5000)


async def test_back_from_the_shop_does_not_lead_to_the_form(page: Page, api: Api, shop: Shop) -> None:
    await page.goto(shop.show("/cart", "<h1>Cart</h1>"))
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)
    await press(page)
    await is_back(page, shop, session)

    await page.go_back()

    await expect(page.get_by_role("heading", name="Cart")).to_be_visible()


async def test_nothing_that_was_typed_is_left_once_the_way_out_is_given(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)
    left: list[str] = []
    await page.expose_function("left", lambda value: left.append(value))
    # The button changes when it is pressed, and when it is done.
    await page.evaluate("""new MutationObserver(() => left(document.querySelector('#number').value))
      .observe(document.querySelector('#go'), { attributes: true })""")
    await press(page)

    await is_back(page, shop, session)
    assert left == ["4111 1111 1111 1111", ""]


@pytest.mark.parametrize("mode", ["customer", "customer_payment"])
async def test_a_stored_card_can_be_charged(page: Page, api: Api, shop: Shop, mode: str) -> None:
    session = await new_session(api, shop, mode=mode)
    await visit(page, session)
    if mode == "customer":
        assert "支払う" not in await page.locator("main").inner_text()
    described = await page.locator("#go").get_attribute("aria-describedby")
    assert "同意" in await page.locator(f"#{described}").inner_text()
    await fill_card(page)
    await press(page)

    await is_back(page, shop, session)
    reply = await api.charge(session["customer_id"], 700)
    assert reply.json()["status"] == "captured"


async def test_without_a_return_url_the_page_says_that_it_is_done(page: Page, api: Api) -> None:
    reply = await api.post("/sessions", json={"amount": 5000, "currency": "JPY"})
    await visit(page, reply.json())
    await fill_card(page)
    await press(page)

    await expect(page.get_by_role("heading", name="お支払いが完了しました")).to_be_visible()


async def test_after_a_decline_all_is_still_there_and_another_card_pays(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page, NO_FUNDS)
    await press(page)

    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("残高またはご利用可能額が足りませんでした")
    await expect(alert).to_contain_text("請求は行われていません")
    await expect(alert).to_be_focused()
    await expect(page).to_have_title("エラー: [テスト] お支払い | Test shop")
    await expect(page.locator("#number")).to_have_value("4123 1111 1111 1000")
    await expect(page.locator("#code")).to_have_value("123")
    await expect(page.locator("#go")).not_to_have_attribute("aria-disabled", "true")

    await page.locator("#number").fill(VISA)
    await press(page)
    await is_back(page, shop, session)


async def test_a_wrong_code_is_told_beside_it_and_emptied(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    await fill_card(page, "4123111111111034")
    await press(page)

    await expect(errors(page)).to_have_text("セキュリティコードが正しくありません。請求は行われていません。")
    await expect(page.locator("#code")).to_have_value("")
    await expect(page.locator("#code")).to_be_focused()
    await expect(page.locator("#number")).to_have_value("4123 1111 1111 1034")


async def test_five_declines_end_the_session(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    for _ in range(5):
        await fill_card(page, "4123111111111059")
        async with page.expect_response(lambda response: response.url.endswith("/pay")):
            await press(page)
        await expect(page.locator("#go")).not_to_have_attribute("aria-disabled", "true")
    await press(page)

    await expect(page.get_by_role("heading", name="お手続きの回数が上限に達しました")).to_be_visible()
    assert await page.locator("form").count() == 0


async def test_a_double_click_and_held_enter_pay_once(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)
    await page.locator("#go").dblclick(no_wait_after=True)
    await page.keyboard.press("Enter")

    await is_back(page, shop, session)
    paid = (await api.get("/payments", params={"per_page": 100})).json()["data"]
    assert len([one for one in paid if one["session"] == session["id"]]) == 1


async def test_a_lost_answer_is_asked_for_and_never_paid_twice(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)

    async def lose(route, _) -> None:  # type: ignore[no-untyped-def]
        await route.fetch()
        await route.fulfill(status=204, body="")

    await page.route("**/pay", lose)
    await press(page)

    await is_back(page, shop, session)
    assert await status(api, session) == "completed"


async def test_two_tabs_pay_one_session_once(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    other = await page.context.new_page()
    for tab in (page, other):
        await visit(tab, session)
        await fill_card(tab)
    await press(page)
    await press(other)

    for tab in (page, other):
        await is_back(tab, shop, session)
    paid = (await api.get("/payments", params={"per_page": 100})).json()["data"]
    assert len([one for one in paid if one["session"] == session["id"]]) == 1


CHALLENGED = ("4100000000005000", "5100000000005007", "3528000000005006")


@pytest.mark.parametrize("number", CHALLENGED)
async def test_a_challenge_that_is_passed_pays(page: Page, api: Api, shop: Shop, number: str) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page, number)
    await press(page)
    await expect(page.get_by_role("heading", name="ご本人確認")).to_be_visible()
    await page.get_by_label("認証パスワード").fill("１２３４５６")
    await page.get_by_role("button", name="認証する").click()

    await is_back(page, shop, session)
    assert await status(api, session) == "completed"


@pytest.mark.parametrize("number", ["4100000000000100", "5100000000000107", "3528000000000106"])
async def test_a_card_nobody_asks_about_pays_at_once(page: Page, api: Api, shop: Shop, number: str) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page, number)
    await press(page)

    await is_back(page, shop, session)


@pytest.mark.parametrize("number", ["4100000000300005", "5100000000300002", "3528000000300001"])
async def test_a_challenge_that_fails_leads_back_to_the_form(page: Page, api: Api, shop: Shop, number: str) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page, number)
    await press(page)
    await page.get_by_label("認証パスワード").fill("111111")
    await page.get_by_role("button", name="認証する").click()

    await expect(page.get_by_role("alert")).to_contain_text("本人認証ができませんでした")
    await expect(page).to_have_url(f"{session['session_url']}?locale=ja")
    assert await status(api, session) == "pending"


@pytest.mark.parametrize("number", ["4100000000500000", "5100000000500007", "3528000000500006"])
async def test_an_issuer_that_says_no_at_once_leads_back(page: Page, api: Api, shop: Shop, number: str) -> None:
    await visit(page, await new_session(api, shop))
    await fill_card(page, number)
    await press(page)

    await expect(page.get_by_role("alert")).to_contain_text("本人認証ができませんでした")


async def test_coming_back_in_the_middle_of_a_challenge(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page, CHALLENGED[0])
    await press(page)
    await expect(page.get_by_role("heading", name="ご本人確認")).to_be_visible()

    await page.goto(session["session_url"])
    await expect(page.get_by_role("heading", name="認証が途中です")).to_be_visible()
    await page.get_by_role("link", name="認証を続ける").click()
    await expect(page.get_by_role("heading", name="ご本人確認")).to_be_visible()

    await page.goto(session["session_url"])
    await page.get_by_role("link", name="最初からやり直す").click()
    await expect(page.locator("#go")).to_have_text("5,000円を支払う")
    await fill_card(page)
    await press(page)
    await is_back(page, shop, session)
