"""Two requests for one session (REL-5)."""

import asyncio
from typing import Any

import httpx
import pytest

from azukari import worker
from tests.cards import MASTER
from tests.faults.races.racing import ROUNDS, held_up, on_postgres, race, sort
from tests.faults.sites import Rows
from tests.faults.truth import Book
from tests.house import Api, House, card


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
        await worker.reconcile_attempts(house.services)
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
