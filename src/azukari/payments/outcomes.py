"""What came of an attempt: the payment's new state, its events and the stored answer, in one unit (T3).

The caller and the resolver write through the same unit; the attempt's fence lets one of them.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core import log
from azukari.core.clock import DAY, SECOND, Moment
from azukari.core.errors import ApiError, Locked, NotFound, Unavailable
from azukari.db import Owner, Tx, batched
from azukari.events import store as events
from azukari.payments import refund_requests, refunds, store, transitions
from azukari.payments.details import details_of
from azukari.payments.refund_requests import RefundRequest
from azukari.payments.refunds import Refund
from azukari.payments.schemas import PaymentOut
from azukari.payments.store import Payment
from azukari.processors.base import (
    Approved,
    Declined,
    Expired,
    NotSent,
    Outcome,
    PartiallyPaid,
    Pending,
    Processor,
    Unknown,
)
from azukari.processors.declines import DeclinedError, NotSentError
from azukari.processors.methods import CASH
from azukari.tokens import send as sending
from azukari.vault import Vault
from azukari.wire import errors, idempotency
from azukari.wire.answers import Answer
from azukari.wiring import Services

#: How often the resolver asks, and when it gives up and calls a person.
ASK_AGAIN = 15 * SECOND
GIVE_UP = DAY
#: How long an attempt that is asked about now is nobody else's.
LEASE = 30 * SECOND
#: So often shoppers' browsers have one attempt asked about, in so long: a processor is asked every two seconds at most,
#: and whoever comes back early is heard again at once.
QUESTIONS, QUESTIONS_IN = 3, 6 * SECOND
#: Of an attempt's ref; ids are shorter.
REF_LENGTH = 32


class PaymentView(NamedTuple):
    """A payment, its refunds, and the requests for some."""

    payment: Payment
    refunds: list[Refund]
    requests: Sequence[RefundRequest] = ()

    def encoded(self, api_version: str) -> bytes:
        """As it goes over the wire."""
        return msgspec.json.encode(PaymentOut.of(*self, api_version))


async def show(tx: Tx, owner: Owner, payment_id: str) -> PaymentView:
    """The owner's payment. Raises NotFound."""
    return await with_refunds(tx, await store.get(tx, owner, payment_id))


async def with_refunds(tx: Tx, payment: Payment) -> PaymentView:
    """A payment with its refunds; most have none, and are not asked for them."""
    requests: Sequence[RefundRequest] = ()
    if payment.captured_at is not None and details_of(payment).type in CASH:
        requests = await refund_requests.of_payment(tx, payment.owner, payment.id)
    if payment.amount_refunded == 0 and payment.amount_captured in (0, payment.total):
        return PaymentView(payment, [], requests)
    found = await refunds.of_payment(tx, payment.owner, payment.id)
    # In lock step the rows of a neighbour's refund are there already, whose amount comes after this payment's state.
    counted = [refund for refund in found if refund.total_refunded <= payment.amount_refunded]
    return PaymentView(payment, counted, requests)


class RecordResult(NamedTuple):
    """held: False: the attempt goes on, or somebody else has it. shown: how the payment stands now."""

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
) -> Answer:
    """Write down what happened, together with the event that tells the merchant and the answer that is repeated.

    again_at: when an unsettled outcome is asked after. refusal: what to answer instead of "not sent".
    """
    recorded = await record(tx, attempt, outcome, event_ids, at, again_at)
    body = recorded.shown.encoded(attempt.api_version)
    if attempt.state == "waiting":
        return Answer(200, body)
    if not recorded.held:
        return answer_of(await known_outcome(tx, attempt), body, None)
    answer = answer_of(outcome, body, refusal)
    await idempotency.store_response(
        tx, attempt.owner, attempt.idempotency_key, answer, final=not isinstance(outcome, Unknown)
    )
    return answer


async def record(
    tx: Tx, attempt: Attempt, outcome: Outcome, event_ids: tuple[str, ...], at: Moment, again_at: int | None
) -> RecordResult:
    """The payment's part of it, for whoever has more to write in the same unit: without the answer and its key.

    Raises Locked: the payment waits, and another operation has it this moment.
    """
    if attempt.state == "waiting":
        return await _record_settled(tx, attempt, outcome, event_ids, at, again_at)
    owner, payment_id = attempt.owner, attempt.payment_id or ""
    if not await attempts.finish(tx, attempt, outcome, at.real, again_at):
        if isinstance(outcome, Approved | Pending | PartiallyPaid):
            await attempts.undo(tx, attempt, outcome.processor_ref, at.real)
        return RecordResult(False, await show(tx, owner, payment_id))
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
        await attempts.wait_on(tx, attempt, again_at, at.real)
    elif await attempts.finish(tx, attempt, outcome, at.real):
        changed = await transitions.apply_late_outcome(tx, payment, attempt, outcome, at)
        payment = changed.payment or payment
        return RecordResult(True, await _reported(tx, payment, changed, attempt, event_ids, at.now))
    elif isinstance(outcome, Approved):
        # We had ended it, and the far side has not: nothing of it may stand.
        await attempts.undo(tx, attempt, outcome.processor_ref, at.real)
    return RecordResult(False, await with_refunds(tx, payment))


