"""What came of an attempt: the payment's new state, its events and the stored answer, in one unit (T3).

The caller and the resolver write through the same unit; the attempt's fence lets one of them.
"""

from typing import NamedTuple

import msgspec

from azukari.core import log
from azukari.core.clock import DAY, SECOND, end_of_japanese_day
from azukari.core.errors import ApiError, Unavailable
from azukari.db import Owner, Tx, hot
from azukari.events import store as events
from azukari.payments import refunds, store
from azukari.payments.refunds import NOT_CAPTURED, REFUND, Refund
from azukari.payments.schemas import PaymentOut
from azukari.payments.store import Payment
from azukari.processors import attempts, machine
from azukari.processors.attempts import Attempt
from azukari.processors.base import Approved, DeclinedBy, NotDone, Outcome, Processor, Unsettled
from azukari.processors.declines import Declined, NotSentAnswer
from azukari.tokens import given as tokens
from azukari.vault import Vault
from azukari.web import errors, idempotency
from azukari.web.answers import Answer
from azukari.wiring import Parts

#: After this a card hold ends by itself. Source: contract 3.5.
HOLD_DAYS = 30
#: How often the resolver asks, and when it gives up and calls a person.
ASK_AGAIN = 15 * SECOND
GIVE_UP = DAY


class More(msgspec.Struct, omit_defaults=True):
    """What recording an outcome needs beside the attempt. refund_id: of the refund row that may be written."""

    refund_id: str
    description: str | None = None


class Shown(NamedTuple):
    """A payment and its refunds."""

    payment: Payment
    refunds: list[Refund]

    def encoded(self, api_version: str) -> bytes:
        """As it goes over the wire."""
        return msgspec.json.encode(PaymentOut.of(self.payment, self.refunds, api_version))


async def show(tx: Tx, owner: Owner, payment_id: str) -> Shown:
    """The owner's payment. Raises NotFound."""
    return await with_refunds(tx, await store.get(tx, owner, payment_id))


async def with_refunds(tx: Tx, payment: Payment) -> Shown:
    """A payment with its refunds; most have none, and are not asked for them."""
    if payment.amount_refunded == 0 and payment.amount_captured in (0, payment.total):
        return Shown(payment, [])
    found = await refunds.of_payment(tx, payment.owner, payment.id)
    # In lock step the rows of a neighbour's refund are there already, whose amount comes after this payment's state.
    return Shown(payment, [refund for refund in found if refund.total_refunded <= payment.amount_refunded])


@hot
async def record_outcome(
    tx: Tx, attempt: Attempt, outcome: Outcome, event_ids: tuple[str, ...], now: int, again_at: int | None,
    refusal: ApiError | None = None,
) -> Answer:  # fmt: skip
    """Write down what happened, together with the event that tells the merchant and the answer that is repeated.

    again_at: when an unsettled outcome is asked after. refusal: what to answer instead of "not sent".
    """
    owner, payment_id = Owner(attempt.merchant_id, attempt.mode), attempt.payment_id or ""
    if not await attempts.finish(tx, attempt, outcome, now, again_at):
        if isinstance(outcome, Approved):
            await attempts.undo(tx, attempt, outcome.processor_ref, now)
        return await _already_recorded(tx, owner, payment_id, attempt)
    changed = await _apply(tx, owner, payment_id, attempt, outcome, now)
    payment = changed.payment or await store.get(tx, owner, payment_id)
    body = (await with_refunds(tx, payment)).encoded(attempt.api_version)
    for event_id, type in zip(event_ids, changed.events, strict=False):
        await events.record(tx, owner, id=event_id, type=type, data=body, now=now)
    answer = _answer(outcome, body, refusal)
    await idempotency.settle(
        tx, owner, attempt.idempotency_key, answer, final=not isinstance(outcome, Unsettled)
    )  # fmt: skip
    return answer


class _Changed(msgspec.Struct, frozen=True):
    payment: Payment | None
    events: tuple[str, ...] = ()


async def _apply(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Outcome, now: int) -> _Changed:
    """The payment's move. Raises NotMovable: the attempt was ours and the payment not where it must be, a bug."""
    if isinstance(outcome, Unsettled):
        return _Changed(None)
    changed = await _move(tx, owner, payment_id, attempt, outcome, now)
    if changed.payment is None:
        raise NotMovable(payment_id)
    return changed


class NotMovable(RuntimeError):
    """A payment is not in the state its attempt found it in."""


async def _move(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, outcome: Outcome, now: int) -> _Changed:
    match attempt.kind, outcome:
        case "sale", Approved(theirs):
            payment = await store.sold(tx, owner, payment_id, attempt.id, theirs=theirs, at=now)
            return _Changed(payment, ("payment.captured",))
        case "authorize", Approved(theirs):
            until = end_of_japanese_day(now, HOLD_DAYS)
            payment = await store.authorized(tx, owner, payment_id, attempt.id, theirs=theirs, until=until)
            return _Changed(payment, ("payment.authorized",))
        case "sale" | "authorize", _:
            return _Changed(await store.failed(tx, owner, payment_id, attempt.id), ("payment.failed",))
        case "capture", Approved():
            return _Changed(await _captured(tx, owner, payment_id, attempt, now), ("payment.captured",))
        case "cancel", Approved():
            return _Changed(await store.cancelled(tx, owner, payment_id, attempt.id), ("payment.cancelled",))
        case "refund", Approved():
            return await _refunded(tx, owner, payment_id, attempt, now)
        case "refund", _:
            return _Changed(await store.release(tx, owner, payment_id, attempt.amount))
        case _:
            return _Changed(await store.let_go(tx, owner, payment_id, attempt.id))


