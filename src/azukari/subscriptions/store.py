"""Tables ``subscriptions`` and ``subscription_periods``.

``pending -> active`` with the first charge; ``active <-> retrying`` while one is declined, ``-> suspended`` when it is
given up; ``deleted`` ends every one. A period's row is unique, and written with the intent of its charge.
"""

from typing import Literal

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.attempts.store import attempts
from azukari.core.errors import NotFound
from azukari.db import Owner, Page, Tx
from azukari.merchants.due import Due, index_of_test_rows
from azukari.subscriptions.schedule import Period, moment

Status = Literal["pending", "active", "retrying", "suspended", "deleted"]
PeriodState = Literal["open", "paid", "failed"]

subscriptions = db.owned_table(
    "subscriptions",
    sa.Column("customer_id", db.Text, nullable=False),
    sa.Column("status", db.Text, nullable=False),
    sa.Column("amount", db.Money, nullable=False),
    sa.Column("currency", db.Text, nullable=False),
    sa.Column("period", db.Text, nullable=False),
    sa.Column("metadata", db.Json, nullable=False),
    sa.Column("time_zone", db.Text, nullable=False),
    sa.Column("day", db.Integer, nullable=False),
    sa.Column("details_type", db.Text, nullable=False),
    sa.Column("api_version", db.Text, nullable=False),
    sa.Column("period_no", db.Integer, nullable=False),
    sa.Column("active_attempt", db.Text),
    sa.Column("retry_count", db.Integer, nullable=False),
    sa.Column("retry_at", db.Time),
    sa.Column("next_capture_at", db.Time, nullable=False),
    sa.Column("due_at", db.Time),
    sa.Column("version", db.Integer, nullable=False),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("ended_at", db.Time),
    db.owned_reference("customer_id", "customers"),
    db.partial_index("ix_subscriptions_due_at", "due_at", where="due_at IS NOT NULL"),
    index_of_test_rows("subscriptions", "due_at", "due_at IS NOT NULL"),
    db.partial_index("ix_subscriptions_active_attempt", "active_attempt", where="active_attempt IS NOT NULL"),
    db.partial_index("ix_subscriptions_customer_id", "customer_id", where="ended_at IS NULL"),
)

periods = db.owned_table(
    "subscription_periods",
    sa.Column("subscription_id", db.Text, nullable=False),
    sa.Column("number", db.Integer, nullable=False),
    sa.Column("state", db.Text, nullable=False),
    sa.Column("tries", db.Integer, nullable=False),
    sa.Column("declines", db.Integer, nullable=False),
    sa.Column("payment_id", db.Text),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("settled_at", db.Time),
    db.owned_reference("subscription_id", "subscriptions"),
    db.owned_reference("payment_id", "payments"),
    sa.UniqueConstraint("subscription_id", "number", "merchant_id", "mode"),
)


class Subscription(msgspec.Struct, frozen=True):
    """A row of ``subscriptions``. It is anchored where it was created.

    time_zone: the merchant's when it was created. day: as the wire shows it. details_type: of the customer's details
    then, shown where there are none any more. period_no: of the latest period whose charge was begun.
    active_attempt: that charge, while it is not known what came of it: nothing else is charged meanwhile.
    retry_count: how often the period was tried again. next_capture_at: when the next period falls due.
    due_at: when the worker has something to do; None: never, or the charge under way has to end first.
    version: raised by every change, which names the one it read.
    """

    merchant_id: str
    mode: str
    id: str
    customer_id: str
    status: Status
    amount: int
    currency: str
    period: Period
    metadata: str
    time_zone: str
    day: int
    details_type: str
    api_version: str
    period_no: int
    active_attempt: str | None
    retry_count: int
    retry_at: int | None
    next_capture_at: int
    due_at: int | None
    version: int
    created_at: int
    ended_at: int | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.merchant_id, self.mode)

    def falls_due(self, number: int) -> int:
        """When a period is to be charged; the one in which it was created is number 0."""
        return moment(self.created_at, self.period, self.time_zone, number)


class PeriodRow(msgspec.Struct, frozen=True):
    """A row of ``subscription_periods``.

    open: begun, and not settled. tries: charges begun, or found impossible. declines: those that ended in a no.
    payment_id: of the latest charge. created_at: when it was first tried.
    """

    merchant_id: str
    mode: str
    id: str
    subscription_id: str
    number: int
    state: PeriodState
    tries: int
    declines: int
    payment_id: str | None
    created_at: int
    settled_at: int | None = None


_columns = subscriptions.c
#: What :func:`change` may change.
_CHANGES = (
    "status", "period_no", "active_attempt", "retry_count", "retry_at", "next_capture_at", "due_at", "ended_at",
)  # fmt: skip
_PERIOD_CHANGES = ("state", "declines", "settled_at")

