"""Something was committed in this process. A hint to look again, for whoever waits; it says nothing of what."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

_COMMITTED = "commit:after:"


class CommitSignal:
    """One per process.

    count: changes with every commit. closing: the server is ending, and there is no more waiting.
    waiters: how many wait, by a name.
    """

    def __init__(self) -> None:
        self.count = 0
        self.closing = False
        self.waiters: Counter[str] = Counter()
        self._waiting: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def beside(self, announce: Callable[[str], None]) -> Callable[[str], None]:
        """What the databases announce their commits to: the other listener, then us."""

        def both(point: str) -> None:
            announce(point)
            if point.startswith(_COMMITTED):
                self._told()

        return both

    def _told(self) -> None:
        """From any thread."""
        self.count += 1
        if self._waiting and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for each in self._waiting:
            if not each.done():
                each.set_result(None)

    async def wait(self, seen: int, seconds: float) -> None:
        """Wait for news since ``count`` was ``seen``, or so long, or until it closes."""
        if self.closing or self.count != seen:
            return
        self._loop = asyncio.get_running_loop()
        woken = self._loop.create_future()
        self._waiting.add(woken)
        try:
            # What was told in another thread before we stood in the line has woken nobody.
            if self.count == seen:
                await asyncio.wait([woken], timeout=seconds)
        finally:
            self._waiting.discard(woken)

    def close(self) -> None:
        """Wake all waiters; the server is shutting down. In the loop's own thread."""
        self.closing = True
        self._wake()
