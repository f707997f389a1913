"""Events by their numbers, oldest first: a reader says up to where it has them, and can wait for more.

A reader who goes on from the last number it was given gets every event, once. Waiting holds no database connection: a
commit in this process wakes it up at once, and it looks by itself every quarter of a second for those of others.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from azukari.core.errors import NotFound, TooManyRequests
from azukari.core.ids import earliest
from azukari.db import Owner, Tx
from azukari.events import numbering, store
from azukari.events.store import Event
from azukari.wiring import Services

#: The longest wait.
MOST_SECONDS = 30
#: Seconds between two looks: when nothing was heard, and at least.
PATIENCE, BREATH = 0.25, 0.02
#: Waits of one key at the same time, in one process.
MOST_WAITING = 16


class Slice(NamedTuple):
    """events: by their numbers. next: where to go on. rest: how many there are after these."""

    events: list[Event]
    next: int
    rest: int


class TooManyWaiting(TooManyRequests):
    """A key waits for events more often than it may."""

    message = "Too many requests with this key wait for events already."
    retry_after = 5


async def after(services: Services, owner: Owner, sequence: int | None, limit: int, wait: float = 0) -> Slice:
    """The owner's events with greater numbers than ``sequence``, at most ``limit``.

    sequence: 0 begins with the first of all; None: nothing of what has happened so far.
    wait: seconds to wait until there is one.
    Raises NotFound: no event has this number yet.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + min(wait, MOST_SECONDS)
    # Of what has no number yet: all of it, then what is new.
    floor = ""
    while True:
        seen = services.news.count
        found = await _look(services, owner, sequence, limit, floor)
        if sequence is None:
            sequence = found.next
        left = end - loop.time()
        if found.events or left <= 0 or services.news.closing:
            return found
        floor = earliest(services.clock.now() - numbering.RECENT)
        # Under load there is news all the time.
        await asyncio.sleep(min(left, BREATH))
        await services.news.wait(seen, min(left, PATIENCE))


async def _look(services: Services, owner: Owner, sequence: int | None, limit: int, floor: str) -> Slice:
    found, is_new = await services.db.read(_read, owner, sequence, limit, floor)
    if is_new and len(found.events) < limit:
        while await services.db.write(numbering.number, owner, floor, numbering.BATCH) == numbering.BATCH:
            continue
        found, _ = await services.db.read(_read, owner, sequence, limit, floor)
    if found.rest < 0:
        raise NotFound
    return found


async def _read(tx: Tx, owner: Owner, sequence: int | None, limit: int, floor: str) -> tuple[Slice, bool]:
    last = await numbering.last(tx, owner)
    is_new = await numbering.any_new(tx, owner, floor)
    if sequence is None:
        return Slice([], last, 0), is_new
    events = await store.after(tx, owner, sequence, limit) if sequence < last else []
    reached = sequence + len(events)
    return Slice(events, reached, last - reached), is_new


@contextmanager
def seat(services: Services, key_id: str) -> Iterator[None]:
    """A place for a key's request that waits. Raises TooManyWaiting."""
    waiters = services.news.waiters
    if waiters[key_id] >= MOST_WAITING:
        raise TooManyWaiting
    waiters[key_id] += 1
    try:
        yield
    finally:
        waiters[key_id] -= 1
        if not waiters[key_id]:
            del waiters[key_id]
