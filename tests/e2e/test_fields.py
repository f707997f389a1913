"""The fields in a shop's own page, in a browser."""

import asyncio
import json
import re
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.browsing import OpenPage, Size
from tests.e2e.looking import axe
from tests.e2e.serving import Shop, Site
from tests.e2e.shopfront import MASTER, VISA, element, embedded, fill_card, frame, new_session
from tests.e2e.watching import Watch
from tests.house import ON_BOTH, Api

#: Cards that the simulated issuer asks about, by what becomes of it. Source: contract 16.2.
FRICTIONLESS, CHALLENGED, FAILS_LATER, FAILS = (
    "4100000000000100", "4100000000005000", "4100000000500000", "4100000000300005",
)  # fmt: skip
DECLINED = "4123111111111059"
#: Keeps what the element says, for the test to look at.
LISTEN = """
window.said = [];
for (const name of ["komoju-session-change", "komoju-invalid", "komoju-error", "komoju-locale-change"]) {
  document.addEventListener(name, ({ type, detail, target, bubbles, composed, cancelable }) => {
    said.push({ type, detail, tag: target.localName, bubbles, composed, cancelable });
  });
}"""


async def said(page: Page, name: str) -> list[dict[str, Any]]:
    """The events of one name so far."""
    found: list[dict[str, Any]] = await page.evaluate("name => said.filter((one) => one.type === name)", name)
    return found


async def press(page: Page) -> None:
    """Press the shop's button."""
    await page.get_by_role("button", name="Pay", exact=True).click()


async def thanked(page: Page) -> None:
    """Back in the shop."""
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


async def pass_the_check(page: Page) -> None:
    """Answer the issuer's question in the dialog."""
    issuer = page.frame_locator("komoju-fields dialog iframe")
    await issuer.get_by_label("Password").fill("123456")
    await issuer.get_by_role("button", name="Confirm").click()


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


# Token mode.


async def test_a_token_goes_with_the_form(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, mode="customer")
    shop.show("/order", "<h1>Ordered</h1>")
    await page.goto(shop.show("/pay", embedded(server, session, "token")))
    await fill_card(page)

    await press(page)

    await expect(page.get_by_role("heading", name="Ordered")).to_be_visible()
    (order,) = shop.visits_to("/order")
    given = parse_qs(order.body.decode())
    assert given["how"] == ["now"]
    (token,) = given["komoju_token"]
    assert (await api.post("/customers", json={"payment_details": token})).status_code == 200


async def test_a_page_that_handles_the_submit_itself_gets_the_token_with_it(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop)
    shop.show("/order", "{}", "application/json")
    own = """<script type="module">
    document.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = new URLSearchParams(new FormData(event.target, event.submitter));
      await fetch("/order", { method: "POST", body });
      document.querySelector("h1").textContent = "Sent";
    });
    </script>"""
    await page.goto(shop.show("/pay", embedded(server, session, 'token name="card"', head=own)))
    await fill_card(page)

    for _ in range(2):
        await press(page)
        await expect(page.get_by_role("heading", name="Sent")).to_be_visible()
        await page.evaluate("document.querySelector('h1').textContent = 'Shop'")

    first, second = (parse_qs(visit.body.decode()) for visit in shop.visits_to("/order"))
    assert first["how"] == second["how"] == ["now"]
    assert first["card"] != second["card"]
    paid = await api.post("/payments", json={"amount": 5_000, "currency": "JPY", "payment_details": second["card"][0]})
    assert paid.json()["status"] == "captured"


@pytest.mark.parametrize("number", ["378282246310005", "5100000000000107"])
async def test_any_card_becomes_a_token(page: Page, server: Site, api: Api, shop: Shop, number: str) -> None:
    session = await new_session(api, shop)
    shop.show("/order", "<h1>Ordered</h1>")
    await page.goto(shop.show("/pay", embedded(server, session, "token")))
    await fill_card(page, number)

    await press(page)

    await expect(page.get_by_role("heading", name="Ordered")).to_be_visible()
    token = parse_qs(shop.visits_to("/order")[0].body.decode())["komoju_token"][0]
    paid = await api.post("/payments", json={"amount": 5_000, "currency": "JPY", "payment_details": token})
    assert paid.json()["status"] == "captured"


