"""What every operation on a charge shares: drafted, checked, begun (T1), sent. Each is an attempt of its own."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt, AttemptDraft
from azukari.core.errors import ApiError, Locked, Unavailable
from azukari.db import Owner, Tx
from azukari.payments import record, store
from azukari.payments.store import Payment
from azukari.payments.transitions import AttemptContext
from azukari.payments.views import PaymentView
from azukari.processors.base import NotSent, Outcome
from azukari.processors.capabilities import Kind
from azukari.processors.methods import MethodDetails
from azukari.processors.registry import NoProcessor, Processors
from azukari.vault import AccessGrant
from azukari.wire import idempotency
from azukari.wire.answers import Answer, Done
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim


class OperationIntent(NamedTuple):
    """An operation whose intent is durable, and the payment as it is meanwhile."""

    attempt: Attempt
    shown: PaymentView


@dataclass(frozen=True, slots=True)
class OperationDraft:
    """An operation before its payment has been read."""

    attempt: AttemptDraft
    kind: Kind
    processors: Processors
    context: AttemptContext

    def of(self, payment: Payment, amount: int, *, session_id: str | None = None, hold: bool = False) -> Attempt:
        """Build the attempt. session_id: whose try it is. hold: finalizing leaves an authorisation.

        Raises NoProcessor: the payment's processor is not set up here any more.
        """
        processor = self.processors.named(payment.processor)
        if processor is None:
            raise NoProcessor
        context = msgspec.structs.replace(self.context, waiting=payment.waiting_attempt, hold=hold)
        return self.attempt.build(
            processor,
            self.kind,
            amount,
            payment.currency,
            payment_id=payment.id,
            parent=payment.processor_ref,
            more=msgspec.json.encode(context).decode(),
            session_id=session_id,
            account_id=payment.account_id,
        )


def draft(call: Call, kind: Kind, description: str | None = None, *, by_session: bool | None = None) -> OperationDraft:
    """Draft an operation, before its payment has been read. by_session: see :class:`AttemptContext`."""
    context = AttemptContext(call.new_id(), description, by_session=by_session)
    return OperationDraft(call.draft_attempt(), kind, call.services.processors, context)


def check_state(payment: Payment, statuses: tuple[store.Status, ...], refusal: ApiError) -> None:
    """Check that nothing is in flight and the payment stands where the operation begins. Raises Locked, refusal."""
    if payment.active_attempt is not None:
        raise Locked
    if payment.status not in statuses:
        raise refusal


async def take(tx: Tx, owner: Owner, claim: Claim | None, shown: PaymentView, attempt: Attempt) -> None:
    """Take the idempotency key, if there is one; until the outcome is known, a repetition hears how it stands."""
    await idempotency.take(tx, owner, claim, lambda: Answer(202, shown.encoded(attempt.api_version)))


async def begin_alone(tx: Tx, shown: PaymentView, attempt: Attempt) -> OperationIntent:
    """Take the payment's one place for an operation in flight. Raises Locked: it is taken."""
    if await store.lock_payment(tx, shown.payment, attempt.id) is None:
        raise Locked
    await attempts.begin(tx, attempt)
    return OperationIntent(attempt, shown)


async def complete(call: Call, intent: OperationIntent, *, use: AccessGrant | None = None) -> Done[PaymentView]:
    """Send what was begun, and record its outcome."""
    outcome = await send(call, intent, use=use)
    return await record.finish(call.services, intent.attempt, outcome, intent.shown)


async def send(
    call: Call, intent: OperationIntent, method: MethodDetails | None = None, *, use: AccessGrant | None = None
) -> Outcome:
    """Send what was begun; the caller records the outcome."""
    processor = call.services.processors.named(intent.attempt.processor)
    assert processor is not None  # the intent would not have been written
    try:
        account = await call.services.account_use(call.owner, intent.attempt.account_id)
    except Unavailable:
        return NotSent()
    return await execute.execute(
        processor, intent.attempt, call.services.clock, method=method, use=use, account=account
    )
