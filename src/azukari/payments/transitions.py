"""A payment's moves: which state an attempt's outcome leads to, by one guarded update each.

Source: contract 3.5; ``docs/architecture.md``, "A charge, end to end".
"""

from collections.abc import Mapping

import msgspec

from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.clock import Moment, end_of_japanese_day
from azukari.core.errors import Locked
from azukari.db import Owner, Tx
from azukari.payments import refunds, store
from azukari.payments.details import details_of
from azukari.payments.refunds import NOT_CAPTURED, REFUND, Refund
from azukari.payments.store import Payment
from azukari.processors.base import Approved, Declined, Details, Expired, Outcome, PartiallyPaid, Pending, Unknown
from azukari.processors.methods import CASH

#: After this a card hold ends by itself. Source: contract 3.5.
HOLD_DAYS = 30


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
            return Changed(await _sold(tx, owner, payment_id, attempt, outcome, at), ("payment.captured",))
        case "authorize", Approved(theirs):
            until = end_of_japanese_day(at.now, HOLD_DAYS)
            payment = await store.authorized(tx, owner, payment_id, attempt.id, theirs=theirs, until=until)
            return Changed(await _described(tx, payment, outcome), ("payment.authorized",))
        case "sale" | "authorize", Pending() | PartiallyPaid():
            return await _waits(tx, owner, payment_id, attempt, outcome)
        case "sale" | "authorize", _:
            return Changed(await store.failed(tx, owner, payment_id, attempt.id), ("payment.failed",))
        case "capture", Approved():
            return Changed(await _captured(tx, owner, payment_id, attempt, at), ("payment.captured",))
        case "cancel", Approved():
            return Changed(await _cancelled(tx, owner, payment_id, attempt, at), ("payment.cancelled",))
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
        case Approved(theirs) if attempt.kind == "authorize":
            until = end_of_japanese_day(at.now, HOLD_DAYS)
            changed = Changed(
                await store.held_at_last(tx, payment, attempt.id, theirs=theirs, until=until), ("payment.authorized",)
            )
        case Approved(theirs):
            merged = merged_details(payment, outcome.details)
            paid = await store.paid_at_last(tx, payment, attempt.id, theirs=theirs, details=merged, at=at.now)
            changed = Changed(paid, ("payment.captured",))
        case Expired():
            changed = Changed(await store.ended(tx, payment, attempt.id, "expired"), ("payment.expired",))
        case _:
            changed = Changed(await store.ended(tx, payment, attempt.id, "failed"), ("payment.failed",))
    if changed.payment is None:
        raise Locked
    return changed


def merged_details(payment: Payment, more: Details | None) -> str:
    """What the wire shows of the payment details, with what the far side has added. JSON."""
    if not more:
        return payment.details
    return msgspec.json.encode({**msgspec.json.decode(payment.details, type=dict[str, object]), **more}).decode()


async def _sold(
    tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Approved, at: Moment
) -> Payment | None:
    sold = await store.sold(tx, owner, payment_id, attempt.id, theirs=outcome.processor_ref, at=at.now)
    return await _described(tx, sold, outcome)


async def _described(tx: Tx, payment: Payment | None, outcome: Approved) -> Payment | None:
    if payment is None or not outcome.details:
        return payment
    return await store.describe(tx, payment, merged_details(payment, outcome.details))


async def _waits(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Pending | PartiallyPaid) -> Changed:
    payment = await store.get(tx, owner, payment_id)
    details: Mapping[str, object] = outcome.details
    if isinstance(outcome, Pending) and outcome.redirect_url is not None:
        details = {"redirect_url": outcome.redirect_url, **details}
    # Who pays at a till has the numbers and will; who goes to a page, or needs another card, has to be waited for.
    by_cash = isinstance(outcome, Pending) and details_of(payment).type in CASH
    waiting = await store.waits(
        tx,
        payment,
        attempt.id,
        "authorized" if by_cash else "pending",
        theirs=outcome.processor_ref,
        details=merged_details(payment, details),
        until=outcome.deadline,
    )
    return Changed(waiting, ("payment.authorized",) if by_cash else ())


async def _topped_up(
    tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Approved | PartiallyPaid, at: Moment
) -> Changed:
    details = merged_details(await store.get(tx, owner, payment_id), outcome.details)
    if isinstance(outcome, PartiallyPaid):
        payment = await store.still_short(tx, owner, payment_id, attempt.id, details)
        return Changed(payment, ("payment.updated",))
    payment = await store.topped_up(tx, owner, payment_id, attempt.id, details=details, at=at.now)
    await attempts.end(tx, owner, context_of(attempt).waiting or "", "succeeded", at.real)
    return Changed(payment, ("payment.captured",))


async def _finalized(
    tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Approved | Declined, at: Moment
) -> Changed:
    """What a chip said: the payment ends with it, and so does the attempt that waited for it."""
    more = context_of(attempt)
    approved = isinstance(outcome, Approved)
    details = (await store.get(tx, owner, payment_id)).details
    await attempts.end(tx, owner, more.waiting or "", "succeeded" if approved else "declined", at.real)
    if not approved:
        failed = await store.failed(tx, owner, payment_id, attempt.id)
        return Changed(failed, ("payment.failed",))
    if more.hold:
        until = end_of_japanese_day(at.now, HOLD_DAYS)
        held = await store.held_by_chip(tx, owner, payment_id, attempt.id, until=until)
        return Changed(held, ("payment.authorized",))
    paid = await store.topped_up(tx, owner, payment_id, attempt.id, details=details, at=at.now)
    return Changed(paid, ("payment.captured",))


async def _captured(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, at: Moment) -> Payment | None:
    payment = await store.captured(tx, owner, payment_id, attempt.id, amount=attempt.amount, at=at.now)
    if payment is not None and payment.total > attempt.amount:
        await refunds.save(tx, _refund(attempt, payment, payment.total - attempt.amount, NOT_CAPTURED, at.now))
    return payment


async def _cancelled(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, at: Moment) -> Payment | None:
    payment = await store.cancelled(tx, owner, payment_id, attempt.id)
    waiting = context_of(attempt).waiting
    if payment is not None and waiting is not None:
        await attempts.end(tx, owner, waiting, "not_done", at.real)
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