async def test_submit_gives_the_token_to_a_script(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session, "token")))
    await fill_card(page)

    token = await page.evaluate("""async () => {
      const token = await document.querySelector("komoju-fields").submit();
      return { text: `${token}`, ...token };
    }""")

    assert token["id"] == token["text"]
    assert (token["resource"], token["payment_details"]["type"]) == ("token", "credit_card")


async def test_what_is_set_just_before_a_submit_counts(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, payment_types=["credit_card", "paypay"])
    shop.show("/theme.css", OLDER, "text/css")
    await page.goto(shop.show("/pay", embedded(server, "", 'theme="/theme.css"')))

    tokens = await page.evaluate(
        """async (session) => {
          await customElements.whenDefined("komoju-fields");
          const fields = document.querySelector("komoju-fields");
          Object.assign(fields, { sessionId: session, paymentType: "paypay", token: true });
          const first = await fields.submit();
          Object.assign(fields, { paymentType: "credit_card", theme: "/theme.css?2" });
          const second = await fields.submit();
          Object.assign(fields, { paymentType: "paypay", theme: "/theme.css?3" });
          return [first, second, await fields.submit()];
        }""",
        session,
    )

    assert [one and one["payment_details"]["type"] for one in tokens] == ["paypay", None, "paypay"]
    assert (await api.get(f"/sessions/{session}")).json()["payment"] is None


async def test_a_form_that_goes_without_a_token_has_none_of_an_earlier_try(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop, payment_types=["paypay"])
    shop.show("/order", "<h1>Ordered</h1>")
    await page.goto(shop.show("/pay", embedded(server, session, "token")))
    await frame(page).get_by_text("PayPay's page next").wait_for()
    fields = "document.querySelector('komoju-fields')"

    for way in ("submitParentForm()", "hidden = true"):
        assert await page.evaluate(f"{fields}.submit()")
        await page.evaluate(f"{fields}.{way}")
        if way.startswith("hidden"):
            await press(page)
        await expect(page.get_by_role("heading", name="Ordered")).to_be_visible()
        assert b"komoju_token" not in shop.visits_to("/order")[-1].body
        await page.goto(f"{shop.url}/pay")
        await frame(page).get_by_text("PayPay's page next").wait_for()


async def test_an_element_that_is_gone_does_not_hold_its_form(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, payment_types=["paypay"])
    shop.show("/order", "<h1>Ordered</h1>")
    await page.goto(shop.show("/pay", embedded(server, session, "token")))

    await page.evaluate("""async () => {
      await customElements.whenDefined("komoju-fields");
      const fields = document.querySelector("komoju-fields"), form = fields.closest("form");
      const other = fields.cloneNode();
      form.append(fields);
      form.requestSubmit();
      fields.replaceWith(other);
    }""")
    await frame(page).get_by_text("PayPay's page next").wait_for()
    await press(page)

    await expect(page.get_by_role("heading", name="Ordered")).to_be_visible()


async def test_two_elements_in_one_form_bring_a_token_each(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, mode="customer")
    shop.show("/order", "<h1>Ordered</h1>")
    first = element(server, session, 'token name="first"')
    await page.goto(shop.show("/pay", embedded(server, session, 'token name="second"', before=first)))
    await fill_card(page, VISA, 0)
    await fill_card(page, MASTER, 1)

    await press(page)

    await expect(page.get_by_role("heading", name="Ordered")).to_be_visible()
    (order,) = shop.visits_to("/order")
    given = parse_qs(order.body.decode())
    brands = []
    for name in ("first", "second"):
        customer = await api.post("/customers", json={"payment_details": given[name][0]})
        brands.append(customer.json()["source"]["brand"])
    assert brands == ["visa", "master"]


