"""Faults and declines that a test request orders, and what becomes of them (settled question 9; contract 16.4)."""

import asyncio
import dataclasses
from typing import Any

import httpx
import pytest

from azukari import worker
from azukari.core.clock import SECOND
from azukari.core.config import Settings
from azukari.processors.declines import SCENARIOS
from azukari.processors.simulator import faults
from azukari.vault import Filled, Reply, RequestNotSent
from tests.faults.lines import Garbled, LateOrders, until
from tests.faults.sites import Rows
from tests.faults.truth import OPEN_ATTEMPTS, Book, hold_against_book
from tests.house import Api, House, card, running
from tests.promises import promise

KEY = {"X-KOMOJU-IDEMPOTENCY": "key-1"}
#: A decline's status, by its code. Source: contract 2.2.
NOT_502 = {"request_failed": 402, "fraudulent": 422}

OPERATIONS = ("charge", "authorize", "capture", "refund", "cancel")
#: How a payment of 1000 stands before each operation, and after it.
BEFORE = {"capture": "authorized", "refund": "captured", "cancel": "authorized"}
AFTER = {
    "charge": "captured", "authorize": "authorized", "capture": "captured", "refund": "refunded", "cancel": "cancelled",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "SLOW", 50)


@dataclasses.dataclass
class Operation:
    """One thing done to money, ready to be sent."""

    api: Api
    kind: str
    path: str
    body: dict[str, Any]

    @classmethod
    async def ready(cls, api: Api, kind: str) -> "Operation":
        order = {"amount": 1000, "currency": "JPY", "customer": await api.customer()}
        if kind in ("charge", "authorize"):
            return cls(api, kind, "/payments", {**order, "capture": kind == "charge"})
        reply = await api.post("/payments", json={**order, "capture": kind == "refund"})
        return cls(api, kind, f"/payments/{reply.json()['id']}/{kind}", {})

    async def send(self, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.api.post(self.path, json=self.body, headers=KEY | named)

    async def payment(self) -> dict[str, Any]:
        """The one payment there is."""
        (body,) = (await self.api.get("/payments")).json()["data"]
        return dict(body)


async def settle(house: House) -> None:
    house.clock.advance(5 * SECOND)
    await worker.reconcile_attempts(house.services)


def done_events(house_events: list[str]) -> list[str]:
    return [event for event in house_events if event != "customer.created"]


@pytest.mark.parametrize("kind", OPERATIONS)
@pytest.mark.parametrize("headers", [{"Azukari_Fault": "slow"}, {"Azukari_Delay": "30"}], ids=["slow", "delay"])
async def test_a_slow_bank_is_waited_for(house: House, rows: Rows, kind: str, headers: dict[str, str]) -> None:
    operation = await Operation.ready(house.api, kind)

    reply = await operation.send(**headers)

    assert (reply.status_code, reply.json()["status"]) == (200, AFTER[kind])
    await hold_against_book(rows, house.services.settings.data)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_a_reply_that_comes_twice_counts_once(house: House, rows: Rows, kind: str) -> None:
    plain = await Operation.ready(house.api, kind)
    before = len(await house.api.events())

    reply = await plain.send(Azukari_Fault="duplicate_reply")

    assert (reply.status_code, reply.json()["status"]) == (200, AFTER[kind])
    assert (await plain.send(Azukari_Fault="duplicate_reply")).content == reply.content
    expected = 2 if kind == "refund" else 1
    assert len(await house.api.events()) == before + expected
    await hold_against_book(rows, house.services.settings.data)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_a_lost_reply_settles_to_what_the_bank_has_done(house: House, rows: Rows, kind: str) -> None:
    operation = await Operation.ready(house.api, kind)

    reply = await operation.send(Azukari_Fault="lost_reply")

    assert (reply.status_code, reply.json()["status"]) == (202, BEFORE.get(kind, "pending"))
    await settle(house)
    assert (await operation.payment())["status"] == AFTER[kind]
    await hold_against_book(rows, house.services.settings.data)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_a_lost_request_settles_to_nothing_done(house: House, rows: Rows, kind: str) -> None:
    operation = await Operation.ready(house.api, kind)

    reply = await operation.send(Azukari_Fault="lost_request")

    assert (reply.status_code, reply.json()["status"]) == (202, BEFORE.get(kind, "pending"))
    await settle(house)
    assert (await operation.payment())["status"] == BEFORE.get(kind, "failed")
    await hold_against_book(rows, house.services.settings.data)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_a_bank_that_is_down_has_done_nothing(house: House, rows: Rows, kind: str) -> None:
    operation = await Operation.ready(house.api, kind)

    reply = await operation.send(Azukari_Fault="processor_down")

    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "gateway_timeout")
    assert (await operation.payment())["status"] == BEFORE.get(kind, "failed")
    await hold_against_book(rows, house.services.settings.data)


