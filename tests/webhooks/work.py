"""What a worker does for webhooks, when a test says so."""

from dataclasses import dataclass
from typing import Any

from azukari.core.clock import DAY
from azukari.db import Owner, Slice
from azukari.webhooks import deliveries, fanout
from azukari.webhooks.deliveries import DeliveryAttempt
from azukari.webhooks.sending import Sender
from tests.house import House
from tests.webhooks.receiver import SECRET, Receiver


@dataclass
class Work:
    """A house's worker."""

    house: House
    sender: Sender

    async def deliver(self) -> None:
        """Find what happened, and try all that is due."""
        await fanout.look(self.house.services)
        await self.send()

    async def send(self) -> None:
        """Try all that is due."""
        await self.sender.begin()
        await self.sender.finish()

    async def give_up(self, times: int = 12) -> None:
        """Let days pass, with a try whenever one is due."""
        for _ in range(times):
            self.house.clock.advance(2 * DAY)
            await self.send()


async def owner_of(house: House) -> Owner:
    """Of the first test key."""
    return (await house.services.api_keys.resolve(house.api.key, None)).owner


async def endpoint(house: House, receiver: Receiver, **more: Any) -> dict[str, Any]:
    """A new endpoint of the first test key."""
    order = {"url": receiver.url, "secret": SECRET, **more}
    reply = await house.api.post("/webhook_endpoints", json=order)
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def log_of(house: House, made: dict[str, Any]) -> list[DeliveryAttempt]:
    owner = await owner_of(house)
    found = await house.services.db.read(deliveries.log, owner, made["id"], Slice(1, 1_000, 0, 2**62))
    return found.rows