async def test_of_two_elements_the_one_that_is_shown_pays(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    hidden = f"<div hidden>{element(server, session, 'payment-type=konbini')}</div>"
    await page.goto(shop.show("/pay", embedded(server, session, "payment-type=credit_card", before=hidden)))
    await fill_card(page, at=1)

    await press(page)

    await thanked(page)


async def test_a_form_without_a_shown_element_is_sent_as_it_is(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    shop.show("/order", "<h1>Ordered</h1>")
    await page.goto(shop.show("/pay", embedded(server, session, "token hidden")))

    await press(page)

    await expect(page.get_by_role("heading", name="Ordered")).to_be_visible()
    assert b"komoju_token" not in shop.visits_to("/order")[0].body


async def test_what_cannot_become_a_token_says_so_and_the_form_can_go_without(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop, payment_types=["web_money", "credit_card"])
    shop.show("/order", "<h1>Ordered</h1>")
    without = """<script type="module">
    document.addEventListener("komoju-error", (event) => {
      if (event.detail.error.code === "missing_parameter") event.target.submitParentForm();
    });
    </script>"""
    await page.goto(shop.show("/pay", embedded(server, session, "token payment-type=web_money", head=without)))
    await frame(page).get_by_text("on the payment page next").wait_for()

    await press(page)

    await expect(page.get_by_role("heading", name="Ordered")).to_be_visible()
    (order,) = shop.visits_to("/order")
    assert order.body == b"how=now"


async def test_an_element_that_is_moved_works_where_it_is(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    shop.show("/order", "<h1>Ordered</h1>")
    elsewhere = (
        '<form id="other" method="post" action="/order"><p></p><button name="how" value="other">Other</button></form>'
    )
    await page.goto(shop.show("/pay", elsewhere + embedded(server, session, "token")))
    await expect(frame(page).locator("#number")).to_be_visible()

    await page.evaluate("document.querySelector('#other p').append(document.querySelector('komoju-fields'))")
    await fill_card(page)
    await page.get_by_role("button", name="Other").click()

    await expect(page.get_by_role("heading", name="Ordered")).to_be_visible()
    assert parse_qs(shop.visits_to("/order")[0].body.decode())["how"] == ["other"]
    assert b"komoju_token=tok_" in shop.visits_to("/order")[0].body


# Other methods.


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


# 3-D Secure.


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


# Attributes while the page runs.


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


# What does not belong here.


def on(shop: Shop, host: str) -> str:
    """The shop's address under another name of the same machine: another origin."""
    return shop.url.replace("localhost", host)


async def test_only_registered_origins_show_the_frame(page: Page, own_server: Site, shop: Shop, watch: Watch) -> None:
    async with own_server.api() as api:
        session = await new_session(api, shop)
    strange = on(shop, "strange.localhost")
    watch.allow(strange)
    watch.expect(r"Framing .* violates .* \"frame-ancestors 'none'\"")
    watch.expect("did not load: .*/fields/frame.*: net::ERR_BLOCKED_BY_RESPONSE")
    watch.expect("console: komoju-fields: No payment fields came from")
    await page.add_init_script(LISTEN)
    shop.show("/pay", embedded(own_server, session))
    await page.goto(f"{strange}/pay")

    await page.wait_for_function("said.some((one) => one.type === 'komoju-error')")
    (error,) = await said(page, "komoju-error")
    assert error["detail"]["error"]["code"] == "frame_unavailable"
    assert strange in error["detail"]["error"]["message"]
    await expect(page.locator("komoju-fields").get_by_role("alert")).to_contain_text("registered")
    await press(page)
    assert [one["detail"] for one in await said(page, "komoju-error")] == [error["detail"]] * 2

    merchant = json.loads(own_server.command("merchants", "list", "--json"))[0]["id"]
    own_server.command("merchants", "set", merchant, "--origin", strange)
    await page.wait_for_timeout(1_500)
    await page.goto(f"{strange}/pay")
    await fill_card(page)
    await press(page)
    await thanked(page)


async def test_an_address_without_our_frame_is_an_error(
    page: Page, server: Site, api: Api, shop: Shop, watch: Watch
) -> None:
    session = await new_session(api, shop)
    elsewhere = on(shop, "api.localhost")
    watch.allow(elsewhere)
    watch.expect("No payment fields came from")
    watch.expect("CORS policy|did not load|ERR_FAILED")
    shop.show("/fields/frame", "<script>parent.postMessage({ komojuFields: 'other' }, '*')</script>")
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, session, f'komoju-api="{elsewhere}"')))

    await page.wait_for_function("said.some((one) => one.type === 'komoju-error')")
    assert (await said(page, "komoju-error"))[0]["detail"]["error"]["code"] == "frame_unavailable"


async def test_a_server_that_has_gone_is_an_error_too(
    page: Page, server: Site, api: Api, shop: Shop, watch: Watch
) -> None:
    session = await new_session(api, shop)
    watch.expect("No payment fields came from")
    watch.expect("CORS policy|did not load|ERR_FAILED|Failed to load")
    for gone in ("**/fields/frame?*", "**/static/fields-absent.js"):
        await page.route(gone, lambda route: route.abort())
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, session)))

    await page.wait_for_function("said.some((one) => one.type === 'komoju-error')")
    assert (await said(page, "komoju-error"))[0]["detail"]["error"]["code"] == "frame_unavailable"
    assert await page.evaluate("document.querySelector('komoju-fields').submit()") is None


