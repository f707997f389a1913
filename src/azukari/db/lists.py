"""Pages of a merchant's table, newest first: one pair of statements for each set of filters, written at import."""

from collections.abc import Callable, Collection
from itertools import combinations
from typing import Any, Generic, NamedTuple, TypeVar

import sqlalchemy as sa

from azukari.db.statements import Statement
from azukari.db.tables import Integer, Time, owned
from azukari.db.units import Owner, Tx

R = TypeVar("R")


class Page(NamedTuple, Generic[R]):
    """Some rows of a list, and how many there are in all."""

    rows: list[R]
    total: int


class Listing(Generic[R]):
    """A table's pages.

    always: conditions of every page. filters: conditions that may apply, by name.
    """

    def __init__(
        self,
        into: Callable[..., R],
        table: sa.Table,
        always: Collection[sa.ColumnElement[bool]] = (),
        **filters: sa.ColumnElement[bool],
    ) -> None:
        every = [names for size in range(len(filters) + 1) for names in combinations(sorted(filters), size)]
        self._statements = {
            frozenset(names): _pair(into, table, [*always, *(filters[name] for name in names)]) for names in every
        }

    async def page(
        self, tx: Tx, owner: Owner, *, page: int, per_page: int, start: int, end: int, filters: Collection[str] = (),
        **values: Any,
    ) -> Page[R]:  # fmt: skip
        """Page ``page`` (from 1) of what was created from ``start`` up to, not including, ``end`` (milliseconds).

        filters: the names of those that apply; values: of their binds.
        """
        rows, count = self._statements[frozenset(filters)]
        total = await tx.one(count, owner, start=start, end=end, **values) or 0
        offset = (page - 1) * per_page
        if offset >= total:
            return Page([], total)
        found = await tx.all(rows, owner, start=start, end=end, limit=per_page, offset=offset, **values)
        return Page(found, total)


def _pair(
    into: Callable[..., R], table: sa.Table, conditions: list[sa.ColumnElement[bool]]
) -> tuple[Statement[R], Statement[int]]:
    where = (
        *owned(table),
        table.c.created_at >= sa.bindparam("start", type_=Time),
        table.c.created_at < sa.bindparam("end", type_=Time),
        *conditions,
    )
    rows = (
        sa.select(table)
        .where(*where)
        .order_by(table.c.id.desc())
        .limit(sa.bindparam("limit", type_=Integer))
        .offset(sa.bindparam("offset", type_=Integer))
    )
    return Statement(into, rows), Statement(int, sa.select(sa.func.count()).select_from(table).where(*where))
