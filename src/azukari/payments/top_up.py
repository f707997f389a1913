"""Topping up: one more prepaid card for a payment that is short of money. Source: contract 3.6, 4.3."""

from azukari.core.errors import InvalidParameter
from azukari.db import Owner, Tx
from azukari.payments import operation, record, views
from azukari.payments.details import details_of
from azukari.payments.errors import NotShort
from azukari.payments.operation import OperationDraft, OperationIntent
from azukari.payments.views import PaymentView
from azukari.processors.base import Outcome
from azukari.processors.methods import MethodDetails
from azukari.wire import idempotency
from azukari.wire.answers import Done
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent


async def top_up(call: Call, payment_id: str, details: MethodDetails) -> Done[PaymentView]:
    """One more prepaid card for a payment that is short of money. Source: contract 3.6, 4.3.

    Raises NotFound, NotShort, Locked, InvalidParameter (another type of card).
    """
    intent, outcome = await add_card(call, payment_id, details)
    return await record.finish(call.services, intent.attempt, outcome, intent.shown)


async def add_card(
    call: Call, payment_id: str, details: MethodDetails, *, by_session: bool = False
) -> tuple[OperationIntent, Outcome]:
    """:func:`top_up` up to the processor's answer, which the caller writes down. by_session: a try at its session."""
    draft = operation.draft(call, "top_up", by_session=call.is_secret if by_session else None)
    intent = await call.db.write(_begin_top_up, call.claim, call.owner, payment_id, draft, details.type)
    return intent, await operation.send(call, intent, details)


@idempotent
async def _begin_top_up(
    tx: Tx, claim: Claim | None, owner: Owner, payment_id: str, draft: OperationDraft, type: str
) -> OperationIntent:
    shown = await views.show(tx, owner, payment_id)
    payment = shown.payment
    operation.check_state(payment, ("pending",), NotShort())
    details = details_of(payment)
    if details.type != type:
        raise InvalidParameter("payment_details[type]")
    if not details.short_amount:
        raise NotShort
    # What one more card brings may be what a session has waited for.
    attempt = draft.of(payment, details.short_amount, session_id=payment.session_id)
    await idempotency.take(tx, owner, claim, None)
    return await operation.begin_alone(tx, shown, attempt)
