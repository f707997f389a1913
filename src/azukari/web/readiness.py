"""Whether requests can be served: each store is read, and now and then something is written."""

import asyncio

from azukari.core.clock import SECOND
from azukari.core.errors import Unavailable
from azukari.db.probing import probe
from azukari.merchants import store as merchants
from azukari.wiring import Services

#: How long what a probe has found is true: however often a balancer asks, the disk is not kept busy by it.
REMEMBERED = 2 * SECOND


class Readiness:
    """Of one process, which tries one write at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._probed_at: int | None = None
        self._writes = False
        self._probing = asyncio.Lock()

    async def check(self) -> None:
        """Raises Unavailable: no request that changes anything would be served."""
        await self._services.db.read(merchants.any_merchant)
        if not await self._services.vault.healthy() or not await self._takes_writes():
            raise Unavailable

    async def _takes_writes(self) -> bool:
        async with self._probing:
            now = self._services.clock.now()
            if self._probed_at is None or abs(now - self._probed_at) >= REMEMBERED:
                try:
                    await self._services.db.write(probe, now)
                except Unavailable:
                    self._writes = False
                else:
                    self._writes = True
                self._probed_at = self._services.clock.now()
            return self._writes
