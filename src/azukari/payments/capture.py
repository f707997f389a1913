"""Capturing: taking what was authorised, or a part of it. Source: contract 3.6."""

from azukari.core.errors import InvalidParameter
from azukari.db import Owner, Tx
from azukari.payments import operation, views
from azukari.payments.errors import NotCapturable
from azukari.payments.operation import OperationDraft, OperationIntent
from azukari.payments.schemas import Capture, tax_on
from azukari.payments.store import Payment
from azukari.payments.views import PaymentView
from azukari.wire.answers import Done
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent


async def capture(call: Call, payment_id: str, body: Capture) -> Done[PaymentView]:
    """Take what was authorised, or a part of it; what is left of the hold falls away.

    Raises NotFound, NotCapturable, InvalidParameter (more than was authorised), Locked. Source: contract 3.6.
    """
    intent = await call.db.write(
        _begin_capture, call.claim, call.owner, payment_id, operation.draft(call, "capture"), body
    )
    return await operation.complete(call, intent)


@idempotent
async def _begin_capture(
    tx: Tx, claim: Claim | None, owner: Owner, payment_id: str, draft: OperationDraft, body: Capture
) -> OperationIntent:
    shown = await views.show(tx, owner, payment_id)
    payment = shown.payment
    operation.check_state(payment, ("authorized",), NotCapturable())
    if payment.waiting_attempt is not None:
        raise NotCapturable  # nobody has paid yet
    amount = _amount_to_capture(payment, body)
    if amount > payment.total:
        raise InvalidParameter("amount")
    attempt = draft.of(payment, amount)
    await operation.take(tx, owner, claim, shown, attempt)
    return await operation.begin_alone(tx, shown, attempt)


def _amount_to_capture(payment: Payment, body: Capture) -> int:
    """Tax and fee included. A whole amount without a word about tax means the whole payment."""
    if body.tax is None and body.amount in (None, payment.amount):
        return payment.total
    amount = payment.amount if body.amount is None else body.amount
    return amount + tax_on(amount, body.tax)
