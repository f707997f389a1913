"""The worker looks when something was committed, not when its time has come."""

import asyncio

import pytest

from azukari import worker
from tests.house import House
from tests.webhooks.receiver import Receiver
from tests.webhooks.work import endpoint


async def test_a_webhook_does_not_wait_for_the_next_look(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "DELIVERING", 3_600)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(house.services, stop))
    await endpoint(house, receiver)
    buyer = await house.api.customer()
    async with asyncio.timeout(60):
        while len(receiver.got) < 2:
            await asyncio.sleep(0.01)
        await house.api.charge(buyer)
        while len(receiver.got) < 3:
            await asyncio.sleep(0.01)
    stop.set()
    await working

    assert receiver.types == ["ping", "customer.created", "payment.captured"]
