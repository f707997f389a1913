"""The fields in a shop's own page, in a browser: attributes that change, and the picker."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.cards import VISA
from tests.e2e.fields import (
    LISTEN,
    press,
    said,
    thanked,
)
from tests.e2e.serving import Shop, Site
from tests.e2e.shopfront import element, embedded, fill_card, frame, new_session
from tests.house import Api


async def test_the_language_changes_and_what_was_typed_stays(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await frame(page).get_by_label("Card number").fill(VISA)
    await expect(page.get_by_title("Payment details")).to_be_visible()

    await page.evaluate("document.querySelector('komoju-fields').setAttribute('locale', 'ja-JP')")

    await expect(frame(page).get_by_label("カード番号")).to_have_value("4111 1111 1111 1111")
    await expect(page.get_by_title("お支払い情報")).to_be_visible()
    await press(page)
    await expect(frame(page).locator(".err").first).to_have_text("有効期限を入力してください")
    await page.evaluate("document.querySelector('komoju-fields').locale = 'en'")
    await expect(frame(page).locator(".err").first).to_have_text("Enter the expiry")
    assert await frame(page).locator("html").get_attribute("lang") == "en"
    assert [one["detail"]["locale"] for one in await said(page, "komoju-locale-change")] == ["en", "ja", "en"]


async def test_of_languages_set_one_after_another_the_last_one_stays(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await expect(page.get_by_title("Payment details")).to_be_visible()
    await page.evaluate("""() => {
      const fields = document.querySelector("komoju-fields"), frame = fields.shadowRoot.querySelector("iframe");
      window.spoken = [];
      new MutationObserver(() => spoken.push(frame.lang)).observe(frame, { attributeFilter: ["lang"] });
    }""")
    speak = "it => { document.querySelector('komoju-fields').locale = it; }"
    go = asyncio.Event()

    async def hold(route: Route) -> None:
        reply = await route.fetch()
        await go.wait()
        await route.fulfill(response=reply)

    await page.route("**/fields/words?*locale=ko*", hold)
    await page.evaluate(speak, "ko")
    await page.evaluate(speak, "ja")
    await expect(page.get_by_title("お支払い情報")).to_be_visible()
    async with page.expect_request_finished(lambda request: "locale=ko" in request.url):
        go.set()
    await page.evaluate(speak, "zh")
    await expect(page.get_by_title("支付信息")).to_be_visible()

    assert await page.evaluate("spoken") == ["ja", "zh-Hans"]


async def test_a_language_that_is_taken_away_leaves_the_sessions(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop)
    picker = '<komoju-picker locale="ja"></komoju-picker>'
    await page.goto(shop.show("/pay", embedded(server, session, 'locale="ko"', before=picker)))
    await expect(frame(page).get_by_label("카드 번호")).to_be_visible()

    await page.evaluate("document.querySelector('komoju-fields').removeAttribute('locale')")
    # The picker's own is left.
    await expect(frame(page).get_by_label("カード番号")).to_be_visible()
    await page.evaluate("document.querySelector('komoju-picker').removeAttribute('locale')")

    await expect(frame(page).get_by_label("Card number")).to_be_visible()
    await expect(page.get_by_role("radio", name="Credit or debit card")).to_be_visible()
    assert await page.locator("komoju-fields").get_attribute("locale") is None


async def test_who_pays_before_another_language_has_come_agrees_to_what_is_shown(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop, mode="customer_payment")
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page)
    await page.route("**/fields/words?*locale=ja*", lambda _: None)
    await page.evaluate("document.querySelector('komoju-fields').locale = 'ja'")

    await press(page)

    await thanked(page)


async def test_a_picker_chooses_what_is_shown(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, payment_types=["credit_card", "konbini", "paypay"])
    await page.goto(shop.show("/pay", embedded(server, session, before="<komoju-picker></komoju-picker>")))
    await expect(page.get_by_role("radio", name="Credit or debit card")).to_be_checked()

    await page.get_by_text("Convenience store").click()
    await expect(frame(page).get_by_text("Lawson")).to_be_visible()
    await expect(frame(page).locator("#number")).to_be_hidden()
    assert await page.locator("komoju-fields").get_attribute("payment-type") == "konbini"
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("radio", name="PayPay")).to_be_focused()
    await expect(frame(page).get_by_text("PayPay's page next")).to_be_visible()
    await page.evaluate("document.querySelector('komoju-fields').locale = 'ja'")
    await expect(page.get_by_role("radio", name="コンビニ")).to_be_visible()


async def test_a_picker_inside_a_component_is_for_the_element_beside_it_and_speaks_as_it_is_told(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop)
    await page.goto(
        shop.show("/pay", f'<div></div><script type="module" src="{server.url}/fields.js"></script><h1>Shop</h1>')
    )
    inside = '<komoju-picker fields="own" locale="ko"></komoju-picker>' + element(server, session, 'id="own"')

    await page.evaluate(
        "it => { document.querySelector('div').attachShadow({ mode: 'open' }).innerHTML = it; }", inside
    )
    await expect(page.get_by_role("radio", name="신용·체크카드")).to_be_checked()
    await page.locator("komoju-picker").evaluate("(it) => { it.locale = 'en'; }")
    await expect(page.get_by_role("radio", name="Credit or debit card")).to_be_checked()
    await expect(frame(page).get_by_label("Card number")).to_be_visible()


async def test_another_session_begins_with_its_own_first_method(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    other = await new_session(api, shop, payment_types=["konbini"])
    await page.goto(shop.show("/pay", embedded(server, session)))
    await expect(page.locator("komoju-fields")).to_have_js_property("paymentType", "credit_card")

    await page.evaluate("(it) => { document.querySelector('komoju-fields').sessionId = it; }", other)

    await expect(frame(page).get_by_text("Lawson")).to_be_visible()
    await expect(page.locator("komoju-fields")).to_have_js_property("paymentType", "konbini")


async def shown_to_shops(api: Api, server: Site, session: str) -> dict[str, Any]:
    """A session as a shop's page may have it."""
    found: dict[str, Any] = (await api.as_key(server.publishable_key).get(f"/sessions/{session}")).json()
    return found


