"""Numbers for events: for each owner from 1, without gaps, in an order that no reader ever sees change.

Ids sort by when they were made, commits come in another order, and a charge must not wait for a counter. So numbers are
given after the commit, by whoever looks first: the worker, or a reader of the cursor. The counter's row lets one of
them through at a time: numbers become visible in their order.
"""

import sqlalchemy as sa

from azukari.core.clock import SECOND
from azukari.core.ids import earliest
from azukari.db import Integer, Owner, Statement, Text, Tx, add_unless_there, owned, owned_table
from azukari.events.store import events
from azukari.wiring import Services

BATCH = 500
#: What a quick look goes back. A database that is being dumped keeps the traces of all that has a number by now.
RECENT = 10 * SECOND

#: One line for each owner. last: the greatest number given.
counters = owned_table("event_counters", sa.Column("last", Integer, nullable=False))

#: The line that counts events.
EVENTS = "events"
#: The line that says up to which number events have been looked at for payments' own webhooks.
OF_PAYMENTS = "of_payments"
_after = sa.bindparam("after", type_=Text)
_limit = sa.bindparam("limit", type_=Integer)
_new = (events.c.sequence.is_(None), events.c.id > _after)
# The few that have no number stand in an index of their own. Compared plainly, an owner's would be looked for by the
# primary key, among all that has happened to it in the last seconds.
_owners = (
    sa.func.coalesce(events.c.merchant_id, "") == sa.bindparam("merchant_id", type_=Text),
    sa.func.coalesce(events.c.mode, "") == sa.bindparam("mode", type_=Text),
)
_new_of = (*_owners, *_new)

_NEW = Statement(
    Owner,
    sa.select(events.c.merchant_id, events.c.mode).where(*_new).order_by(events.c.id).limit(_limit),
    ownerless="the worker gives numbers to all merchants' events",
)
_NEW_OF = Statement(
    Owner,
    sa.select(events.c.merchant_id, events.c.mode).where(*_new_of).order_by(events.c.id).limit(_limit),
)
_LAST = Statement(int, sa.select(counters.c.last).where(*owned(counters), counters.c.id == EVENTS))
_BUSY = Statement(
    lambda merchant_id, mode, last: (Owner(merchant_id, mode), int(last)),
    sa.select(counters.c.merchant_id, counters.c.mode, counters.c.last).where(
        counters.c.id == EVENTS, counters.c.last >= sa.bindparam("least", type_=Integer)
    ),
    ownerless="the worker looks for all merchants with long lists",
)
_ADD = Statement(None, add_unless_there(counters, id=EVENTS, last=0))
_TAKE: Statement[None] = Statement(
    None,
    sa.update(counters)
    .where(*owned(counters), counters.c.id == EVENTS, counters.c.last == sa.bindparam("read", type_=Integer))
    .values(last=counters.c.last + sa.bindparam("count", type_=Integer)),
)
_OPEN = Statement(None, add_unless_there(counters))
_ADVANCE: Statement[None] = Statement(
    None,
    sa.update(counters)
    .where(
        *owned(counters),
        counters.c.id == sa.bindparam("line", type_=Text),
        counters.c.last == sa.bindparam("read", type_=Integer),
    )
    .values(last=sa.bindparam("to", type_=Integer)),
)
_behind = counters.alias("behind")
_BEHIND = Statement(
    lambda merchant_id, mode, last: (Owner(merchant_id, mode), int(last)),
    sa.select(_behind.c.merchant_id, _behind.c.mode, _behind.c.last)
    .join_from(
        _behind,
        counters,
        sa.and_(counters.c.merchant_id == _behind.c.merchant_id, counters.c.mode == _behind.c.mode),
    )
    .where(_behind.c.id == OF_PAYMENTS, counters.c.id == EVENTS, counters.c.last > _behind.c.last),
    ownerless="the worker looks for events of all merchants",
)
_key = (events.c.merchant_id, events.c.mode, events.c.id)
_unnumbered = sa.func.coalesce(events.c.sequence, 0) == 0
_first = sa.select(*_key).where(*_new_of).order_by(events.c.id).limit(_limit).subquery("first")
_ranked = sa.select(_first, sa.func.row_number().over(order_by=_first.c.id).label("rank")).subquery("ranked")
_NUMBER: Statement[None] = Statement(
    None,
    sa.update(events)
    # By the whole key and by nothing that either index is for: each event is looked up once. A planner that expects a
    # single event without a number would otherwise rank all of them once for each.
    .where(*_owners, *(column == _ranked.c[column.name] for column in _key), _unnumbered)
    .values(sequence=sa.bindparam("read", type_=Integer) + _ranked.c.rank),
)


