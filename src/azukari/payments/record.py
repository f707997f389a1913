"""What came of an attempt: the payment's new state, its events and the stored answer, in one unit (T3).

The caller and the resolver write through the same unit; the attempt's fence lets one of them.
"""

from typing import Any, NamedTuple, Protocol

from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core import log
from azukari.core.clock import Moment
from azukari.core.errors import ApiError, Locked, Unavailable
from azukari.db import Tx, batched
from azukari.events import store as events
from azukari.payments import store, transitions, views
from azukari.payments.store import Payment
from azukari.payments.views import PaymentView
from azukari.processors.base import (
    Accepted,
    Approved,
    Declined,
    Expired,
    NotSent,
    Outcome,
    PartiallyPaid,
    Pending,
    Unknown,
)
from azukari.processors.declines import DeclinedError, NotSentError
from azukari.wire import errors, idempotency
from azukari.wire.answers import Answer, Done
from azukari.wiring import Services


class RecordResult(NamedTuple):
    """held: False: the attempt goes on, or another caller has ended it. shown: how the payment stands now."""

    held: bool
    shown: PaymentView


@batched
async def apply_outcome(
    tx: Tx,
    attempt: Attempt,
    outcome: Outcome,
    event_ids: tuple[str, ...],
    at: Moment,
    again_at: int | None,
    refusal: ApiError | None = None,
) -> Done[PaymentView]:
    """Write down what happened, together with the event that tells the merchant and the answer that is repeated.

    again_at: when an unsettled outcome is asked after. refusal: what to answer instead of "not sent".
    """
    recorded = await apply_to_payment(tx, attempt, outcome, event_ids, at, again_at)
    body = recorded.shown.encoded(attempt.api_version)
    if attempt.state == "waiting":
        return Done(recorded.shown, outcome, Answer(200, body))
    if not recorded.held:
        outcome = await known_outcome(tx, attempt)
        return Done(recorded.shown, outcome, answer_of(outcome, body, None))
    answer = answer_of(outcome, body, refusal)
    await idempotency.store_response(
        tx, attempt.owner, attempt.idempotency_key, answer, final=not isinstance(outcome, Unknown)
    )
    return Done(recorded.shown, outcome, answer)


async def apply_to_payment(
    tx: Tx, attempt: Attempt, outcome: Outcome, event_ids: tuple[str, ...], at: Moment, again_at: int | None
) -> RecordResult:
    """Record an outcome for attempt and payment, without the stored answer, in a unit that may write more.

    Raises Locked: the payment waits, and another operation has it this moment.
    """
    if attempt.state == "waiting":
        return await _record_settled(tx, attempt, outcome, event_ids, at, again_at)
    owner, payment_id = attempt.owner, attempt.payment_id or ""
    if not await attempts.finish(tx, attempt, outcome, at.system_now, again_at):
        if isinstance(outcome, Approved | Pending | PartiallyPaid):
            await attempts.undo(tx, attempt, outcome.processor_ref, at.system_now)
        return RecordResult(False, await views.show(tx, owner, payment_id))
    changed = await transitions.apply(tx, owner, payment_id, attempt, outcome, at)
    payment = changed.payment or await store.get(tx, owner, payment_id)
    return RecordResult(True, await _reported(tx, payment, changed, attempt, event_ids, at.now))


async def _record_settled(
    tx: Tx, attempt: Attempt, outcome: Outcome, event_ids: tuple[str, ...], at: Moment, again_at: int | None
) -> RecordResult:
    """What became of an attempt that waits. Raises Locked: another operation has the payment this moment."""
    payment = await store.get(tx, attempt.owner, attempt.payment_id or "")
    if payment.active_attempt is not None:
        raise Locked
    if isinstance(outcome, Pending | PartiallyPaid | Unknown):
        await attempts.wait_on(tx, attempt, again_at, at.system_now)
    elif await attempts.finish(tx, attempt, outcome, at.system_now):
        changed = await transitions.apply_late_outcome(tx, payment, attempt, outcome, at)
        payment = changed.payment or payment
        return RecordResult(True, await _reported(tx, payment, changed, attempt, event_ids, at.now))
    elif isinstance(outcome, Approved):
        # We had ended it, and the far side has not: nothing of it may stand.
        await attempts.undo(tx, attempt, outcome.processor_ref, at.system_now)
    return RecordResult(False, await views.with_refunds(tx, payment))


async def _reported(
    tx: Tx, payment: Payment, changed: transitions.Changed, attempt: Attempt, event_ids: tuple[str, ...], now: int
) -> PaymentView:
    """A payment that has moved, with the events that tell the merchant."""
    shown = await views.with_refunds(tx, payment)
    if changed.events:
        body = shown.encoded(attempt.api_version)
        for event_id, type in zip(event_ids, changed.events, strict=False):
            await events.record(tx, payment.owner, id=event_id, type=type, data=body, now=now)
    return shown