@pytest.mark.parametrize("kind", ["capture", "cancel", "refund"])
async def test_an_operation_that_came_to_nothing_can_be_tried_again(house: House, rows: Rows, kind: str) -> None:
    operation = await Operation.ready(house.api, kind)
    await operation.send(Azukari_Fault="lost_request")
    locked = await house.api.post(operation.path)
    assert (locked.status_code, locked.json()["error"]["code"]) == (423, "locked")
    await settle(house)

    reply = await house.api.post(operation.path)

    assert (reply.status_code, reply.json()["status"]) == (200, AFTER[kind])
    await hold_against_book(rows, house.services.settings.data)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_a_bank_that_takes_too_long_is_asked_afterwards(house: House, rows: Rows, kind: str) -> None:
    operation = await Operation.ready(house.api, kind)
    # Long enough for the order to arrive on a busy machine; the answer comes after any patience.
    promise(house, timeout=SECOND)

    reply = await operation.send(Azukari_Delay="60000")

    assert (reply.status_code, reply.json()["status"]) == (202, BEFORE.get(kind, "pending"))
    promise(house, timeout=10 * SECOND)
    await settle(house)
    assert (await operation.payment())["status"] == AFTER[kind]
    await hold_against_book(rows, house.services.settings.data)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_an_order_that_arrives_after_it_was_given_up_is_undone(house: House, rows: Rows, kind: str) -> None:
    operation = await Operation.ready(house.api, kind)
    line = LateOrders.connect(house)
    sending = asyncio.ensure_future(operation.send())
    await until(lambda: "orders" in line.asked)
    house.clock.advance(20 * SECOND)
    await worker.reconcile_attempts(house.services)
    assert (await operation.payment())["status"] == BEFORE.get(kind, "failed")

    line.arrive.set()
    line.answer.set()
    reply = await sending

    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "gateway_timeout")
    assert (await operation.send()).content == reply.content
    await settle(house)
    assert line.asked[-1] == "void"
    assert (await operation.payment())["status"] == BEFORE.get(kind, "failed")
    await hold_against_book(rows, house.services.settings.data)


async def test_an_answer_that_comes_after_it_was_asked_for_is_the_same(house: House, rows: Rows) -> None:
    operation = await Operation.ready(house.api, "charge")
    line = LateOrders.connect(house)
    line.arrive.set()
    sending = asyncio.ensure_future(operation.send())
    await until(lambda: "orders" in line.asked)
    house.clock.advance(20 * SECOND)
    await worker.reconcile_attempts(house.services)
    assert (await operation.payment())["status"] == "captured"

    line.answer.set()
    reply = await sending

    assert (reply.status_code, reply.json()["status"]) == (200, "captured")
    assert (await operation.send()).content == reply.content
    assert done_events(await house.api.events()) == ["payment.captured"]
    await hold_against_book(rows, house.services.settings.data)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_an_answer_that_cannot_be_read_is_no_answer(house: House, rows: Rows, kind: str) -> None:
    operation = await Operation.ready(house.api, kind)
    Garbled.connect(house)

    reply = await operation.send()

    assert reply.status_code == 202
    await settle(house)
    assert (await operation.payment())["status"] == AFTER[kind]
    await hold_against_book(rows, house.services.settings.data)


class LateAndDeaf(LateOrders):
    """Nothing can be undone until ``hears``."""

    hears = False

    async def void(self, request: Filled) -> Reply:
        if not self.hears:
            raise RequestNotSent("Deaf")
        return await super().void(request)


async def test_a_late_success_is_undone_as_soon_as_it_can_be(house: House, rows: Rows) -> None:
    operation = await Operation.ready(house.api, "charge")
    line = LateAndDeaf.connect(house)
    sending = asyncio.ensure_future(operation.send())
    await until(lambda: "orders" in line.asked)
    house.clock.advance(20 * SECOND)
    await worker.reconcile_attempts(house.services)
    line.arrive.set()
    line.answer.set()
    assert (await sending).status_code == 504
    await settle(house)
    assert Book.read(house.services.settings.data).taken() == 1

    line.hears = True
    house.clock.advance(60 * SECOND)
    await worker.reconcile_attempts(house.services)

    assert Book.read(house.services.settings.data).taken() == 0
    assert (await operation.payment())["status"] == "failed"
    await hold_against_book(rows, house.services.settings.data)


