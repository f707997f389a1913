"""Cancelling: letting an authorisation go, or ending the wait for the shopper. Source: contract 3.5."""

from azukari.db import Owner, Tx
from azukari.payments import operation, reconcile, views
from azukari.payments.errors import NotCancellable
from azukari.payments.operation import OperationDraft, OperationIntent
from azukari.payments.views import PaymentView
from azukari.processors.base import Declined, Expired, NotSent
from azukari.wire.answers import Done
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent


async def cancel(call: Call, payment_id: str) -> Done[PaymentView]:
    """Release an authorisation, or end the wait for the shopper. Source: contract 3.5.

    Raises NotFound, NotCancellable, Locked.
    A payment that waits may have been paid a moment ago: then the processor has the last word.
    """
    draft = operation.draft(call, "cancel")
    intent = await call.db.write(_begin_cancel, call.claim, call.owner, payment_id, draft)
    done = await operation.complete(call, intent)
    refused = isinstance(done.outcome, Declined | NotSent | Expired)
    if refused and intent.shown.payment.waiting_attempt is not None:
        await reconcile.refresh(call.services, call.owner, payment_id)
    return done


@idempotent
async def _begin_cancel(
    tx: Tx, claim: Claim | None, owner: Owner, payment_id: str, draft: OperationDraft
) -> OperationIntent:
    shown = await views.show(tx, owner, payment_id)
    payment = shown.payment
    operation.check_state(payment, ("pending", "authorized"), NotCancellable())
    attempt = draft.of(payment, payment.total)
    await operation.take(tx, owner, claim, shown, attempt)
    return await operation.begin_alone(tx, shown, attempt)