async def test_the_server_by_another_name_says_what_it_is_called(
    page: Page, server: Site, api: Api, shop: Shop, watch: Watch
) -> None:
    session = await new_session(api, shop)
    other = server.url.replace("127.0.0.1", "localhost")
    watch.allow(other)
    await page.add_init_script(LISTEN)
    await page.goto(
        shop.show("/pay", embedded(server, session).replace(f"{server.url}/fields.js", f"{other}/fields.js"))
    )
    await fill_card(page)

    await press(page)

    await page.wait_for_function("said.some((one) => one.type === 'komoju-error')")
    assert server.url in (await said(page, "komoju-error"))[0]["detail"]["error"]["message"]


async def test_a_session_that_is_not_there_is_not_found(page: Page, server: Site, shop: Shop, watch: Watch) -> None:
    watch.expect(r"Framing .* violates")
    watch.expect("did not load: .*/fields/frame")
    watch.expect("console: komoju-fields: ")
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(server, "0" * 25)))

    await page.wait_for_function("said.some((one) => one.type === 'komoju-error')")
    assert (await said(page, "komoju-error"))[0]["detail"]["error"]["code"] == "not_found"


HOSTILE = """
window.caught = [];
const keep = (what) => { try { caught.push(JSON.stringify(what)); } catch { caught.push(`${what}`); } };
const names = "keydown keyup keypress input beforeinput change paste copy compositionend focusin message";
for (const name of names.split(" ")) {
  addEventListener(name, (event) => {
    keep([name, event.key, event.data, event.target?.value, event.composedPath?.().map((one) => one.value ?? "")]);
  }, true);
}
const { attachShadow } = Element.prototype;
Element.prototype.attachShadow = function (options) {
  const root = attachShadow.call(this, { ...options, mode: "open" });
  (window.roots ??= []).push(root);
  return root;
};
for (const holder of [MessagePort.prototype, window]) {
  const { postMessage } = holder;
  holder.postMessage = function (...given) {
    keepRaw(given);
    return postMessage.apply(this, given);
  };
}
function keepRaw(given) {
  for (const one of given) {
    const values = one && typeof one === "object" ? Object.values(one) : [one];
    for (const value of values) if (typeof value === "string") caught[caught.length] = value;
  }
}
const onmessage = Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage");
Object.defineProperty(MessagePort.prototype, "onmessage", {
  ...onmessage,
  set(listener) {
    window.stolen = this;
    onmessage.set.call(this, (event) => {
      keepRaw([event.data, event.data.detail ?? {}]);
      listener(event);
    });
  },
});
const values = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
Object.defineProperty(HTMLInputElement.prototype, "value", {
  ...values,
  get() {
    keep(values.get.call(this));
    return values.get.call(this);
  },
});
const messages = [
  { do: "submit", n: 9 }, { do: "set", token: true, n: 9 }, { komojuFields: "frame" }, { type: "submit", id: 1 },
];
setInterval(() => {
  for (const frame of (window.roots ?? []).flatMap((root) => [...root.querySelectorAll("iframe")])) {
    try { keep(frame.contentDocument?.body?.innerHTML ?? ""); } catch {}
    try { keep(frame.contentWindow.document.body.innerHTML); } catch {}
    for (const target of ["*", new URL(frame.src).origin]) {
      for (const message of messages) frame.contentWindow.postMessage(message, target);
    }
    window.tried = true;
  }
}, 50);
"""


async def test_a_hostile_script_gets_no_digit(
    open_page: OpenPage, server: Site, api: Api, shop: Shop, watch: Watch
) -> None:
    page = await open_page("desktop", locale="en-GB")
    session = await new_session(api, shop)
    await page.add_init_script(f"if (self === top) {{ {HOSTILE} }}")
    await page.goto(shop.show("/pay", embedded(server, session)))
    number = "4123456789012349"
    await fill_card(page, number)
    await page.wait_for_timeout(500)

    caught = await page.evaluate("caught.join(' ')")
    # The attack was one: it saw the element's root, its port and what came through it.
    assert await page.evaluate("tried && roots.length > 0 && stolen instanceof MessagePort")
    assert "komoju-session-change" in caught

    assert await frame(page).locator("#number").input_value() == "4123 4567 8901 2349"
    for size in (16, 8, 4):
        for at in range(17 - size):
            assert number[at : at + size] not in caught.replace(" ", "").replace(session, ""), number[at : at + size]
    assert "TARO" not in caught
    # Neither has it paid: messages to the window are nobody's.
    assert (await api.get(f"/sessions/{session}")).json()["payment"] is None


