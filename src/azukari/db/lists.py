"""Pages of a merchant's table, newest first: one set of statements for each set of filters, written at import.

A list that grows without end is not counted row by row: of a long one the rows lie in *stretches*, a thousand that
follow each other by id, each written down once by the worker with its size and the times between which its rows were
created (``docs/decisions/0020-lists.md``). What is asked for is added up from them; rows are counted where a stretch
is only partly asked for, and where none is written yet.
"""

from collections.abc import Callable, Collection
from itertools import combinations
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import sqlalchemy as sa

from azukari.core.clock import LATEST
from azukari.db.statements import Statement
from azukari.db.tables import Integer, Text, Time, add_unless_there, owned, owned_table
from azukari.db.units import Owner, Tx

R = TypeVar("R")

#: Rows of a stretch.
SIZE = 1_000

#: Append-only. id: the list's name, a slash and a number from 1. earliest, latest: of its rows' creation.
stretches = owned_table(
    "stretches",
    sa.Column("first_id", Text, nullable=False),
    sa.Column("last_id", Text, nullable=False),
    sa.Column("size", Integer, nullable=False),
    sa.Column("earliest", Time, nullable=False),
    sa.Column("latest", Time, nullable=False),
)
_ADD = Statement(None, add_unless_there(stretches))

#: Behind every id, and before.
_LAST, _FIRST = "~", ""
_start, _end = sa.bindparam("start", type_=Time), sa.bindparam("end", type_=Time)


class Page(NamedTuple, Generic[R]):
    """Some rows of a list, and how many there are in all."""

    rows: list[R]
    total: int


class Stretch(NamedTuple):
    """Rows that follow each other by id: their number among the list's stretches, and what is written down of them."""

    number: int
    first_id: str
    last_id: str
    size: int
    earliest: int
    latest: int


class _Counted(NamedTuple):
    """What there is of a list. tail: behind the last stretch. kept: before; within these two ids."""

    tail: int
    kept: int
    lowest: str
    highest: str


def _counted(tail: int, kept: int, lowest: str, highest: str) -> _Counted:
    return _Counted(tail, int(kept), lowest, highest)  # PostgreSQL adds up to a decimal


class Slice(NamedTuple):
    """Page ``page`` (from 1) of what was created from ``start`` up to, not including, ``end`` (milliseconds)."""

    page: int
    per_page: int
    start: int
    end: int


class Listing(Generic[R]):
    """A table's pages.

    gone: a condition of rows that are not shown any more. always: conditions of every page. filters: conditions that
    may apply, by name. found: names of filters that an index is for. long: its rows lie in stretches.
    """

    #: Those whose rows lie in stretches.
    long: ClassVar[list["Listing[Any]"]] = []

    def __init__(
        self,
        into: Callable[..., R],
        table: sa.Table,
        *,
        long: bool = False,
        gone: sa.ColumnElement[bool] | None = None,
        always: Collection[sa.ColumnElement[bool]] = (),
        found: Collection[str] = (),
        **filters: sa.ColumnElement[bool],
    ) -> None:
        before = len(Statement.every)
        every = [names for size in range(len(filters) + 1) for names in combinations(sorted(filters), size)]
        shown = [] if gone is None else [sa.not_(gone)]
        self.name = table.name
        self._found = frozenset(found)
        self._long = long
        self._plain = {
            frozenset(names): _Plain(into, table, [*always, *shown, *(filters[name] for name in names)])
            for names in every
            if not long or self._found.intersection(names)
        }
        if long:
            Listing.long.append(self)
            self._whole = _Added(into, table, shown, gone, whole=True)
            self._window = _Added(into, table, shown, gone)
            self._within = {
                frozenset(names): _Within(into, table, [*shown, *(filters[name] for name in names)])
                for names in every
                if names and not self._found.intersection(names)
            }
            self._growing = _Growing(table)
        #: All that it may run.
        self.statements = tuple(Statement.every[before:])

    async def page(self, tx: Tx, owner: Owner, asked: Slice, filters: Collection[str] = (), **values: Any) -> Page[R]:
        """The rows that are asked for. filters: the names of those that apply; values: of their binds."""
        page, per_page, start, end = asked
        names, offset = frozenset(filters), (page - 1) * per_page
        window = {"start": start, "end": end, **values}
        if names in self._plain:
            return await self._plain[names].page(tx, owner, offset, per_page, window)
        if names:
            return await self._within[names].page(tx, owner, offset, per_page, window)
        if start <= 0 and end >= LATEST:
            return await self._whole.page(tx, owner, offset, per_page, {})
        return await self._window.page(tx, owner, offset, per_page, window)

    async def next_stretch(self, tx: Tx, owner: Owner, before: str) -> Stretch | None:
        """The owner's next stretch, of rows with smaller ids than ``before``; None: there are not enough of them."""
        assert self._long
        last = await tx.one(self._growing.last, owner) or (0, _FIRST)
        found = await tx.one(self._growing.next, owner, after=last[1], before=before)
        return Stretch(last[0] + 1, *found) if found is not None and found[2] == SIZE else None

    async def write_down(self, tx: Tx, owner: Owner, stretch: Stretch) -> None:
        """Keep a stretch, unless somebody else has done so."""
        number, *rest = stretch
        named = dict(zip(Stretch._fields[1:], rest, strict=True))
        await tx.run(_ADD, owner, id=f"{self.name}/{number:012}", **named)


