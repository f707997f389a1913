"""An idempotency key stays its request's for as long as that request has not ended, however long that takes."""

import asyncio
from typing import Any

import httpx
import pytest

from azukari import worker
from azukari.core.clock import HOUR, MINUTE, SECOND
from azukari.processors.base import AttemptQuery, Outcome, Unknown
from tests.faults.lines import LateOrders, until
from tests.faults.sites import Rows
from tests.faults.truth import Book, hold_against_book
from tests.house import House, card

KEY = {"X-KOMOJU-IDEMPOTENCY": "key-1"}
LOST = {**KEY, "Azukari-Fault": "lost_reply"}
KEYS = "SELECT id FROM idempotency_keys"


def replayed(reply: httpx.Response) -> bool:
    return reply.headers.get("X-Idempotent-Replayed") == "true"


@pytest.fixture
def silent(house: House) -> Any:
    """A processor that cannot say what became of its orders; until it is called, then it can."""
    simulator: Any = house.services.processors.named("simulator")
    look_up = simulator.lookup

    async def unsettled(query: AttemptQuery) -> Outcome:
        return Unknown()

    def speak() -> None:
        simulator.lookup = look_up

    simulator.lookup = unsettled
    return speak


def sales(house: House) -> int:
    """How often the bank was told to sell."""
    book = Book.read(house.services.settings.data)
    return sum(book.orders[ref] for ref, line in book.by_ref.items() if line.kind == "sale")


@pytest.mark.parametrize("asked_at", [HOUR, 25 * HOUR], ids=["asked again within the day", "left to a person"])
async def test_the_key_of_a_charge_of_unknown_outcome_is_not_freed(
    house: House, rows: Rows, silent: Any, asked_at: int
) -> None:
    customer = await house.api.customer()
    first = await house.api.charge(customer, headers=LOST)
    house.clock.advance(asked_at)
    await worker.reconcile_attempts(house.services)
    house.clock.advance(25 * HOUR - asked_at)
    await worker.forget_keys(house.services)

    again = await house.api.charge(customer, headers=LOST)

    assert (first.status_code, first.json()["status"]) == (202, "pending")
    assert (again.status_code, again.content, replayed(again)) == (202, first.content, True)
    assert await rows.column("SELECT state FROM attempts WHERE kind = 'sale'") == [
        "unknown" if asked_at == HOUR else "manual"
    ]
    assert sales(house) == 1
    assert len(await rows.all("SELECT id FROM payments")) == 1


async def test_the_key_of_a_charge_is_freed_once_its_outcome_is_known(house: House, rows: Rows, silent: Any) -> None:
    customer = await house.api.customer()
    first = await house.api.charge(customer, headers=LOST)
    house.clock.advance(25 * HOUR)
    await worker.forget_keys(house.services)
    assert len(await rows.all(KEYS)) == 1

    silent()
    await worker.reconcile_attempts(house.services)
    await worker.forget_keys(house.services)

    assert await rows.all(KEYS) == []
    second = await house.api.charge(customer, headers=KEY)
    assert (second.status_code, replayed(second)) == (200, False)
    assert second.json()["id"] != first.json()["id"]
    assert sales(house) == 2
    await hold_against_book(rows, house.services.settings.data)


async def test_a_refund_of_unknown_outcome_keeps_its_key_too(house: House, rows: Rows, silent: Any) -> None:
    payment = (await house.api.charge(await house.api.customer())).json()["id"]
    asking = {"json": {"amount": 300}, "headers": LOST}
    first = await house.api.post(f"/payments/{payment}/refund", **asking)
    house.clock.advance(25 * HOUR)
    await worker.forget_keys(house.services)

    again = await house.api.post(f"/payments/{payment}/refund", **asking)

    assert (again.status_code, again.content, replayed(again)) == (202, first.content, True)
    silent()
    await worker.reconcile_attempts(house.services)
    await worker.forget_keys(house.services)
    assert await rows.all(KEYS) == []
    assert (await house.api.get(f"/payments/{payment}")).json()["amount_refunded"] == 300


@pytest.mark.parametrize("by", ["card", "token"])
async def test_a_repeat_is_told_to_wait_for_as_long_as_a_card_is_checked(house: House, rows: Rows, by: str) -> None:
    details: Any = card() if by == "card" else await house.api.token(verification_value="123")
    line = LateOrders.connect(house)

    async def create() -> httpx.Response:
        return await house.api.post("/customers", json={"payment_details": details}, headers=KEY)

    owner = asyncio.ensure_future(create())
    await until(lambda: "orders" in line.asked)
    for later in (0, 31 * SECOND, MINUTE, HOUR, 20 * HOUR):
        house.clock.advance(later)
        await worker.forget_keys(house.services)
        waits = await create()
        assert (waits.status_code, waits.json()["error"]["code"]) == (409, "conflict"), later
        assert waits.headers["Retry-After"] == "1"
    line.arrive.set()
    line.answer.set()

    made, again = await owner, await create()

    assert made.status_code == 200, made.text
    assert (again.status_code, again.content, replayed(again)) == (200, made.content, True)
    assert await rows.column("SELECT id FROM customers") == [made.json()["id"]]
    assert line.asked == ["orders"]
