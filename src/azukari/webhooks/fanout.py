"""From events to deliveries, without a word from whoever writes the events.

Ids sort by the time they were made at, not by the time their transaction is committed at, so no cursor can say "all up
to here". Two looks at the events of a merchant who has endpoints make up for it, both for events that have no delivery
yet: the quick one, all the time, over the last seconds; the thorough one, once a minute, over all since the last
thorough look and a quarter of an hour before it, far longer than a unit of work can be under way. Both may run in any
number of workers: an event has one delivery to an endpoint, by a unique key.
"""

from azukari.core.clock import MINUTE, SECOND
from azukari.core.ids import earliest
from azukari.db import Owner
from azukari.webhooks import deliveries, store
from azukari.webhooks.service import PING
from azukari.webhooks.store import Endpoint
from azukari.wiring import Parts

#: What the quick look goes back.
QUICK = 10 * SECOND
#: No transaction is committed so long after the ids in it were made.
LATEST_COMMIT = 15 * MINUTE
#: An ordered endpoint waits for so long whether something earlier is still being committed.
SETTLING = SECOND
BATCH = 200


async def look(parts: Parts) -> None:
    """The quick look."""
    after = earliest(parts.clock.now() - QUICK)
    for endpoint in await parts.db.read(deliveries.with_news, after):
        await _fan_out(parts, endpoint, after)


async def look_thoroughly(parts: Parts) -> None:
    """The thorough look; it also finds what happened while no worker ran."""
    for endpoint in await parts.db.read(store.active):
        start = parts.clock.now()
        await _fan_out(parts, endpoint, earliest(endpoint.swept_to - LATEST_COMMIT))
        await parts.db.write(store.swept, endpoint.owner, endpoint.id, start)


async def look_for(parts: Parts, owner: Owner, since: int) -> None:
    """A look at the events of one owner that have happened since a moment of the machine's."""
    for endpoint in await parts.db.read(store.active_of, owner):
        await _fan_out(parts, endpoint, earliest(since))


async def _fan_out(parts: Parts, endpoint: Endpoint, after: str) -> None:
    after = max(after, endpoint.since or "")
    while True:
        found = await parts.db.read(deliveries.missing, endpoint, after, BATCH)
        wanted = [(parts.ids.new(), *each) for each in found if each[1] != PING and endpoint.wants(each[1])]
        if wanted:
            at = await parts.moment_of(endpoint.owner)
            not_before = at.real + SETTLING if endpoint.ordered else None
            await parts.db.write(deliveries.add_all, endpoint, wanted, at.now, not_before)
        if len(found) < BATCH:
            return
        after = found[-1][0]
