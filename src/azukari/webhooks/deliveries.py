"""Tables ``webhook_deliveries`` and ``webhook_tries``: one event on its way to one endpoint, and each try of it."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.core.clock import SECOND, Moment
from azukari.db import Owner, Page, Tx
from azukari.events import numbering
from azukari.events.store import Event, events
from azukari.merchants.due import ahead, due, owners_time
from azukari.webhooks import store
from azukari.webhooks.store import Endpoint, endpoints

PENDING, DELIVERED, DEAD, DROPPED = "pending", "delivered", "dead", "dropped"
#: A claimed delivery is ours for so long: three times what a call may take.
LEASE = 30 * SECOND
IN_FLIGHT = 4
#: Deliveries of one owner to payments' own endpoints looked at at once.
MOST_OF_PAYMENTS = 128

deliveries = db.owned_table(
    "webhook_deliveries",
    sa.Column("endpoint_id", db.Text, nullable=False),
    sa.Column("event_id", db.Text, nullable=False),
    sa.Column("event_type", db.Text, nullable=False),
    sa.Column("sequence", db.Integer, nullable=False),
    sa.Column("state", db.Text, nullable=False),
    sa.Column("tries", db.Integer, nullable=False),
    sa.Column("due_at", db.Time),
    sa.Column("leased_until", db.Time),
    sa.Column("fence", db.Integer, nullable=False),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("ended_at", db.Time),
    sa.Column("payment_id", db.Text),
    db.owned_reference("endpoint_id", "webhook_endpoints"),
    db.owned_reference("event_id", "events"),
    sa.UniqueConstraint("endpoint_id", "event_id", "merchant_id", "mode"),
    # With the id: what has happened together is due together, and is not to be sorted anew for each that goes.
    db.partial_index("ix_webhook_deliveries_due", "endpoint_id", "due_at", "id", where="due_at IS NOT NULL"),
    db.partial_index("ix_webhook_deliveries_sequence", "endpoint_id", "sequence", where="due_at IS NOT NULL"),
    db.partial_index("ix_webhook_deliveries_leased_until", "endpoint_id", where="leased_until IS NOT NULL"),
    db.partial_index(
        "ix_webhook_deliveries_owners_payments",
        "merchant_id",
        "mode",
        "due_at",
        where="due_at IS NOT NULL AND payment_id IS NOT NULL",
    ),
    db.partial_index("ix_webhook_deliveries_ended_at", "ended_at", where="ended_at IS NOT NULL"),
)
tries = db.owned_table(
    "webhook_tries",
    sa.Column("delivery_id", db.Text, nullable=False),
    sa.Column("number", db.Integer, nullable=False),
    sa.Column("at", db.Time, nullable=False),
    sa.Column("ms", db.Integer, nullable=False),
    sa.Column("code", db.Integer),
    sa.Column("failure", db.Text),
    db.owned_reference("delivery_id", "webhook_deliveries"),
    sa.Index(None, "delivery_id"),
)


class Delivery(msgspec.Struct, frozen=True):
    """A row of ``webhook_deliveries``.

    sequence: the event's number; 0 of a ping, which has no place among the others.
    tries: how often it was tried since it was last wanted. due_at: when it is to be tried, by the merchant's clock;
    None: it has ended. leased_until: nobody else tries it before then, by the machine's clock, as is ended_at.
    fence: raised by whoever tries it, and named with what came of it.
    """

    merchant_id: str
    mode: str
    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    sequence: int
    state: str
    tries: int
    due_at: int | None
    leased_until: int | None
    fence: int
    created_at: int
    ended_at: int | None
    payment_id: str | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.merchant_id, self.mode)


class EventRef(NamedTuple):
    """An event, without what it tells."""

    id: str
    type: str
    sequence: int


class Notification(NamedTuple):
    """What an endpoint is to be told of. id: for the delivery. sequence: the event's number."""

    id: str
    event_id: str
    event_type: str
    sequence: int


