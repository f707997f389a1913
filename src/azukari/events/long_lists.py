"""Stretches of long lists, written down when their rows are old enough: no charge waits for a count.

Whatever is in a long list has left an event, so an owner's events tell when it is worth looking.
"""

from azukari.core.clock import MINUTE
from azukari.core.ids import earliest
from azukari.db import Listing, Owner, Tx
from azukari.db.lists import SIZE, Stretch
from azukari.events import numbering
from azukari.wiring import Services

#: No row comes so long after its id was made.
LATE = 2 * MINUTE
_BEHIND_ALL = "~"


class LongLists:
    """One worker's look at them. It may be one of many: a stretch is the same whoever writes it down."""

    def __init__(self, services: Services) -> None:
        self._services = services
        #: How many events an owner had when nothing was left to be written down.
        self._seen: dict[Owner, int] = {}

    async def keep_up(self) -> None:
        """Write down what has become a stretch, of all owners. Raises DatabaseDown."""
        for owner, events in await self._services.db.read(numbering.busy, SIZE // 2):
            if events - self._seen.get(owner, 0) >= SIZE // 2 and not await self.write_down(owner):
                self._seen[owner] = events

    async def write_down(self, owner: Owner) -> bool:
        """Write down what has become a stretch of an owner's; whether there is one that is too young as yet."""
        return any([await self._write_down(owner, listing) for listing in Listing.long])

    async def _write_down(self, owner: Owner, listing: Listing[object]) -> bool:
        db, before = self._services.db, earliest(self._services.clock.now() - LATE)
        while (stretch := await db.read(listing.next_stretch, owner, before)) is not None:
            await db.write(_add, owner, listing, stretch)
        return await db.read(listing.next_stretch, owner, _BEHIND_ALL) is not None


async def _add(tx: Tx, owner: Owner, listing: Listing[object], stretch: Stretch) -> None:
    await listing.write_down(tx, owner, stretch)
