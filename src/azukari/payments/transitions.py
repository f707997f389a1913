"""The state machine of a payment: its transitions as one table, and which one an attempt's outcome leads to.

Source: contract 3.5; ``docs/architecture.md``, "A charge, end to end".
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import msgspec
import sqlalchemy as sa

from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.clock import Moment, end_of_japanese_day
from azukari.core.errors import Locked
from azukari.db import Money, Owner, Statement, Text, Time, Tx
from azukari.payments import refunds, store
from azukari.payments.details import details_of
from azukari.payments.refunds import NOT_CAPTURED, REFUND, Refund
from azukari.payments.store import Payment, Status, free, held, payments, this
from azukari.processors.base import Approved, Declined, Details, Expired, Outcome, PartiallyPaid, Pending, Unknown
from azukari.processors.methods import CASH

#: After this a card hold ends by itself. Source: contract 3.5.
AUTHORIZATION_DAYS = 30

Name = Literal[
    "authorize",
    "authorize_by_chip",
    "authorize_late",
    "cancel",
    "capture",
    "complete",
    "end",
    "expire",
    "fail",
    "pay_late",
    "sell",
    "stay_short",
    "wait",
]


class Transition(NamedTuple):
    """A row of :data:`TRANSITIONS`.

    targets: of several, the caller names one. holder: the attempt that brings it about: the payment's active one, the
    one it waits with, or none, for a deadline. Its place is given back. sets: columns besides. guard: a further
    condition.
    """

    sources: tuple[Status, ...]
    targets: tuple[Status, ...]
    holder: Literal["active", "waiting", "none"]
    sets: Mapping[str, Any]
    guard: Any = None


class Values(TypedDict, total=False):
    """What a transition's statement takes. processor_ref: its own id. until: a deadline. sum: what is captured."""

    to_status: Status
    processor_ref: str
    until: int | None
    at: int
    sum: int
    new_details: str


_columns = payments.c
_processor_ref = sa.bindparam("processor_ref", type_=Text)
_until = sa.bindparam("until", type_=Time)
_at = sa.bindparam("at", type_=Time)
_sum = sa.bindparam("sum", type_=Money)
_details = sa.bindparam("new_details", type_=Text)
_attempt = sa.bindparam("attempt", type_=Text)
_total = _columns.total
_PENDING: tuple[Status, ...] = ("pending",)
_OPEN: tuple[Status, ...] = ("pending", "authorized")

#: Every change of a payment's status but refunds, whose sums decide (:func:`store.refunded`).
TRANSITIONS: Mapping[Name, Transition] = {
    # A charge is answered.
    "authorize": Transition(_PENDING, ("authorized",), "active", {"processor_ref": _processor_ref, "deadline": _until}),
    "sell": Transition(
        _PENDING, ("captured",), "active",
        {"processor_ref": _processor_ref, "captured_at": _at, "amount_captured": _total},
    ),
    "fail": Transition(_PENDING, ("failed",), "active", {"waiting_attempt": None, "deadline": None}),
    # The far side has it, and the shopper must act; a payment by cash counts as authorised meanwhile.
    "wait": Transition(
        _PENDING, _OPEN, "active",
        {"processor_ref": _processor_ref, "deadline": _until, "waiting_attempt": _attempt, "details": _details},
    ),
    # What it waited for has happened, or has not.
    "authorize_late": Transition(
        _PENDING, ("authorized",), "waiting", {"processor_ref": _processor_ref, "deadline": _until},
    ),
    "pay_late": Transition(
        _OPEN, ("captured",), "waiting",
        {
            "processor_ref": _processor_ref, "captured_at": _at, "deadline": None, "amount_captured": _total,
            "details": _details,
        },
    ),
    "end": Transition(_OPEN, ("failed", "expired"), "waiting", {"deadline": None}),
    # One more prepaid card, or a chip at a terminal.
    "complete": Transition(
        _PENDING, ("captured",), "active",
        {
            "waiting_attempt": None, "captured_at": _at, "deadline": None, "amount_captured": _total,
            "details": _details,
        },
    ),
    "stay_short": Transition(_PENDING, _PENDING, "active", {"details": _details}),
    "authorize_by_chip": Transition(
        _PENDING, ("authorized",), "active", {"waiting_attempt": None, "deadline": _until}
    ),
    # Operations of the merchant, and time.
    "capture": Transition(
        ("authorized",), ("captured",), "active",
        {"captured_at": _at, "amount_captured": _sum, "deadline": None},
        _total >= _sum,
    ),
    "cancel": Transition(_OPEN, ("cancelled",), "active", {"waiting_attempt": None, "deadline": None}),
    "expire": Transition(("authorized",), ("expired",), "none", {"deadline": None}, _columns.deadline <= _at),
}  # fmt: skip


