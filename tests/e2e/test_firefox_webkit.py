"""Every way to pay in Firefox and in WebKitGTK, which has Safari's engine; and what only they do otherwise."""

from typing import Any

import pytest

from tests.cards import VISA
from tests.e2e import shopfront, shopping
from tests.e2e.driving import Window
from tests.e2e.serving import Shop, Site
from tests.house import Api

CHALLENGED, PASSWORD = "4100000000005000", "123456"
#: What a session offers here; none of the tests is about the first one.
TYPES = ("bank_transfer", "credit_card", "konbini", "paypay", "web_money")
FRAME, DIALOG = "komoju-fields >> iframe", "komoju-fields >> dialog iframe"


WORDS_ARE_THERE = (
    "performance.getEntriesByType('resource').some((one) => one.name.includes('/words?') && one.responseEnd)"
)


async def visit(window: Window, api: Api, shop: Shop, method: str) -> dict[str, Any]:
    """Open a new session's page, and wait until its script is at work; the session."""
    session = await shopping.new_session(api, shop, payment_types=TYPES, default_locale="en")
    window.open(f"{session['session_url']}#{method}")
    # The page comes with the first method chosen, and its button waits for nothing: the script has its words last.
    window.until(f"document.querySelector('[value={method}]').checked")
    window.until(WORDS_ARE_THERE)
    return session


async def embed(window: Window, server: Site, api: Api, shop: Shop, attributes: str = "") -> str:
    """Open a page of the shop's with our fields in it, and wait until they are there; the session's id."""
    session = await shopfront.new_session(api, shop)
    window.open(shop.show("/pay", shopfront.embedded(server, session, attributes)))
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
    window.type("form:has(:enabled.go) #password", PASSWORD)
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
        window.type("form:has(:enabled.go) #password", PASSWORD)
        window.press("Enter")

    await is_paid(window, api, shop, session)


async def test_another_language_leaves_what_was_typed(window: Window, api: Api, shop: Shop) -> None:
    await visit(window, api, shop, "credit_card")
    window.type("#number", VISA)
    window.click(".lang summary")
    window.click("[hreflang=ja]")

    window.until("document.querySelector('#go > span').textContent === '5,000円を支払う'")
    assert window.value("#number") == "4111 1111 1111 1111"


# What is typed.


def state(window: Window, field: str) -> tuple[str, int]:
    """What stands in a field, and where its caret is."""
    value, at = window.js("return [arguments[0].value, arguments[0].selectionStart]", window.find(field))
    return value, at


def write(window: Window, field: str, text: str) -> None:
    """Type into a field that is empty then."""
    window.js("arguments[0].value = ''", window.find(field))
    window.type(field, text)


#: A field, what is typed, and for each place of the caret (or each selection) a key, what stands there then, and where
#: the caret is.
EDITS = [
    (
        "#number", "12345678", [
            (5, "Backspace", "1235 678", 3), (4, "Delete", "1234 678", 5), (4, "Backspace", "1235 678", 3),
            (5, "Delete", "1234 678", 5), (0, "Backspace", "1234 5678", 0), (9, "Delete", "1234 5678", 9),
            ((3, 6), "Backspace", "1236 78", 3), ((3, 6), "Delete", "1236 78", 3),
            ((4, 5), "Backspace", "1235 678", 3), ((0, 9), "Backspace", "", 0),
        ],
    ),
    (
        "#number", "378282246310005", [
            (5, "Backspace", "3788 224631 0005", 3), (12, "Backspace", "3782 822461 0005", 10),
            (4, "Delete", "3782 224631 0005", 4), (11, "Delete", "3782 822463 0005", 12),
        ],
    ),
    ("#number", "30569309025904", [(12, "Backspace", "3056 930905 904", 10), (11, "Delete", "3056 930902 904", 12)]),
    (
        "#expiry", "1230", [
            (5, "Backspace", "1 / 30", 1), (4, "Backspace", "1 / 30", 1), (2, "Delete", "12 / 0", 5),
            (3, "Delete", "12 / 0", 5), ((2, 5), "Backspace", "1 / 30", 1), ((0, 7), "Delete", "", 0),
        ],
    ),
    (
        "[name=prepaid_number]", "1111222233334444", [
            (5, "Backspace", "1112 2223 3334 444", 3), (4, "Delete", "1111 2223 3334 444", 4),
        ],
    ),
]  # fmt: skip