class DeliveryAttempt(msgspec.Struct, frozen=True):
    """A line of the delivery log.

    code: the receiver's answer, None where it gave none; failure: our word for why. state, next_at: of the delivery.
    """

    id: str
    at: int
    delivery_id: str
    event_id: str
    event_type: str
    state: str
    number: int
    code: int | None
    failure: str | None
    ms: int
    next_at: int | None


_now = sa.bindparam("now", type_=db.Time)
_real = sa.bindparam("system_now", type_=db.Time)
_idle = sa.or_(deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= _real)
_of_endpoint = (*db.owned(deliveries), deliveries.c.endpoint_id == db.bind(deliveries.c.endpoint_id))
_limit = sa.bindparam("limit", type_=db.Integer)
_event_of = sa.and_(
    events.c.merchant_id == deliveries.c.merchant_id,
    events.c.mode == deliveries.c.mode,
    events.c.id == deliveries.c.event_id,
)
_this = (
    *db.owned(deliveries),
    deliveries.c.id == sa.bindparam("delivery", type_=db.Text),
    deliveries.c.fence == sa.bindparam("read_fence", type_=db.Integer),
)

_ADD = db.Statement(None, db.add_unless_there(deliveries))
_BY_EVENT = db.Statement(
    Delivery, sa.select(deliveries).where(*_of_endpoint, deliveries.c.event_id == db.bind(deliveries.c.event_id))
)
_AFTER = db.Statement(
    EventRef,
    sa.select(events.c.id, events.c.type, events.c.sequence)
    .where(*db.owned(events), events.c.sequence > sa.bindparam("after", type_=db.Integer))
    .order_by(events.c.sequence)
    .limit(_limit),
)
_of_this_endpoint = (
    deliveries.c.merchant_id == endpoints.c.merchant_id,
    deliveries.c.mode == endpoints.c.mode,
    deliveries.c.endpoint_id == endpoints.c.id,
)
_told_by_themselves = (endpoints.c.since.is_not(None), endpoints.c.payment_id.is_(None))
_WAITING = db.Statement(
    Endpoint,
    sa.select(endpoints).where(
        *_told_by_themselves,
        sa.exists(sa.select(deliveries.c.id).where(*_of_this_endpoint, due(deliveries.c.due_at), _idle)),
    ),
    ownerless="the worker delivers for all merchants",
)
_WAITING_OF = db.Statement(
    Endpoint,
    sa.select(endpoints).where(
        *db.owned(endpoints),
        *_told_by_themselves,
        sa.exists(sa.select(deliveries.c.id).where(*_of_this_endpoint, deliveries.c.due_at <= _now, _idle)),
    ),
)
_of_any_payment = (deliveries.c.payment_id.is_not(None), deliveries.c.due_at.is_not(None))
# One owner after the other: those of one, however many they are, are not read through to find the next one's.
_NEXT_OWNER = db.Statement(
    Owner,
    sa.select(deliveries.c.merchant_id, deliveries.c.mode)
    .where(
        *_of_any_payment,
        sa.tuple_(deliveries.c.merchant_id, deliveries.c.mode)
        > sa.tuple_(sa.bindparam("after_merchant", type_=db.Text), sa.bindparam("after_mode", type_=db.Text)),
    )
    .order_by(deliveries.c.merchant_id, deliveries.c.mode)
    .limit(1),
    ownerless="the worker delivers for all merchants",
)
_WAITING_PAYMENTS = db.Statement(
    Endpoint,
    sa.select(endpoints)
    .join_from(
        endpoints,
        deliveries,
        sa.and_(*_of_this_endpoint),
    )
    .where(
        *db.owned(deliveries),
        *_of_any_payment,
        deliveries.c.due_at <= owners_time,
        _idle,
        endpoints.c.since.is_not(None),
    )
    .order_by(deliveries.c.due_at)
    .limit(_limit),
)
_of_payments = (
    *db.owned(deliveries),
    *_of_any_payment,
    sa.exists(
        sa.select(endpoints.c.id).where(
            endpoints.c.merchant_id == deliveries.c.merchant_id,
            endpoints.c.mode == deliveries.c.mode,
            endpoints.c.id == deliveries.c.endpoint_id,
            endpoints.c.since.is_not(None),
        )
    ),
)
_later = deliveries.c.due_at > sa.bindparam("after", type_=db.Time)
_NEXT_OF_PAYMENTS = db.Statement(
    int, sa.select(deliveries.c.due_at).where(*_of_payments, _later).order_by(deliveries.c.due_at).limit(1)
)
_LEASED_OF_PAYMENTS = db.Statement(
    int, sa.select(sa.func.count()).select_from(deliveries).where(*_of_payments, deliveries.c.leased_until > _real)
)
_DUE = db.Statement(
    Delivery,
    sa.select(deliveries)
    .where(*_of_endpoint, deliveries.c.due_at <= _now, _idle)
    .order_by(deliveries.c.due_at, deliveries.c.id)
    .limit(_limit),
)
_FIRST = db.Statement(
    Delivery,
    sa.select(deliveries)
    .where(
        *_of_endpoint, deliveries.c.due_at.is_not(None), sa.or_(deliveries.c.sequence > 0, deliveries.c.due_at <= _now)
    )
    .order_by(deliveries.c.sequence, deliveries.c.id)
    .limit(1),
)
_NEXT = db.Statement(
    int,
    sa.select(deliveries.c.due_at).where(*_of_endpoint, _later).order_by(deliveries.c.due_at).limit(1),
)
_NEXT_PING = db.Statement(
    int,
    sa.select(deliveries.c.due_at)
    .where(*_of_endpoint, _later, deliveries.c.sequence == 0)
    .order_by(deliveries.c.due_at)
    .limit(1),
)
_LEASED = db.Statement(
    int,
    sa.select(sa.func.count()).select_from(deliveries).where(*_of_endpoint, deliveries.c.leased_until > _real),
)
_EVENT = db.Statement(Event, sa.select(events).where(*db.owned(events), events.c.id == db.bind(events.c.id)))
_CLAIM: db.Statement[None] = db.Statement(
    None,
    sa.update(deliveries)
    .where(*_this, deliveries.c.due_at <= _now)
    .values(
        fence=deliveries.c.fence + 1,
        leased_until=sa.bindparam("until", type_=db.Time),
    ),
)
_FINISH: db.Statement[None] = db.Statement(
    None,
    sa.update(deliveries)
    .where(*_this, deliveries.c.due_at.is_not(None))
    .values(
        state=sa.bindparam("to_state", type_=db.Text),
        tries=deliveries.c.tries + 1,
        leased_until=None,
        due_at=sa.bindparam("next_at", type_=db.Time),
        ended_at=sa.bindparam("ended", type_=db.Time),
    ),
)
_AGAIN: db.Statement[None] = db.Statement(
    None,
    sa.update(deliveries)
    .where(*_this, deliveries.c.due_at.is_(None))
    .values(
        state=PENDING,
        tries=0,
        fence=deliveries.c.fence + 1,
        due_at=sa.bindparam("now", type_=db.Time),
        leased_until=None,
        ended_at=None,
    ),
)
_DROP: db.Statement[None] = db.Statement(
    None,
    sa.update(deliveries)
    .where(*_of_endpoint, deliveries.c.due_at.is_not(None))
    .values(
        state=DROPPED,
        fence=deliveries.c.fence + 1,
        due_at=None,
        leased_until=None,
        ended_at=_real,
    ),
)
_LETTERS = db.Statement(
    str,
    sa.select(deliveries.c.event_id)
    .where(*_of_endpoint, deliveries.c.state == DEAD, deliveries.c.event_id > sa.bindparam("after", type_=db.Text))
    .order_by(deliveries.c.event_id)
    .limit(_limit),
)
_BETWEEN = db.Statement(
    EventRef,
    sa.select(events.c.id, events.c.type, events.c.sequence)
    .where(
        *db.owned(events),
        events.c.sequence.is_not(None),
        events.c.id > sa.bindparam("after", type_=db.Text),
        events.c.id < sa.bindparam("before", type_=db.Text),
    )
    .order_by(events.c.id)
    .limit(_limit),
)
_ADD_TRY = db.Statement(None, db.add(tries))
_delivery_of = sa.and_(
    tries.c.merchant_id == deliveries.c.merchant_id,
    tries.c.mode == deliveries.c.mode,
    tries.c.delivery_id == deliveries.c.id,
)
_logged = (
    *_of_endpoint,
    tries.c.at >= sa.bindparam("start", type_=db.Time),
    tries.c.at < sa.bindparam("end", type_=db.Time),
)
_LOG = db.Statement(
    DeliveryAttempt,
    sa.select(
        tries.c.id,
        tries.c.at,
        deliveries.c.id,
        deliveries.c.event_id,
        deliveries.c.event_type,
        deliveries.c.state,
        tries.c.number,
        tries.c.code,
        tries.c.failure,
        tries.c.ms,
        deliveries.c.due_at,
    )
    .join_from(tries, deliveries, _delivery_of)
    .where(*_logged)
    .order_by(tries.c.id.desc())
    .limit(_limit)
    .offset(sa.bindparam("offset", type_=db.Integer)),
)
_LOGGED = db.Statement(
    int, sa.select(sa.func.count()).select_from(tries).join(deliveries, _delivery_of).where(*_logged)
)
_over = (
    sa.select(deliveries.c.merchant_id, deliveries.c.mode, deliveries.c.id)
    .where(deliveries.c.ended_at <= sa.bindparam("before", type_=db.Time))
    .order_by(deliveries.c.ended_at, deliveries.c.id)
    .limit(_limit)
)
_FORGET_TRIES: db.Statement[None] = db.Statement(
    None,
    sa.delete(tries).where(sa.tuple_(tries.c.merchant_id, tries.c.mode, tries.c.delivery_id).in_(_over)),
    ownerless="the sweep removes what has ended, whoever's it was",
)
_FORGET: db.Statement[None] = db.Statement(
    None,
    sa.delete(deliveries).where(sa.tuple_(deliveries.c.merchant_id, deliveries.c.mode, deliveries.c.id).in_(_over)),
    ownerless="the sweep removes what has ended, whoever's it was",
)


