"""What came of a subscription's charge: its payment's new state and its own, in one unit (T3).

The caller and the resolver write through the same unit; the attempt's fence lets one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.clock import Moment
from azukari.core.errors import ApiError, Locked
from azukari.customers import store as customers
from azukari.customers.store import Customer
from azukari.db import Tx, retry_on_conflict
from azukari.events import store as events
from azukari.payments import record
from azukari.processors.base import Approved, Declined, Outcome, PartiallyPaid, Pending, Unknown
from azukari.subscriptions import store, transitions
from azukari.subscriptions.schemas import SubscriptionView
from azukari.subscriptions.store import PeriodRow, Subscription
from azukari.subscriptions.transitions import Move
from azukari.wire import idempotency
from azukari.wire.answers import Answer, Done
from azukari.wiring import Services


@dataclass(frozen=True, slots=True)
class RecordContext:
    """event_ids: of the payment's event, and then of the subscription's. again_at: when to ask again.

    retry_days: after how many days a declined charge is tried again.
    """

    event_ids: tuple[str, ...]
    at: Moment
    again_at: int | None
    retry_days: Sequence[int]


async def write(
    services: Services,
    attempt: Attempt,
    outcome: Outcome,
    event_ids: tuple[str, ...],
    at: Moment,
    again_at: int | None,
    refusal: ApiError | None,
) -> Done[SubscriptionView]:
    """Run the unit that records a charge."""
    settings = await services.settings_of(attempt.owner)
    more = tuple(services.ids.new() for _ in range(3))
    ending = RecordContext((*event_ids[:1], *more), at, again_at, settings.retry_days)
    return await retry_on_conflict(services.db, record_charge, attempt, outcome, ending, refusal)


async def record_charge(
    tx: Tx, attempt: Attempt, outcome: Outcome, ending: RecordContext, refusal: ApiError | None
) -> Done[SubscriptionView]:
    """T3: write down what a charge came to, to payment, period and subscription. Raises Locked: read anew."""
    owner, now = attempt.owner, ending.at.now
    read = await store.get(tx, owner, attempt.subscription_id or "")
    period = await store.get_period(tx, read)
    customer = await customers.get_including_deleted(tx, owner, read.customer_id)
    payments = await attempts.payments_of_subscription(tx, owner, read.id)
    recorded = await record.apply_to_payment(tx, attempt, outcome, ending.event_ids[:1], ending.at, ending.again_at)
    if not recorded.held:
        return _done(await record.known_outcome(tx, attempt), SubscriptionView(read, customer, payments), refusal)
    shown = SubscriptionView(read, customer, payments)
    move = _move(read, period, customer, outcome, ending) if read.active_attempt == attempt.id else None
    if move is not None:
        after = await store.change(tx, read, move.subscription)
        settled_at = None if move.period == "open" else now
        settled = await store.settle_period(tx, period, move.period, declines=move.declines, settled_at=settled_at)
        if after is None or not settled:
            raise Locked
        shown = SubscriptionView(after, customer, payments)
        await report(tx, shown, move.events, ending.event_ids[1:], now)
    done = _done(outcome, shown, refusal)
    final = not isinstance(outcome, Unknown | Pending | PartiallyPaid)
    await idempotency.store_response(tx, owner, attempt.idempotency_key, done.answer, final=final)
    return done


def _move(
    read: Subscription, period: PeriodRow, customer: Customer, outcome: Outcome, ending: RecordContext
) -> Move | None:
    """None: nothing is known yet, and nothing else is charged before it is."""
    match outcome:
        case Unknown() | Pending() | PartiallyPaid():
            return None
        case Approved():
            move = transitions.paid(read, period)
        case Declined(code):
            move = transitions.declined(read, period, code, ending.retry_days, ending.at.now)
        case _:
            move = transitions.not_sent(read, period, ending.at.now)
    if customer.deleted_at is not None and move.subscription.ended_at is None:
        # The customer went while the subscription was made: the first charge was the last.
        over = transitions.over(move.subscription, ending.at.now)
        move = Move(over, move.period, move.declines, (*move.events, transitions.DELETED))
    return move


async def report(tx: Tx, shown: SubscriptionView, types: Sequence[str], event_ids: Sequence[str], now: int) -> None:
    """Within the caller's unit: the events of a subscription that has moved."""
    body = shown.encoded() if types else b""
    for event_id, type in zip(event_ids, types, strict=False):
        await events.record(tx, shown.subscription.owner, id=event_id, type=type, data=body, now=now)


def _done(outcome: Outcome, shown: SubscriptionView, refusal: ApiError | None) -> Done[SubscriptionView]:
    if isinstance(outcome, Unknown):
        return unknown(shown)
    return Done(shown, outcome, record.answer_of(outcome, shown.encoded(), refusal))


def unknown(shown: SubscriptionView) -> Done[SubscriptionView]:
    """Answer the caller of the first charge while its outcome is not known: the subscription is ``pending``."""
    return Done(shown, Unknown(), Answer(200, shown.encoded()))