class _Plain(Generic[R]):
    """Pages whose rows are all counted, and gone through from the newest on."""

    def __init__(self, into: Callable[..., R], table: sa.Table, conditions: list[sa.ColumnElement[bool]]) -> None:
        where = (*owned(table), *_created(table), *conditions)
        self._count = Statement(int, sa.select(sa.func.count()).select_from(table).where(*where))
        self._rows = Statement(into, _newest_first(sa.select(table).where(*where), table))

    async def page(self, tx: Tx, owner: Owner, offset: int, per_page: int, window: dict[str, Any]) -> Page[R]:
        total = await tx.one(self._count, owner, **window) or 0
        if offset >= total:
            return Page([], total)
        return Page(await tx.all(self._rows, owner, limit=per_page, offset=offset, **window), total)


class _Within(Generic[R]):
    """Pages whose rows are counted, but only where stretches say that some were created at that time."""

    def __init__(self, into: Callable[..., R], table: sa.Table, conditions: list[sa.ColumnElement[bool]]) -> None:
        kept = sa.and_(table.c.id >= _lowest(table), table.c.id <= _highest(table))
        counts = [
            sa.select(sa.func.count())
            .select_from(table)
            .where(*owned(table), *_created(table), *conditions, part)
            .scalar_subquery()
            for part in (_young(table), kept)
        ]
        self._count = Statement(_Counted, sa.select(*counts, _lowest(table), _highest(table)))
        self._rows = _rows(into, table, [*_created(table), *conditions])

    async def page(self, tx: Tx, owner: Owner, offset: int, per_page: int, window: dict[str, Any]) -> Page[R]:
        counted = await tx.one(self._count, owner, **window)
        assert counted is not None
        total = counted.tail + counted.kept
        if offset >= total:
            return Page([], total)
        behind = offset >= counted.tail
        found = await tx.all(
            self._rows,
            owner,
            top=counted.highest if behind else _LAST,
            bottom=counted.lowest,
            limit=per_page,
            offset=offset - counted.tail if behind else offset,
            **window,
        )
        return Page(found, total)


class _Added(Generic[R]):
    """Pages whose stretches are added up, and the one looked for in which a page begins."""

    def __init__(
        self,
        into: Callable[..., R],
        table: sa.Table,
        shown: list[sa.ColumnElement[bool]],
        gone: sa.ColumnElement[bool] | None,
        *,
        whole: bool = False,
    ) -> None:
        created = () if whole else _created(table)
        mine = _of(table) if whole else (*_of(table), *_touched)
        size = _asked_for(table, shown, gone, whole=whole).label("size")
        each = sa.select(stretches.c.id, stretches.c.first_id, stretches.c.last_id, size).where(*mine)
        # Read more than once, and so made once.
        kept = each.cte("kept")
        tail = sa.select(sa.func.count()).select_from(table).where(*owned(table), _young(table), *created, *shown)
        highest = sa.select(sa.func.max(kept.c.last_id)).where(kept.c.size > 0).scalar_subquery()
        self._count = Statement(
            _counted,
            sa.select(
                tail.scalar_subquery(),
                sa.select(sa.func.coalesce(sa.func.sum(kept.c.size), 0)).scalar_subquery(),
                sa.func.coalesce(sa.select(sa.func.min(kept.c.first_id)).scalar_subquery(), _last_kept(table)),
                sa.func.coalesce(highest, sa.literal_column("''")),
            ),
        )
        # OFFSET keeps it a table of its own: what is counted in it is counted once.
        sized = each.offset(sa.literal_column("0")).subquery("sized")
        to = sa.func.sum(sized.c.size).over(order_by=sized.c.id.desc()).label("to")
        ranked = sa.select(sized.c.id, sized.c.last_id, sized.c.size, to).subquery("ranked")
        self._seek = Statement(
            lambda last_id, before: (str(last_id), int(before)),
            sa.select(ranked.c.last_id, ranked.c.to - ranked.c.size)
            .where(ranked.c.to > sa.bindparam("skip", type_=Integer))
            .order_by(ranked.c.id.desc())
            .limit(sa.literal_column("1")),
        )
        self._rows = _rows(into, table, [*created, *shown])

    async def page(self, tx: Tx, owner: Owner, offset: int, per_page: int, window: dict[str, Any]) -> Page[R]:
        counted = await tx.one(self._count, owner, **window)
        assert counted is not None
        total = counted.tail + counted.kept
        if offset >= total:
            return Page([], total)
        top = _LAST
        if offset >= counted.tail:
            top, offset = counted.highest, offset - counted.tail
        if top != _LAST and offset >= SIZE:
            begins = await tx.one(self._seek, owner, skip=offset, **window)
            assert begins is not None
            top, offset = begins[0], offset - begins[1]
        found = await tx.all(self._rows, owner, top=top, bottom=counted.lowest, limit=per_page, offset=offset, **window)
        return Page(found, total)