async def _reported(
    tx: Tx, payment: Payment, changed: transitions.Changed, attempt: Attempt, event_ids: tuple[str, ...], now: int
) -> PaymentView:
    """A payment that has moved, with the events that tell the merchant."""
    shown = await with_refunds(tx, payment)
    if changed.events:
        body = shown.encoded(attempt.api_version)
        for event_id, type in zip(event_ids, changed.events, strict=False):
            await events.record(tx, payment.owner, id=event_id, type=type, data=body, now=now)
    return shown


def answer_of(outcome: Outcome, body: bytes, refusal: ApiError | None) -> Answer:
    """What the caller is told, by what came of the attempt. body: the payment as it is now."""
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
    """What somebody else has written down of an attempt; Unsettled where nobody has."""
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
    ) -> Answer: ...


async def write_outcome(
    services: Services,
    attempt: Attempt,
    outcome: Outcome,
    event_ids: tuple[str, ...],
    at: Moment,
    again_at: int | None,
    refusal: ApiError | None,
) -> Answer:
    """Of a payment that is nobody else's concern."""
    return await services.db.write(apply_outcome, attempt, outcome, event_ids, at, again_at, refusal)


def _write_of(services: Services, attempt: Attempt) -> OutcomeWriter:
    """The writer of what the attempt belongs to: sessions and subscriptions change their own row in the same unit.

    Raises NotConnected.
    """
    if attempt.session_id is not None:
        return services.hooks.outcome_writers["session"]
    if attempt.subscription_id is not None:
        return services.hooks.outcome_writers["subscription"]
    return write_outcome


async def finish(
    services: Services,
    attempt: Attempt,
    outcome: Outcome,
    intended: PaymentView,
    refusal: ApiError | None = None,
    *,
    write: OutcomeWriter | None = None,
) -> Answer:
    """Write the outcome down and see to what it leaves behind.

    intended: the payment as the intent left it. Should the outcome not be written, that is all we know for certain:
    the caller is told "not known yet", and the resolver finds out. write: what runs the unit that does it; None: what
    the attempt belongs to says.
    """
    write = write or _write_of(services, attempt)
    fault = execute.directives_of(attempt).fault or services.settings.simulator_fault
    try:
        answer = await write_down(services, attempt, outcome, refusal, write)
        if fault == "duplicate_reply":
            answer = await write_down(services, attempt, outcome, refusal, write)
    except Unavailable:
        log.warning("payment.outcome_not_written", payment=attempt.payment_id, attempt=attempt.id)
        return Answer(202, intended.encoded(attempt.api_version))
    except Exception as error:
        log.bug("payment.outcome_not_written", error, payment=attempt.payment_id, attempt=attempt.id)
        return Answer(202, intended.encoded(attempt.api_version))
    return answer


async def write_down(
    services: Services, attempt: Attempt, outcome: Outcome, refusal: ApiError | None, write: OutcomeWriter
) -> Answer:
    """Write a fresh outcome down. Raises Unavailable, and whatever the unit does."""
    at = await services.moment_of(attempt.owner)
    again_at = _again_at(services, attempt, outcome, at)
    return await write(services, attempt, outcome, _event_ids(services, attempt), at, again_at, refusal)


def _again_at(services: Services, attempt: Attempt, outcome: Outcome, at: Moment) -> int | None:
    processor = services.processors.named(attempt.processor)
    if processor is None:
        return None
    if isinstance(outcome, Pending | PartiallyPaid):
        return execute.next_poll_at(attempt, outcome.deadline, at) if processor.declares.can_look_up else None
    return execute.next_retry_at(processor, attempt, at.real)


def _event_ids(services: Services, attempt: Attempt) -> tuple[str, ...]:
    """One for each event the outcome may raise: a refund of the whole rest raises two."""
    return (services.ids.new(), services.ids.new()) if attempt.kind == "refund" else (services.ids.new(),)