async def test_a_picker_follows_the_session_it_is_given(page: Page, server: Site, api: Api, shop: Shop) -> None:
    types = ["credit_card", "konbini", "paypay"]
    first = await shown_to_shops(api, server, await new_session(api, shop, payment_types=types))
    other = await shown_to_shops(api, server, await new_session(api, shop, payment_types=types[::2]))
    await page.goto(shop.show("/pay", embedded(server, "", before="<komoju-picker></komoju-picker>")))
    give = "it => { document.querySelector('komoju-fields').session = it; }"
    radios = page.locator("komoju-picker label")
    await page.evaluate(give, first)
    await page.get_by_text("Convenience store").click()
    await expect(frame(page).get_by_text("Lawson")).to_be_visible()

    # What the shopper chose is not to be had any more.
    await page.evaluate(give, other)
    await expect(radios).to_have_text(["Credit or debit card", "PayPay"])
    await expect(page.get_by_role("radio", name="Credit or debit card")).to_be_checked()
    await expect(frame(page).locator("#number")).to_be_visible()
    await page.get_by_text("PayPay").click()
    await expect(frame(page).get_by_text("PayPay's page next")).to_be_visible()

    await page.evaluate(give, first)
    await expect(radios).to_have_count(3)
    await expect(page.get_by_role("radio", name="PayPay")).to_be_checked()

    # The same session, with less of it.
    await page.evaluate(give, first | {"payment_methods": first["payment_methods"][:2]})
    await expect(radios).to_have_text(["Credit or debit card", re.compile("^Convenience store")])
    await expect(frame(page).locator("#number")).to_be_visible()

    await page.evaluate(give, None)
    await expect(radios).to_have_count(0)
    await expect(page.locator("komoju-fields iframe")).to_have_count(0)


async def test_of_a_session_and_an_id_the_one_set_last_counts(page: Page, server: Site, api: Api, shop: Shop) -> None:
    first, second, third = [await new_session(api, shop, payment_types=["web_money"]) for _ in range(3)]
    given = await shown_to_shops(api, server, second)
    await page.goto(shop.show("/pay", embedded(server, first, before="<komoju-picker></komoju-picker>")))
    fields = page.locator("komoju-fields")
    shown = frame(page).get_by_text("on the payment page next")
    await expect(page.get_by_role("radio", name="WebMoney")).to_be_checked()

    await fields.evaluate("(it, session) => { it.session = session; }", given)
    await expect(fields.locator("iframe")).to_have_attribute("src", re.compile(second))
    await expect(shown).to_be_visible()
    await fields.evaluate("(it, id) => { it.sessionId = id; }", third)
    await expect(fields.locator("iframe")).to_have_attribute("src", re.compile(third))
    await expect(shown).to_be_visible()
    await press(page)

    await page.wait_for_url(f"{server.url}/sessions/{third}**")


async def test_a_picker_offers_nothing_of_a_session_that_is_over(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop)
    before = await shown_to_shops(api, server, session)
    await api.post(f"/sessions/{session}/cancel")
    await page.goto(shop.show("/pay", embedded(server, "", before="<komoju-picker></komoju-picker>")))

    # What the shop's page knows of it was true some time ago.
    await page.evaluate("it => { document.querySelector('komoju-fields').session = it; }", before)

    await expect(frame(page).get_by_text("This was cancelled")).to_be_visible()
    await expect(page.get_by_title("Payment details")).to_be_visible()
    await expect(page.locator("komoju-picker label")).to_have_count(0)


async def test_a_picker_shows_the_method_that_the_shops_page_has_set(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop, payment_types=["credit_card", "konbini"])
    await page.goto(shop.show("/pay", embedded(server, session, before="<komoju-picker></komoju-picker>")))
    await expect(page.get_by_role("radio", name="Credit or debit card")).to_be_checked()

    await page.evaluate("document.querySelector('komoju-fields').paymentType = 'konbini'")

    await expect(page.get_by_role("radio", name="Convenience store")).to_be_checked()


@pytest.mark.parametrize("as_text", [False, True], ids=["object", "text"])
async def test_everything_may_be_set_before_the_script_and_after_it(
    page: Page, server: Site, api: Api, shop: Shop, as_text: bool
) -> None:
    session = await new_session(api, shop)
    reply = await api.as_key(server.publishable_key).get(f"/sessions/{session}")
    shown = reply.text if as_text else reply.json()
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", '<form id="form"></form>'))
    await page.evaluate(
        """async ([session, publishableKey, script]) => {
          const fields = document.createElement("komoju-fields");
          Object.assign(fields, { session, locale: "ko" });
          document.querySelector("form").append(fields);
          await import(script);
          fields.publishableKey = publishableKey;
        }""",
        [shown, server.publishable_key, f"{server.url}/fields.js"],
    )

    await expect(frame(page).get_by_label("카드 번호")).to_be_visible()
    # The shop's page hears of it a moment after the shopper sees it.
    await expect(page.locator("komoju-fields")).to_have_js_property("paymentType", "credit_card")
    (change,) = await said(page, "komoju-session-change")
    assert change["detail"]["session"]["id"] == session
