"""The database goes away while a charge is under way."""

import dataclasses
from typing import Any

import httpx

from azukari import worker
from azukari.app import asgi
from azukari.db import DatabaseDown
from azukari.db.units import name_of
from tests.house import Api, House


class Away:
    """A database that cannot take one kind of unit."""

    def __init__(self, database: Any, unit: str) -> None:
        self._database = database
        self._unit = unit

    async def write(self, unit: Any, /, *args: Any, **kwargs: Any) -> Any:
        if name_of(unit) == self._unit:
            raise DatabaseDown
        return await self._database.write(unit, *args, **kwargs)

    async def read(self, unit: Any, /, *args: Any, **kwargs: Any) -> Any:
        return await self._database.read(unit, *args, **kwargs)


def without(house: House, unit: str) -> Api:
    """The same installation, in whose database this unit fails."""
    stores = dataclasses.replace(house.services.stores, main=Away(house.services.stores.main, unit))
    services = dataclasses.replace(house.services, stores=stores)
    return Api(httpx.ASGITransport(asgi(services)), house.api.key)


async def test_before_the_intent_is_written_nothing_is_charged(house: House) -> None:
    customer = await house.api.customer()

    reply = await without(house, "payments.charge.record_intent").post(
        "/payments", json={"amount": 1000, "currency": "JPY", "customer": customer}
    )

    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "service_unavailable")
    assert reply.headers["Retry-After"]
    assert (await house.api.get("/payments")).json()["total"] == 0


async def test_after_the_call_the_caller_is_told_that_the_outcome_is_not_known_and_it_settles(house: House) -> None:
    customer = await house.api.customer()
    order = {"amount": 1000, "currency": "JPY", "customer": customer}

    reply = await without(house, "payments.record.apply_outcome").post(
        "/payments", json=order, headers={"X-KOMOJU-IDEMPOTENCY": "one"}
    )
    assert (reply.status_code, reply.json()["status"]) == (202, "pending")

    house.clock.advance(20_000)
    await worker.reconcile_attempts(house.services)

    again = await house.api.post("/payments", json=order, headers={"X-KOMOJU-IDEMPOTENCY": "one"})
    assert (again.status_code, again.json()["status"]) == (200, "captured")
    assert again.json()["id"] == reply.json()["id"]


async def test_a_lost_refund_outcome_keeps_its_amount_reserved_until_it_is_settled(house: House) -> None:
    payment = (await house.api.charge(await house.api.customer())).json()["id"]

    reply = await without(house, "payments.record.apply_outcome").post(f"/payments/{payment}/refund", json={})
    assert (reply.status_code, reply.json()["amount_refunded"]) == (202, 0)
    second = await house.api.post(f"/payments/{payment}/refund", json={"amount": 1})
    assert second.status_code == 422

    house.clock.advance(20_000)
    await worker.reconcile_attempts(house.services)

    shown = (await house.api.get(f"/payments/{payment}")).json()
    assert (shown["status"], shown["amount_refunded"], len(shown["refunds"])) == ("refunded", 1000, 1)
