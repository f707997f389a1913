"""The fields in a shop's own page, in a browser: what does not belong there is kept out."""

import json

from playwright.async_api import Page, expect

from tests.e2e.browsing import OpenPage
from tests.e2e.fields import LISTEN, press, said, thanked
from tests.e2e.serving import Shop, Site
from tests.e2e.shopfront import embedded, fill_card, frame, new_session
from tests.e2e.watching import Watch
from tests.house import Api


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