# Coming about


async def after(tx: Tx, owner: Owner, sequence: int, limit: int) -> list[EventRef]:
    """The owner's events with greater numbers, by number."""
    return await tx.all(_AFTER, owner, after=sequence, limit=limit)


async def enqueue(tx: Tx, endpoint: Endpoint, wanted: Sequence[Notification], to: int, now: int) -> bool:
    """Deliveries of what an endpoint wants of the events up to a number; False: it is not as it was read."""
    if not await store.told(tx, endpoint, to):
        return False
    await add_all(tx, endpoint, wanted, now)
    return True


async def enqueue_for_payments(
    tx: Tx, owner: Owner, wanted: Sequence[tuple[Endpoint, Notification]], read: int, to: int, now: int
) -> bool:
    """The same for payments' own endpoints, all of an owner's at once. read: up to where they were told."""
    if not await numbering.advance(tx, owner, numbering.OF_PAYMENTS, read, to):
        return False
    for endpoint, told in wanted:
        await _add(tx, endpoint, told, now)
    return True


async def add_all(tx: Tx, endpoint: Endpoint, wanted: Sequence[Notification], now: int) -> int:
    """Deliveries that are not there yet, due now; how many were not."""
    return sum([await _add(tx, endpoint, each, now) for each in wanted])


