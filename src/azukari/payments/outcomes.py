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
from azukari.db import Owner, Tx, hot
from azukari.events import store as events
from azukari.payments import refund_requests, refunds, store, transitions
from azukari.payments.details import given_of
from azukari.payments.refund_requests import RefundRequest
from azukari.payments.refunds import Refund
from azukari.payments.schemas import PaymentOut
from azukari.payments.store import Payment
from azukari.processors.base import (
    Approved,
    DeclinedBy,
    Lapsed,
    NotDone,
    Outcome,
    Processor,
    Short,
    Unsettled,
    Waiting,
)
from azukari.processors.declines import Declined, NotSentAnswer
from azukari.processors.methods import CASH
from azukari.tokens import sources as tokens
from azukari.vault import Vault
from azukari.wire import errors, idempotency
from azukari.wire.answers import Answer
from azukari.wiring import Parts

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


class Shown(NamedTuple):
    """A payment, its refunds, and the requests for some."""

    payment: Payment
    refunds: list[Refund]
    requests: Sequence[RefundRequest] = ()

    def encoded(self, api_version: str) -> bytes:
        """As it goes over the wire."""
        return msgspec.json.encode(PaymentOut.of(*self, api_version))


async def show(tx: Tx, owner: Owner, payment_id: str) -> Shown:
    """The owner's payment. Raises NotFound."""
    return await with_refunds(tx, await store.get(tx, owner, payment_id))


async def with_refunds(tx: Tx, payment: Payment) -> Shown:
    """A payment with its refunds; most have none, and are not asked for them."""
    requests: Sequence[RefundRequest] = ()
    if payment.captured_at is not None and given_of(payment).type in CASH:
        requests = await refund_requests.of_payment(tx, payment.owner, payment.id)
    if payment.amount_refunded == 0 and payment.amount_captured in (0, payment.total):
        return Shown(payment, [], requests)
    found = await refunds.of_payment(tx, payment.owner, payment.id)
    # In lock step the rows of a neighbour's refund are there already, whose amount comes after this payment's state.
    counted = [refund for refund in found if refund.total_refunded <= payment.amount_refunded]
    return Shown(payment, counted, requests)


class Recorded(NamedTuple):
    """held: False: the attempt goes on, or somebody else has it. shown: how the payment stands now."""

    held: bool
    shown: Shown


@hot
async def record_outcome(
    tx: Tx, attempt: Attempt, outcome: Outcome, event_ids: tuple[str, ...], at: Moment, again_at: int | None,
    refusal: ApiError | None = None,
) -> Answer:  # fmt: skip
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
    await idempotency.settle(
        tx, attempt.owner, attempt.idempotency_key, answer, final=not isinstance(outcome, Unsettled)
    )  # fmt: skip
    return answer


async def record(
    tx: Tx, attempt: Attempt, outcome: Outcome, event_ids: tuple[str, ...], at: Moment, again_at: int | None
) -> Recorded:
    """The payment's part of it, for whoever has more to write in the same unit: without the answer and its key.

    Raises Locked: the payment waits, and another operation has it this moment.
    """
    if attempt.state == "waiting":
        return await _record_settled(tx, attempt, outcome, event_ids, at, again_at)
    owner, payment_id = attempt.owner, attempt.payment_id or ""
    if not await attempts.finish(tx, attempt, outcome, at.real, again_at):
        if isinstance(outcome, Approved | Waiting | Short):
            await attempts.undo(tx, attempt, outcome.processor_ref, at.real)
        return Recorded(False, await show(tx, owner, payment_id))
    changed = await transitions.apply(tx, owner, payment_id, attempt, outcome, at)
    payment = changed.payment or await store.get(tx, owner, payment_id)
    return Recorded(True, await _reported(tx, payment, changed, attempt, event_ids, at.now))


async def _record_settled(
    tx: Tx, attempt: Attempt, outcome: Outcome, event_ids: tuple[str, ...], at: Moment, again_at: int | None
) -> Recorded:
    """What became of an attempt that waits. Raises Locked: another operation has the payment this moment."""
    payment = await store.get(tx, attempt.owner, attempt.payment_id or "")
    if payment.active_attempt is not None:
        raise Locked
    if isinstance(outcome, Waiting | Short | Unsettled):
        await attempts.wait_on(tx, attempt, again_at, at.real)
    elif await attempts.finish(tx, attempt, outcome, at.real):
        changed = await transitions.settle(tx, payment, attempt, outcome, at)
        payment = changed.payment or payment
        return Recorded(True, await _reported(tx, payment, changed, attempt, event_ids, at.now))
    elif isinstance(outcome, Approved):
        # We had ended it, and the far side has not: nothing of it may stand.
        await attempts.undo(tx, attempt, outcome.processor_ref, at.real)
    return Recorded(False, await with_refunds(tx, payment))