CUSTOMER_FAULTS = {
    "slow": (200, None),
    "duplicate_reply": (200, None),
    "processor_down": (504, "gateway_timeout"),
    "lost_request": (502, "bad_gateway"),
    "lost_reply": (502, "bad_gateway"),
}


@pytest.mark.parametrize("fault", CUSTOMER_FAULTS)
@pytest.mark.parametrize("source", ["card", "token"])
async def test_a_card_is_kept_only_when_its_check_was_answered(
    house: House, rows: Rows, fault: str, source: str
) -> None:
    api, (status, code) = house.api, CUSTOMER_FAULTS[fault]
    details = card(verification_value="123") if source == "card" else await api.token(verification_value="123")
    headers = {"Azukari-Fault": fault, **KEY}

    reply = await api.post("/customers", json={"payment_details": details}, headers=headers)

    assert reply.status_code == status
    assert code is None or reply.json()["error"]["code"] == code
    assert (await api.get("/customers")).json()["total"] == (status == 200)
    again = await api.post("/customers", json={"payment_details": details}, headers=headers)
    assert (again.status_code, again.content) == (status, reply.content)
    if status != 200:
        assert await rows.all("SELECT id FROM azukari_keys.deks") == []
    await hold_against_book(rows, house.services.settings.data)


async def test_a_check_that_takes_too_long_keeps_nothing(house: House, rows: Rows) -> None:
    promise(house, timeout=1_000)

    reply = await house.api.post(
        "/customers", json={"payment_details": card()}, headers={"Azukari-Delay": "9000", **KEY}
    )

    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "bad_gateway")
    assert (await house.api.get("/customers")).json()["total"] == 0
    assert await rows.all(OPEN_ATTEMPTS) == []


async def test_a_scenario_fails_a_payment_in_the_words_of_the_wire(api: Api) -> None:
    customer = await api.customer()

    for code in sorted(SCENARIOS):
        reply = await api.charge(customer, headers={"Komoju-Scenario": code})

        assert (reply.status_code, reply.json()["error"]["code"]) == (NOT_502.get(code, 502), code)
        assert (await api.get("/payments")).json()["data"][0]["status"] == "failed"
    assert (await api.charge(customer)).status_code == 200


async def test_a_scenario_of_a_customer_fails_each_of_its_payments(api: Api) -> None:
    for code in sorted(SCENARIOS):
        customer = await api.customer(headers={"Komoju-Scenario": code})

        for _ in range(2):
            reply = await api.charge(customer)
            assert (reply.status_code, reply.json()["error"]["code"]) == (NOT_502.get(code, 502), code)


@pytest.mark.parametrize("kind", ["capture", "refund", "cancel"])
async def test_a_scenario_fails_an_operation_and_leaves_the_payment_as_it_was(
    house: House, rows: Rows, kind: str
) -> None:
    operation = await Operation.ready(house.api, kind)
    before = await operation.payment()

    reply = await operation.send(Komoju_Scenario="other_error")

    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "other_error")
    assert await operation.payment() == before
    assert (await house.api.post(operation.path)).status_code == 200
    await hold_against_book(rows, house.services.settings.data)


UNKNOWN_ORDERS = (
    ("Azukari-Fault", "fire"),
    ("Azukari-Delay", "soon"),
    ("Azukari-Delay", "-1"),
    ("Azukari-Delay", "60001"),
    ("Azukari-Delay", "1" * 30),
    ("Komoju-Scenario", "good_luck"),
)


async def test_an_order_that_is_not_known_is_refused(api: Api) -> None:
    customer = await api.customer()

    for header, value in UNKNOWN_ORDERS:
        reply = await api.charge(customer, headers={header: value})
        assert (reply.status_code, reply.json()["error"]["param"]) == (422, header)
    assert (await api.get("/payments")).json()["total"] == 0


async def test_the_simulator_can_be_set_to_a_fault_and_a_request_to_another(settings: Settings) -> None:
    async with running(dataclasses.replace(settings, simulator_fault="processor_down")) as house:
        assert (await house.api.post("/customers", json={"payment_details": card()})).status_code == 504

        customer = await house.api.customer(headers={"Azukari-Fault": "duplicate_reply"})

        assert (await house.api.charge(customer)).status_code == 504
        assert Book.read(settings.data).taken() == 0
