"""The directory: whose a thing is that has a public page, found by its id before an owner is known.

Table ``public_ids``. A line is written in the unit that makes the thing, and only for things with a page of their own.
"""

from collections.abc import Collection

import sqlalchemy as sa

from azukari.db.statements import Statement
from azukari.db.tables import Text, add, bind, metadata, owned
from azukari.db.units import Owner, Tx

public_ids = sa.Table(
    "public_ids",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("merchant_id", Text, nullable=False),
    sa.Column("mode", Text, nullable=False),
    sa.Column("kind", Text, nullable=False),
)

_ADD = Statement(None, add(public_ids))
_FIND = Statement(
    Owner,
    sa.select(public_ids.c.merchant_id, public_ids.c.mode).where(
        public_ids.c.id == bind(public_ids.c.id), public_ids.c.kind == bind(public_ids.c.kind)
    ),
    ownerless="a page's address tells whose it is",
)
_REMOVE = Statement(None, sa.delete(public_ids).where(*owned(public_ids), public_ids.c.id == bind(public_ids.c.id)))


async def publish(tx: Tx, owner: Owner, id: str, kind: str) -> None:
    """Give a thing a public page. kind: ``session``, ``payment``, ``secure_token`` or ``attempt``."""
    await tx.run(_ADD, owner, id=id, kind=kind)


async def find_public(tx: Tx, id: str, kind: str, modes: Collection[str] = ("live", "test")) -> Owner | None:
    """Whose thing of this kind has this id. modes: those whose things may be shown."""
    found = await tx.one(_FIND, None, id=id, kind=kind)
    return found if found is not None and found.mode in modes else None


async def withdraw(tx: Tx, owner: Owner, id: str) -> None:
    """Its page is gone with the thing."""
    await tx.run(_REMOVE, owner, id=id)
