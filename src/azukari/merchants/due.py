"""What is due by its owner's own clock, for statements over all owners; ``:real`` is the machine's time.

A clock that is far ahead makes no more of others' rows be read. Everybody's are looked at up to the machine's time;
what is later than that, of each merchant whose clock shows a later time, by an index that begins with the merchant.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import sqlalchemy as sa

from azukari import db
from azukari.db import Cursor, Owner, Tx
from azukari.db.sweep import START
from azukari.merchants import keys
from azukari.merchants.clock import test_clocks

R = TypeVar("R")
Condition = sa.ColumnElement[bool]

_real = sa.bindparam("system_now", type_=db.Time)
#: Of a row of ``test_clocks``: the merchant's time.
_shown = sa.func.coalesce(test_clocks.c.frozen_at, _real + test_clocks.c.ahead)


class Ahead(NamedTuple):
    """A merchant whose clock shows a later time than the machine's."""

    merchant_id: str
    shown: int


_AHEAD = db.Statement(
    Ahead,
    sa.select(test_clocks.c.merchant_id, _shown).where(_shown > _real),
    ownerless="what is due is due by each merchant's clock",
)


def time_by_owner(table: sa.Table) -> sa.ColumnElement[int]:
    """What time it is for the owner of a row."""
    theirs = sa.select(_shown).where(
        test_clocks.c.merchant_id == table.c.merchant_id, table.c.mode == sa.literal_column("'test'")
    )
    return sa.func.coalesce(theirs.correlate(table).scalar_subquery(), _real)


#: What time it is for the owner of a statement.
owners_time = sa.func.coalesce(
    sa.select(_shown)
    .where(
        test_clocks.c.merchant_id == sa.bindparam("merchant_id", type_=db.Text),
        sa.bindparam("mode", type_=db.Text) == sa.literal_column("'test'"),
    )
    .scalar_subquery(),
    _real,
)


def due(column: sa.Column[Any], *, after: int = 0, when: sa.ColumnElement[int] | None = None) -> Condition:
    """Whether a time has come by the clock of the row's owner, and by the machine's. The rest is :func:`due_ahead`.

    after: so many milliseconds after it. when: the time of a row, where some rows go by another clock.
    """
    theirs = time_by_owner(column.table) if when is None else when
    # The machine's is what an index is read up to.
    return sa.and_(column <= _real - after, column <= theirs - after)


def due_ahead(column: sa.Column[Any], *, after: int = 0) -> tuple[Condition, ...]:
    """Whether a time has come by the clock of an owner who is ahead, and not by the machine's."""
    shown = sa.bindparam("shown", type_=db.Time)
    is_test = column.table.c.mode == sa.literal_column("'test'")  # as the index has it
    return (*db.owned(column.table), is_test, column > _real - after, column <= shown - after)


def index_of_test_rows(table: str, column: str, where: str | None = None) -> sa.Index:
    """What :func:`due_ahead` is answered from. where: which rows have that time at all."""
    more = f" AND {where}" if where else ""
    return db.partial_index(f"ix_{table}_test_{column}", "merchant_id", column, where=f"mode = 'test'{more}")


async def ahead(tx: Tx, system_now: int) -> list[tuple[Owner, int]]:
    """Owners whose clocks show a later time than the machine's, and that time."""
    return [
        (Owner(each.merchant_id, keys.TEST), each.shown) for each in await tx.all(_AHEAD, None, system_now=system_now)
    ]


class Due(Generic[R]):
    """Rows of a table that have something to do once the time in a column has come, by their owners' clocks.

    row: what one becomes. ownerless: why everybody's are read. among, where: conditions of all of them, before
    and behind those on the time. ahead: more conditions where an owner's clock is ahead of the machine's. owners: which
    of an owner's are due by its clock alone; None: that is never asked. after, when: as of :func:`due`.
    paged: read behind a cursor, for :func:`azukari.db.sweep_due`.
    """

    def __init__(
        self,
        row: Callable[..., R],
        column: sa.Column[Any],
        *,
        ownerless: str,
        among: Sequence[Condition] = (),
        where: Sequence[Condition] = (),
        ahead: Sequence[Condition] = (),
        owners: Sequence[Condition] | None = None,
        after: int = 0,
        when: sa.ColumnElement[int] | None = None,
        paged: bool = True,
    ) -> None:
        self._name = column.name
        behind = [db.after_cursor(column)] if paged else []
        order = [column, column.table.c.id] if paged else [column]
        rows = sa.select(column.table).order_by(*order).limit(sa.bindparam("limit", type_=db.Integer))
        everyones = rows.where(*among, due(column, after=after, when=when), *behind, *where)
        self.everyones = db.Statement(row, everyones, ownerless=ownerless)
        self.ahead = db.Statement(row, rows.where(*among, *ahead, *due_ahead(column, after=after), *behind, *where))
        self.statements: list[db.Statement[Any]] = [self.everyones, self.ahead]
        if owners is not None:
            its, at = (*db.owned(column.table), *among, *owners), sa.bindparam("at", type_=db.Time)
            self.owners = db.Statement(row, rows.where(*its, column <= at, *behind))
            first = sa.select(column).order_by(column).limit(sa.literal_column("1"))
            self.next = db.Statement(int, first.where(*its, column > at))
            self.statements += [self.owners, self.next]

    def cursor(self, row: R) -> Cursor:
        """Where a row stands among those that are due."""
        return Cursor(getattr(row, self._name), getattr(row, "id"))  # noqa: B009

    async def of_all(self, tx: Tx, /, system_now: int, limit: int, after: Cursor = START, **binds: Any) -> list[R]:
        """The first rows behind a cursor that are due, the longest overdue first. system_now: the machine's time."""
        binds |= {"system_now": system_now, "limit": limit, **after.binds}
        found = await tx.all(self.everyones, None, **binds)
        for owner, shown in await ahead(tx, system_now):
            found += await tx.all(self.ahead, owner, shown=shown, **binds)
        return sorted(found, key=self.cursor)[:limit]

    async def of_owner(self, tx: Tx, owner: Owner, now: int, limit: int, after: Cursor = START) -> list[R]:
        """The same of one owner, by its clock."""
        return await tx.all(self.owners, owner, at=now, limit=limit, **after.binds)

    async def next_due(self, tx: Tx, owner: Owner, after: int = 0) -> int | None:
        """When the owner's next row after a moment is due; None: none is."""
        return await tx.one(self.next, owner, at=after)
