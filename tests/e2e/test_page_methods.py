"""Every other way to pay, on the hosted page."""

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.browsing import OpenPage
from tests.e2e.looking import axe, too_wide
from tests.e2e.serving import Shop
from tests.e2e.shopping import errors, is_back, new_session, press, status, visit
from tests.house import Api

WALLETS = ("paypay", "linepay", "aupay")


@pytest.mark.parametrize("locale", ["ja", "en"])
async def test_a_konbini_payment_is_made_and_paid(open_page: OpenPage, api: Api, shop: Shop, locale: str) -> None:
    session = await new_session(api, shop, default_locale=locale)
    page = await open_page()
    await visit(page, session, "#konbini")
    await press(page)
    await expect(errors(page)).to_have_count(2)
    store = {"ja": "ファミリーマート", "en": "Family Mart"}[locale]
    await page.get_by_role("radio", name=store).check()
    await page.locator("[data-panel=konbini] input[name=email]").fill("taro@example.com")
    await press(page)

    heading = {"ja": "ファミリーマートでのお支払い方法", "en": "How to make a payment at Family Mart"}[locale]
    await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    assert await axe(page) == []
    assert await too_wide(page) == []
    assert await status(api, session) == "completed"
    await expect(page.locator("#bars")).to_have_js_property("naturalWidth", 750)
    tools = page.locator(".tools")
    async with page.expect_navigation():
        await tools.get_by_role("button").first.click()
    await expect(page.get_by_text({"ja": "ご入金を確認しました", "en": "Payment received"}[locale])).to_be_visible()
    await page.get_by_role("link", name={"ja": "お店に戻る", "en": "Return to Test shop"}[locale]).click()
    await is_back(page, shop, session)


async def test_a_number_is_copied_bare(open_page: OpenPage, api: Api, shop: Shop) -> None:
    page = await open_page(permissions=["clipboard-read", "clipboard-write"])
    await visit(page, await new_session(api, shop), "#konbini")
    await page.get_by_role("radio", name="セブン-イレブン").check()
    await page.locator("[data-panel=konbini] input[name=email]").fill("taro@example.com")
    await press(page)
    button = page.get_by_role("button", name="コピー").first
    await button.click()

    await expect(page.get_by_role("button", name="コピーしました")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    shown = await page.locator("#n1").inner_text()
    assert (copied, "-" in shown) == (shown.replace("-", ""), True)


async def test_pay_easy_shows_three_numbers(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop), "#pay_easy")
    panel = page.locator("[data-panel=pay_easy]")
    for label, text in (("メール", "a@b.test"), ("電話", "0312345678"), ("セイ", "ヤマダ"), ("メイ", "タロウ")):
        await panel.get_by_label(label).fill(text)
    await press(page)

    await expect(page.get_by_role("heading", name="Pay-easy（ペイジー）でのお支払い方法")).to_be_visible()
    await expect(page.get_by_role("button", name="コピー")).to_have_count(3)
    assert await axe(page) == []


async def test_a_prepaid_number_that_was_used_is_told_beside_it(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop), "#web_money")
    await page.locator("[data-panel=web_money] input").fill("e111111111111113")
    await press(page)

    await expect(errors(page)).to_have_text("この番号はすでに使われています")


@pytest.mark.parametrize("wallet", WALLETS)
async def test_a_wallet_is_stored_and_charged_twice(page: Page, api: Api, shop: Shop, wallet: str) -> None:
    session = await new_session(api, shop, mode="customer")
    await visit(page, session, f"#{wallet}")
    await press(page)
    await expect(page.get_by_role("heading", name="KOMOJU Offsite Test Page", exact=True)).to_be_visible()
    await expect(page.get_by_text("いま請求されることはありません")).to_be_visible()
    assert await axe(page) == []
    await page.get_by_role("button", name="Capture", exact=True).click()
    await is_back(page, shop, session)

    for _ in range(2):
        assert (await api.charge(session["customer_id"], 700)).json()["status"] == "captured"


async def test_a_wallet_pays(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session, "#paypay")
    await expect(page.locator("#go")).to_have_text("PayPayに進む")
    await press(page)
    await page.get_by_role("button", name="Capture", exact=True).click()

    await is_back(page, shop, session)
    assert await status(api, session) == "completed"


@pytest.mark.parametrize(
    ("button", "told"),
    [("拒否する", "お支払いを完了できませんでした"), ("残高不足にする", "残高またはご利用可能額が足りませんでした")],
)
async def test_a_wallet_that_refuses_leads_back_to_the_form(
    page: Page, api: Api, shop: Shop, button: str, told: str
) -> None:
    session = await new_session(api, shop)
    await visit(page, session, "#paypay")
    await press(page)
    await page.get_by_role("button", name=button).click()

    await expect(page.get_by_role("alert")).to_contain_text(told)
    await expect(page.get_by_role("radio", name="PayPay")).to_be_checked()
    assert await status(api, session) == "pending"


async def test_a_press_before_the_script_is_there_is_not_lost(page: Page, api: Api, shop: Shop) -> None:
    session, come = await new_session(api, shop), asyncio.Event()

    async def late(route: Route) -> None:
        await come.wait()
        await route.continue_()

    await page.route("**/single_step.js", late)
    await visit(page, session, "#paypay")
    await press(page)
    await expect(page.locator("main button")).to_have_count(4)
    await expect(page.locator("main button:enabled")).to_have_count(0)

    come.set()
    await page.get_by_role("button", name="Capture", exact=True).click()
    await is_back(page, shop, session)


async def test_a_wallet_that_is_closed_can_be_gone_on_with(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session, "#paypay")
    await press(page)
    await page.get_by_role("button", name="応答せずに閉じる").click()
    await page.get_by_role("link", name="認証を続ける").click()
    await page.get_by_role("button", name="Capture", exact=True).click()

    await is_back(page, shop, session)
