"""News: something was committed in this process. A hint to look again, for whoever waits; it says nothing of what."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

_COMMITTED = "commit:after:"


class CommitSignal:
    """One per process.

    count: changes with every commit. over: nobody shall wait any more, the server is ending.
    seats: how many wait, by a name that whoever lets them wait has for them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.over = False
        self.seats: Counter[str] = Counter()
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
        """Wait for news since ``count`` was ``seen``, or so long, or until it is over."""
        if self.over or self.count != seen:
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
        """Send everybody home. In the loop's own thread."""
        self.over = True
        self._wake()