async def _add(tx: Tx, endpoint: Endpoint, told: Notification, now: int) -> int:
    return await tx.run(
        _ADD,
        endpoint.owner,
        **told._asdict(),
        endpoint_id=endpoint.id,
        state=PENDING,
        tries=0,
        due_at=now,
        leased_until=None,
        fence=0,
        created_at=now,
        ended_at=None,
        payment_id=endpoint.payment_id,
    )


# Being sent


class Claimed(msgspec.Struct, frozen=True):
    """A delivery that is ours to try, and what it tells."""

    delivery: Delivery
    event: Event


async def waiting(tx: Tx, system_now: int, owner: Owner | None = None) -> list[Endpoint]:
    """Active endpoints with something to send by their merchants' clocks, payments' own too: of one owner or of all.

    system_now: the machine's time. Of each owner's payments so many at once.
    """
    found = [each for each in await tx.all(_WAITING, None, system_now=system_now) if owner in (None, each.owner)]
    seen = {(each.owner, each.id) for each in found}
    for of_one, shown in await ahead(tx, system_now):
        if owner in (None, of_one):
            more = await tx.all(_WAITING_OF, of_one, now=shown, system_now=system_now)
            found += [each for each in more if (each.owner, each.id) not in seen]
    for each in [owner] if owner else await _with_payments(tx):
        of_payments = await tx.all(_WAITING_PAYMENTS, each, system_now=system_now, limit=MOST_OF_PAYMENTS)
        found += {each.id: each for each in of_payments}.values()
    return found