async def test_at_a_gap_backspace_and_delete_take_the_digit_beyond_it(window: Window, api: Api, shop: Shop) -> None:
    await visit(window, api, shop, "credit_card")
    for field, typed, edits in EDITS:
        if not field.startswith("#"):
            window.click("label:has([value=web_money])")
        for at, key, value, caret in edits:
            write(window, field, typed)
            start, end = at if isinstance(at, tuple) else (at, at)
            window.put_caret(field, start, end)
            window.press(key)

            is_so = "arguments[0].value === arguments[1] && arguments[0].selectionStart === arguments[2]"
            window.until(is_so, window.find(field), value, caret)


async def test_whole_words_are_deleted_as_ever(window: Window, api: Api, shop: Shop) -> None:
    await visit(window, api, shop, "credit_card")
    for at, key, value in ((9, "Backspace", "1234"), (5, "Backspace", "5678"), (0, "Delete", "5678")):
        write(window, "#number", "12345678")
        window.put_caret("#number", at)
        window.press("Control", key)

        window.until("document.querySelector('#number').value === arguments[0]", value)


async def test_what_was_deleted_at_a_gap_can_be_had_back(window: Window, api: Api, shop: Shop) -> None:
    await visit(window, api, shop, "credit_card")
    write(window, "#number", "12345678")
    window.put_caret("#number", 5)
    window.press("Backspace")
    window.until("document.querySelector('#number').value === '1235 678'")

    for _ in range(2):
        # As its menu does it: this window of WebKit's has no key for it.
        window.js("document.execCommand('undo')")
    window.until("document.querySelector('#number').value === '1234 5678'")


async def test_held_down_backspace_empties_a_field(window: Window, api: Api, shop: Shop) -> None:
    await visit(window, api, shop, "credit_card")
    for field, typed in (("#number", "4111111111111111"), ("#expiry", "830")):
        write(window, field, typed)
        for _ in range(len(typed) + (field == "#expiry")):
            window.press("Backspace")

        window.until("arguments[0].value === ''", window.find(field))


async def test_an_input_method_deletes_by_itself(window: Window, api: Api, shop: Shop) -> None:
    await visit(window, api, shop, "credit_card")
    write(window, "#number", "12345678")
    window.put_caret("#number", 5)
    told = {"inputType": "deleteContentBackward", "isComposing": True, "cancelable": True, "bubbles": True}
    tell = "return arguments[0].dispatchEvent(new InputEvent('beforeinput', arguments[1]))"

    assert window.js(tell, window.find("#number"), told) is True
    assert state(window, "#number") == ("1234 5678", 5)


# What Safari's engine does otherwise.

#: Whether what has the focus is in sight, with its label, and with what is wrong if that stands below it.
IN_SIGHT = """((focused, field = focused.closest(".field")) => {
  const { bottom } = (focused.type === "text" ? field : focused).getBoundingClientRect();
  return field.getBoundingClientRect().top >= 0 && bottom <= innerHeight;
})(document.activeElement)"""
WRONG_CODE, DECLINED = "4123111111111034", "4123111111111059"


def bad(selector: str) -> str:
    """Whether a field, or the first of a group, has the focus and is said to be wrong."""
    return f"document.activeElement.matches('{selector}') && document.activeElement.closest('.field:has(> .err)')"


@pytest.mark.parametrize(("method", "first"), [("credit_card", "#number"), ("konbini", "[type=radio]")])
async def test_the_first_wrong_field_is_in_sight(window: Window, api: Api, shop: Shop, method: str, first: str) -> None:
    await visit(window, api, shop, method)
    window.js("scrollTo(0, document.body.scrollHeight)")
    window.click("#go")
    window.until(bad(first))

    window.until(IN_SIGHT)
    assert window.js("return scrollY") > 0


async def test_a_field_that_the_server_refuses_is_in_sight(window: Window, api: Api, shop: Shop) -> None:
    await visit(window, api, shop, "credit_card")
    type_card(window, WRONG_CODE)
    window.click("#go")
    window.until(bad("#code"))

    window.until(IN_SIGHT)