async def test_another_shops_key_gets_no_token_of_this_shops_frame(page: Page, own_server: Site, shop: Shop) -> None:
    (created,) = json.loads(own_server.command("merchants", "create", "Thief", "--json"))
    keys = json.loads(own_server.command("keys", "create", created["id"], "--json"))
    async with own_server.api() as api:
        session = await new_session(api, shop)
        shown = (await api.as_key(own_server.publishable_key).get(f"/sessions/{session}")).json()
    await page.add_init_script(LISTEN)
    await page.goto(shop.show("/pay", embedded(own_server, session, "token")))
    await fill_card(page)

    await page.evaluate(
        "([session, key]) => Object.assign(document.querySelector('komoju-fields'), { session, publishableKey: key })",
        [shown, keys["publishable_key"]],
    )
    assert await page.evaluate("document.querySelector('komoju-fields').submit()") is None

    assert (await said(page, "komoju-error"))[-1]["detail"]["error"]["code"] == "not_found"
    assert not [line for line in own_server.logged() if line.get("route") in ("/tokens", "/secure_tokens")]


async def test_no_script_pays_before_the_shopper_has_filled_in(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session, "token")))
    await frame(page).locator("#number").wait_for()

    assert await page.evaluate("document.querySelector('komoju-fields').submit()") is None

    assert (await api.get(f"/sessions/{session}")).json()["payment"] is None


async def test_another_window_cannot_make_the_frame_pay(
    page: Page, server: Site, api: Api, shop: Shop, watch: Watch
) -> None:
    session = await new_session(api, shop)
    strange = on(shop, "strange.localhost")
    watch.allow(strange)
    shop.show("/strange", "<p>Strange</p>")
    outer = f'<iframe title="Strange" id="strange" src="{strange}/strange"></iframe>'
    await page.goto(shop.show("/pay", embedded(server, session) + outer))
    await fill_card(page)
    (other,) = [one for one in page.frames if one.url.startswith(strange)]

    await other.evaluate("""() => {
      for (let at = 0; at < parent.frames.length; at += 1) {
        for (const message of [{ do: "submit", n: 1 }, { komojuFields: "frame" }]) {
          const { port2 } = new MessageChannel();
          parent.frames[at].postMessage(message, "*", [port2]);
          parent.postMessage({ komojuFields: "frame" }, "*", [new MessageChannel().port1]);
        }
      }
    }""")
    await page.wait_for_timeout(1_000)

    assert (await api.get(f"/sessions/{session}")).json()["payment"] is None
    await press(page)
    await thanked(page)


# Beside the shop's own things.


@pytest.mark.parametrize("type", ["credit_card", "konbini"])
@pytest.mark.parametrize("locale", ["ja", "en"])
async def test_axe_finds_nothing_outside_or_inside(
    page: Page, server: Site, api: Api, shop: Shop, type: str, locale: str
) -> None:
    session = await new_session(api, shop, mode="customer_payment" if type == "credit_card" else "payment")
    attributes = f"payment-type={type} locale={locale}"
    await page.goto(shop.show("/pay", embedded(server, session, attributes, before="<komoju-picker></komoju-picker>")))
    await frame(page).locator("[data-panel]:visible").first.wait_for()
    assert await axe(page) == []

    await press(page)
    await expect(frame(page).locator(".err").first).to_be_visible()

    assert await axe(page) == []


