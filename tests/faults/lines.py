"""Lines to the simulator's bank on which things go wrong that no header orders."""

import asyncio
from collections.abc import Awaitable, Callable

from azukari.processors.simulator.bank import HOST, Bank
from azukari.vault import Filled, Reply, ReplyUnknown, RequestNotSent
from tests.house import House, reroute


class Line:
    """Carries orders to the bank, and its answers back. connect: put it between a house and its bank.

    asked: the last part of the path of each order, ``orders``, a ref, or ``void``.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._bank: Bank | None = None

    @classmethod
    def connect(cls, house: House) -> "Line":
        line = cls()
        services = house.services
        line._bank = Bank(
            services.settings.data / "simulator.jsonl", services.processors.simulator.offsite, services.ids
        )
        reroute(house.services.vault, HOST, line)
        return line

    async def send(self, request: Filled) -> Reply:
        word = request.url.rpartition("/")[2]
        self.asked.append(word)
        if word == "void":
            return await self.void(request)
        return await (self.order(request) if word == "orders" else self.look_up(request))

    async def order(self, request: Filled) -> Reply:
        return await self.deliver(request)

    async def look_up(self, request: Filled) -> Reply:
        return await self.deliver(request)

    async def void(self, request: Filled) -> Reply:
        return await self.deliver(request)

    async def deliver(self, request: Filled) -> Reply:
        assert self._bank is not None
        return await self._bank.send(request)


class LateOrders(Line):
    """Orders arrive once ``arrive`` is set, and their answers come back once ``answer`` is."""

    def __init__(self) -> None:
        super().__init__()
        self.arrive = asyncio.Event()
        self.answer = asyncio.Event()

    async def order(self, request: Filled) -> Reply:
        await self.arrive.wait()
        reply = await self.deliver(request)
        await self.answer.wait()
        return reply


class Deaf(Line):
    """Orders arrive and their answers are lost; the bank cannot be asked, or undo anything, either."""

    async def order(self, request: Filled) -> Reply:
        await self.deliver(request)
        raise ReplyUnknown("Deaf")

    async def look_up(self, request: Filled) -> Reply:
        raise RequestNotSent("Deaf")

    async def void(self, request: Filled) -> Reply:
        raise RequestNotSent("Deaf")


class Garbled(Line):
    """Orders arrive, and nobody can read the answer."""

    async def order(self, request: Filled) -> Reply:
        await self.deliver(request)
        return Reply(200, {}, b"<html>")


async def until(true: Callable[[], Awaitable[bool] | bool]) -> None:
    """Let the others go on until something is true."""
    async with asyncio.timeout(30):
        while True:
            found = true()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.001)