async def _captured(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, now: int) -> Payment | None:
    payment = await store.captured(tx, owner, payment_id, attempt.id, amount=attempt.amount, at=now)
    if payment is not None and payment.total > attempt.amount:
        await refunds.save(tx, _refund(attempt, payment, payment.total - attempt.amount, NOT_CAPTURED, now))
    return payment


async def _refunded(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt, now: int) -> _Changed:
    payment = await store.refunded(tx, owner, payment_id, attempt.amount)
    if payment is None:
        return _Changed(None)
    await refunds.save(tx, _refund(attempt, payment, attempt.amount, REFUND, now))
    if payment.status == "refunded":
        return _Changed(payment, ("payment.refund.created", "payment.refunded"))
    return _Changed(payment, ("payment.refund.created",))


def _refund(attempt: Attempt, payment: Payment, amount: int, type: str, now: int) -> Refund:
    more = msgspec.json.decode(attempt.more or "{}", type=More)
    return Refund(
        merchant_id=attempt.merchant_id, mode=attempt.mode, id=more.refund_id, payment_id=payment.id, amount=amount,
        currency=payment.currency, description=more.description, chargeback=0, type=type,
        total_refunded=payment.amount_refunded, created_at=now,
    )  # fmt: skip


def _answer(outcome: Outcome, body: bytes, refusal: ApiError | None) -> Answer:
    match outcome:
        case Approved():
            return Answer(200, body)
        case DeclinedBy(code):
            return errors.answer(Declined(code))
        case NotDone():
            return errors.answer(refusal or NotSentAnswer())
        case Unsettled():
            return Answer(202, body)


async def _already_recorded(tx: Tx, owner: Owner, payment_id: str, attempt: Attempt) -> Answer:
    """Somebody else has written the outcome, or will: tell how things stand."""
    body = (await show(tx, owner, payment_id)).encoded(attempt.api_version)
    known = await attempts.find(tx, owner, attempt.id)
    match known and known.state:
        case "succeeded":
            return Answer(200, body)
        case "declined":
            return errors.answer(Declined((known and known.code) or ""))
        case "not_done" | "undo" | "undone":
            return errors.answer(NotSentAnswer())
        case _:
            return Answer(202, body)


async def conclude(
    parts: Parts, attempt: Attempt, outcome: Outcome, intended: Shown, refusal: ApiError | None = None
) -> Answer:
    """Write the outcome down and see to what it leaves behind.

    intended: the payment as the intent left it. Should the outcome not be written, that is all we know for certain:
    the caller is told "not known yet", and the resolver finds out.
    """
    fault = machine.orders_of(attempt).fault or parts.settings.simulator_fault
    try:
        answer = await _conclude(parts, attempt, outcome, refusal)
        if fault == "duplicate_reply":
            answer = await _conclude(parts, attempt, outcome, refusal)
    except Unavailable:
        log.warning("payment.outcome_not_written", payment=attempt.payment_id, attempt=attempt.id)
        return Answer(202, intended.encoded(attempt.api_version))
    except Exception as error:
        log.bug("payment.outcome_not_written", error, payment=attempt.payment_id, attempt=attempt.id)
        return Answer(202, intended.encoded(attempt.api_version))
    return answer


async def _conclude(parts: Parts, attempt: Attempt, outcome: Outcome, refusal: ApiError | None) -> Answer:
    now = parts.clock.now()
    processor = parts.processors.named(attempt.processor)
    again_at = None if processor is None else machine.ask_again_at(processor, attempt, now)
    return await parts.db.write(
        record_outcome, attempt, outcome, _event_ids(parts, attempt), now, again_at, refusal
    )  # fmt: skip


def _event_ids(parts: Parts, attempt: Attempt) -> tuple[str, ...]:
    """One for each event the outcome may raise: a refund of the whole rest raises two."""
    return (parts.ids.new(), parts.ids.new()) if attempt.kind == "refund" else (parts.ids.new(),)


async def settle(parts: Parts, attempt: Attempt) -> None:
    """Find out what became of a charge, capture, refund or cancellation that nobody has ended."""
    processor = parts.processors.named(attempt.processor)
    if processor is None:
        log.warning("attempt.processor_missing", attempt=attempt.id, processor=attempt.processor)
        return
    if attempt.state == "undo":
        await _undo(parts, processor, attempt)
        return
    if attempt.state == "prepared":
        await tokens.drop_value(parts, attempt)
    now = parts.clock.now()
    outcome = await machine.settle(processor, attempt, now)
    again_at = now + ASK_AGAIN if now - attempt.created_at < GIVE_UP else None
    if isinstance(outcome, Unsettled) and again_at is None:
        log.warning("attempt.needs_a_person", attempt=attempt.id, payment=attempt.payment_id)
    await parts.db.write(record_outcome, attempt, outcome, _event_ids(parts, attempt), now, again_at)


async def _undo(parts: Parts, processor: Processor, attempt: Attempt) -> None:
    """Approved after all, when we had already said that nothing happened: that must become true."""
    done = await machine.undo(processor, attempt)
    log.warning("payment.late_success", payment=attempt.payment_id, outcome="undone" if done else "not undone yet")
    if done:
        await parts.db.write(_record_undone, parts.vault, attempt, parts.ids.new(), parts.clock.now())


async def _record_undone(tx: Tx, vault: Vault, attempt: Attempt, audit_id: str, now: int) -> None:
    if await attempts.undone(tx, attempt, now):
        await vault.audit(
            tx, attempt.owner, id=audit_id, at=now, who="resolver", action="undo_late_success",
            object_id=attempt.payment_id, result="undone",
        )  # fmt: skip