async def test_axe_finds_nothing_in_the_dialog(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await fill_card(page, CHALLENGED)
    await press(page)
    await page.frame_locator("komoju-fields dialog iframe").get_by_label("Password").wait_for()

    assert await axe(page) == []


async def test_a_shop_with_a_strict_policy_needs_to_name_nothing_but_our_origin(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop)
    policy = (
        f"default-src 'none'; script-src {server.url}; frame-src {server.url}; img-src data:; form-action 'self'; "
        "base-uri 'none'; require-trusted-types-for 'script'"
    )
    await page.goto(
        shop.show(
            "/pay",
            embedded(server, session, before="<komoju-picker></komoju-picker>"),
            content_security_policy=policy,
        )
    )
    await fill_card(page, CHALLENGED)

    await press(page)
    await pass_the_check(page)

    await thanked(page)


async def test_a_theme_dresses_the_frame_as_far_as_it_can_be_read(
    page: Page, server: Site, api: Api, shop: Shop
) -> None:
    session = await new_session(api, shop)
    theme = (
        "--fields-text: #0b1f3a; --fields-surface: #fffbe6; --fields-edge: #7a6a00; --fields-radius: 0px; "
        "--fields-height: 60px; --fields-gap: 400px; --fields-focus: url(https://strange.example/x); "
        "--fields-soft: #ffffcc; --fields-font: Georgia; position: fixed; --fields-label-weight: 700"
    )
    warned: list[str] = []
    page.on("console", lambda message: warned.append(message.text))
    await page.goto(shop.show("/pay", embedded(server, session, f'theme="{theme}"')))
    number = frame(page).locator("#number")
    await number.wait_for()

    look = await number.evaluate(
        """(it) => {
          const names = ["color", "backgroundColor", "borderRadius", "minHeight", "fontFamily", "position"];
          return Object.fromEntries(names.map((name) => [name, getComputedStyle(it)[name]]));
        }"""
    )

    assert (look["borderRadius"], look["minHeight"], look["fontFamily"]) == ("0px", "60px", "Georgia")
    assert look["position"] != "fixed"
    # The pale hint could not be read on the shop's surface: both are ours again.
    assert (look["color"], look["backgroundColor"]) == ("rgb(11, 31, 58)", "rgb(255, 255, 255)")
    (line,) = [text for text in warned if "theme" in text]
    assert {"--fields-gap", "--fields-focus", "--fields-soft", "--fields-surface"} <= set(
        re.findall("--fields-[a-z]+", line)
    )


@pytest.mark.parametrize(
    ("color", "scheme"),
    [("oklch(0.98 0 0)", "dark"), ("oklch(0.2 0 0)", "light")],
)
async def test_letters_say_whether_the_page_is_dark(
    page: Page, server: Site, api: Api, shop: Shop, color: str, scheme: str
) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session, f'style="color: {color}"')))

    await expect(frame(page).locator("html")).to_have_attribute("data-scheme", scheme)


OLDER = ".field input { border: 1px solid #5a5a5a; border-radius: 5px; padding: 9px }"


@pytest.mark.parametrize(
    "theme",
    [
        "/theme.css",
        OLDER,
        f"data:text/css,{quote(OLDER)}",
        f"data:text/css;base64,{b64encode(OLDER.encode()).decode()}",
    ],
    ids=["address", "text", "data", "base64"],
)
async def test_a_theme_of_the_older_element_is_read(page: Page, server: Site, api: Api, shop: Shop, theme: str) -> None:
    session = await new_session(api, shop)
    shop.show("/theme.css", OLDER, "text/css")
    await page.goto(shop.show("/pay", embedded(server, session, f'theme="{theme}"')))
    number = frame(page).locator("#number")
    await number.wait_for()

    assert await number.evaluate("(it) => getComputedStyle(it).borderRadius") == "5px"
    assert await number.evaluate("(it) => getComputedStyle(it).borderColor") == "rgb(90, 90, 90)"
    assert await number.evaluate("(it) => getComputedStyle(it).paddingLeft") != "9px"


async def test_a_theme_that_does_not_come_is_not_waited_for(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.clock.install()
    await page.route("**/theme.css", lambda _: None)
    async with page.expect_request("**/theme.css"):
        await page.goto(shop.show("/pay", embedded(server, session, 'theme="/theme.css"')))

    await page.clock.fast_forward(5_000)

    await expect(frame(page).get_by_label("Card number")).to_be_visible()
    await expect(page.get_by_title("Payment details")).to_be_visible()


async def test_the_frame_is_as_high_as_what_stands_in_it(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", embedded(server, session)))
    await frame(page).locator("#number").wait_for()
    own = page.locator("komoju-fields iframe")
    before = (await own.bounding_box() or {})["height"]

    await press(page)
    await expect(frame(page).locator(".err")).to_have_count(4)

    needed = "() => document.documentElement.scrollHeight <= innerHeight"
    assert await page.frames[1].evaluate(needed)
    assert (await own.bounding_box() or {})["height"] > before


async def test_the_script_is_small() -> None:
    from azukari.web import assets

    found = assets.static_file("fields.js")
    assert found is not None
    assert len(found[0]) <= 15_000