FRAME_TOP = "document.querySelector('komoju-fields').shadowRoot.querySelector('iframe').getBoundingClientRect().top"
#: A shop's page with much before the fields and after them.
LONG = """<script type="module" src="{url}/fields.js"></script><form id="form">
<p style="height: 1500px">Before</p>{element}<p style="height: 1500px">After</p><button>Pay</button></form>"""


async def test_in_a_long_page_the_first_wrong_field_has_the_focus_and_is_in_sight(
    window: Window, server: Site, api: Api, shop: Shop
) -> None:
    session = await shopfront.new_session(api, shop)
    window.open(shop.show("/long", LONG.format(url=server.url, element=shopfront.element(server, session))))
    window.until("document.querySelector('komoju-fields').texts")
    window.click("#form button")
    with window.inside(FRAME):
        window.until(f"document.hasFocus() && {bad('#number')}")
        field = "document.activeElement.closest('.field').getBoundingClientRect()"
        window.until(f"{field}.height > 80")
        top, bottom = window.js(f"const it = {field}; return [it.top, it.bottom]")
        window.press("4")
        window.until("document.querySelector('#number').value === '4'")

    window.until(f"{FRAME_TOP} + arguments[0] >= 0 && {FRAME_TOP} + arguments[1] <= innerHeight", top, bottom)


async def test_in_a_long_page_a_decline_is_in_sight(window: Window, server: Site, api: Api, shop: Shop) -> None:
    session = await shopfront.new_session(api, shop)
    window.open(shop.show("/long", LONG.format(url=server.url, element=shopfront.element(server, session))))
    window.until("document.querySelector('komoju-fields').texts")
    # WebKit brings nothing in a frame into the sight of who presses it.
    window.js("document.querySelector('komoju-fields').scrollIntoView()")
    with window.inside(FRAME):
        type_card(window, DECLINED)
    window.click("#form button")
    with window.inside(FRAME):
        window.until("document.hasFocus() && document.activeElement.id === 'alert'")
        top, bottom = window.js("const it = document.activeElement.getBoundingClientRect(); return [it.top, it.bottom]")

    window.until(f"{FRAME_TOP} + arguments[0] >= 0 && {FRAME_TOP} + arguments[1] <= innerHeight", top, bottom)


async def test_back_from_the_shop_brings_no_card_that_became_a_token(
    window: Window, server: Site, api: Api, shop: Shop
) -> None:
    shop.show("/order", "<h1>Ordered</h1>")
    await embed(window, server, api, shop, attributes="token")
    with window.inside(FRAME):
        type_card(window)
    window.click("#form button")
    window.until("location.pathname === '/order'")

    window.back()
    window.until("location.pathname === '/pay' && document.querySelector('komoju-fields').texts")
    with window.inside(FRAME):
        window.until("document.querySelector('#number')")
        assert window.js("return [...document.querySelectorAll('[required]')].map((it) => it.value).join('')") == ""


QUESTION = "!document.querySelector('komoju-fields').shadowRoot.querySelector('dialog p').parentElement.hidden"


async def test_escape_on_the_issuers_page_asks_before_the_challenge_is_given_up(
    window: Window, server: Site, api: Api, shop: Shop
) -> None:
    session = await embed(window, server, api, shop)
    with window.inside(FRAME):
        type_card(window, CHALLENGED)
    window.click("#form button")
    with window.inside(DIALOG):
        window.type("form:has(:enabled.go) #password", "12")
        window.press("Escape")
    window.until(QUESTION)
    window.press("Enter")
    window.until(f"!({QUESTION})")
    with window.inside(DIALOG):
        assert window.value("#password") == "12"
        window.type("#password", "3456")
        window.press("Enter")

    await is_paid(window, api, shop, session)


async def test_back_after_paying_brings_no_card_back(window: Window, server: Site, api: Api, shop: Shop) -> None:
    session = await embed(window, server, api, shop)
    with window.inside(FRAME):
        type_card(window)
    window.js("window.kept = true")
    window.click("#form button")
    await is_paid(window, api, shop, session)

    window.back()
    window.until("location.pathname === '/pay'")
    # Safari shows the page that was left as it was.
    assert bool(window.js("return window.kept")) == (window.engine == "webkit")
    with window.inside(FRAME):
        window.until("document.querySelector('.closed')")
        assert window.js("return document.querySelectorAll('input').length") == 0
