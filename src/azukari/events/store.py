"""Table ``events``."""

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.core.errors import NotFound
from azukari.db import Owner, Page, Tx

events = db.owned_table(
    "events",
    sa.Column("type", db.Text, nullable=False),
    sa.Column("data", db.Bytes, nullable=False),
    sa.Column("reason", db.Text),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("sequence", db.Integer),
    # It begins with the owner, as no other index does: only what asks for a sequence can take it.
    db.partial_index(
        "ix_events_sequence", "merchant_id", "mode", "sequence", where="sequence IS NOT NULL", unique=True
    ),
    db.partial_index("ix_events_unnumbered", "id", "merchant_id", "mode", where="sequence IS NULL"),
)


class Event(msgspec.Struct, frozen=True):
    """A row of ``events``.

    data: the resource as it was, JSON as it goes over the wire. sequence: its number among its owner's events, from 1
    and without gaps, given after the commit (``numbering.py``); None until then.
    """

    merchant_id: str
    mode: str
    id: str
    type: str
    data: bytes
    reason: str | None
    created_at: int
    sequence: int | None


# Born without a number: whoever writes an event waits for no counter.
_ADD = db.Statement(None, db.add(events, without=("sequence",)))
_BY_ID = db.Statement(Event, sa.select(events).where(*db.owned(events), events.c.id == db.bind(events.c.id)))
_LIST = db.Listing(Event, events, long=True)
_AFTER = db.Statement(
    Event,
    sa.select(events)
    .where(*db.owned(events), events.c.sequence > sa.bindparam("after", type_=db.Integer))
    .order_by(events.c.sequence)
    .limit(sa.bindparam("limit", type_=db.Integer)),
)


async def record(tx: Tx, owner: Owner, *, id: str, type: str, data: bytes, now: int, reason: str | None = None) -> None:
    """Write a fact down, beside the change it reports."""
    await tx.run(_ADD, owner, id=id, type=type, data=data, reason=reason, created_at=now)


async def get(tx: Tx, owner: Owner, event_id: str) -> Event:
    """The owner's event. Raises NotFound."""
    event = await tx.one(_BY_ID, owner, id=event_id)
    if event is None:
        raise NotFound
    return event


async def page(tx: Tx, owner: Owner, asked: db.Slice) -> Page[Event]:
    """A page of the owner's events, newest first."""
    return await _LIST.page(tx, owner, asked)


async def after(tx: Tx, owner: Owner, sequence: int, limit: int) -> list[Event]:
    """The owner's events with greater numbers, by number."""
    return await tx.all(_AFTER, owner, after=sequence, limit=limit)
