"""The fields in a shop's own page, in a browser: themes, accessibility and size."""

import re
from base64 import b64encode
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from tests.e2e.fields import CHALLENGED, OLDER, pass_the_check, press, thanked
from tests.e2e.looking import axe
from tests.e2e.serving import Shop, Site
from tests.e2e.shopfront import embedded, fill_card, frame, new_session
from tests.house import Api


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