async def _with_payments(tx: Tx) -> list[Owner]:
    """Owners with deliveries to payments' own endpoints, due or not."""
    found: list[Owner] = []
    last = Owner("", "")
    while (owner := await tx.one(_NEXT_OWNER, None, after_merchant=last.merchant_id, after_mode=last.mode)) is not None:
        found.append(owner)
        last = owner
    return found


async def claim(tx: Tx, owner: Owner, endpoint_id: str, at: Moment, most: int) -> tuple[Endpoint, list[Claimed]] | None:
    """Take up to so many deliveries that are due; None: there are none to take, or another worker takes them.

    Never more than four of an endpoint are out at once, and of an ordered one the first alone.
    """
    endpoint = await store.find(tx, owner, endpoint_id)
    if endpoint is None or endpoint.since is None:
        return None
    out = await tx.one(_LEASED, owner, endpoint_id=endpoint_id, system_now=at.system_now) or 0
    free = min(most, (1 if endpoint.ordered else IN_FLIGHT) - out)
    if free <= 0:
        return None
    if endpoint.ordered:
        first = await tx.one(_FIRST, owner, endpoint_id=endpoint_id, now=at.now)
        ready = [] if first is None or (first.due_at or 0) > at.now else [first]
    else:
        ready = await tx.all(_DUE, owner, endpoint_id=endpoint_id, now=at.now, system_now=at.system_now, limit=free)
    told = [await _event(tx, owner, each.event_id) for each in ready]
    if not ready or not await store.take_turn(tx, endpoint):
        return None
    claimed = []
    for each, event in zip(ready, told, strict=True):
        taken = await tx.run(
            _CLAIM, owner, delivery=each.id, read_fence=each.fence, now=at.now, until=at.system_now + LEASE
        )
        if taken and event is not None:
            claimed.append(Claimed(msgspec.structs.replace(each, fence=each.fence + 1), event))
    return endpoint, claimed


async def _event(tx: Tx, owner: Owner, event_id: str) -> Event | None:
    return await tx.one(_EVENT, owner, id=event_id)


async def next_due(tx: Tx, owner: Owner, after: int = 0) -> int | None:
    """When the owner's next delivery after a moment falls due; None: there is none on its way to an active endpoint."""
    of_payments: int | None = await tx.one(_NEXT_OF_PAYMENTS, owner, after=after)
    found = [of_payments, *[await _next(tx, each, after) for each in await store.active(tx, owner)]]
    return min((each for each in found if each is not None), default=None)


async def _next(tx: Tx, endpoint: Endpoint, after: int) -> int | None:
    if not endpoint.ordered:
        return await tx.one(_NEXT, endpoint.owner, endpoint_id=endpoint.id, after=after)
    # What is behind the first waits for it, however long it has been due; a ping for nobody.
    ping = await tx.one(_NEXT_PING, endpoint.owner, endpoint_id=endpoint.id, after=after)
    first = await tx.one(_FIRST, endpoint.owner, endpoint_id=endpoint.id, now=0)
    found = [ping, None if first is None else first.due_at]
    return min((each for each in found if each is not None and each > after), default=None)