class _Growing:
    """Statements that make a list's next stretch."""

    def __init__(self, table: sa.Table) -> None:
        self.last = Statement(
            lambda id, last_id: (int(id.rpartition("/")[2]), str(last_id)),
            sa.select(stretches.c.id, stretches.c.last_id)
            .where(*_of(table))
            .order_by(stretches.c.id.desc())
            .limit(sa.literal_column("1")),
        )
        rows = (
            sa.select(table.c.id, table.c.created_at)
            .where(
                *owned(table),
                table.c.id > sa.bindparam("after", type_=Text),
                table.c.id < sa.bindparam("before", type_=Text),
            )
            .order_by(table.c.id)
            .limit(sa.literal_column(str(SIZE)))
            .subquery("rows")
        )
        self.next = Statement(
            lambda *values: values,
            sa.select(
                sa.func.min(rows.c.id),
                sa.func.max(rows.c.id),
                sa.func.count(),
                sa.func.min(rows.c.created_at),
                sa.func.max(rows.c.created_at),
            ),
        )


def _created(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.created_at >= _start, table.c.created_at < _end


def _newest_first(query: sa.Select[Any], table: sa.Table) -> sa.Select[Any]:
    limit, offset = sa.bindparam("limit", type_=Integer), sa.bindparam("offset", type_=Integer)
    return query.order_by(table.c.id.desc()).limit(limit).offset(offset)


def _rows(into: Callable[..., R], table: sa.Table, conditions: list[sa.ColumnElement[bool]]) -> Statement[R]:
    within = table.c.id <= sa.bindparam("top", type_=Text), table.c.id >= sa.bindparam("bottom", type_=Text)
    return Statement(into, _newest_first(sa.select(table).where(*owned(table), *within, *conditions), table))


def _of(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    """The owner's stretches of a list; the sign behind the slash is a zero."""
    name = table.name
    first: sa.ColumnElement[str] = sa.literal_column(f"'{name}/'")
    last: sa.ColumnElement[str] = sa.literal_column(f"'{name}0'")
    return *owned(stretches), stretches.c.id > first, stretches.c.id < last


#: Stretches some of whose rows may have been created in the window.
_touched = (stretches.c.latest >= _start, stretches.c.earliest < _end)


def _asked_for(
    table: sa.Table, shown: list[sa.ColumnElement[bool]], gone: sa.ColumnElement[bool] | None, *, whole: bool
) -> sa.ColumnElement[int]:
    """How many rows of a stretch are on a page: all of them, but for those that are gone, or as many as are counted."""
    ids = table.c.id >= stretches.c.first_id, table.c.id <= stretches.c.last_id

    def count(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        counted = sa.select(sa.func.count()).select_from(table).where(*owned(table), *ids, *conditions)
        return counted.correlate(stretches).scalar_subquery()

    size: sa.ColumnElement[int] = stretches.c.size if gone is None else stretches.c.size - count(gone)
    if whole:
        return size
    inside = sa.and_(stretches.c.earliest >= _start, stretches.c.latest < _end)
    return sa.case((inside, size), else_=count(*_created(table), *shown))


def _young(table: sa.Table) -> sa.ColumnElement[bool]:
    """Rows behind the last stretch. With two ends: PostgreSQL takes all that has one for a third of the table."""
    return sa.and_(table.c.id > _last_kept(table), table.c.id < sa.literal_column("'~'"))


def _last_kept(table: sa.Table) -> sa.ColumnElement[str]:
    """The greatest id in a stretch."""
    last = sa.select(stretches.c.last_id).where(*_of(table)).order_by(stretches.c.id.desc())
    return sa.func.coalesce(last.limit(sa.literal_column("1")).scalar_subquery(), sa.literal_column("''"))


def _lowest(table: sa.Table) -> sa.ColumnElement[str]:
    """No row of a window has a smaller id."""
    lowest = sa.select(sa.func.min(stretches.c.first_id)).where(*_of(table), *_touched).scalar_subquery()
    return sa.func.coalesce(lowest, _last_kept(table))


def _highest(table: sa.Table) -> sa.ColumnElement[str]:
    """No row of a window has a greater id, but for those behind the last stretch."""
    highest = sa.select(sa.func.max(stretches.c.last_id)).where(*_of(table), *_touched).scalar_subquery()
    return sa.func.coalesce(highest, sa.literal_column("''"))
