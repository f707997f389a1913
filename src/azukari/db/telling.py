"""Machines tell each other what they count: through their one database, where a limit is a quarter used up or more.

Once a second at most, beside the requests, and nothing at all while nobody comes near a limit.
"""

import asyncio
from contextlib import suppress

import sqlalchemy as sa

from azukari.core.clock import MINUTE
from azukari.db.counts import Count, Counts
from azukari.db.statements import Statement
from azukari.db.tables import add, bind, metadata
from azukari.db.units import Database, DatabaseDown, Tx

_SECONDS = 1.0
#: A hash of 64 bits in a column with a sign.
_SHIFT = 1 << 63

call_counts = sa.Table(
    "call_counts",
    metadata,
    sa.Column("tag", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    sa.Column("ends", sa.BigInteger, nullable=False),
)

_insert = add(call_counts)
_given, _is_over = _insert.excluded, call_counts.c.ends <= bind(call_counts.c.ends, "now")
_ADD = Statement(
    Count,
    _insert.on_conflict_do_update(
        index_elements=["tag"],
        set_={
            "used": sa.case((_is_over, _given.used), else_=call_counts.c.used + _given.used),
            "ends": sa.case((_is_over, _given.ends), else_=call_counts.c.ends),
        },
    ).returning(call_counts.c.tag, call_counts.c.used, call_counts.c.ends),
    ownerless="callers are counted before anybody knows whose they are",
)
_FORGET = Statement(
    None,
    # A row that is being told is nobody's to wait for.
    sa.delete(call_counts).where(
        call_counts.c.tag.in_(
            sa.select(call_counts.c.tag)
            .where(call_counts.c.ends <= bind(call_counts.c.ends, "before"))
            .limit(sa.bindparam("limit", type_=sa.BigInteger))
            .with_for_update(skip_locked=True)
        )
    ),
    ownerless="callers are counted before anybody knows whose they are",
)
_FORGOTTEN_AT_ONCE = 1_000


async def tell(counts: Counts, db: Database, now: int) -> bool:
    """Tell what is to be told, and hear what all have counted together; whether there was anything."""
    given = counts.to_tell()
    if not given:
        return False
    totals: list[Count | None] = [None] * len(given)
    try:
        totals = list(await db.write(_tell, given, now))
    finally:
        for count, total in zip(given, totals, strict=True):
            counts.told(count, total)
    return True


async def _tell(tx: Tx, given: list[Count], now: int) -> list[Count | None]:
    totals = []
    for count in given:
        total = await tx.one(_ADD, None, tag=count.tag - _SHIFT, used=count.used, ends=count.ends, now=now)
        totals.append(total and total._replace(tag=count.tag))
    return totals


async def forget(tx: Tx, now: int) -> int:
    """Delete what is over."""
    return await tx.run(_FORGET, None, before=now, limit=_FORGOTTEN_AT_ONCE)


async def keep_telling(counts: Counts, db: Database) -> None:
    """Until cancelled."""
    forgotten_at = 0
    while True:
        await asyncio.sleep(_SECONDS)
        now = counts.now()
        with suppress(DatabaseDown):
            if await tell(counts, db, now) and now - forgotten_at > MINUTE:
                forgotten_at = now
                await db.write(forget, now)