async def _reported(
    tx: Tx, payment: Payment, changed: transitions.Changed, attempt: Attempt, event_ids: tuple[str, ...], now: int
) -> Shown:
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
        case Approved() | Waiting() | Short():
            return Answer(200, body)
        case DeclinedBy(code):
            return errors.answer(Declined(code))
        case NotDone() | Lapsed():
            return errors.answer(refusal or NotSentAnswer())
        case Unsettled():
            return Answer(202, body)


async def known_outcome(tx: Tx, attempt: Attempt) -> Outcome:
    """What somebody else has written down of an attempt; Unsettled where nobody has."""
    known = await attempts.find(tx, attempt.owner, attempt.id)
    match known and known.state:
        case "succeeded":
            return Approved((known and known.processor_ref) or "")
        case "waiting":
            return Waiting((known and known.processor_ref) or "", {})
        case "declined":
            return DeclinedBy((known and known.code) or "")
        case "not_done" | "undo" | "undone":
            return NotDone()
        case _:
            return Unsettled()


class Write(Protocol):
    """Runs the unit that records an outcome: :func:`record_outcome`, or one that calls it and writes more."""

    async def __call__(
        self, parts: Parts, attempt: Attempt, outcome: Outcome, event_ids: tuple[str, ...], at: Moment,
        again_at: int | None, refusal: ApiError | None,
    ) -> Answer: ...  # fmt: skip


async def write_outcome(
    parts: Parts, attempt: Attempt, outcome: Outcome, event_ids: tuple[str, ...], at: Moment, again_at: int | None,
    refusal: ApiError | None,
) -> Answer:  # fmt: skip
    """Of a payment that is nobody else's concern."""
    return await parts.db.write(record_outcome, attempt, outcome, event_ids, at, again_at, refusal)


_SESSIONS, _SUBSCRIPTIONS = "sessions", "subscriptions"
_writes: dict[str, Write] = {}


def written_by_sessions(write: Write) -> None:
    """Sessions stand above payments: they say once how outcomes of their tries are written, with their own row."""
    _writes[_SESSIONS] = write


def written_by_subscriptions(write: Write) -> None:
    """So do subscriptions, of their charges."""
    _writes[_SUBSCRIPTIONS] = write


def _write_of(attempt: Attempt) -> Write:
    if attempt.session_id is not None:
        return _writes.get(_SESSIONS, write_outcome)
    if attempt.subscription_id is not None:
        return _writes.get(_SUBSCRIPTIONS, write_outcome)
    return write_outcome


async def conclude(
    parts: Parts, attempt: Attempt, outcome: Outcome, intended: Shown, refusal: ApiError | None = None, *,
    write: Write | None = None,
) -> Answer:  # fmt: skip
    """Write the outcome down and see to what it leaves behind.

    intended: the payment as the intent left it. Should the outcome not be written, that is all we know for certain:
    the caller is told "not known yet", and the resolver finds out. write: what runs the unit that does it; None: what
    the attempt belongs to says.
    """
    write = write or _write_of(attempt)
    fault = execute.orders_of(attempt).fault or parts.settings.simulator_fault
    try:
        answer = await write_down(parts, attempt, outcome, refusal, write)
        if fault == "duplicate_reply":
            answer = await write_down(parts, attempt, outcome, refusal, write)
    except Unavailable:
        log.warning("payment.outcome_not_written", payment=attempt.payment_id, attempt=attempt.id)
        return Answer(202, intended.encoded(attempt.api_version))
    except Exception as error:
        log.bug("payment.outcome_not_written", error, payment=attempt.payment_id, attempt=attempt.id)
        return Answer(202, intended.encoded(attempt.api_version))
    return answer


async def write_down(
    parts: Parts, attempt: Attempt, outcome: Outcome, refusal: ApiError | None, write: Write
) -> Answer:  # fmt: skip
    """Write a fresh outcome down. Raises Unavailable, and whatever the unit does."""
    at = await parts.moment_of(attempt.owner)
    again_at = _again_at(parts, attempt, outcome, at)
    return await write(parts, attempt, outcome, _event_ids(parts, attempt), at, again_at, refusal)


def _again_at(parts: Parts, attempt: Attempt, outcome: Outcome, at: Moment) -> int | None:
    processor = parts.processors.named(attempt.processor)
    if processor is None:
        return None
    if isinstance(outcome, Waiting | Short):
        return execute.look_again_at(attempt, outcome.deadline, at) if processor.declares.can_look_up else None
    return execute.ask_again_at(processor, attempt, at.real)


