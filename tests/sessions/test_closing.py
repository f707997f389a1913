"""The end of a session's time meets a try at each of its moments: nothing is left that a shopper could still pay."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from azukari import worker
from azukari.attempts import store as attempts
from azukari.core.clock import MINUTE, SECOND
from azukari.db import Tx
from azukari.processors.base import Declined, Outcome, ProcessorRequest
from azukari.sessions import pending
from azukari.wire.call import Call
from tests.cards import PAYPAY
from tests.faults.sites import Rows
from tests.house import House
from tests.sessions.sessions import decide, make, pay, payment_status, shown

NUMBER = {"external_order_num": "A-1"}


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


def before_the_intent(house: House, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[None]]) -> None:
    """Something happens after a try's request has come and before its intent is written down."""
    vault: Any = house.services.vault
    ready = vault.ready

    async def late(owner: Any) -> None:
        monkeypatch.setattr(vault, "ready", ready)
        await happens()
        await ready(owner)

    monkeypatch.setattr(vault, "ready", late)


@pytest.mark.parametrize("mode", ["payment", "customer_payment"])
async def test_a_try_that_came_in_time_and_was_begun_after_the_end_is_ended_too(
    house: House, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    made = await make(house.api, mode=mode, expires_in_seconds=60, payment_data=NUMBER)

    house.clock.advance(MINUTE - 2 * SECOND)

    async def its_time_runs_out() -> None:
        house.clock.advance(2 * SECOND)
        await worker.end_sessions(house.services)

    before_the_intent(house, monkeypatch, its_time_runs_out)
    reply = await pay(house.publishable, made, PAYPAY)
    assert reply.status_code == 200

    await worker.end_sessions(house.services)

    assert await payment_status(house.api, reply) == "cancelled"
    decide(house, reply, "approved")
    house.clock.advance(MINUTE)
    await worker.reconcile_attempts(house.services)
    assert (await shown(house.api, made))["status"] == "pending"


async def test_a_try_that_begins_to_wait_while_its_session_is_ended_is_ended_in_the_next_round(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(house.api, expires_in_seconds=60, payment_data=NUMBER)
    end, replies = pending.end, []

    async def and_then_one_waits(call: Call, session_id: str) -> None:
        monkeypatch.setattr(pending, "end", end)
        await end(call, session_id)
        house.clock.advance(-MINUTE)
        replies.append(await pay(house.publishable, made, PAYPAY))
        house.clock.advance(MINUTE)

    monkeypatch.setattr(pending, "end", and_then_one_waits)
    house.clock.advance(MINUTE)
    await worker.end_sessions(house.services)
    assert await payment_status(house.api, replies[0]) == "pending"

    await worker.end_sessions(house.services)

    assert await payment_status(house.api, replies[0]) == "cancelled"


async def test_a_try_whose_cancellation_was_refused_is_ended_in_the_next_round(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(house.api, expires_in_seconds=60)
    reply = await pay(house.publishable, made, PAYPAY)
    simulator = house.services.processors.simulator
    perform = simulator.perform

    async def refuse(order: ProcessorRequest) -> Outcome:
        return Declined("other_error") if order.kind == "cancel" else await perform(order)

    monkeypatch.setattr(simulator, "perform", refuse)
    house.clock.advance(MINUTE)
    await worker.end_sessions(house.services)
    assert await payment_status(house.api, reply) == "pending"
    monkeypatch.setattr(simulator, "perform", perform)

    await worker.end_sessions(house.services)

    assert await payment_status(house.api, reply) == "cancelled"


async def test_one_that_was_paid_while_nobody_could_look_keeps_its_number(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(house.api, expires_in_seconds=60, payment_data=NUMBER)
    decide(house, await pay(house.publishable, made, PAYPAY), "approved")
    house.clock.advance(MINUTE)
    take_over = attempts.take_over

    async def is_anothers(tx: Tx, *_: object) -> None:
        return None

    monkeypatch.setattr(attempts, "take_over", is_anothers)
    await worker.end_sessions(house.services)
    monkeypatch.setattr(attempts, "take_over", take_over)

    await worker.reconcile_attempts(house.services)

    assert (await shown(house.api, made))["status"] == "completed"
    assert await rows.column("SELECT order_num FROM sessions") == ["A-1"]
