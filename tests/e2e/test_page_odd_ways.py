"""What happens to shoppers that nobody plans: no line, no answer, a page left open, the wrong button."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.looking import axe
from tests.e2e.serving import Install, Shop, Site
from tests.e2e.shopping import errors, fill_card, is_back, new_session, press, status, visit
from tests.e2e.watching import Watch
from tests.house import ON_BOTH, Api

MINUTE_MS = 60_000
#: Until then the server has found out what became of a payment whose process died.
LEASE_MS = 90_000
CHECKING = "お支払いの結果を確認しています"
SLOW = "少し時間がかかっています。このままお待ちください。二重に請求されることはありません。"
OFFLINE = "通信が切れました。もう一度押してください。二重に請求されることはありません。"


async def payments_of(api: Api, session: dict[str, Any]) -> list[dict[str, Any]]:
    listed = (await api.get("/payments", params={"per_page": 100})).json()["data"]
    return [payment for payment in listed if payment["session"] == session["id"]]


class Held:
    """An answer on its way that does not arrive until it is let go."""

    def __init__(self) -> None:
        self.sent = asyncio.Event()
        self._go = asyncio.Event()

    async def hold(self, route: Route) -> None:
        reply = await route.fetch()
        self.sent.set()
        await self._go.wait()
        await route.fulfill(response=reply)

    def let_go(self) -> None:
        self._go.set()


# The server goes.


@pytest.mark.parametrize("own_server", ON_BOTH, indirect=True)
async def test_a_server_killed_between_press_and_answer_takes_one_payment(
    page: Page, own_server: Site, shop: Shop, watch: Watch
) -> None:
    # The server is away for a while.
    watch.expect("/pay: net::ERR_")
    watch.expect("/state: net::ERR_|: 503")
    own_server.stop()
    # The issuer takes as long as the bank: the order is on its way for five seconds after the card's holder is known.
    own_server.settings["AZUKARI_SIMULATOR_DELAY"] = "5000"
    own_server.start()
    async with own_server.api() as api:
        session = await new_session(api, shop)
        await visit(page, session)
        await fill_card(page)
        async with page.expect_request("**/pay"):
            await press(page)
        # What is intended is written down before the order goes.
        async with asyncio.timeout(60):
            while not await payments_of(api, session):
                await asyncio.sleep(0.05)
    own_server.kill()

    await expect(page.locator("#status")).to_have_text(CHECKING)
    await expect(page.locator("#go")).to_have_attribute("aria-disabled", "true")

    own_server.settings["AZUKARI_SIMULATOR_DELAY"] = "0"
    own_server.start()
    # It asks until the server knows. One away for long, or one that knows of no payment, is asked by another press:
    # the first of these may be followed by the second.
    failed = page.get_by_role("alert").filter(has_text="請求は行われていません")
    open_again = failed.or_(page.locator("#status").filter(has_text=OFFLINE))
    back = page.get_by_role("heading", name="Thank you")
    await expect(back.or_(open_again)).to_be_visible(timeout=LEASE_MS)
    while not await back.count():
        await press(page)
        await expect(back.or_(open_again)).to_be_visible(timeout=LEASE_MS)
    await is_back(page, shop, session)
    async with own_server.api() as api:
        taken = [one for one in await payments_of(api, session) if one["status"] == "captured"]
        assert (len(taken), await status(api, session)) == (1, "completed")


# The answer is late.


async def test_a_slow_answer_is_owned_up_to_and_then_asked_after(
    page: Page, api: Api, shop: Shop, watch: Watch
) -> None:
    watch.expect("/state: net::ERR_FAILED")
    session = await new_session(api, shop)
    await page.clock.install()
    await visit(page, session)
    await fill_card(page)
    held = Held()
    await page.route("**/pay", held.hold)
    # From here on time is ours alone.
    await page.clock.pause_at(await page.evaluate("Date.now() / 1000 + 1"))
    await press(page)
    await held.sent.wait()
    state = page.locator("#status")
    await expect(page.locator("#go")).to_have_text("処理しています")
    await page.clock.run_for(7_000)
    await expect(state).to_be_empty()

    await page.clock.run_for(1_500)
    await expect(state).to_have_text(SLOW)

    await page.clock.run_for(20_000)
    await expect(state).to_have_text(SLOW)
    await page.route("**/state", lambda route: route.abort())
    # The page says so before its question has failed: it is let through to no server meanwhile.
    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/state")):
        await page.clock.run_for(2_000)
    await expect(state).to_have_text(CHECKING)

    await page.unroute("**/state")
    await page.clock.resume()
    await is_back(page, shop, session)
    assert len(await payments_of(api, session)) == 1
    held.let_go()


async def test_without_a_line_it_says_so_and_the_same_press_pays_once(
    page: Page, api: Api, shop: Shop, watch: Watch
) -> None:
    watch.expect("net::ERR_INTERNET_DISCONNECTED")
    session = await new_session(api, shop)
    await page.clock.install()
    await visit(page, session)
    await fill_card(page)
    nonces: list[str] = []
    page.on("request", lambda it: nonces.append(it.post_data_json["nonce"]) if it.url.endswith("/pay") else None)
    await page.context.set_offline(True)
    await press(page)
    await expect(page.locator("#status")).to_have_text(CHECKING)
    async with asyncio.timeout(60):
        while await page.locator("#status").inner_text() != OFFLINE:
            await page.clock.run_for(500)

    await expect(page.locator("#number")).to_have_value("4111 1111 1111 1111")
    await page.context.set_offline(False)
    await press(page)
    await is_back(page, shop, session)
    assert len({*nonces}) == 1
    assert len(nonces) == 2
    assert len(await payments_of(api, session)) == 1


async def test_a_page_loaded_anew_while_its_payment_is_made_finds_the_result(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)
    held = Held()
    await page.route("**/pay", held.hold)
    await press(page)
    await held.sent.wait()

    await page.reload()

    await is_back(page, shop, session)
    assert len(await payments_of(api, session)) == 1
    held.let_go()


# Time passes.


async def test_an_end_is_announced_twice_and_then_it_is_there(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, expires_in_seconds=1_200)
    await page.clock.install()
    await visit(page, session)
    state = page.locator("#status")
    await page.clock.fast_forward(14 * MINUTE_MS)
    await expect(state).to_be_empty()

    await page.clock.fast_forward(MINUTE_MS + 2_000)
    await expect(state).to_have_text(re.compile("^あと5分で"))
    await page.clock.fast_forward(4 * MINUTE_MS)
    await expect(state).to_have_text(re.compile("^あと1分で"))
    assert await axe(page) == []

    # By now the server's own clock would say so too.
    await api.post(f"/sessions/{session['id']}/cancel")
    await page.clock.fast_forward(MINUTE_MS)
    await expect(page.get_by_role("heading", name="お手続きは取り消されました")).to_be_visible()


async def test_a_session_that_has_run_out_says_so(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, expires_in_seconds=1)
    await page.goto(session["session_url"])

    await expect(page.get_by_role("heading", name="お支払いページの期限が切れました")).to_be_visible()
    await expect(page.get_by_role("link", name="お店に戻る")).to_have_attribute("href", re.compile("session_id="))
    assert await page.locator("form").count() == 0
    assert await axe(page) == []


# Somebody else was there first.


async def test_a_session_cancelled_meanwhile_says_so_when_it_is_paid(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)
    await api.post(f"/sessions/{session['id']}/cancel")
    await press(page)

    await expect(page.get_by_role("heading", name="お手続きは取り消されました")).to_be_visible()
    assert await payments_of(api, session) == []


async def test_a_press_while_another_try_is_in_flight_waits_for_it(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)
    other = {"payment_details": {"type": "credit_card", "number": "4111111111111111", "month": "12", "year": "2030"}}
    slow = asyncio.ensure_future(
        api.post(f"/sessions/{session['id']}/pay", json=other, headers={"Azukari-Delay": "2500"})
    )
    async with asyncio.timeout(30):
        while not await payments_of(api, session):
            await asyncio.sleep(0.02)
    async with page.expect_response("**/pay") as refused:
        await press(page)
    assert (await refused.value).status == 423
    await expect(page.locator("#status")).to_have_text("処理中です。このままお待ちください")

    await is_back(page, shop, session)
    assert (await slow).status_code == 200
    assert len(await payments_of(api, session)) == 1


async def test_back_after_it_is_done_shows_no_form(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await page.evaluate("location.hash = '#paypay'")
    await page.evaluate("location.hash = '#credit_card'")
    await fill_card(page)
    await press(page)
    await is_back(page, shop, session)
    await page.go_back()

    await expect(page).not_to_have_url(re.compile("/thanks"))
    await expect(page.locator("#form")).to_have_count(0)


async def test_a_page_out_of_the_browsers_memory_asks_how_it_stands(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)
    show_again = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    await page.evaluate(show_again)
    await expect(page.locator("#number")).to_have_value("4111 1111 1111 1111")
    await expect(page.locator("#go")).not_to_have_attribute("aria-disabled", "true")

    await api.post(f"/sessions/{session['id']}/cancel")
    await page.evaluate(show_again)
    await expect(page.get_by_role("heading", name="お手続きは取り消されました")).to_be_visible()


# Other forms.


async def test_a_prepaid_card_that_is_short_is_made_up_by_another(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session, "#web_money")
    number = page.locator("[data-panel=web_money] input")
    await number.fill("1111111111111111")
    await press(page)
    await expect(page.get_by_role("alert")).to_contain_text("残高またはご利用可能額が足りませんでした")
    (waiting,) = await payments_of(api, session)
    short = waiting["payment_details"]["short_amount"]
    assert 0 < short < 5000
    await expect(page.get_by_role("alert")).to_contain_text(f"{5000 - short:,}円を受け付けました。残り{short:,}円は")
    await expect(page.get_by_role("alert")).not_to_contain_text("請求は行われていません")
    await expect(page.locator("#go")).to_contain_text(f"{short:,}円")
    assert await status(api, session) == "pending"
    assert await axe(page) == []

    await expect(page.get_by_role("radio", name="WebMoney")).to_be_checked()
    await number.fill("abcdefgh12345678")
    await press(page)

    await is_back(page, shop, session)
    taken = [one for one in await payments_of(api, session) if one["status"] == "captured"]
    assert [one["total"] for one in taken] == [5000]


async def test_a_line_that_breaks_with_a_prepaid_card_leaves_no_doubt_of_what_was_taken(
    page: Page, api: Api, shop: Shop, watch: Watch
) -> None:
    watch.expect("/pay: net::ERR_FAILED")
    session = await new_session(api, shop)
    await visit(page, session, "#web_money")
    number = page.locator("[data-panel=web_money] input")
    alert = page.get_by_role("alert")

    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        await route.abort()

    # The first card is taken, and nobody hears of it.
    await page.route("**/pay", lose_the_answer)
    await number.fill("1111111111111111")
    await press(page)
    await expect(alert).to_contain_text("お支払いを完了できませんでした")
    (waiting,) = await payments_of(api, session)
    short = waiting["payment_details"]["short_amount"]
    left = f"{5000 - short:,}円は受け付け済みです。残り{short:,}円は請求されていません。"
    await expect(alert).to_contain_text(left)
    await expect(page.locator("#go")).to_contain_text(f"{short:,}円")

    # The second one never gets here.
    await page.unroute("**/pay")
    await page.route("**/pay", lambda route: route.abort(), times=1)
    await number.fill("abcdefgh12345678")
    await press(page)
    await expect(alert).to_contain_text(left)
    await expect(alert).not_to_contain_text("請求は行われていません")

    await press(page)
    await is_back(page, shop, session)
    taken = [one for one in await payments_of(api, session) if one["status"] == "captured"]
    assert [one["total"] for one in taken] == [5000]


@pytest.fixture(scope="module")
def of_all_countries(install: Install) -> Iterator[Site]:
    """A shop with types that most do not have."""
    with install("sqlite") as site:
        merchant = json.loads(site.command("merchants", "list", "--json"))[0]["id"]
        site.command(
            "merchants",
            "set",
            merchant,
            "--payment-types",
            "JPY=credit_card,paidy,japan_mobile,alipay",
            "--payment-types",
            "BRL=pix,credit_card",
            "--payment-types",
            "KRW=culture_voucher,happy_money",
        )
        yield site


@pytest.fixture
def elsewhere(of_all_countries: Site, watch: Watch) -> Site:
    """The same, and an eye on it."""
    watch.allow(of_all_countries.url)
    watch.follow_log(of_all_countries)
    return of_all_countries


@pytest.mark.parametrize(
    ("type", "currency", "typed"),
    [
        ("paidy", "JPY", {"customer_name": "山田太郎"}), ("japan_mobile", "JPY", {"brand": "SoftBank"}),
        ("alipay", "JPY", {"name": "Taro"}), ("pix", "BRL", {"cpf": "12345678909"}),
        ("culture_voucher", "KRW", {"culture_id": "taro", "culture_password": "secret1"}),
        ("happy_money", "KRW", {"happy_money_id": "taro", "happy_money_password": "secret1"}),
    ],
)  # fmt: skip
async def test_what_a_merchant_enables_can_be_paid(
    page: Page, elsewhere: Site, shop: Shop, type: str, currency: str, typed: dict[str, str]
) -> None:
    async with elsewhere.api() as api:
        session = await new_session(api, shop, currency=currency)
        await visit(page, session, f"#{type}")
        await press(page)
        await expect(errors(page)).to_have_count(len(typed))
        assert await axe(page) == []
        for name, text in typed.items():
            if name == "brand":
                await page.get_by_role("radio", name=text).check()
            else:
                await page.locator(f"[data-panel={type}] input[name={name}]").fill(text)
        await press(page)
        if not type.endswith(("voucher", "money")):
            await page.get_by_role("button", name="Capture", exact=True).click()

        await is_back(page, shop, session)
        assert await status(api, session) == "completed"
