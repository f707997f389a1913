"""Table ``test_clocks``: what time it is for a merchant, in test mode. Live keys have the machine's time.

Two times: the merchant's, which everything has that happens to it, and the machine's, which leases, timeouts, limits,
audit lines and ids have. Whoever needs both asks for a :class:`~azukari.core.clock.Moment`. A merchant without a row
has the machine's time too. Why a request reads its clock beside its units: ``docs/decisions/0014-test-clock.md``.
"""

from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa

from azukari.core.clock import SECOND, Clock, Moment
from azukari.core.errors import Locked
from azukari.db import (
    Database,
    Integer,
    Owner,
    Statement,
    Text,
    Time,
    Tx,
    add,
    metadata,
    owned,
    partial_index,
)
from azukari.merchants import keys

R = TypeVar("R")

#: How long a travel through time is its traveller's, counted anew with each step.
LEASE = 30 * SECOND

test_clocks = sa.Table(
    "test_clocks",
    metadata,
    sa.Column("merchant_id", Text, sa.ForeignKey("merchants.id"), primary_key=True),
    sa.Column("ahead", Integer, nullable=False),
    sa.Column("frozen_at", Time),
    sa.Column("traveller", Text),
    sa.Column("travels_until", Time),
)


class TestClock(msgspec.Struct, frozen=True):
    """What a merchant's clock shows.

    ahead: milliseconds more than the machine's, while it runs. frozen_at: what it shows while it stands still.
    """

    __test__ = False

    ahead: int = 0
    frozen_at: int | None = None

    def at(self, real: int) -> int:
        """The merchant's time at a moment of the machine's."""
        return real + self.ahead if self.frozen_at is None else self.frozen_at

    @property
    def is_real(self) -> bool:
        return self.ahead == 0 and self.frozen_at is None

    def set_to(self, now: int, real: int) -> "TestClock":
        """The same clock, running or not, showing another time."""
        return TestClock(now - real) if self.frozen_at is None else TestClock(0, now)


REAL = TestClock()

_mine = test_clocks.c.merchant_id == sa.bindparam("merchant_id", type_=Text)
_real = sa.bindparam("real", type_=Time)
#: Of a row of ``test_clocks``: the merchant's time.
_shown = sa.func.coalesce(test_clocks.c.frozen_at, _real + test_clocks.c.ahead)
_free = sa.or_(
    test_clocks.c.traveller.is_(None),
    test_clocks.c.traveller == sa.bindparam("me", type_=Text),
    test_clocks.c.travels_until <= _real,
)

_FIND = Statement(TestClock, sa.select(test_clocks.c.ahead, test_clocks.c.frozen_at).where(_mine))
_insert = add(test_clocks)
_SET = Statement(
    None,
    _insert.on_conflict_do_update(
        index_elements=["merchant_id"],
        set_={name: _insert.excluded[name] for name in ("ahead", "frozen_at", "traveller", "travels_until")},
        where=_free,
    ),
)


_HOLD: Statement[None] = Statement(
    None,
    sa.update(test_clocks)
    .where(_mine, test_clocks.c.traveller == sa.bindparam("me", type_=Text))
    .values(travels_until=sa.bindparam("until", type_=Time)),
)


async def clock_of(tx: Tx, owner: Owner) -> TestClock:
    """The merchant's clock."""
    return await tx.one(_FIND, owner) or REAL


async def keep(tx: Tx, owner: Owner, clock: TestClock, real: int, me: str, *, travels: bool = False) -> None:
    """Set the merchant's clock. Raises Locked: somebody travels through time with it this moment.

    me: who sets it. travels: whoever sets it goes on, and nobody else may set it meanwhile.
    """
    changed = await tx.run(
        _SET,
        owner,
        ahead=clock.ahead,
        frozen_at=clock.frozen_at,
        traveller=me if travels else None,
        travels_until=real + LEASE if travels else None,
        real=real,
        me=me,
    )
    if not changed:
        raise Locked


async def hold(tx: Tx, owner: Owner, real: int, me: str) -> None:
    """Whoever travels with the clock goes on. Raises Locked: somebody else does by now."""
    if not await tx.run(_HOLD, owner, until=real + LEASE, me=me):
        raise Locked


class Clocks:
    """Tells each owner's time."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def time_of(self, owner: Owner) -> int:
        """The merchant's time. Raises DatabaseDown."""
        return (await self.moment_of(owner)).now

    async def moment_of(self, owner: Owner) -> Moment:
        """This moment, by the merchant's clock and by the machine's. Raises DatabaseDown."""
        if owner.mode == keys.LIVE:
            real = self._clock.now()
            return Moment(real, real)
        clock = await self._db.glance(clock_of, owner)
        real = self._clock.now()
        return Moment(clock.at(real), real)


# For statements over all owners: what is due by its owner's own clock, with ``:real``, the machine's time.
#
# A clock that is far ahead makes no more of others' rows be read. Everybody's are looked at up to the machine's time;
# what is later than that, of each merchant whose clock shows a later time, by an index that begins with the merchant.


class Ahead(NamedTuple):
    """A merchant whose clock shows a later time than the machine's."""

    merchant_id: str
    shown: int


_AHEAD = Statement(
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
    sa.select(_shown).where(_mine, sa.bindparam("mode", type_=Text) == sa.literal_column("'test'")).scalar_subquery(),
    _real,
)


def due(column: sa.Column[Any], *, after: int = 0, when: sa.ColumnElement[int] | None = None) -> sa.ColumnElement[bool]:
    """Whether a time has come by the clock of the row's owner, and by the machine's. The rest is :func:`due_ahead`.

    after: so many milliseconds after it. when: the time of a row, where some rows go by another clock.
    """
    theirs = time_by_owner(column.table) if when is None else when
    # The machine's is what an index is read up to.
    return sa.and_(column <= _real - after, column <= theirs - after)


def due_ahead(column: sa.Column[Any], *, after: int = 0) -> tuple[sa.ColumnElement[bool], ...]:
    """Whether a time has come by the clock of an owner who is ahead, and not by the machine's."""
    shown = sa.bindparam("shown", type_=Time)
    is_test = column.table.c.mode == sa.literal_column("'test'")  # as the index has it
    return (*owned(column.table), is_test, column > _real - after, column <= shown - after)


def index_of_test_rows(table: str, column: str, where: str | None = None) -> sa.Index:
    """What :func:`due_ahead` is answered from. where: which rows have that time at all."""
    more = f" AND {where}" if where else ""
    return partial_index(f"ix_{table}_test_{column}", "merchant_id", column, where=f"mode = 'test'{more}")


async def ahead(tx: Tx, real: int) -> list[tuple[Owner, int]]:
    """Owners whose clocks show a later time than the machine's, and that time."""
    return [(Owner(each.merchant_id, keys.TEST), each.shown) for each in await tx.all(_AHEAD, None, real=real)]


async def all_due(
    tx: Tx,
    statements: tuple[Statement[R], Statement[R]],
    column: sa.Column[Any],
    *,
    real: int,
    limit: int,
    **binds: Any,
) -> list[R]:
    """The first rows that are due by their owners' clocks, in the order of the column and the id.

    statements: with :func:`due`, and with :func:`due_ahead`.
    """
    everybodys, of_one = statements
    found = await tx.all(everybodys, None, real=real, limit=limit, **binds)
    for owner, shown in await ahead(tx, real):
        found += await tx.all(of_one, owner, real=real, shown=shown, limit=limit, **binds)
    return sorted(found, key=lambda row: (getattr(row, column.name), getattr(row, "id")))[:limit]  # noqa: B009
