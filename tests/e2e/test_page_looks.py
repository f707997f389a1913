"""The hosted page held against what it must look like and weigh."""

import functools
from html import escape

import pytest
from playwright.async_api import Page, Request, expect

from azukari.checkout.phrases import phrases, split
from azukari.checkout.texts import ERRORS, MESSAGES
from tests.cards import VISA
from tests.e2e.browsing import OpenPage, Size
from tests.e2e.looking import axe, too_wide, weigh
from tests.e2e.serving import Shop, Site
from tests.e2e.shopping import NO_FUNDS, fill_card, new_session, press, visit
from tests.e2e.watching import Watch
from tests.house import Api

KB = 1_024
ITEMS = [
    {"description": "深蒸し煎茶 100g", "quantity": 2, "amount": 1300},
    {"description": "A" * 60, "amount": 1900},
    {"description": "湯呑み", "amount": 300},
    {"description": "送料", "amount": 200},
]


@pytest.mark.parametrize("locale", ["ja", "en", "ko", "zh"])
@pytest.mark.parametrize(("size", "dark"), [("small", False), ("phone", True), ("desktop", False)])
async def test_a_page_fits_and_axe_finds_nothing(
    open_page: OpenPage, api: Api, shop: Shop, size: Size, dark: bool, locale: str
) -> None:
    page = await open_page(size, dark=dark)
    session = await new_session(api, shop, line_items=ITEMS)
    for method in ("credit_card", "konbini", "bank_transfer"):
        await visit(page, session, f"?locale={locale}#{method}")
        assert await too_wide(page) == []
        assert await axe(page) == []
    await press(page)
    assert await too_wide(page) == []
    assert await axe(page) == []


@pytest.mark.parametrize("mode", ["customer", "customer_payment"])
async def test_pages_of_storing_fit_and_axe_finds_nothing(open_page: OpenPage, api: Api, shop: Shop, mode: str) -> None:
    page = await open_page("small")
    await visit(page, await new_session(api, shop, mode=mode))
    assert await too_wide(page) == []
    assert await axe(page) == []


