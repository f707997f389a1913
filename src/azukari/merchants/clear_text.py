"""Processes that let cards travel in the clear, for tests: while one runs no live key is made, and none is let in.

Each says so in table ``clear_text_leases``, for a minute, and again while it runs: one that was killed stops nobody for
longer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import sqlalchemy as sa

from azukari.core import log
from azukari.core.clock import MINUTE, Clock
from azukari.core.errors import Unavailable
from azukari.db import Database, Statement, Text, Time, Tx, add, bind, metadata
from azukari.merchants import store

LEASE = MINUTE
#: Seconds between two times that a process says that it is there.
RENEWED = 15
_INSTALLATION = "of the installation, whoever's its merchants are"

clear_text_leases = sa.Table(
    "clear_text_leases",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("until", Time, nullable=False),
)

_until = sa.bindparam("until", type_=Time)
_TAKE: Statement[None] = Statement(
    None,
    add(clear_text_leases).on_conflict_do_update(index_elements=["id"], set_={"until": _until}),
    ownerless=_INSTALLATION,
)
_FIND = Statement(
    str,
    sa.select(clear_text_leases.c.id)
    .where(clear_text_leases.c.until > sa.bindparam("system_now", type_=Time))
    .limit(1),
    ownerless=_INSTALLATION,
)
_DROP: Statement[None] = Statement(
    None,
    sa.delete(clear_text_leases).where(
        sa.or_(
            clear_text_leases.c.id == bind(clear_text_leases.c.id),
            clear_text_leases.c.until <= sa.bindparam("system_now", type_=Time),
        )
    ),
    ownerless=_INSTALLATION,
)


class LiveKeysThere(Exception):
    """Cards may not travel in the clear: there are live keys."""


async def anybody(tx: Tx, system_now: int) -> bool:
    """Whether a process lets cards travel in the clear. system_now: the machine's time."""
    return await tx.one(_FIND, None, system_now=system_now) is not None


async def _take(tx: Tx, id: str, until: int) -> bool:
    live = await store.any_live(tx)
    await tx.run(_TAKE, None, id=id, until=until)
    return live


async def _drop(tx: Tx, id: str, system_now: int) -> None:
    await tx.run(_DROP, None, id=id, system_now=system_now)


@asynccontextmanager
async def leased(db: Database, clock: Clock, id: str) -> AsyncIterator[None]:
    """Say that this process lets cards travel in the clear, as long as it does. Raises LiveKeysThere, DatabaseDown.

    id: of the process, used by no other.
    """
    try:
        # The row first, then the look: of a process that begins and somebody who makes a live key, one sees the other.
        await db.write(_take, id, clock.now() + LEASE)
        if await db.read(store.any_live):
            raise LiveKeysThere
        renewing = asyncio.ensure_future(_renew(db, clock, id))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
    finally:
        with suppress(Unavailable):  # then the lease runs out
            await db.write(_drop, id, clock.now())


async def _renew(db: Database, clock: Clock, id: str) -> None:
    while True:
        await asyncio.sleep(RENEWED)
        try:
            if await db.write(_take, id, clock.now() + LEASE):
                log.warning("clear_text.live_keys")
        except Unavailable:
            log.warning("worker.database_down", step="clear_text")
