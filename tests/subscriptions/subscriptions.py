"""Subscriptions as tests make them."""

from typing import Any

import httpx

from azukari import worker
from azukari.core.clock import DAY, MINUTE
from azukari.db import Owner
from tests.house import Api, House

MONTH = 31 * DAY


async def subscribe(api: Api, customer: str, period: str = "monthly", **more: Any) -> httpx.Response:
    """A subscription of 1000 yen."""
    headers = more.pop("headers", None)
    order = {"customer": customer, "amount": 1000, "currency": "JPY", "period": period, **more}
    return await api.post("/subscriptions", json=order, headers=headers)


async def shown(api: Api, subscription: str) -> Any:
    reply = await api.get(f"/subscriptions/{subscription}")
    assert reply.status_code == 200, reply.text
    return reply.json()


async def statuses(api: Api, subscription: str) -> list[str]:
    """Of its payments, in order."""
    found = (await shown(api, subscription))["payments"]
    return [(await api.get(f"/payments/{payment}")).json()["status"] for payment in found]


async def owner_of(house: House) -> Owner:
    return (await house.services.api_keys.resolve(house.api.key, None)).owner


async def settle(house: House) -> None:
    """What the bank knows of charges whose answer was lost."""
    house.clock.advance(MINUTE)
    await worker.reconcile_attempts(house.services)


async def pass_by(house: House, milliseconds: int) -> None:
    """Let time pass, and the worker charge once what is due."""
    house.clock.advance(milliseconds)
    await worker.renew_subscriptions(house.services)