_ADD = db.Statement(None, db.add(subscriptions))
_BY_ID = db.Statement(
    Subscription, sa.select(subscriptions).where(*db.owned(subscriptions), _columns.id == db.bind(_columns.id))
)
_OF_CUSTOMER = db.Statement(
    Subscription,
    sa.select(subscriptions).where(
        *db.owned(subscriptions), _columns.customer_id == db.bind(_columns.customer_id), _columns.ended_at.is_(None)
    ),
)
_CHANGE: db.Statement[None] = db.Statement(
    None,
    sa.update(subscriptions)
    .where(
        *db.owned(subscriptions),
        _columns.id == sa.bindparam("subscription", type_=db.Text),
        _columns.version == sa.bindparam("read_version", type_=db.Integer),
    )
    .values(
        version=_columns.version + 1,
        **{name: sa.bindparam(f"new_{name}", type_=_columns[name].type) for name in _CHANGES},
    ),
)
#: Subscriptions with something to do.
DUE = Due(
    Subscription,
    _columns.due_at,
    ownerless="the worker charges whatever is due, whoever's it is",
    ahead=[_columns.due_at.is_not(None)],
    owners=[],
    paged=False,
)
_UNDER_WAY = db.Statement(
    str,
    sa.select(_columns.id)
    .join_from(
        subscriptions,
        attempts,
        sa.and_(
            attempts.c.merchant_id == _columns.merchant_id,
            attempts.c.mode == _columns.mode,
            attempts.c.id == _columns.active_attempt,
        ),
    )
    .where(
        *db.owned(subscriptions),
        _columns.active_attempt.is_not(None),
        attempts.c.state == sa.literal_column("'sent'"),
        attempts.c.due_at > sa.bindparam("now", type_=db.Time),
    ),
)
_LIST = db.Listing(Subscription, subscriptions, long=True)

_ADD_PERIOD = db.Statement(None, db.add_unless_there(periods))
_PERIOD = db.Statement(
    PeriodRow,
    sa.select(periods).where(
        *db.owned(periods),
        periods.c.subscription_id == db.bind(periods.c.subscription_id),
        periods.c.number == db.bind(periods.c.number),
    ),
)
_TRY_PERIOD: db.Statement[None] = db.Statement(
    None,
    sa.update(periods)
    .where(
        *db.owned(periods),
        periods.c.id == sa.bindparam("row", type_=db.Text),
        periods.c.tries == sa.bindparam("read_tries", type_=db.Integer),
        periods.c.state == "open",
    )
    .values(tries=periods.c.tries + 1, payment_id=sa.bindparam("payment", type_=db.Text)),
)
_SETTLE_PERIOD: db.Statement[None] = db.Statement(
    None,
    sa.update(periods)
    .where(
        *db.owned(periods),
        periods.c.id == sa.bindparam("row", type_=db.Text),
        periods.c.tries == sa.bindparam("read_tries", type_=db.Integer),
        periods.c.state == "open",
    )
    .values(**{name: sa.bindparam(f"new_{name}", type_=periods.c[name].type) for name in _PERIOD_CHANGES}),
)


async def save(tx: Tx, subscription: Subscription) -> None:
    """A new subscription."""
    await tx.run(_ADD, subscription.owner, **msgspec.structs.asdict(subscription))


async def get(tx: Tx, owner: Owner, subscription_id: str) -> Subscription:
    """The owner's subscription. Raises NotFound."""
    found = await tx.one(_BY_ID, owner, id=subscription_id)
    if found is None:
        raise NotFound
    return found


async def of_customer(tx: Tx, owner: Owner, customer_id: str) -> list[Subscription]:
    """A customer's subscriptions that have not ended."""
    return await tx.all(_OF_CUSTOMER, owner, customer_id=customer_id)


async def change(tx: Tx, read: Subscription, new: Subscription) -> Subscription | None:
    """Change one that is still as it was read; None: it is not."""
    values = {f"new_{name}": getattr(new, name) for name in _CHANGES}
    if not await tx.run(_CHANGE, read.owner, subscription=read.id, read_version=read.version, **values):
        return None
    return msgspec.structs.replace(new, version=read.version + 1)


async def under_way(tx: Tx, owner: Owner, now: int) -> list[str]:
    """The owner's subscriptions whose charge somebody is making. now: the machine's time."""
    return await tx.all(_UNDER_WAY, owner, now=now)


async def page(tx: Tx, owner: Owner, asked: db.Slice) -> Page[Subscription]:
    """A page of the owner's subscriptions, newest first."""
    return await _LIST.page(tx, owner, asked)


async def add_period(tx: Tx, period: PeriodRow) -> bool:
    """A period whose charge is about to be made; False: it was begun before."""
    owner = Owner(period.merchant_id, period.mode)
    return await tx.run(_ADD_PERIOD, owner, **msgspec.structs.asdict(period)) == 1


async def get_period(tx: Tx, subscription: Subscription) -> PeriodRow:
    """The period that was begun latest."""
    found = await tx.one(_PERIOD, subscription.owner, subscription_id=subscription.id, number=subscription.period_no)
    assert found is not None  # it is written with the subscription's own row
    return found


async def try_period(tx: Tx, read: PeriodRow, payment_id: str | None) -> bool:
    """Once more, by another payment; False: it is settled, or somebody else was faster."""
    owner = Owner(read.merchant_id, read.mode)
    return await tx.run(_TRY_PERIOD, owner, row=read.id, read_tries=read.tries, payment=payment_id) == 1


async def settle_period(tx: Tx, read: PeriodRow, state: PeriodState, *, declines: int, settled_at: int | None) -> bool:
    """What came of its latest try; False: that is known already."""
    changed = await tx.run(
        _SETTLE_PERIOD,
        Owner(read.merchant_id, read.mode),
        row=read.id,
        read_tries=read.tries,
        new_state=state,
        new_declines=declines,
        new_settled_at=settled_at,
    )
    return changed == 1
