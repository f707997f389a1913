"""A call and its lease: who may still call the processor, and what happens to an answer that comes too late."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from azukari import worker
from azukari.app import asgi
from azukari.core.clock import SECOND
from azukari.db.units import name_of
from azukari.processors.base import AttemptQuery, Outcome
from azukari.processors.capabilities import Recovery
from azukari.vault import Filled, Reply, ReplyUnknown
from tests.cards import KONBINI
from tests.faults.lines import LateOrders, until
from tests.faults.sites import Rows
from tests.faults.truth import Book, hold_against_book, states
from tests.house import Api, House
from tests.promises import promise, recover

#: Past the lease of any attempt.
LONG = 20 * SECOND
INTENT = "payments.charge.record_intent"


class StoppedClock:
    """What a house's clock counts from: it moves only when it is pushed on."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now


class Stall:
    """A database after whose unit something happens before its caller goes on."""

    def __init__(self, database: Any, unit: str, then: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._unit = unit
        self._then = then

    async def write(self, unit: Any, /, *args: Any, **kwargs: Any) -> Any:
        value = await self._database.write(unit, *args, **kwargs)
        if name_of(unit) == self._unit:
            await self._then()
        return value

    async def read(self, unit: Any, /, *args: Any, **kwargs: Any) -> Any:
        return await self._database.read(unit, *args, **kwargs)


class LateAndStubborn(LateOrders):
    """Orders come late; the first time one is to be undone, nobody knows whether it was."""

    def __init__(self) -> None:
        super().__init__()
        self.voids = 0

    async def void(self, request: Filled) -> Reply:
        self.voids += 1
        if self.voids == 1:
            raise ReplyUnknown("NoReply")
        return await self.deliver(request)


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


def stop_clock(house: House) -> None:
    clock: Any = house.clock
    clock._system = StoppedClock(house.clock.now())


def stalling(house: House, then: Callable[[], Awaitable[None]]) -> Api:
    """The same installation, whose servers are held up once they have written an intent down."""
    stores = dataclasses.replace(house.services.stores, main=Stall(house.services.stores.main, INTENT, then))
    services = dataclasses.replace(house.services, stores=stores)
    return Api(httpx.ASGITransport(asgi(services), raise_app_exceptions=False), house.api.key)


async def settle(house: House, later: int = LONG) -> None:
    house.clock.advance(later)
    await worker.reconcile_attempts(house.services)


async def statuses(api: Api) -> list[str]:
    return [payment["status"] for payment in (await api.get("/payments")).json()["data"]]


async def test_an_order_that_takes_longer_than_its_processor_may_is_found_and_captured(
    house: House, rows: Rows
) -> None:
    customer = await house.api.customer()
    stop_clock(house)
    promise(house, timeout=SECOND)

    reply = await house.api.charge(customer, headers={"Azukari-Delay": "10000"})

    assert (reply.status_code, reply.json()["status"]) == (202, "pending")
    assert Book.read(house.services.settings.data).taken() == 1
    assert await states(rows) == ["unknown"]
    await settle(house)
    assert await statuses(house.api) == ["captured"]
    assert (await hold_against_book(rows, house.services.settings.data)).taken() == 1


@pytest.mark.parametrize("resolved", [False, True], ids=["before the resolver", "after the resolver"])
async def test_an_owner_whose_lease_is_over_does_not_call(house: House, rows: Rows, resolved: bool) -> None:
    customer = await house.api.customer()

    async def hold_up() -> None:
        house.clock.advance(20 * SECOND)
        if resolved:
            await worker.reconcile_attempts(house.services)

    reply = await stalling(house, hold_up).charge(customer)
    await settle(house)

    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "gateway_timeout")
    assert await statuses(house.api) == ["failed"]
    assert await states(rows) == ["not_done"]
    book = await hold_against_book(rows, house.services.settings.data)
    assert [line.kind for line in book.by_ref.values()] == ["verify"]


@pytest.mark.parametrize("kind", ["charge", "refund", "cash"])
async def test_a_late_success_is_undone_until_that_is_certain(house: House, rows: Rows, kind: str) -> None:
    api = house.api
    customer = await api.customer()
    payment = (await api.charge(customer)).json()["id"] if kind == "refund" else None
    line = LateAndStubborn.connect(house)
    if kind == "cash":
        # It is not done yet, and somebody might do it.
        asking = api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": KONBINI})
    else:
        asking = api.charge(customer) if payment is None else api.post(f"/payments/{payment}/refund", json={})
    owner = asyncio.ensure_future(asking)
    await until(lambda: "orders" in line.asked)
    await settle(house)
    assert (await states(rows))[-1] == "not_done"

    line.arrive.set()
    line.answer.set()
    reply = await owner

    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "gateway_timeout")
    assert (await states(rows))[-1] == "undo"
    await settle(house, 0)
    assert ((await states(rows))[-1], line.voids) == ("undo", 1)
    assert await audit_lines(rows) == []
    await settle(house, worker.LEASE)
    assert ((await states(rows))[-1], line.voids) == ("undone", 2)
    await settle(house, worker.LEASE)
    assert line.voids == 2
    (audited,) = await audit_lines(rows)
    assert audited["result"] == "undone"
    assert audited["object_id"] == (await api.get("/payments")).json()["data"][0]["id"]
    assert await statuses(api) == ["failed" if payment is None else "captured"]
    assert (await hold_against_book(rows, house.services.settings.data)).taken() == (payment is not None)


async def audit_lines(rows: Rows) -> list[dict[str, Any]]:
    return await rows.all("SELECT object_id, result FROM audit_lines WHERE action = 'undo_late_success'")


async def test_not_found_is_believed_by_the_age_of_the_order_however_often_it_was_asked(
    house: House, rows: Rows
) -> None:
    customer = await house.api.customer()
    stop_clock(house)
    recover(house, Recovery("by_ref", 60 * SECOND))
    line = LateOrders.connect(house)
    owner = asyncio.ensure_future(house.api.charge(customer))
    await until(lambda: "orders" in line.asked)
    owner.cancel()
    with suppress(asyncio.CancelledError):
        await owner

    seen = []
    for _ in range(4):
        await settle(house, 15 * SECOND)
        seen += await states(rows)

    assert seen == ["unknown", "unknown", "unknown", "not_done"]
    assert len(line.asked) == 1 + 4
    assert await statuses(house.api) == ["failed"]


async def test_an_attempt_that_cannot_be_settled_does_not_hold_up_the_others(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    for _ in range(4):
        assert (await house.api.charge(customer, headers={"Azukari-Fault": "lost_reply"})).status_code == 202
    first, *others = await rows.column("SELECT ref FROM attempts WHERE kind = 'sale' ORDER BY due_at, created_at, id")
    simulator: Any = house.services.processors.named("simulator")
    look_up = simulator.lookup

    async def stumble(query: AttemptQuery) -> Outcome:
        if query.ref == first:
            raise RuntimeError("a reply of a new kind")
        return await look_up(query)

    simulator.lookup = stumble
    await settle(house)

    assert sorted(await states(rows)) == ["succeeded"] * len(others) + ["unknown"]
    simulator.lookup = look_up
    await settle(house, worker.LEASE)
    assert (await hold_against_book(rows, house.services.settings.data)).taken() == 4
