"""Two requests for one thing at one moment: one wins, the other is told, and the books balance (REL-5)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from azukari import worker
from azukari.core.clock import DAY, MINUTE
from azukari.db.postgres import database as engine
from azukari.db.postgres.stepping import Step
from tests.cards import KONBINI, MASTER
from tests.faults.sites import Rows
from tests.faults.truth import Book, hold_against_book
from tests.house import ON_BOTH, Api, House, card
from tests.payments.methods import ACCOUNT

ROUNDS = 20


@pytest.fixture
async def api(house: House, rows: Rows) -> AsyncIterator[Api]:
    """The API; whatever was raced for, the books balance when all is settled."""
    yield house.api
    house.clock.advance(MINUTE)
    await worker.settle_attempts(house.services)
    await hold_against_book(rows, house.services.settings.data)


@pytest.fixture
async def customer(api: Api) -> str:
    return await api.customer()


async def hold(api: Api, customer: str) -> str:
    """The id of an authorised payment of 1000."""
    reply = await api.post(
        "/payments", json={"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    )
    assert reply.json()["status"] == "authorized"
    return str(reply.json()["id"])


async def payment(api: Api, customer: str) -> str:
    """The id of a captured payment of 1000."""
    return str((await api.charge(customer)).json()["id"])


#: On SQLite nobody can come between the statements of a unit.
on_postgres = pytest.mark.parametrize("engine", [each for each in ON_BOTH if each == "postgres"], indirect=True)


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch, start: str) -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """The first statement that starts so is on its way for long: set once it is, and to be set when it may arrive."""
    stopped, go_on, send = asyncio.Event(), asyncio.Event(), engine._send

    async def late(connection: Any, step: Step) -> Any:
        if step.statement.postgres.sql.startswith(start) and not stopped.is_set():
            stopped.set()
            await go_on.wait()
        return await send(connection, step)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "_send", late)
        yield stopped, go_on


async def race(*requests: Coroutine[Any, Any, httpx.Response]) -> list[httpx.Response]:
    """The answers, whatever the order."""
    return await asyncio.gather(*requests)


def refused(reply: httpx.Response, *codes: str) -> None:
    """It was told that somebody else is at it (423), or was there first (422)."""
    assert reply.status_code in (422, 423), reply.text
    assert reply.json()["error"]["code"] in ("locked", *codes)
    if reply.status_code == 423:
        assert reply.headers["Retry-After"] == "1"


def sort(replies: list[httpx.Response]) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """Winners and losers."""
    winners = [reply for reply in replies if reply.status_code == 200]
    return winners, [reply for reply in replies if reply.status_code != 200]


async def shown(api: Api, payment_id: str) -> dict[str, Any]:
    body: dict[str, Any] = (await api.get(f"/payments/{payment_id}")).json()
    return body


async def test_a_capture_and_a_cancellation(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        held = await hold(api, customer)

        winners, losers = sort(await race(api.post(f"/payments/{held}/capture"), api.post(f"/payments/{held}/cancel")))

        (winner,), (loser,) = winners, losers
        refused(loser, "not_capturable", "not_cancellable")
        assert (await shown(api, held))["status"] == winner.json()["status"]


async def test_several_captures(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        held = await hold(api, customer)

        winners, losers = sort(
            await race(*(api.post(f"/payments/{held}/capture", json={"amount": amount}) for amount in (300, 400, 1000)))
        )

        (winner,) = winners
        for loser in losers:
            refused(loser, "not_capturable")
        assert await shown(api, held) == winner.json()


async def test_refunds_of_more_than_there_is(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        replies = await race(
            *(api.post(f"/payments/{paid}/refund", json={"amount": amount}) for amount in (600, 500, 300, 700))
        )

        winners, losers = sort(replies)
        for loser in losers:
            refused(loser, "not_refundable")
        assert winners
        after = await shown(api, paid)
        assert after["amount_refunded"] == sum(refund["amount"] for refund in after["refunds"]) <= 1000
        assert len(after["refunds"]) == len(winners)


async def test_refunds_side_by_side(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        replies = await race(*(api.post(f"/payments/{paid}/refund", json={"amount": 200}) for _ in range(5)))

        assert [reply.status_code for reply in replies] == [200] * 5
        for reply in replies:
            answer = reply.json()
            assert answer["amount_refunded"] == sum(refund["amount"] for refund in answer["refunds"])
        assert (await shown(api, paid))["status"] == "refunded"


async def test_refunds_of_everything(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        winners, losers = sort(await race(*(api.post(f"/payments/{paid}/refund") for _ in range(3))))

        (winner,) = winners
        for loser in losers:
            refused(loser, "not_refundable")
        assert winner.json()["status"] == "refunded"


async def test_a_refund_and_a_cancellation(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        refund, cancel = await race(api.post(f"/payments/{paid}/refund"), api.post(f"/payments/{paid}/cancel"))

        assert refund.status_code == 200
        refused(cancel, "not_cancellable")


async def test_a_refund_and_a_capture(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        held = await hold(api, customer)

        capture, refund = await race(
            api.post(f"/payments/{held}/capture"), api.post(f"/payments/{held}/refund", json={"amount": 100})
        )

        assert capture.status_code == 200
        if refund.status_code != 200:
            refused(refund, "not_refundable")


async def test_a_deletion_and_a_charge(api: Api, rows: Rows) -> None:
    for _ in range(ROUNDS):
        customer = await api.customer()

        deletion, *charges = await race(api.delete(f"/customers/{customer}"), *(api.charge(customer) for _ in range(3)))

        assert deletion.status_code == 200
        # Its card is shredded before it is gone: a charge between the two finds nothing to charge.
        assert {charge.status_code for charge in charges} <= {200, 404, 422, 504}
        assert (await api.charge(customer)).status_code == 404
    assert await rows.all("SELECT id FROM vault_entries WHERE shredded_at IS NULL") == []
    assert await rows.all("SELECT id FROM azukari_keys.deks") == []


async def test_two_deletions(api: Api) -> None:
    for _ in range(ROUNDS):
        customer = await api.customer()

        replies = await race(*(api.delete(f"/customers/{customer}") for _ in range(3)))

        assert {reply.status_code for reply in replies} <= {200, 404}
        assert sum(reply.status_code == 200 for reply in replies) == 1


async def test_a_token_that_pays_twice(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        token = await api.token(verification_value="123")
        before = Book.read(house.services.settings.data).taken()
        order = {"amount": 1000, "currency": "JPY", "payment_details": token}

        winners, losers = sort(await race(*(api.post("/payments", json=order) for _ in range(4))))

        assert len(winners) == 1
        assert {loser.json()["error"]["code"] for loser in losers} == {"invalid_token"}
        assert Book.read(house.services.settings.data).taken() == before + 1


async def test_a_token_that_pays_and_is_kept(api: Api) -> None:
    for _ in range(ROUNDS):
        token = await api.token(verification_value="123")

        winners, losers = sort(
            await race(
                api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token}),
                api.post("/customers", json={"payment_details": token}),
            )
        )

        (_,), (loser,) = winners, losers
        assert loser.json()["error"]["code"] == "invalid_token"


async def test_two_payments_with_one_order_number(api: Api, customer: str) -> None:
    for number in range(ROUNDS):
        order = {"amount": 1000, "currency": "JPY", "customer": customer, "external_order_num": f"A-{number}"}

        winners, losers = sort(await race(*(api.post("/payments", json=order) for _ in range(4))))

        assert len(winners) == 1
        assert {loser.json()["error"]["param"] for loser in losers} == {"external_order_num"}


async def test_two_changes_of_a_payments_words(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        replies = await race(
            *(api.patch(f"/payments/{paid}", json={"metadata": {f"name-{number}": "x"}}) for number in range(3))
        )

        assert [reply.status_code for reply in replies] == [200] * 3
        assert set((await shown(api, paid))["metadata"]) == {"name-0", "name-1", "name-2"}


async def test_a_change_of_words_and_a_refund(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        change, refund = await race(
            api.patch(f"/payments/{paid}", json={"description": "changed"}),
            api.post(f"/payments/{paid}/refund", json={"amount": 400}),
        )

        assert (change.status_code, refund.status_code) == (200, 200)
        after = await shown(api, paid)
        assert (after["description"], after["amount_refunded"]) == ("changed", 400)


async def test_two_changes_of_a_customers_words(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        replies = await race(
            *(api.patch(f"/customers/{customer}", json={"metadata": {f"name-{number}": "x"}}) for number in range(3))
        )

        assert [reply.status_code for reply in replies] == [200] * 3
    assert set((await api.get(f"/customers/{customer}")).json()["metadata"]) == {"name-0", "name-1", "name-2"}


async def test_two_new_cards_of_a_customer(api: Api, rows: Rows) -> None:
    customer = await api.customer()
    for _ in range(ROUNDS):
        replies = await race(
            *(
                api.patch(f"/customers/{customer}", json={"payment_details": card(number)})
                for number in (MASTER, "378282246310005", "4242424242424242")
            )
        )

        assert [reply.status_code for reply in replies] == [200] * 3
        assert (await api.charge(customer)).status_code == 200
    # Whoever came last has replaced all the others: one card is left that can be opened.
    assert len(await rows.all("SELECT id FROM vault_entries WHERE shredded_at IS NULL")) == 1
    assert len(await rows.all("SELECT id FROM azukari_keys.deks")) == 1


async def test_a_new_card_and_a_deletion(api: Api, rows: Rows) -> None:
    for _ in range(ROUNDS):
        customer = await api.customer()

        change, deletion = await race(
            api.patch(f"/customers/{customer}", json={"payment_details": card(MASTER)}),
            api.delete(f"/customers/{customer}"),
        )

        assert change.status_code in (200, 404)
        assert deletion.status_code == 200
        assert (await api.get(f"/customers/{customer}")).status_code == 404
    assert await rows.all("SELECT id FROM vault_entries WHERE shredded_at IS NULL") == []


async def test_everything_at_once_on_one_payment(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        held = await hold(api, customer)

        replies = await race(
            api.post(f"/payments/{held}/capture", json={"amount": 800}),
            api.post(f"/payments/{held}/cancel"),
            api.post(f"/payments/{held}/refund", json={"amount": 500}),
            api.post(f"/payments/{held}/refund", json={"amount": 400}),
            api.patch(f"/payments/{held}", json={"description": "changed"}),
            api.post(f"/payments/{held}/capture"),
        )

        assert Counter(reply.status_code for reply in replies).keys() <= {200, 422, 423}
        assert (await shown(api, held))["status"] in ("captured", "cancelled", "refunded")


# Payments in a shopper's hands


async def begun(api: Api, details: dict[str, Any], amount: int = 1000) -> str:
    """The id of a payment that waits for its shopper."""
    reply = await api.post("/payments", json={"amount": amount, "currency": "JPY", "payment_details": details})
    assert reply.json()["status"] in ("authorized", "pending"), reply.text
    return str(reply.json()["id"])


def prepaid(name: str) -> dict[str, str]:
    return {"type": "web_money", "prepaid_number": f"{name:x<16}"}


@pytest.mark.parametrize("details", [KONBINI, {"type": "paypay"}], ids=["cash", "wallet"])
async def test_a_shopper_pays_and_the_shop_cancels(api: Api, details: dict[str, Any]) -> None:
    for _ in range(ROUNDS):
        waiting = await begun(api, details)

        paid, cancelled = await race(
            api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"}),
            api.post(f"/payments/{waiting}/cancel"),
        )

        status = (await shown(api, waiting))["status"]
        if cancelled.status_code == 200:
            assert status == "cancelled"
        else:
            refused(cancelled, "not_cancellable")
            assert status == "captured"
        # Who asked while the other was at work saw the payment as it was, or was told that it waits no more.
        assert paid.status_code in (200, 422), paid.text


async def test_a_shopper_pays_at_the_last_minute(house: House, api: Api) -> None:
    for _ in range(5):
        waiting = await begun(api, KONBINI)
        house.clock.advance(4 * DAY)

        await asyncio.gather(
            api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"}), worker.end_holds(house.services)
        )

        house.clock.advance(MINUTE)
        await worker.settle_attempts(house.services)
        assert (await shown(api, waiting))["status"] in ("captured", "expired")


async def test_a_shopper_decides_twice(api: Api) -> None:
    for _ in range(ROUNDS):
        waiting = await begun(api, {"type": "paypay"})

        await race(
            *(
                api.post(f"/test/payments/{waiting}/simulate", json={"outcome": outcome})
                for outcome in ("paid", "failed", "expired", "paid")
            )
        )

        await api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"})
        assert (await shown(api, waiting))["status"] in ("captured", "failed", "expired")
    assert Counter(await api.events()).total() == ROUNDS


async def test_cash_is_given_back_or_it_is_not(api: Api) -> None:
    for turn in range(ROUNDS):
        payment = await begun(api, KONBINI)
        await api.post(f"/test/payments/{payment}/simulate", json={"outcome": "paid"})
        asked = await api.post(f"/payments/{payment}/refund_request", json=ACCOUNT | {"amount": 1000})
        path = f"/test/refund_requests/{asked.json()['refund_requests'][0]['id']}/simulate"
        outcomes = ["completed", "rejected"] if turn % 2 else ["rejected", "completed"]

        done, lost = sort(await race(*(api.post(path, json={"outcome": each}) for each in outcomes)))

        assert (len(done), len(lost)) == (1, 1)
        after = await shown(api, payment)
        [request] = after["refund_requests"]
        assert after["amount_refunded"] == {"completed": 1000, "rejected": 0}[request["status"]]


async def test_everybody_asks_at_once(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        waiting = await begun(api, KONBINI)

        await asyncio.gather(
            api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"}),
            worker.settle_attempts(house.services),
            worker.settle_attempts(house.services),
            api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"}),
        )

        house.clock.advance(MINUTE)
        await worker.settle_attempts(house.services)
        assert (await shown(api, waiting))["status"] == "captured"
    assert Counter(await api.events())["payment.captured"] == ROUNDS


async def test_two_more_prepaid_cards(api: Api) -> None:
    for number in range(ROUNDS):
        short = await begun(api, prepaid(f"first{number}"), 150_000)

        winners, losers = sort(
            await race(
                *(
                    api.patch(f"/payments/{short}", json={"payment_details": prepaid(f"{name}{number}")})
                    for name in ("second", "third")
                )
            )
        )

        assert len(winners) == 1
        for loser in losers:
            refused(loser, "unprocessable_entity")
        assert (await shown(api, short))["status"] == "captured"


async def test_one_more_prepaid_card_and_a_cancellation(api: Api) -> None:
    for number in range(ROUNDS):
        short = await begun(api, prepaid(f"fourth{number}"), 150_000)

        added, cancelled = await race(
            api.patch(f"/payments/{short}", json={"payment_details": prepaid(f"fifth{number}")}),
            api.post(f"/payments/{short}/cancel"),
        )

        (winner,), (loser,) = sort([added, cancelled])
        refused(loser, "unprocessable_entity", "not_cancellable")
        assert (await shown(api, short))["status"] == ("captured" if winner is added else "cancelled")


@on_postgres
async def test_a_further_prepaid_card_that_is_held_up_while_another_is_taken(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = await begun(api, prepaid("seventh"), 250_000)
    with held_up(monkeypatch, "UPDATE payments SET active_attempt=") as (stopped, go_on):
        more = {"payment_details": prepaid("eighth")}
        slow = asyncio.ensure_future(api.patch(f"/payments/{short}", json=more))
        await asyncio.wait_for(stopped.wait(), 30)
        added = await api.patch(f"/payments/{short}", json={"payment_details": prepaid("ninth")})
        go_on.set()
        late = await slow

    assert added.json()["payment_details"]["short_amount"] == 50_000
    assert (late.status_code, late.json()["error"]["code"]) == (423, "locked")
    assert (await api.patch(f"/payments/{short}", json=more)).json()["status"] == "captured"


async def test_one_prepaid_card_pays_twice(api: Api) -> None:
    for number in range(ROUNDS):
        order = {"amount": 60_000, "currency": "JPY", "payment_details": prepaid(f"sixth{number}")}

        replies = await race(*(api.post("/payments", json=order) for _ in range(3)))

        # ¥100,000 are on it: one is paid, one is short, and for the last nothing is left.
        assert sorted(reply.status_code for reply in replies) == [200, 200, 502]
        statuses = sorted(reply.json()["status"] for reply in replies if reply.status_code == 200)
        assert statuses == ["captured", "pending"]


# Sessions


async def paid_once(house: House, api: Api, session: str, before: int) -> dict[str, Any]:
    """The session as it is, with as much money taken as it says."""
    shown: dict[str, Any] = (await api.get(f"/sessions/{session}")).json()
    taken = Book.read(house.services.settings.data).taken() - before
    assert taken == int(shown["status"] == "completed")
    return shown


def tried(replies: list[httpx.Response]) -> list[httpx.Response]:
    """Those that came to something; the others were told why not."""
    for reply in replies:
        if reply.status_code != 200:
            assert (reply.status_code, reply.json()["error"]["code"]) in {
                (423, "locked"),
                (422, "session_completed"),
                (422, "session_cancelled"),
                (422, "not_cancellable"),
                (422, "session_expired"),
                (409, "conflict"),
                (422, "invalid_token"),
            }, reply.text
    return [reply for reply in replies if reply.status_code == 200]


async def test_two_tabs_pay_one_session(house: House, api: Api) -> None:
    for number in range(ROUNDS):
        session = await api.session(mode=("payment", "customer_payment")[number % 2])
        before = Book.read(house.services.settings.data).taken()
        body = {"payment_details": card(verification_value="123")}

        replies = await race(*(house.publishable.post(f"/sessions/{session}/pay", json=body) for _ in range(4)))

        assert len(tried(replies)) == 1
        assert (await paid_once(house, api, session, before))["status"] == "completed"


async def test_a_double_click_pays_once(house: House, api: Api) -> None:
    for number in range(ROUNDS):
        session, key = await api.session(), {"X-KOMOJU-IDEMPOTENCY": f"click-{number}"}
        before = Book.read(house.services.settings.data).taken()
        body = {"payment_details": card(verification_value="123")}

        replies = await race(
            *(house.publishable.post(f"/sessions/{session}/pay", json=body, headers=key) for _ in range(3))
        )

        assert len({reply.content for reply in tried(replies)}) == 1
        await paid_once(house, api, session, before)


async def test_a_try_and_a_cancellation_of_a_session(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        session = await api.session()
        before = Book.read(house.services.settings.data).taken()

        replies = await race(
            api.post(f"/sessions/{session}/pay", json={"payment_details": card()}),
            api.post(f"/sessions/{session}/cancel"),
        )

        (winner,) = tried(replies)
        assert (await paid_once(house, api, session, before))["status"] == winner.json()["status"]


async def test_a_try_and_the_end_of_a_sessions_time(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        session = await api.session(expires_in_seconds=1)
        before = Book.read(house.services.settings.data).taken()
        house.clock.advance(999)

        pay, _ = await asyncio.gather(
            api.post(f"/sessions/{session}/pay", json={"payment_details": card()}), worker.end_sessions(house.services)
        )
        house.clock.advance(1_000)
        await worker.end_sessions(house.services)

        tried([pay])
        shown = await paid_once(house, api, session, before)
        assert (shown["status"] == "completed") == (pay.status_code == 200)


async def test_a_wallets_yes_and_a_try_and_a_cancellation(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        session = await api.session()
        away = await api.post(f"/sessions/{session}/pay", json={"payment_details": {"type": "paypay"}})
        ref = away.json()["redirect_url"].rpartition("/")[2]
        house.services.processors.simulator.decide(ref, "approved")

        replies = await race(
            api.post(f"/sessions/{session}/pay", json={"payment_details": card()}),
            api.post(f"/sessions/{session}/cancel"),
            api.post(f"/payments/{away.json()['payment']['id']}/cancel"),
        )

        assert {reply.status_code for reply in replies} <= {200, 422, 423, 502}
        house.clock.advance(60_000)
        await worker.settle_attempts(house.services)
        listed = (await api.get("/payments", params={"per_page": 100})).json()["data"]
        taken = [each for each in listed if each["session"] == session and each["status"] == "captured"]
        shown = (await api.get(f"/sessions/{session}")).json()
        assert (len(taken), shown["status"]) == (1, "completed")


@on_postgres
async def test_a_try_that_is_held_up_while_another_begins_to_wait(
    house: House, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await api.session()
    with held_up(monkeypatch, "UPDATE sessions SET payment_id=") as (stopped, go_on):
        slow = asyncio.ensure_future(api.post(f"/sessions/{session}/pay", json={"payment_details": card()}))
        await asyncio.wait_for(stopped.wait(), 30)
        away = await api.post(f"/sessions/{session}/pay", json={"payment_details": {"type": "paypay"}})
        go_on.set()
        late = await slow

    assert (late.status_code, late.json()["error"]["code"]) == (423, "locked")
    await api.post(f"/test/payments/{away.json()['payment']['id']}/simulate", json={"outcome": "paid"})
    assert (await paid_once(house, api, session, 0))["status"] == "completed"


@on_postgres
async def test_a_cancellation_that_is_held_up_while_a_wallet_is_asked(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await api.session(mode="customer")
    with held_up(monkeypatch, "UPDATE sessions SET status=") as (stopped, go_on):
        slow = asyncio.ensure_future(api.post(f"/sessions/{session}/cancel"))
        await asyncio.wait_for(stopped.wait(), 30)
        away = await api.post(f"/sessions/{session}/pay", json={"payment_details": {"type": "paypay"}})
        go_on.set()
        late = await slow

    assert "/offsite/" in away.json()["redirect_url"]
    assert (late.status_code, late.json()["error"]["code"]) == (423, "locked")


async def test_two_sessions_with_one_order_number(api: Api) -> None:
    for number in range(ROUNDS):
        order = {"amount": 1000, "currency": "JPY", "payment_data": {"external_order_num": f"S-{number}"}}

        winners, losers = sort(await race(*(api.post("/sessions", json=order) for _ in range(4))))

        assert len(winners) == 1
        assert {loser.json()["error"]["code"] for loser in losers} == {"invalid_parameter"}


async def test_two_sessions_that_store_for_one_customer(api: Api, rows: Rows) -> None:
    customer = await api.customer()
    for _ in range(ROUNDS):
        sessions = [await api.session(mode="customer", customer_id=customer) for _ in range(3)]

        replies = await race(
            *(
                api.post(f"/sessions/{session}/pay", json={"payment_details": card(number)})
                for session, number in zip(sessions, (MASTER, "378282246310005", "4242424242424242"), strict=True)
            )
        )

        assert [reply.status_code for reply in replies] == [200] * 3
        assert (await api.charge(customer)).status_code == 200
    assert len(await rows.all("SELECT id FROM vault_entries WHERE shredded_at IS NULL")) == 1
    assert len(await rows.all("SELECT id FROM azukari_keys.deks")) == 1


async def test_a_session_and_the_deletion_of_its_customer(api: Api, rows: Rows) -> None:
    for _ in range(ROUNDS):
        customer = await api.customer()
        session = await api.session(mode="customer_payment", customer_id=customer)

        pay, deletion = await race(
            api.post(f"/sessions/{session}/pay", json={"payment_details": card(MASTER)}),
            api.delete(f"/customers/{customer}"),
        )

        assert deletion.status_code == 200
        assert pay.status_code in (200, 422)
        assert (await api.get(f"/customers/{customer}")).status_code == 404
    assert await rows.all("SELECT id FROM vault_entries WHERE shredded_at IS NULL AND retired_at IS NULL") == []