def _statement(row: Transition) -> Statement[Payment]:
    """Write a transition as one guarded update by key."""
    holder: Mapping[str, tuple[list[Any], Mapping[str, None]]] = {
        "active": ([held], {"active_attempt": None}),
        "waiting": ([_columns.waiting_attempt == _attempt, free], {"waiting_attempt": None}),
        "none": ([free, _columns.waiting_attempt.is_(None)], {}),
    }
    where, released = holder[row.holder]
    where.append(sa.or_(*(_columns.status == status for status in row.sources)))
    if row.guard is not None:
        where.append(row.guard)
    status: dict[str, Any] = {}
    if row.targets != row.sources:
        one = len(row.targets) == 1
        status = {"status": row.targets[0] if one else sa.bindparam("to_status", type_=Text)}
    update = sa.update(payments).where(*this, *where).values({**status, **released, **row.sets})
    return Statement(Payment, update.returning(*_columns))


#: Compiled once, so that lock step sees plain updates by key.
_STATEMENTS: Mapping[Name, Statement[Payment]] = {name: _statement(row) for name, row in TRANSITIONS.items()}


async def transition(tx: Tx, attempt: Attempt, name: Name, **values: Unpack[Values]) -> Payment | None:
    """Move an attempt's payment; None: it is not where the transition begins, or the attempt does not hold it."""
    return await tx.one(
        _STATEMENTS[name], attempt.owner, payment=attempt.payment_id or "", attempt=attempt.id, **values
    )


async def expire(tx: Tx, payment: Payment, now: int) -> Payment | None:
    """``authorized -> expired``; None: another unit was faster."""
    return await tx.one(_STATEMENTS["expire"], payment.owner, payment=payment.id, at=now)


class AttemptContext(msgspec.Struct, omit_defaults=True):
    """What recording an outcome needs beside the attempt.

    refund_id: of the refund row that may be written. waiting: the attempt that waits, and that this one may end.
    hold: a chip's word leaves the money where it is. by_session: a further card came by its session, from a secret key
    or not; None: by its payment.
    """

    refund_id: str = ""
    description: str | None = None
    waiting: str | None = None
    hold: bool = False
    by_session: bool | None = None


_more = msgspec.json.Decoder(AttemptContext).decode


def context_of(attempt: Attempt) -> AttemptContext:
    """What was kept with an attempt."""
    return _more(attempt.more or "{}")


class Changed(msgspec.Struct, frozen=True):
    """payment: as it is now; None: as it was. events: the types of what happened, in order."""

    payment: Payment | None
    events: tuple[str, ...] = ()


class InvalidTransition(RuntimeError):
    """A payment is not in the state its attempt found it in."""


async def apply(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Outcome, at: Moment) -> Changed:
    """Change the payment after an attempt's call. Raises InvalidTransition: it was not where it must be."""
    if isinstance(outcome, Unknown):
        return Changed(None)
    changed = await _move(tx, owner, payment_id, attempt, outcome, at)
    if changed.payment is None:
        raise InvalidTransition(payment_id)
    return changed


async def _move(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Outcome, at: Moment) -> Changed:
    match attempt.kind, outcome:
        case "sale", Approved():
            return Changed(await _sell(tx, attempt, outcome, at), ("payment.captured",))
        case "authorize", Approved(processor_ref):
            until = end_of_japanese_day(at.now, AUTHORIZATION_DAYS)
            payment = await transition(tx, attempt, "authorize", processor_ref=processor_ref, until=until)
            return Changed(await _described(tx, payment, outcome), ("payment.authorized",))
        case "sale" | "authorize", Pending() | PartiallyPaid():
            return await _waits(tx, owner, payment_id, attempt, outcome)
        case "sale" | "authorize", _:
            return Changed(await transition(tx, attempt, "fail"), ("payment.failed",))
        case "capture", Approved():
            return Changed(await _captured(tx, attempt, at), ("payment.captured",))
        case "cancel", Approved():
            return Changed(await _cancelled(tx, attempt, at), ("payment.cancelled",))
        case "top_up", Approved() | PartiallyPaid():
            return await _topped_up(tx, owner, payment_id, attempt, outcome, at)
        case "finalize", Approved() | Declined():
            return await _finalized(tx, owner, payment_id, attempt, outcome, at)
        case "refund", Approved():
            return await _refunded(tx, owner, payment_id, attempt, at)
        case "refund", _:
            return Changed(await store.release(tx, owner, payment_id, attempt.amount))
        case _:
            return Changed(await store.unlock_payment(tx, owner, payment_id, attempt.id))


async def apply_late_outcome(tx: Tx, payment: Payment, attempt: Attempt, outcome: Outcome, at: Moment) -> Changed:
    """The move of a payment whose attempt waited for the shopper, and does no longer.

    Raises Locked: another operation has the payment this moment, and may be ending it.
    """
    match outcome:
        case Approved(processor_ref) if attempt.kind == "authorize":
            until = end_of_japanese_day(at.now, AUTHORIZATION_DAYS)
            changed = Changed(
                await transition(tx, attempt, "authorize_late", processor_ref=processor_ref, until=until),
                ("payment.authorized",),
            )
        case Approved(processor_ref):
            merged = merged_details(payment, outcome.details)
            paid = await transition(tx, attempt, "pay_late", processor_ref=processor_ref, new_details=merged, at=at.now)
            changed = Changed(paid, ("payment.captured",))
        case Expired():
            changed = Changed(await transition(tx, attempt, "end", to_status="expired"), ("payment.expired",))
        case _:
            changed = Changed(await transition(tx, attempt, "end", to_status="failed"), ("payment.failed",))
    if changed.payment is None:
        raise Locked
    return changed