def _event_ids(parts: Parts, attempt: Attempt) -> tuple[str, ...]:
    """One for each event the outcome may raise: a refund of the whole rest raises two."""
    return (parts.ids.new(), parts.ids.new()) if attempt.kind == "refund" else (parts.ids.new(),)


async def settle(
    parts: Parts, attempt: Attempt, *, write: Write | None = None, deadline: int | None = None
) -> None:  # fmt: skip
    """Find out what became of an operation that nobody has ended, or that waits. The attempt is ours: taken over.

    deadline: of the payment, where it is known to be over. write: as for :func:`conclude`.
    Raises Locked: the payment waits, and another operation has it this moment.
    """
    processor = parts.processors.named(attempt.processor)
    if processor is None:
        log.warning("attempt.processor_missing", attempt=attempt.id, processor=attempt.processor)
        return
    if attempt.state == "undo":
        await _undo(parts, processor, attempt)
        return
    if attempt.state == "prepared":
        await tokens.drop_value(parts, attempt)
    at = await parts.moment_of(attempt.owner)
    outcome = await execute.settle(processor, attempt, at.real)
    again_at: int | None
    if attempt.state == "waiting" or isinstance(outcome, Waiting | Short):
        outcome, again_at = _of_waiting(attempt, outcome, deadline, at)
    else:
        again_at = at.real + ASK_AGAIN if at.real - attempt.created_at < GIVE_UP else None
    if isinstance(outcome, Unsettled) and again_at is None:
        log.warning("attempt.needs_a_person", attempt=attempt.id, payment=attempt.payment_id)
    write = write or _write_of(attempt)
    await write(parts, attempt, outcome, _event_ids(parts, attempt), at, again_at, None)


def _of_waiting(attempt: Attempt, outcome: Outcome, deadline: int | None, at: Moment) -> tuple[Outcome, int]:
    """What is to be written down, and when to ask again: whoever has not paid by the deadline pays no more."""
    if isinstance(outcome, Waiting | Short):
        deadline = outcome.deadline
        if attempt.state == "waiting" and deadline is not None and deadline <= at.now:
            outcome = Lapsed(undo=True)
    elif isinstance(outcome, Unsettled) and deadline is not None and deadline + GIVE_UP <= at.now:
        outcome = Lapsed(undo=True)
    return outcome, execute.look_again_at(attempt, deadline, at)


async def settle_now(
    parts: Parts, owner: Owner, id: str, *, write: Write | None = None, by_shopper: bool = False
) -> Shown:
    """Ask now, and not when it is due, what became of a payment that waits; the payment as it is then.

    id: the payment's, or the ref of its attempt. by_shopper: see :func:`ask`. Raises NotFound.
    """
    payment_id, waiting = await parts.db.read(_waiting_of, owner, id)
    if waiting is not None:
        await ask(parts, waiting, write=write, by_shopper=by_shopper)
    return await parts.db.read(show, owner, payment_id)


async def ask(
    parts: Parts, waiting: Attempt, *, write: Write | None = None, deadline: int | None = None, by_shopper: bool = False
) -> None:
    """:func:`settle` for one that waits, and that nobody has taken over. What cannot be done now the resolver does.

    by_shopper: anybody who knows an address may bring this about: so often, and no more.
    """
    if by_shopper and not parts.counts.admits(f"question {waiting.id}", QUESTIONS, QUESTIONS_IN):
        return
    held = await parts.db.write(attempts.take_over, waiting, parts.clock.now() + LEASE)
    if held is not None and held.state == "waiting":
        try:
            await settle(parts, held, write=write, deadline=deadline)
        except Locked:
            await parts.db.write(attempts.put_back, held, parts.clock.now())


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


async def _undo(parts: Parts, processor: Processor, attempt: Attempt) -> None:
    """Done after all, or still to be done, when we had already said that nothing happened: that must become true."""
    done = await execute.undo(processor, attempt)
    if attempt.code != attempts.LAPSED:
        log.warning("payment.late_success", payment=attempt.payment_id, outcome="undone" if done else "not undone yet")
    if done:
        await parts.db.write(_record_undone, parts.vault, attempt, parts.ids.new(), parts.clock.now())


async def _record_undone(tx: Tx, vault: Vault, attempt: Attempt, audit_id: str, now: int) -> None:
    if await attempts.undone(tx, attempt, now):
        await vault.audit(
            tx, attempt.owner, id=audit_id, at=now, who="resolver",
            action="void_lapsed" if attempt.code == attempts.LAPSED else "undo_late_success",
            object_id=attempt.payment_id, result="undone",
        )  # fmt: skip