async def _read(tx: Tx, owner: Owner) -> int | None:
    return await tx.one(_LAST, owner)


async def last(tx: Tx, owner: Owner) -> int:
    """The greatest number given to an event of the owner; 0: none."""
    return await _read(tx, owner) or 0


async def busy(tx: Tx, least: int) -> list[tuple[Owner, int]]:
    """Every owner with so many events, and how many have a number."""
    return await tx.all(_BUSY, None, least=least)


async def open_line(tx: Tx, owner: Owner, line: str, last: int) -> None:
    """Keep, from here on unless it is kept already, up to which number events have been looked at for something."""
    await tx.run(_OPEN, owner, id=line, last=last)


async def advance(tx: Tx, owner: Owner, line: str, read: int, to: int) -> bool:
    """Events up to a number have been looked at; False: somebody else has done so."""
    return await tx.run(_ADVANCE, owner, line=line, read=read, to=to) == 1


async def behind(tx: Tx) -> list[tuple[Owner, int]]:
    """Every owner with events that have not been looked at for payments' own webhooks, and from where on."""
    return await tx.all(_BEHIND, None)


async def any_new(tx: Tx, owner: Owner | None, after: str) -> bool:
    """Whether an event with a greater id, the owner's or anybody's, has no number yet."""
    return await tx.one(_NEW if owner is None else _NEW_OF, owner, after=after, limit=1) is not None


async def number(tx: Tx, owner: Owner | None, after: str, limit: int) -> int:
    """Give numbers to up to so many events with greater ids, the owner's or everybody's; how many had none.

    An owner to whose events somebody else gives numbers at the same time is left to them.
    """
    found = [owner] if owner else await tx.all(_NEW, None, after=after, limit=limit)
    # In one order by all who do this, so that no two wait for each other; the counter before what it has not counted.
    owners = [(each, await _read(tx, each), await _count(tx, each, after, limit)) for each in sorted(set(found))]
    for each, read, count in owners:
        if count:
            await _give(tx, each, read, after, count)
    return sum(count for _, _, count in owners) if owner else len(found)


async def _give(tx: Tx, owner: Owner, read: int | None, after: str, count: int) -> None:
    if read is None:
        await tx.run(_ADD, owner)
    # Once the counter is as it was read, and ours, the events without a number can only have become more.
    if not await tx.run(_TAKE, owner, read=read or 0, count=count):
        return
    if await tx.run(_NUMBER, owner, read=read or 0, after=after, limit=count) != count:
        raise RuntimeError("an event lost its number, or a number its event")


async def _count(tx: Tx, owner: Owner, after: str, limit: int) -> int:
    return len(await tx.all(_NEW_OF, owner, after=after, limit=limit))


async def number_all(services: Services, owner: Owner | None = None, *, quick: bool = False) -> None:
    """Give numbers to all events that have none, of one owner or of all. quick: to those of the last seconds."""
    after = earliest(services.clock.now() - RECENT) if quick else ""
    while await services.db.read(any_new, owner, after):
        if await services.db.write(number, owner, after, BATCH) < BATCH:
            return
