"""Reconciling: asking the processor what became of an attempt, and undoing what came too late."""

from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core import log
from azukari.core.clock import DAY, SECOND, Moment
from azukari.core.errors import Locked, NotFound
from azukari.db import Owner, Tx
from azukari.payments import record, store, views
from azukari.payments.record import OutcomeWriter
from azukari.payments.views import PaymentView
from azukari.processors.base import Accepted, Expired, Outcome, PartiallyPaid, Pending, Processor, Unknown
from azukari.tokens import send as sending
from azukari.vault import Vault
from azukari.wiring import Services

#: How often the resolver asks, and when it gives up and calls a person.
ASK_AGAIN = 15 * SECOND
GIVE_UP = DAY
#: How long an attempt is leased to the caller that polls it.
LEASE = 30 * SECOND
#: So often shoppers' browsers have one attempt asked about, in so long: a processor is asked every two seconds at most,
#: and a shopper who comes back early is heard again at once.
QUESTIONS, QUESTIONS_IN = 3, 6 * SECOND
#: Of an attempt's ref; ids are shorter.
REF_LENGTH = 32


async def reconcile(
    services: Services, attempt: Attempt, *, write: OutcomeWriter | None = None, deadline: int | None = None
) -> None:
    """Find out what became of an operation that has not ended, or that waits. The attempt is leased to the caller.

    deadline: of the payment, where it is known to be over. write: as for :func:`record.finish`.
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
    outcome = await execute.reconcile(
        processor, attempt, at.system_now, await services.account_use(attempt.owner, attempt.account_id)
    )
    again_at: int | None
    if attempt.state == "waiting" or isinstance(outcome, Pending | PartiallyPaid):
        outcome, again_at = _of_waiting(attempt, outcome, deadline, at)
    elif isinstance(outcome, Accepted):
        again_at = outcome.ask_at
    else:
        again_at = at.system_now + ASK_AGAIN if at.system_now - attempt.created_at < GIVE_UP else None
    if isinstance(outcome, Unknown) and again_at is None:
        log.warning("attempt.needs_a_person", attempt=attempt.id, payment=attempt.payment_id)
    write = write or record.writer_of(services, attempt)
    await write(services, attempt, outcome, record.event_ids_of(services, attempt), at, again_at, None)


def _of_waiting(attempt: Attempt, outcome: Outcome, deadline: int | None, at: Moment) -> tuple[Outcome, int]:
    """Choose what to record and when to ask again: what is not paid by the deadline has expired."""
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
    return await services.db.read(views.show, owner, payment_id)


async def poll(
    services: Services,
    waiting: Attempt,
    *,
    write: OutcomeWriter | None = None,
    deadline: int | None = None,
    by_shopper: bool = False,
) -> None:
    """Reconcile an attempt that waits, unless it is leased already. What cannot be done now the resolver does.

    by_shopper: limited, because the address of a page is all it takes.
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
    done = await execute.undo(processor, attempt, await services.account_use(attempt.owner, attempt.account_id))
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
            actor="resolver",
            action="void_lapsed" if attempt.code == attempts.LAPSED else "undo_late_success",
            object_id=attempt.payment_id,
            result="undone",
        )
