"""What a crash left behind: entries nobody needs, data keys without a record."""

import logging
from typing import NamedTuple

import sqlalchemy as sa

from azukari.core.clock import DAY, HOUR
from azukari.db import Database, Owner, Statement, Tx, bind, owned
from azukari.vault.inside.tables import deks, entries

log = logging.getLogger(__name__)

#: A record follows its key within one request; an hour is far past that.
OLDEST_REQUEST = HOUR
#: How far back to look: the sweep runs all the time, so older strays were found before.
WINDOW = 7 * DAY
#: More strays than crashes can make: then it is the records that are missing, not the keys that are too many.
SUSPICIOUS = 500


class Stray(NamedTuple):
    """A data key without a record."""

    merchant_id: str
    mode: str
    id: str
    gen: int


STRAYS = Statement(
    Stray,
    sa.select(deks.c.merchant_id, deks.c.mode, deks.c.id, deks.c.gen)
    .outerjoin_from(
        deks,
        entries,
        sa.and_(
            entries.c.merchant_id == deks.c.merchant_id,
            entries.c.mode == deks.c.mode,
            entries.c.id == deks.c.id,
            entries.c.dek_gen == deks.c.gen,
        ),
    )
    .where(
        entries.c.id.is_(None), deks.c.created_at > sa.bindparam("after"), deks.c.created_at < sa.bindparam("before")
    )
    .limit(SUSPICIOUS),
    ownerless="the sweep works for all merchants",
)
RETIRED = Statement(
    lambda merchant_id, mode, entry_id: (Owner(merchant_id, mode), str(entry_id)),
    sa.select(entries.c.merchant_id, entries.c.mode, entries.c.id)
    .where(entries.c.retired_at.is_not(None))
    .limit(SUSPICIOUS),
    ownerless="the sweep works for all merchants",
)
DROP_STRAY: Statement[None] = Statement(
    None, sa.delete(deks).where(*owned(deks), deks.c.id == bind(deks.c.id), deks.c.gen == bind(deks.c.gen))
)


async def retired(tx: Tx) -> list[tuple[Owner, str]]:
    """Entries nobody needs, not shredded yet."""
    return await tx.all(RETIRED, None)


async def drop_strays(main: Database, keys: Database, now: int) -> int:
    """Destroy data keys whose record never came; how many there were.

    With too many of them it destroys none: a server started on the wrong or an empty data store must not lose the keys
    of the right one.
    """
    strays = await main.read(_strays, now - WINDOW, now - OLDEST_REQUEST)
    if len(strays) >= SUSPICIOUS:
        log.error("Very many data keys have no record. Is this the right data store? No key was destroyed.")
        return 0
    return await keys.write(_drop, strays) if strays else 0


async def _strays(tx: Tx, after: int, before: int) -> list[Stray]:
    return await tx.all(STRAYS, None, after=after, before=before)


async def _drop(tx: Tx, strays: list[Stray]) -> int:
    count = 0
    for stray in strays:
        count += await tx.run(DROP_STRAY, Owner(stray.merchant_id, stray.mode), id=stray.id, gen=stray.gen)
    return count
