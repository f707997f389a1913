"""Table ``test_clocks``: what time it is for a merchant, in test mode. Live keys have the machine's time.

Two times: the merchant's, which everything has that happens to it, and the machine's, which leases, timeouts, limits,
audit lines and ids have. Whoever needs both asks for a :class:`~azukari.core.clock.Moment`. A merchant without a row
has the machine's time too. Why a request reads its clock beside its units: ``docs/decisions/0014-test-clock.md``.
"""

import msgspec
import sqlalchemy as sa

from azukari.core.clock import SECOND, Clock, Moment
from azukari.core.errors import Locked
from azukari.db import Database, Integer, Owner, Statement, Text, Time, Tx, add, metadata
from azukari.merchants import keys

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

    def at(self, system_now: int) -> int:
        """The merchant's time at a moment of the machine's."""
        return system_now + self.ahead if self.frozen_at is None else self.frozen_at

    @property
    def is_real(self) -> bool:
        return self.ahead == 0 and self.frozen_at is None

    def set_to(self, now: int, system_now: int) -> "TestClock":
        """The same clock, running or not, showing another time."""
        return TestClock(now - system_now) if self.frozen_at is None else TestClock(0, now)


REAL = TestClock()

_mine = test_clocks.c.merchant_id == sa.bindparam("merchant_id", type_=Text)
_free = sa.or_(
    test_clocks.c.traveller.is_(None),
    test_clocks.c.traveller == sa.bindparam("me", type_=Text),
    test_clocks.c.travels_until <= sa.bindparam("system_now", type_=Time),
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


async def keep(tx: Tx, owner: Owner, clock: TestClock, system_now: int, me: str, *, travels: bool = False) -> None:
    """Set the merchant's clock. Raises Locked: somebody travels through time with it this moment.

    me: who sets it. travels: whoever sets it goes on, and nobody else may set it meanwhile.
    """
    changed = await tx.run(
        _SET,
        owner,
        ahead=clock.ahead,
        frozen_at=clock.frozen_at,
        traveller=me if travels else None,
        travels_until=system_now + LEASE if travels else None,
        system_now=system_now,
        me=me,
    )
    if not changed:
        raise Locked


async def hold(tx: Tx, owner: Owner, system_now: int, me: str) -> None:
    """Whoever travels with the clock goes on. Raises Locked: somebody else does by now."""
    if not await tx.run(_HOLD, owner, until=system_now + LEASE, me=me):
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
            system_now = self._clock.now()
            return Moment(system_now, system_now)
        clock = await self._db.read_cached(clock_of, owner)
        system_now = self._clock.now()
        return Moment(clock.at(system_now), system_now)