def answer_of(outcome: Outcome, body: bytes, refusal: ApiError | None) -> Answer:
    """Answer the caller by the outcome of the attempt. body: the payment as it is now."""
    match outcome:
        case Approved() | Pending() | PartiallyPaid():
            return Answer(200, body)
        case Declined(code):
            return errors.answer(DeclinedError(code))
        case NotSent() | Expired():
            return errors.answer(refusal or NotSentError())
        case Unknown():
            return Answer(202, body)


async def known_outcome(tx: Tx, attempt: Attempt) -> Outcome:
    """Read the outcome that another caller has recorded of an attempt; Unknown where there is none."""
    known = await attempts.find(tx, attempt.owner, attempt.id)
    match known and known.state:
        case "succeeded":
            return Approved((known and known.processor_ref) or "")
        case "waiting":
            return Pending((known and known.processor_ref) or "", {})
        case "declined":
            return Declined((known and known.code) or "")
        case "not_done" | "undo" | "undone":
            return NotSent()
        case _:
            return Unknown()


class OutcomeWriter(Protocol):
    """Runs the unit that records an outcome: :func:`apply_outcome`, or one that calls it and writes more."""

    async def __call__(
        self,
        services: Services,
        attempt: Attempt,
        outcome: Outcome,
        event_ids: tuple[str, ...],
        at: Moment,
        again_at: int | None,
        refusal: ApiError | None,
    ) -> Done[Any]: ...


async def _write_alone(
    services: Services,
    attempt: Attempt,
    outcome: Outcome,
    event_ids: tuple[str, ...],
    at: Moment,
    again_at: int | None,
    refusal: ApiError | None,
) -> Done[PaymentView]:
    """Record for a payment without session or subscription."""
    return await services.db.write(apply_outcome, attempt, outcome, event_ids, at, again_at, refusal)


def writer_of(services: Services, attempt: Attempt) -> OutcomeWriter:
    """The writer of what the attempt belongs to: sessions and subscriptions change their own row in the same unit.

    Raises NotConnected.
    """
    if attempt.session_id is not None:
        return services.hooks.outcome_writers["session"]
    if attempt.subscription_id is not None:
        return services.hooks.outcome_writers["subscription"]
    return _write_alone


async def finish(
    services: Services,
    attempt: Attempt,
    outcome: Outcome,
    intended: PaymentView,
    refusal: ApiError | None = None,
    *,
    write: OutcomeWriter | None = None,
) -> Done[PaymentView]:
    """Write the outcome down and see to what it leaves behind.

    intended: the payment as the intent left it. Should the outcome not be written, that is all we know for certain:
    the caller is told "not known yet", and the resolver finds out. write: what runs the unit that does it; None: what
    the attempt belongs to says.
    """
    done = await write_if_possible(services, attempt, outcome, refusal, write or writer_of(services, attempt))
    return done or Done(intended, Unknown(), Answer(202, intended.encoded(attempt.api_version)))


async def write_if_possible(
    services: Services,
    attempt: Attempt,
    outcome: Outcome,
    refusal: ApiError | None,
    write: OutcomeWriter,
    *,
    of: str = "payment",
) -> Done[Any] | None:
    """Write a fresh outcome down. None: it could not be, the log says so, and the resolver finds out.

    of: whose outcome the log says it is.
    """
    fault = execute.directives_of(attempt).fault or services.settings.simulator_fault
    try:
        done = await _write(services, attempt, outcome, refusal, write)
        if fault == "duplicate_reply":
            done = await _write(services, attempt, outcome, refusal, write)
    except Unavailable:
        log.warning(f"{of}.outcome_not_written", payment=attempt.payment_id, attempt=attempt.id)
        return None
    except Exception as error:
        log.bug(f"{of}.outcome_not_written", error, payment=attempt.payment_id, attempt=attempt.id)
        return None
    return done


async def _write(
    services: Services, attempt: Attempt, outcome: Outcome, refusal: ApiError | None, write: OutcomeWriter
) -> Done[Any]:
    at = await services.moment_of(attempt.owner)
    again_at = _again_at(services, attempt, outcome, at)
    return await write(services, attempt, outcome, event_ids_of(services, attempt), at, again_at, refusal)


def _again_at(services: Services, attempt: Attempt, outcome: Outcome, at: Moment) -> int | None:
    processor = services.processors.named(attempt.processor)
    if processor is None:
        return None
    if isinstance(outcome, Accepted):
        return outcome.ask_at
    if isinstance(outcome, Pending | PartiallyPaid):
        looks_up = processor.can.recovery_of(attempt.kind).looks_up
        return execute.next_poll_at(attempt, outcome.deadline, at) if looks_up else None
    return execute.next_retry_at(processor, attempt, at.system_now)


def event_ids_of(services: Services, attempt: Attempt) -> tuple[str, ...]:
    """One for each event the outcome may raise: a refund of the whole rest raises two."""
    return (services.ids.new(), services.ids.new()) if attempt.kind == "refund" else (services.ids.new(),)