async def under_way(tx: Tx, owner: Owner, system_now: int) -> bool:
    """Whether somebody is trying a delivery of the owner. system_now: the machine's time."""
    if await tx.one(_LEASED_OF_PAYMENTS, owner, system_now=system_now):
        return True
    for each in await store.active(tx, owner):
        if await tx.one(_LEASED, owner, endpoint_id=each.id, system_now=system_now):
            return True
    return False


class Outcome(msgspec.Struct, frozen=True):
    """What a try came to. next_at: when it is tried again; None: the delivery has ended, in ``state``."""

    state: str
    next_at: int | None
    code: int | None
    failure: str | None
    ms: int
    #: The receiver said that it is gone for good.
    gone: bool = False


async def finish(tx: Tx, delivery: Delivery, outcome: Outcome, try_id: str, at: Moment) -> bool:
    """Write down what a try came to; False: the delivery is somebody else's by now."""
    owner = delivery.owner
    ended = at.system_now if outcome.next_at is None else None
    changed = await tx.run(
        _FINISH,
        owner,
        delivery=delivery.id,
        read_fence=delivery.fence,
        to_state=outcome.state,
        next_at=outcome.next_at,
        ended=ended,
    )
    if not changed:
        return False
    await tx.run(
        _ADD_TRY,
        owner,
        id=try_id,
        delivery_id=delivery.id,
        number=delivery.tries + 1,
        at=at.now,
        ms=outcome.ms,
        code=outcome.code,
        failure=outcome.failure,
    )
    if outcome.gone:
        await store.disable(tx, owner, delivery.endpoint_id, "gone", at.now)
    return True


# Afterwards


async def replay(tx: Tx, endpoint: Endpoint, wanted: Sequence[Notification], now: int) -> int:
    """Send events again, or for the first time. One that is on its way stays as it is. How many are sent."""
    count = 0
    found = [await _of_event(tx, endpoint, each.event_id) for each in wanted]
    for each, delivery in zip(wanted, found, strict=True):
        if delivery is None:
            count += await _add(tx, endpoint, each, now)
        else:
            count += await tx.run(_AGAIN, endpoint.owner, delivery=delivery.id, read_fence=delivery.fence, now=now)
    return count


async def _of_event(tx: Tx, endpoint: Endpoint, event_id: str) -> Delivery | None:
    return await tx.one(_BY_EVENT, endpoint.owner, endpoint_id=endpoint.id, event_id=event_id)


async def dead_letters(tx: Tx, endpoint: Endpoint, after: str, limit: int) -> list[str]:
    """Ids of events that were given up, by id."""
    return await tx.all(_LETTERS, endpoint.owner, endpoint_id=endpoint.id, after=after, limit=limit)


async def happened(tx: Tx, owner: Owner, after: str, before: str, limit: int) -> list[EventRef]:
    """Events between two ids, by id."""
    return await tx.all(_BETWEEN, owner, after=after, before=before, limit=limit)


async def drop(tx: Tx, owner: Owner, endpoint_id: str, system_now: int) -> None:
    """Nothing of what is on its way to an endpoint is sent any more."""
    await tx.run(_DROP, owner, endpoint_id=endpoint_id, system_now=system_now)


async def log(tx: Tx, owner: Owner, endpoint_id: str, asked: db.Slice) -> Page[DeliveryAttempt]:
    """A page of an endpoint's tries, newest first, by when they were made. Raises NotFound."""
    endpoint = await store.get(tx, owner, endpoint_id)
    page, per_page, start, end = asked
    total = await tx.one(_LOGGED, owner, endpoint_id=endpoint.id, start=start, end=end) or 0
    offset = (page - 1) * per_page
    if offset >= total:
        return Page([], total)
    found = await tx.all(_LOG, owner, endpoint_id=endpoint.id, start=start, end=end, limit=per_page, offset=offset)
    return Page(found, total)


async def forget(tx: Tx, before: int, limit: int) -> int:
    """Forget deliveries that ended before a moment, with their tries, so many at a time; how many."""
    await tx.run(_FORGET_TRIES, None, before=before, limit=limit)
    return await tx.run(_FORGET, None, before=before, limit=limit)