async def reconcile(
    services: Services, attempt: Attempt, *, write: OutcomeWriter | None = None, deadline: int | None = None
) -> None:
    """Find out what became of an operation that nobody has ended, or that waits. The attempt is ours: taken over.

    deadline: of the payment, where it is known to be over. write: as for :func:`finish`.
    Raises Locked: the payment waits, and another operation has it this moment.
    """
    processor = services.processors.named(attempt.processor)
    if processor is None:
        log.warning("attempt.processor_missing", attempt=attempt.id, processor=attempt.processor)
        return
    if attempt.state == "undo":
        await _undo(services, processor, attempt)
        return
    if attempt.state == "prepared":
        await sending.drop_value(services, attempt)
    at = await services.moment_of(attempt.owner)
    outcome = await execute.reconcile(processor, attempt, at.real)
    again_at: int | None
    if attempt.state == "waiting" or isinstance(outcome, Pending | PartiallyPaid):
        outcome, again_at = _of_waiting(attempt, outcome, deadline, at)
    else:
        again_at = at.real + ASK_AGAIN if at.real - attempt.created_at < GIVE_UP else None
    if isinstance(outcome, Unknown) and again_at is None:
        log.warning("attempt.needs_a_person", attempt=attempt.id, payment=attempt.payment_id)
    write = write or _write_of(services, attempt)
    await write(services, attempt, outcome, _event_ids(services, attempt), at, again_at, None)


def _of_waiting(attempt: Attempt, outcome: Outcome, deadline: int | None, at: Moment) -> tuple[Outcome, int]:
    """What is to be written down, and when to ask again: whoever has not paid by the deadline pays no more."""
    if isinstance(outcome, Pending | PartiallyPaid):
        deadline = outcome.deadline
        if attempt.state == "waiting" and deadline is not None and deadline <= at.now:
            outcome = Expired(undo=True)
    elif isinstance(outcome, Unknown) and deadline is not None and deadline + GIVE_UP <= at.now:
        outcome = Expired(undo=True)
    return outcome, execute.next_poll_at(attempt, deadline, at)


async def refresh(
    services: Services, owner: Owner, id: str, *, write: OutcomeWriter | None = None, by_shopper: bool = False
) -> PaymentView:
    """Ask now, and not when it is due, what became of a payment that waits; the payment as it is then.

    id: the payment's, or the ref of its attempt. by_shopper: see :func:`poll`. Raises NotFound.
    """
    payment_id, waiting = await services.db.read(_waiting_of, owner, id)
    if waiting is not None:
        await poll(services, waiting, write=write, by_shopper=by_shopper)
    return await services.db.read(show, owner, payment_id)


async def poll(
    services: Services,
    waiting: Attempt,
    *,
    write: OutcomeWriter | None = None,
    deadline: int | None = None,
    by_shopper: bool = False,
) -> None:
    """:func:`reconcile` for one that waits, and that nobody has taken over. What cannot be done now the resolver does.

    by_shopper: anybody who knows an address may bring this about: so often, and no more.
    """
    if by_shopper and not services.counts.admits(f"question {waiting.id}", QUESTIONS, QUESTIONS_IN):
        return
    held = await services.db.write(attempts.take_over, waiting, services.clock.now() + LEASE)
    if held is not None and held.state == "waiting":
        try:
            await reconcile(services, held, write=write, deadline=deadline)
        except Locked:
            await services.db.write(attempts.put_back, held, services.clock.now())


async def _waiting_of(tx: Tx, owner: Owner, id: str) -> tuple[str, Attempt | None]:
    """The payment's id, and the attempt it waits with."""
    if len(id) == REF_LENGTH:
        by_ref = await attempts.find_by_ref(tx, owner, id)
        if by_ref is None or by_ref.payment_id is None:
            raise NotFound
        id = by_ref.payment_id
    payment = await store.get(tx, owner, id)
    if payment.waiting_attempt is None:
        return id, None
    return id, await attempts.find(tx, owner, payment.waiting_attempt)


async def _undo(services: Services, processor: Processor, attempt: Attempt) -> None:
    """Done after all, or still to be done, when we had already said that nothing happened: that must become true."""
    done = await execute.undo(processor, attempt)
    if attempt.code != attempts.LAPSED:
        log.warning("payment.late_success", payment=attempt.payment_id, outcome="undone" if done else "not undone yet")
    if done:
        await services.db.write(_record_undone, services.vault, attempt, services.ids.new(), services.clock.now())


async def _record_undone(tx: Tx, vault: Vault, attempt: Attempt, audit_id: str, now: int) -> None:
    if await attempts.undone(tx, attempt, now):
        await vault.audit(
            tx,
            attempt.owner,
            id=audit_id,
            at=now,
            who="resolver",
            action="void_lapsed" if attempt.code == attempts.LAPSED else "undo_late_success",
            object_id=attempt.payment_id,
            result="undone",
        )