def merged_details(payment: Payment, more: Details | None) -> str:
    """What the wire shows of the payment details, with what the far side has added. JSON."""
    if not more:
        return payment.details
    return msgspec.json.encode({**msgspec.json.decode(payment.details, type=dict[str, object]), **more}).decode()


async def _sell(tx: Tx, attempt: Attempt, outcome: Approved, at: Moment) -> Payment | None:
    captured = await transition(tx, attempt, "sell", processor_ref=outcome.processor_ref, at=at.now)
    return await _described(tx, captured, outcome)


async def _described(tx: Tx, payment: Payment | None, outcome: Approved) -> Payment | None:
    if payment is None or not outcome.details:
        return payment
    return await store.describe(tx, payment, merged_details(payment, outcome.details))


async def _waits(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Pending | PartiallyPaid) -> Changed:
    payment = await store.get(tx, owner, payment_id)
    details: Mapping[str, object] = outcome.details
    if isinstance(outcome, Pending) and outcome.redirect_url is not None:
        details = {"redirect_url": outcome.redirect_url, **details}
    # A cash payment counts as authorised; a redirect or a short card stays pending until the shopper returns.
    by_cash = isinstance(outcome, Pending) and details_of(payment).type in CASH
    waiting = await transition(
        tx,
        attempt,
        "wait",
        to_status="authorized" if by_cash else "pending",
        processor_ref=outcome.processor_ref,
        new_details=merged_details(payment, details),
        until=outcome.deadline,
    )
    return Changed(waiting, ("payment.authorized",) if by_cash else ())


async def _topped_up(
    tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Approved | PartiallyPaid, at: Moment
) -> Changed:
    details = merged_details(await store.get(tx, owner, payment_id), outcome.details)
    if isinstance(outcome, PartiallyPaid):
        payment = await transition(tx, attempt, "stay_short", new_details=details)
        return Changed(payment, ("payment.updated",))
    payment = await transition(tx, attempt, "complete", new_details=details, at=at.now)
    await attempts.end(tx, owner, context_of(attempt).waiting or "", "succeeded", at.system_now)
    return Changed(payment, ("payment.captured",))


async def _finalized(
    tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Approved | Declined, at: Moment
) -> Changed:
    """What a chip said: the payment ends with it, and so does the attempt that waited for it."""
    more = context_of(attempt)
    approved = isinstance(outcome, Approved)
    details = (await store.get(tx, owner, payment_id)).details
    await attempts.end(tx, owner, more.waiting or "", "succeeded" if approved else "declined", at.system_now)
    if not approved:
        failed = await transition(tx, attempt, "fail")
        return Changed(failed, ("payment.failed",))
    if more.hold:
        until = end_of_japanese_day(at.now, AUTHORIZATION_DAYS)
        held = await transition(tx, attempt, "authorize_by_chip", until=until)
        return Changed(held, ("payment.authorized",))
    paid = await transition(tx, attempt, "complete", new_details=details, at=at.now)
    return Changed(paid, ("payment.captured",))


async def _captured(tx: Tx, attempt: Attempt, at: Moment) -> Payment | None:
    payment = await transition(tx, attempt, "capture", sum=attempt.amount, at=at.now)
    if payment is not None and payment.total > attempt.amount:
        await refunds.save(tx, _refund(attempt, payment, payment.total - attempt.amount, NOT_CAPTURED, at.now))
    return payment


async def _cancelled(tx: Tx, attempt: Attempt, at: Moment) -> Payment | None:
    payment = await transition(tx, attempt, "cancel")
    waiting = context_of(attempt).waiting
    if payment is not None and waiting is not None:
        await attempts.end(tx, attempt.owner, waiting, "not_done", at.system_now)
    return payment


async def _refunded(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, at: Moment) -> Changed:
    payment = await store.refunded(tx, owner, payment_id, attempt.amount)
    if payment is None:
        return Changed(None)
    await refunds.save(tx, _refund(attempt, payment, attempt.amount, REFUND, at.now))
    if payment.status == "refunded":
        return Changed(payment, ("payment.refund.created", "payment.refunded"))
    return Changed(payment, ("payment.refund.created",))


def _refund(attempt: Attempt, payment: Payment, amount: int, type: str, now: int) -> Refund:
    more = context_of(attempt)
    return Refund(
        merchant_id=attempt.merchant_id,
        mode=attempt.mode,
        id=more.refund_id,
        payment_id=payment.id,
        amount=amount,
        currency=payment.currency,
        description=more.description,
        chargeback=0,
        type=type,
        total_refunded=payment.amount_refunded,
        created_at=now,
    )
