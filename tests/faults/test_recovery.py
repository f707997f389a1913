"""How a processor's table says an outcome is found out, and what becomes of what it refused or accepted."""

from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import HOUR, MINUTE, SECOND
from azukari.processors.base import Accepted, Approved, AttemptQuery, Outcome, ProcessorRequest, Refused
from azukari.processors.capabilities import Recovery
from tests.faults.sites import Rows
from tests.faults.truth import states
from tests.house import House
from tests.promises import recover


def simulator_of(house: House) -> Any:
    return house.services.processors.named("simulator")


async def resolve(house: House, later: int) -> None:
    house.clock.advance(later)
    await worker.reconcile_attempts(house.services)


@pytest.mark.parametrize("reason", ["credentials", "busy", "down", "unsupported"])
async def test_what_was_refused_was_not_charged(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch, reason: Any
) -> None:
    async def refuse(request: ProcessorRequest) -> Outcome:
        return Refused(reason)

    customer = await house.api.customer()
    monkeypatch.setattr(simulator_of(house), "perform", refuse)

    reply = await house.api.charge(customer)

    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "gateway_timeout")
    assert await states(rows) == ["not_done"]


async def accept(house: House, monkeypatch: pytest.MonkeyPatch) -> list[AttemptQuery]:
    """The processor takes charges, and they end in an hour; what it is asked until then."""
    asked: list[AttemptQuery] = []

    async def perform(request: ProcessorRequest) -> Outcome:
        return Accepted("theirs-1", house.clock.now() + HOUR)

    async def lookup(query: AttemptQuery) -> Outcome:
        asked.append(query)
        return Approved("theirs-1")

    monkeypatch.setattr(simulator_of(house), "perform", perform)
    monkeypatch.setattr(simulator_of(house), "lookup", lookup)
    return asked


async def test_what_was_accepted_is_asked_about_when_the_processor_says(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await house.api.customer()
    asked = await accept(house, monkeypatch)

    reply = await house.api.charge(customer)
    assert (reply.status_code, reply.json()["status"]) == (202, "pending")
    assert await states(rows) == ["accepted"]

    await resolve(house, HOUR - MINUTE)
    assert asked == []

    await resolve(house, 2 * MINUTE)
    assert [query.processor_ref for query in asked] == ["theirs-1"]
    assert await states(rows) == ["succeeded"]
    assert (await house.api.get(f"/payments/{reply.json()['id']}")).json()["status"] == "captured"


async def test_what_was_accepted_holds_its_payment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = await house.api.customer()
    await accept(house, monkeypatch)
    made = (await house.api.charge(customer)).json()

    assert (await house.api.post(f"/payments/{made['id']}/cancel")).status_code == 423


async def lose_reply_of_capture(house: House) -> str:
    """The id of a payment whose capture was done, and whose answer was lost."""
    customer = await house.api.customer()
    authorize = {"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    made = (await house.api.post("/payments", json=authorize)).json()
    lost = await house.api.post(f"/payments/{made['id']}/capture", headers={"Azukari-Fault": "lost_reply"})
    assert lost.status_code == 202
    return str(made["id"])


async def test_an_operation_is_repeated_under_its_ref_and_done_once(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    recover(house, Recovery("repeat", believe_after=SECOND, repeat_for=HOUR))
    payment = await lose_reply_of_capture(house)
    perform, refs = simulator_of(house).perform, []

    async def count(request: ProcessorRequest) -> Outcome:
        refs.append(request.ref)
        return await perform(request)

    monkeypatch.setattr(simulator_of(house), "perform", count)
    await resolve(house, MINUTE)

    assert refs == await rows.column("SELECT ref FROM attempts WHERE kind = 'capture'")
    shown = (await house.api.get(f"/payments/{payment}")).json()
    assert (shown["status"], shown["amount"]) == ("captured", 1000)


async def test_nothing_is_repeated_once_its_ref_is_forgotten(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    recover(house, Recovery("repeat", believe_after=SECOND, repeat_for=2 * SECOND))
    await lose_reply_of_capture(house)

    async def never(request: ProcessorRequest) -> Outcome:
        raise AssertionError("it was sent again")

    monkeypatch.setattr(simulator_of(house), "perform", never)
    await resolve(house, MINUTE)

    assert await rows.column("SELECT state FROM attempts WHERE kind = 'capture'") == ["unknown"]
