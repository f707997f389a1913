"""Finalizing: what the chip of a card at a terminal has said. Source: contract 3.6."""

from azukari.attempts import store as attempts
from azukari.core.errors import InvalidParameter, Locked, MissingParameter
from azukari.db import Owner, Tx
from azukari.payments import operation, store, views
from azukari.payments.details import details_of
from azukari.payments.errors import NotAtTerminal
from azukari.payments.operation import OperationDraft, OperationIntent
from azukari.payments.schemas import Finalize
from azukari.payments.views import PaymentView
from azukari.vault import CHIP, TERMINAL, AccessGrant, PaymentDetails, Vault
from azukari.wire import metadata
from azukari.wire.answers import Done
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent


async def finalize(call: Call, payment_id: str, body: Finalize) -> Done[PaymentView]:
    """What the chip of a card at a terminal has said: the payment is captured or held, or has failed.

    Raises NotFound, NotAtTerminal, Locked, MissingParameter, InvalidParameter (another card). Source: contract 3.6.
    """
    details = PaymentDetails.parse(
        {
            "type": TERMINAL,
            "flowType": CHIP,
            "ac_type": body.ac_type,
            "track2": body.track2,
            "field55": body.field55,
            "capture": body.capture,
        },
        now=call.now,
        param="",
    )
    for member in ("ac_type", "field55", "track2"):
        if getattr(body, member) in (None, ""):
            raise MissingParameter(member)
    use = call.vault.grant_unsaved(call.owner, details)
    intent = await call.db.write(
        _begin_finalize,
        call.claim,
        call.owner,
        call.vault,
        payment_id,
        operation.draft(call, "finalize"),
        use,
        body,
        call.actor,
    )
    return await operation.complete(call, intent, use=use)


@idempotent
async def _begin_finalize(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    vault: Vault,
    payment_id: str,
    draft: OperationDraft,
    use: AccessGrant,
    body: Finalize,
    actor: str,
) -> OperationIntent:
    shown = await views.show(tx, owner, payment_id)
    payment = shown.payment
    operation.check_state(payment, ("pending",), NotAtTerminal())
    details = details_of(payment)
    waiting = await attempts.find(tx, owner, payment.waiting_attempt or "")
    if details.type != TERMINAL or waiting is None:
        raise NotAtTerminal
    if details.last_four_digits != use.masked.last4:
        raise InvalidParameter("track2", "It was read from another card.")
    hold = waiting.kind == "authorize" if body.capture is None else not body.capture
    attempt = draft.of(payment, payment.total, hold=hold)
    await operation.take(tx, owner, claim, shown, attempt)
    if body.metadata is not None:
        merged = metadata.merged(payment.metadata, body.metadata)
        rewritten = await store.rewrite(tx, payment, payment.description, merged)
        if rewritten is None:
            raise Locked
        shown = shown._replace(payment=rewritten)
    await vault.audit_access(
        tx, use, action="finalize", object_id=payment.id, actor=actor, now=attempt.created_at, audit_id=attempt.id
    )
    return await operation.begin_alone(tx, shown, attempt)
