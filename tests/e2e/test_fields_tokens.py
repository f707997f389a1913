"""The fields in a shop's own page, in a browser: tokens that go with a form."""

from urllib.parse import parse_qs

import pytest
from playwright.async_api import Page, expect

from tests.cards import MASTER, VISA
from tests.e2e.fields import OLDER, press, thanked
from tests.e2e.serving import Shop, Site
from tests.e2e.shopfront import element, embedded, fill_card, frame, new_session
from tests.house import Api


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
