"""The simulator's bank behind a network that has moods."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from azukari.processors.simulator.bank import HOST, Bank
from azukari.vault import Filled, Reply, ReplyUnknown, RequestNotSent
from azukari.wiring import Services
from tests.house import reroute


@dataclass
class FarSide:
    """Hands orders on to the bank.

    moods: of the next orders, in turn; ``""``: a good one. ``down``: it is not reached. ``lost_request`` and
    ``lost_reply``: there is no answer. Any other is the code the bank declines with. orders: as they came.
    held: nothing is answered before it is set; arrived: an order has come.
    """

    bank: Bank
    moods: list[str] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)
    held: asyncio.Event | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def before(cls, services: Services) -> "FarSide":
        """From now on between these parts and their bank."""
        bank = Bank(services.settings.data / "simulator.jsonl", services.processors.simulator.offsite, services.ids)
        far = cls(bank)
        reroute(services.vault, HOST, far)
        return far

    async def send(self, request: Filled) -> Reply:
        """The transport's one method. Raises RequestNotSent, ReplyUnknown."""
        if not request.url.endswith("/orders"):
            return await self.bank.send(request)
        order = msgspec.json.decode(request.body)
        self.orders.append(order)
        if self.held is not None:
            self.arrived.set()
            await self.held.wait()
        mood = self.mood_of(order)
        if mood == "down":
            raise RequestNotSent("ProcessorDown")
        if mood == "lost_request":
            raise ReplyUnknown("LostRequest")
        if mood not in ("", "lost_reply"):
            order["directives"] = {"scenario": mood}
            request.body = msgspec.json.encode(order)
        reply = await self.bank.send(request)
        if mood == "lost_reply":
            raise ReplyUnknown("LostReply")
        return reply

    def mood_of(self, order: Any) -> str:
        """Only sales know moods."""
        return self.moods.pop(0) if self.moods and order["kind"] == "sale" else ""