async def test_a_page_after_a_decline_fits_and_axe_finds_nothing(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    await fill_card(page, NO_FUNDS)
    await press(page)
    await expect(page.get_by_role("alert")).not_to_be_empty()

    assert await too_wide(page) == []
    assert await axe(page) == []


async def test_pages_that_say_one_thing_have_nothing_for_axe(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await api.post(f"/sessions/{session['id']}/cancel")
    for address in (session["session_url"], "/sessions/none"):
        await page.goto(address)
        assert await axe(page) == []


async def test_a_card_page_is_light(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, payment_types=["credit_card"])
    weight = await weigh(page, session["session_url"])

    kinds = {kind: sum(size for address, size in weight.items() if f".{kind}" in address) for kind in ("css", "js")}
    assert weight[session["session_url"]] < 10 * KB
    assert kinds["css"] < 16 * KB
    assert kinds["js"] < 20 * KB
    assert sum(weight.values()) < 60 * KB


async def test_a_page_with_every_method_is_light(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, line_items=ITEMS)
    assert len(session["payment_methods"]) > 12
    weight = await weigh(page, session["session_url"])

    assert any("/words?" in address for address in weight)
    assert sum(weight.values()) < 60 * KB, weight


async def test_no_page_can_be_framed(page: Page, api: Api, server: Site, shop: Shop, watch: Watch) -> None:
    watch.expect("did not load: .*: net::ERR_BLOCKED_BY_RESPONSE")
    watch.expect(f"Framing '{server.url}/' violates .* \"frame-ancestors 'none'\"")
    card = {"type": "credit_card", "number": VISA, "month": "12", "year": "2030"}
    konbini = {"type": "konbini", "store": "lawson", "email": "a@b.test"}
    done = await new_session(api, shop)
    await api.post(f"/sessions/{done['id']}/pay", json={"payment_details": card})
    paid = [
        (await api.post(f"/sessions/{(await new_session(api, shop))['id']}/pay", json={"payment_details": details}))
        for details in (konbini, {"type": "paypay"})
    ]
    instructions, wallet = (reply.json()["redirect_url"] for reply in paid)
    issuer = (await api.secure_token("4100000000005000"))["authentication_url"]
    assert ["/instructions/" in instructions, "/offsite/" in wallet, "token=" in issuer] == [True] * 3
    for address in (
        (await new_session(api, shop))["session_url"],
        done["session_url"],
        f"{server.url}/sessions/none",
        instructions,
        wallet,
        issuer,
    ):
        frame = f'<h1>Shop</h1><iframe title="Ours" src="{escape(address)}"></iframe>'
        refused = functools.partial(_is_refused, address)
        async with page.expect_event("requestfailed", refused):
            await page.goto(shop.show("/frame", frame))
        assert not page.frames[1].url.startswith(server.url)


def _is_refused(address: str, request: Request) -> bool:
    return request.url == address and request.failure == "net::ERR_BLOCKED_BY_RESPONSE"


async def test_an_instruction_page_prints_on_one_side(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop), "#konbini")
    await page.get_by_role("radio", name="ファミリーマート").check()
    await page.locator("[data-panel=konbini] input[name=email]").fill("taro@example.com")
    await press(page)
    await expect(page.locator("#bars")).to_be_visible()

    await page.emulate_media(media="print")
    await expect(page.locator(".test")).to_be_visible()
    for gone in ("#print", ".act .go", ".tools", ".copy", ".lang"):
        await expect(page.locator(gone).first).to_be_hidden()
    # No till reads bars as wide as the sheet.
    bars = await page.locator("#bars").bounding_box()
    assert bars is not None
    assert 280 <= bars["width"] <= 345
    printed = await page.pdf(format="A4")
    assert printed.count(b"/Type /Page\n") == 1


async def test_one_button_is_filled_and_targets_are_large(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    assert await page.locator(".go:not(.quiet):visible").count() == 1
    small = await page.evaluate("""() => [...document.querySelectorAll("a, button, summary, label.pick, [required]")]
      .filter((it) => it.checkVisibility() && it.getBoundingClientRect().height < 44).map((it) => it.outerHTML)""")
    assert small == []


async def test_no_error_leaves_one_letter_on_a_line(open_page: OpenPage, api: Api, shop: Shop) -> None:
    page = await open_page("small")
    await visit(page, await new_session(api, shop))
    await press(page)
    shortest = await page.evaluate("""() => Math.min(...[...document.querySelectorAll(".err")].flatMap((it) => {
      const range = document.createRange();
      range.selectNodeContents(it.lastChild);
      return [...range.getClientRects()].map(({ width }) => width);
    }))""")
    assert shortest > 28


async def test_what_is_wrong_comes_after_the_hint_for_who_listens(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop, default_locale="en"))
    number, code = page.locator("#number"), page.locator("#code")
    await expect(number).to_have_accessible_name("Card number")
    await expect(code).to_have_accessible_description("3 digits on the back")
    await press(page)
    await expect(number).to_be_focused()
    await expect(number).to_have_accessible_description("Enter the card number")
    await expect(code).to_have_accessible_description("3 digits on the back Enter the security code")
    await code.fill("123")
    await expect(code).to_have_accessible_description("3 digits on the back")


async def test_the_keyboard_goes_from_top_to_bottom(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    order = []
    for _ in range(8):
        await page.keyboard.press("Tab")
        order.append(await page.evaluate("document.activeElement.id || document.activeElement.localName"))
    assert order == ["summary", "input", "number", "expiry", "code", "name", "go", "back"]


async def test_focus_is_seen_with_forced_colours(open_page: OpenPage, api: Api, shop: Shop) -> None:
    page = await open_page(forced_colors="active")
    await visit(page, await new_session(api, shop))
    await page.locator("#name").focus()
    style = await page.locator("#name").evaluate(
        "(it) => { const s = getComputedStyle(it); return s.outlineStyle + s.outlineWidth; }"
    )
    assert style == "solid2px"


@pytest.mark.parametrize("locale", ["ja", "en", "ko", "zh"])
@pytest.mark.parametrize("size", ["small", "phone", "desktop"])
async def test_what_is_wrong_side_by_side_begins_on_one_line(
    open_page: OpenPage, api: Api, shop: Shop, size: Size, locale: str
) -> None:
    page = await open_page(size)
    await visit(page, await new_session(api, shop), f"?locale={locale}#credit_card")
    await page.locator("#expiry").fill("13/30")
    await page.locator("#code").fill("1")
    await press(page)
    tops = [await _top(page, each) for each in ("#expiry-e", "#code-e")]
    assert tops[0] == tops[1]

    await page.locator("#code").fill("123")
    assert await _top(page, "#code-h") == await _top(page, "#expiry-e")
    await page.locator("#code").fill("1")
    await page.locator("#code").blur()
    await page.locator("#expiry").fill("12/30")
    assert await _top(page, "#code-e") == tops[1]


async def _top(page: Page, selector: str) -> float:
    box = await page.locator(selector).bounding_box()
    assert box is not None
    return box["y"]


@pytest.mark.parametrize("locale", ["ja", "en", "ko", "zh"])
@pytest.mark.parametrize("size", ["small", "phone", "desktop"])
async def test_saying_that_it_is_copied_moves_nothing(
    open_page: OpenPage, api: Api, shop: Shop, size: Size, locale: str
) -> None:
    page = await open_page(size, permissions=["clipboard-write"])
    await visit(page, await new_session(api, shop), f"?locale={locale}#bank_transfer")
    actor = {"email": "a@b.test", "phone": "0312345678", "family_name_kana": "カ）ヤマダ", "given_name_kana": "タロウ"}
    for member, text in actor.items():
        await page.locator(f"[data-panel=bank_transfer] input[name={member}]").fill(text)
    await press(page)
    buttons = page.locator(".copy")
    await expect(buttons).to_have_count(5)
    # The buttons are there before the page's styles are.
    await page.wait_for_load_state("load")
    places = """() => [...document.querySelectorAll("body, main *")].filter((it) => it.offsetWidth).map((it) => {
      const { x, y, width, height } = it.getBoundingClientRect();
      return [it.className, x, y + scrollY, width, height];
    })"""
    before = await page.evaluate(places)
    for each in await buttons.all():
        label = await each.get_attribute("data-done")
        assert label is not None
        await each.click()
        await expect(each).to_have_text(label)
        assert await page.evaluate(places) == before
    assert await too_wide(page) == []


#: Each break inside a heading or a lead: what stands before it on the line, and what comes after.
BREAKS = """() => [...document.querySelectorAll("h1, h2, h3, .lead, legend, #go, [role=alert] p")].flatMap((it) => {
  const walker = document.createTreeWalker(it, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const found = [];
  let before = null;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.parentElement.checkVisibility() || node.parentElement.closest(".sr")) continue;
    for (let at = 0; at < node.length; at += 1) {
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      const [box] = range.getClientRects();
      if (!box || !node.data[at].trim()) continue;
      const line = { text: (before?.top === box.top ? before.text : "") + node.data[at], top: box.top };
      if (before && before.top < box.top) found.push([before.text, node.data.slice(at)]);
      before = line;
    }
  }
  return found;
})"""


def _is_between_phrases(before: str, after: str) -> bool:
    last, ahead = before[-1], after[:2]
    return not (last + ahead[0]).isalnum() or split(last + ahead)[0] == last


@pytest.mark.parametrize("size", ["small", "phone", "desktop"])
async def test_japanese_headings_break_between_phrases(open_page: OpenPage, api: Api, shop: Shop, size: Size) -> None:
    page = await open_page(size)
    kept = await new_session(api, shop, mode="customer")
    gone = await new_session(api, shop)
    await api.post(f"/sessions/{gone['id']}/cancel")
    breaks: list[list[str]] = []
    for address in (kept["session_url"], gone["session_url"], "/sessions/none"):
        await page.goto(address)
        breaks += await page.evaluate(BREAKS)
    await visit(page, await new_session(api, shop), "?locale=en")
    await fill_card(page, NO_FUNDS)
    await press(page)
    await expect(page.get_by_role("alert")).not_to_be_empty()
    # And what the script puts in.
    await page.locator(".lang summary").click()
    await page.get_by_role("link", name="日本語").click()
    await expect(page.locator("#go")).to_have_text("5,000円を支払う")
    breaks += await page.evaluate(BREAKS)
    await visit(page, await new_session(api, shop), "?locale=ja#paypay")
    await press(page)
    await expect(page.get_by_role("heading", level=1)).to_have_text("KOMOJU Offsite Test Page")
    breaks += await page.evaluate(BREAKS)

    assert [each for each in breaks if not _is_between_phrases(*each)] == []
    assert await too_wide(page) == []
    style = "it => getComputedStyle(it).wordBreak"
    assert await page.locator(".lead").first.evaluate(style) == "keep-all"


async def test_the_script_breaks_a_heading_where_the_server_does(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    every = (text for table in (ERRORS, MESSAGES) for texts in table.values() for text in texts)
    texts = sorted({*every, "", "<b>の山&"})
    written = await page.evaluate(
        """async (texts) => {
          const { write } = await import(document.querySelector("[href$='/dom.js']").href);
          const place = document.createElement("p");
          return texts.map((text) => { write(place, text); return place.innerHTML; });
        }""",
        texts,
    )
    assert dict(zip(texts, written, strict=True)) == {
        text: str(phrases(text)).replace("&#34;", '"').replace("&#39;", "'") for text in texts
    }
