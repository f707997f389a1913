"""Refunding: the way the money came; cash goes to a bank account, by a request. Source: contract section 5.

A request stands, with its amount set aside, until the money has been transferred or the transfer refused. A transfer
is a refund like any other from then on.
"""

import msgspec

from azukari.attempts import store as attempts
from azukari.core.errors import Locked
from azukari.db import Owner, Tx
from azukari.events import store as events
from azukari.payments import operation, refund_requests, refunds, store, views
from azukari.payments.details import details_of
from azukari.payments.errors import NotRefundable, NotWaiting
from azukari.payments.operation import OperationDraft, OperationIntent
from azukari.payments.refund_requests import RefundRequest, RequestOutcome
from azukari.payments.refunds import REFUND, Refund
from azukari.payments.schemas import RefundCreate, RefundRequestCreate
from azukari.payments.views import PaymentView
from azukari.processors.methods import CASH
from azukari.vault import Vault
from azukari.wire import idempotency, pan_screening
from azukari.wire.answers import Answer, Done
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent


async def refund(call: Call, payment_id: str, body: RefundCreate) -> Done[PaymentView]:
    """Give back what was captured, or a part of it. Raises NotFound, NotRefundable. Source: contract section 5."""
    draft = operation.draft(call, "refund", body.description)
    intent = await call.db.write(_begin_refund, call.claim, call.owner, call.vault, payment_id, draft, body, call.actor)
    return await operation.complete(call, intent)


@idempotent
async def _begin_refund(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    vault: Vault,
    payment_id: str,
    draft: OperationDraft,
    body: RefundCreate,
    actor: str,
) -> OperationIntent:
    shown = await views.show(tx, owner, payment_id)
    payment = shown.payment
    left = payment.amount_captured - payment.amount_refunded - payment.amount_reserved
    amount = body.amount or left
    if details_of(payment).type in CASH:
        raise NotRefundable  # the shopper's bank account has to be asked for
    if payment.status != "captured" or amount > left:
        raise NotRefundable(param="amount" if payment.status == "captured" else None)
    if amount == 0:
        raise Locked  # all of it is on its way back already
    attempt = draft.of(payment, amount)
    await operation.take(tx, owner, claim, shown, attempt)
    # Reserved by one guarded update: however many refunds run side by side, their sum stays within what was captured.
    if await store.reserve(tx, payment, amount) is None:
        raise NotRefundable(param="amount")
    await attempts.begin(tx, attempt)
    if pan_screening.suspicious(body.description):
        await pan_screening.note(
            tx, vault, owner, id=attempt.id, at=attempt.created_at, actor=actor, object_id=payment.id
        )
    return OperationIntent(attempt, shown)


async def request_refund(call: Call, payment_id: str, body: RefundRequestCreate) -> Done[PaymentView]:
    """Ask for cash to be given back to a bank account; its amount is set aside. Source: contract section 5.

    Raises NotFound, NotRefundable (no cash payment, or less is left), InvalidParameter.
    """
    request = RefundRequest(
        merchant_id=call.owner.merchant_id,
        mode=call.owner.mode,
        id=call.new_id(),
        payment_id=payment_id,
        amount=body.amount,
        details=msgspec.json.encode(body.account()).decode(),
        status="pending",
        created_at=call.now,
    )
    fee_too = body.include_payment_method_fee
    return await call.db.write(
        _request_refund, call.claim, call.owner, request, fee_too, call.new_id(), call.api_version
    )


@idempotent
async def _request_refund(
    tx: Tx, claim: Claim | None, owner: Owner, request: RefundRequest, fee_too: bool, event_id: str, api_version: str
) -> Done[PaymentView]:
    payment = (await views.show(tx, owner, request.payment_id)).payment
    if payment.status != "captured" or details_of(payment).type not in CASH:
        raise NotRefundable
    left = payment.amount_captured - payment.amount_refunded - payment.amount_reserved
    if request.amount > left - (0 if fee_too else payment.fee):
        raise NotRefundable(param="amount")
    await idempotency.take(tx, owner, claim, None)
    reserved = await store.reserve(tx, payment, request.amount)
    if reserved is None:
        raise NotRefundable(param="amount")
    await refund_requests.save(tx, request)
    shown = await views.with_refunds(tx, reserved)
    body = shown.encoded(api_version)
    await events.record(tx, owner, id=event_id, type="payment.updated", data=body, now=request.created_at)
    answer = Answer(200, body)
    await idempotency.store_response(tx, owner, claim.key if claim else None, answer)
    return Done(shown, None, answer)


async def end_request(
    tx: Tx,
    owner: Owner,
    request_id: str,
    outcome: RequestOutcome,
    ids: tuple[str, str, str],
    now: int,
    api_version: str,
) -> PaymentView:
    """End a request that is pending; asked again, it says the same. ids: for a refund and for two events.

    Raises NotFound, NotWaiting (it has ended the other way), Locked (this moment).
    """
    request = await refund_requests.get(tx, owner, request_id)
    if request.status == outcome:
        return await views.show(tx, owner, request.payment_id)
    if request.status != "pending":
        raise NotWaiting
    if not await refund_requests.end(tx, request, outcome):
        raise Locked
    # What it was about was set aside when it was made, so there is always that much.
    move = store.refunded if outcome == "completed" else store.release
    payment = await move(tx, owner, request.payment_id, request.amount)
    assert payment is not None
    told = ["payment.updated"]
    if outcome == "completed":
        told = ["payment.refund.created"] + (["payment.refunded"] if payment.status == "refunded" else [])
        await refunds.save(
            tx,
            Refund(
                merchant_id=owner.merchant_id,
                mode=owner.mode,
                id=ids[0],
                payment_id=payment.id,
                amount=request.amount,
                currency=payment.currency,
                description=refund_requests.description_of(request),
                chargeback=0,
                type=REFUND,
                total_refunded=payment.amount_refunded,
                created_at=now,
            ),
        )
    shown = await views.with_refunds(tx, payment)
    for event_id, type in zip(ids[1:], told, strict=False):
        await events.record(tx, owner, id=event_id, type=type, data=shown.encoded(api_version), now=now)
    return shown
