"""Charging: written down before it is tried, never tried twice."""

import msgspec

from azukari.core.clock import Moment
from azukari.core.errors import InvalidParameter, Locked
from azukari.db import Owner, Page, Tx, batched, retry_on_conflict
from azukari.events import store as events
from azukari.payment_methods.details import read_details
from azukari.payments import charge as charges
from azukari.payments import operations, record, store, views
from azukari.payments.charge import ChargeDraft, ChargeIntent
from azukari.payments.schemas import PaymentCreate, PaymentOut, PaymentQuery, PaymentUpdate
from azukari.payments.views import PaymentView
from azukari.processors.methods import MethodDetails
from azukari.vault import Vault
from azukari.wire import idempotency, metadata, pan_screening
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent
from azukari.wire.lists import Bounds


async def charge(call: Call, body: PaymentCreate) -> Answer:
    """Charge the payment details a customer has saved, a token, or raw details.

    body.amount: in the currency's smallest unit; 1000 is ¥1000 in JPY, $10.00 in USD.
    Answers 200 with the payment, 202 while its outcome is not known, or the decline.
    Raises NotFound (no such customer), NothingToCharge, InvalidToken, OrderNumTaken and what is wrong with the details.
    Source: contract 3.2.
    """
    draft = await charges.draft_charge(call, body)
    # Nothing may be written down that the vault could not open: 503 now, not a failed payment later.
    await call.vault.ready(call.owner)
    # Write down what we are about to do: a crash below leaves an attempt to settle.
    intent = await call.db.write(record_intent, call.claim, call.owner, call.vault, draft)
    # Move the money. No transaction is open: processors take seconds.
    outcome, refusal = await charges.send(call.services, intent)
    # Write down what happened, together with the event that tells the merchant.
    return await record.finish(call.services, intent.attempt, outcome, PaymentView(intent.payment, []), refusal)


@batched
@idempotent
async def record_intent(tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, draft: ChargeDraft) -> ChargeIntent:
    """Write down a charge before it is tried (T1). Raises what :func:`charging.look` and :func:`charging.begin` do."""
    intent = await charges.resolve(tx, owner, vault, draft)
    await idempotency.take(
        tx, owner, claim, lambda: Answer.of(PaymentOut.of(intent.payment, [], [], intent.attempt.api_version), 202)
    )
    await charges.begin(tx, vault, draft, intent)
    return intent


async def page(tx: Tx, owner: Owner, bounds: Bounds, query: PaymentQuery) -> Page[PaymentView]:
    """A page of the owner's payments, newest first."""
    if query.merchant_id is not None and query.merchant_id != owner.merchant_id:
        return Page([], 0)
    found = await store.page(
        tx,
        owner,
        **bounds.as_arguments(),
        currency=query.currency,
        external_order_num=query.external_order_num,
        status=query.status,
    )
    return Page([await views.with_refunds(tx, payment) for payment in found.rows], found.total)


async def update(call: Call, payment_id: str, body: PaymentUpdate) -> Answer:
    """Change a payment's description and metadata, or add one more prepaid card while it is short of money.

    Raises NotFound, Locked (somebody else keeps changing it), and what :func:`operations.top_up` does.
    """
    if body.payment_details is None:
        return Answer.of(await _update_words(call, payment_id, body))
    details = read_details(body.payment_details, call.now)
    if not isinstance(details, MethodDetails) or details.prepaid_number is None:
        raise InvalidParameter("payment_details[type]")
    if body.description is not msgspec.UNSET or body.metadata is not None:
        await _update_words(call, payment_id, body)
    return await operations.top_up(call, payment_id, details)


async def _update_words(call: Call, payment_id: str, body: PaymentUpdate) -> PaymentOut:
    shown = await retry_on_conflict(
        call.db,
        _rewrite,
        call.owner,
        call.vault,
        payment_id,
        body,
        call.new_id(),
        call.moment,
        call.api_version,
        call.key.id,
    )
    return PaymentOut.of(*shown, call.api_version)


async def _rewrite(
    tx: Tx,
    owner: Owner,
    vault: Vault,
    payment_id: str,
    body: PaymentUpdate,
    event_id: str,
    moment: Moment,
    api_version: str,
    who: str,
) -> PaymentView:
    read = await store.get(tx, owner, payment_id)
    description = read.description if body.description is msgspec.UNSET else body.description
    payment = await store.rewrite(tx, read, description, metadata.merged(read.metadata, body.metadata))
    if payment is None:
        raise Locked
    # Its refunds are read now that the row is ours: one that ended a moment ago shows in both or in neither.
    shown = await views.with_refunds(tx, payment)
    await events.record(tx, owner, id=event_id, type="payment.updated", data=shown.encoded(api_version), now=moment.now)
    if pan_screening.suspicious(body.description, metadata=body.metadata):
        await pan_screening.note(tx, vault, owner, id=event_id, at=moment.real, who=who, object_id=payment_id)
    return shown
