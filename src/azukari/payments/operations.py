"""What can be done with a charge: capture, refund, cancel. Each is an attempt of its own."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.errors import ApiError, InvalidParameter, Locked, MissingParameter
from azukari.db import Owner, Tx
from azukari.events import store as events
from azukari.payments import reconcile, record, refund_requests, store, views
from azukari.payments.details import details_of
from azukari.payments.errors import NotAtTerminal, NotCancellable, NotCapturable, NotRefundable, NotShort
from azukari.payments.refund_requests import RefundRequest
from azukari.payments.schemas import Capture, Finalize, RefundCreate, RefundRequestCreate, tax_on
from azukari.payments.store import Payment
from azukari.payments.transitions import AttemptContext, context_of
from azukari.payments.views import PaymentView
from azukari.processors.base import Kind, Outcome
from azukari.processors.methods import CASH, MethodDetails
from azukari.processors.registry import NoProcessor, Processors
from azukari.vault import CHIP, TERMINAL, AccessGrant, PaymentDetails, Vault
from azukari.wire import idempotency, metadata, pan_screening
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent


class OperationIntent(NamedTuple):
    """An operation whose intent is durable, and the payment as it is meanwhile."""

    attempt: Attempt
    shown: PaymentView


async def capture(call: Call, payment_id: str, body: Capture) -> Answer:
    """Take what was authorised, or a part of it; what is left of the hold falls away.

    Raises NotFound, NotCapturable, InvalidParameter (more than was authorised), Locked. Source: contract 3.6.
    """
    intent = await call.db.write(
        _begin_capture, call.claim, call.owner, payment_id, _draft(call, "capture", payment_id), body
    )
    return await _carry_out(call, intent)


async def refund(call: Call, payment_id: str, body: RefundCreate) -> Answer:
    """Give back what was captured, or a part of it. Raises NotFound, NotRefundable. Source: contract section 5."""
    draft = _draft(call, "refund", payment_id, body.description)
    intent = await call.db.write(
        _begin_refund, call.claim, call.owner, call.vault, payment_id, draft, body, call.key.id
    )
    return await _carry_out(call, intent)


async def cancel(call: Call, payment_id: str) -> Answer:
    """Let a hold go, or end the waiting for the shopper. Raises NotFound, NotCancellable, Locked. Source: contract 3.5.

    Who waits may have been paid a moment ago: then the processor has the last word.
    """
    draft = _draft(call, "cancel", payment_id)
    intent = await call.db.write(_begin_cancel, call.claim, call.owner, payment_id, draft)
    answer = await _carry_out(call, intent)
    if answer.status >= 400 and intent.shown.payment.waiting_attempt is not None:
        await reconcile.refresh(call.services, call.owner, payment_id)
    return answer


async def top_up(call: Call, payment_id: str, details: MethodDetails) -> Answer:
    """One more prepaid card for a payment that is short of money. Source: contract 3.6, 4.3.

    Raises NotFound, NotShort, Locked, InvalidParameter (another type of card).
    """
    intent, outcome = await add_card(call, payment_id, details)
    return await record.finish(call.services, intent.attempt, outcome, intent.shown)


async def add_card(
    call: Call, payment_id: str, details: MethodDetails, *, by_session: bool = False
) -> tuple[OperationIntent, Outcome]:
    """:func:`top_up` up to the processor's answer, which the caller writes down. by_session: a try at its session."""
    draft = _draft(call, "top_up", payment_id)
    if by_session:
        draft = replace(draft, more=msgspec.structs.replace(draft.more, by_session=call.key.is_secret))
    intent = await call.db.write(_begin_top_up, call.claim, call.owner, payment_id, draft, details.type)
    return intent, await _send(call, intent, details)


async def finalize(call: Call, payment_id: str, body: Finalize) -> Answer:
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
    use = call.vault.borrow(call.owner, details)
    intent = await call.db.write(
        _begin_finalize,
        call.claim,
        call.owner,
        call.vault,
        payment_id,
        _draft(call, "finalize", payment_id),
        use,
        body,
        call.key.id,
    )
    return await _carry_out(call, intent, use=use)


async def request_refund(call: Call, payment_id: str, body: RefundRequestCreate) -> Answer:
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
) -> Answer:
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
    return answer


async def _carry_out(call: Call, intent: OperationIntent, *, use: AccessGrant | None = None) -> Answer:
    outcome = await _send(call, intent, use=use)
    return await record.finish(call.services, intent.attempt, outcome, intent.shown)


async def _send(
    call: Call, intent: OperationIntent, method: MethodDetails | None = None, *, use: AccessGrant | None = None
) -> Outcome:
    processor = call.services.processors.named(intent.attempt.processor)
    assert processor is not None  # the intent would not have been written
    return await execute.execute(processor, intent.attempt, call.services.clock, method=method, use=use)


@dataclass(frozen=True, slots=True)
class _Draft:
    """An attempt before its payment has been read."""

    attempt: Attempt
    processors: Processors
    more: AttemptContext

    def of(self, payment: Payment, amount: int) -> Attempt:
        """It, with what the payment says. Raises NoProcessor: who holds the money is not set up here any more."""
        processor = self.processors.named(payment.processor)
        if processor is None:
            raise NoProcessor
        more = self.more
        if payment.waiting_attempt is not None:
            more = msgspec.structs.replace(more, waiting=payment.waiting_attempt)
        return msgspec.structs.replace(
            attempts.assign(self.attempt, processor),
            amount=amount,
            currency=payment.currency,
            parent=payment.processor_ref,
            more=msgspec.json.encode(more).decode(),
        )


def _draft(call: Call, kind: Kind, payment_id: str, description: str | None = None) -> _Draft:
    attempt = attempts.draft(
        call.services.ids,
        call.owner,
        None,
        kind,
        0,
        "",
        now=call.real,
        api_version=call.api_version,
        payment_id=payment_id,
        orders=call.orders.encoded(),
        idempotency_key=call.idempotency_key,
    )
    return _Draft(attempt, call.services.processors, AttemptContext(call.new_id(), description))


async def _take(tx: Tx, owner: Owner, claim: Claim | None, shown: PaymentView, attempt: Attempt) -> None:
    await idempotency.take(tx, owner, claim, lambda: Answer(202, shown.encoded(attempt.api_version)))


@idempotent
async def _begin_capture(
    tx: Tx, claim: Claim | None, owner: Owner, payment_id: str, draft: _Draft, body: Capture
) -> OperationIntent:
    shown = await views.show(tx, owner, payment_id)
    payment = shown.payment
    _check_state(payment, ("authorized",), NotCapturable())
    if payment.waiting_attempt is not None:
        raise NotCapturable  # nobody has paid yet
    amount = _amount_to_capture(payment, body)
    if amount > payment.total:
        raise InvalidParameter("amount")
    attempt = draft.of(payment, amount)
    await _take(tx, owner, claim, shown, attempt)
    return await _begin_alone(tx, shown, attempt)


def _amount_to_capture(payment: Payment, body: Capture) -> int:
    """Tax and fee included. A whole amount without a word about tax means the whole payment."""
    if body.tax is None and body.amount in (None, payment.amount):
        return payment.total
    amount = payment.amount if body.amount is None else body.amount
    return amount + tax_on(amount, body.tax)


@idempotent
async def _begin_cancel(tx: Tx, claim: Claim | None, owner: Owner, payment_id: str, draft: _Draft) -> OperationIntent:
    shown = await views.show(tx, owner, payment_id)
    payment = shown.payment
    _check_state(payment, ("pending", "authorized"), NotCancellable())
    attempt = draft.of(payment, payment.total)
    await _take(tx, owner, claim, shown, attempt)
    return await _begin_alone(tx, shown, attempt)


@idempotent
async def _begin_top_up(
    tx: Tx, claim: Claim | None, owner: Owner, payment_id: str, draft: _Draft, type: str
) -> OperationIntent:
    shown = await views.show(tx, owner, payment_id)
    payment = shown.payment
    _check_state(payment, ("pending",), NotShort())
    details = details_of(payment)
    if details.type != type:
        raise InvalidParameter("payment_details[type]")
    if not details.short_amount:
        raise NotShort
    attempt = draft.of(payment, details.short_amount)
    await idempotency.take(tx, owner, claim, None)
    # What one more card brings may be what a session has waited for.
    return await _begin_alone(tx, shown, msgspec.structs.replace(attempt, session_id=payment.session_id))


@idempotent
async def _begin_finalize(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    vault: Vault,
    payment_id: str,
    draft: _Draft,
    use: AccessGrant,
    body: Finalize,
    who: str,
) -> OperationIntent:
    shown = await views.show(tx, owner, payment_id)
    payment = shown.payment
    _check_state(payment, ("pending",), NotAtTerminal())
    details = details_of(payment)
    waiting = await attempts.find(tx, owner, payment.waiting_attempt or "")
    if details.type != TERMINAL or waiting is None:
        raise NotAtTerminal
    if details.last_four_digits != use.masked.last4:
        raise InvalidParameter("track2", "It was read from another card.")
    attempt = draft.of(payment, payment.total)
    hold = waiting.kind == "authorize" if body.capture is None else not body.capture
    more = msgspec.structs.replace(context_of(attempt), hold=hold)
    attempt = msgspec.structs.replace(attempt, more=msgspec.json.encode(more).decode())
    await _take(tx, owner, claim, shown, attempt)
    if body.metadata is not None:
        merged = metadata.merged(payment.metadata, body.metadata)
        rewritten = await store.rewrite(tx, payment, payment.description, merged)
        if rewritten is None:
            raise Locked
        shown = shown._replace(payment=rewritten)
    await vault.note(
        tx, use, why="finalize", object_id=payment.id, who=who, now=attempt.created_at, audit_id=attempt.id
    )
    return await _begin_alone(tx, shown, attempt)


def _check_state(payment: Payment, statuses: tuple[store.Status, ...], refusal: ApiError) -> None:
    if payment.active_attempt is not None:
        raise Locked
    if payment.status not in statuses:
        raise refusal


async def _begin_alone(tx: Tx, shown: PaymentView, attempt: Attempt) -> OperationIntent:
    """Take the payment's one place for an operation in flight. Raises Locked: somebody else has, this moment."""
    if await store.lock_payment(tx, shown.payment, attempt.id) is None:
        raise Locked
    await attempts.begin(tx, attempt)
    return OperationIntent(attempt, shown)


@idempotent
async def _begin_refund(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    vault: Vault,
    payment_id: str,
    draft: _Draft,
    body: RefundCreate,
    who: str,
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
    await _take(tx, owner, claim, shown, attempt)
    # Reserved by one guarded update: however many refunds run side by side, their sum stays within what was captured.
    if await store.reserve(tx, payment, amount) is None:
        raise NotRefundable(param="amount")
    await attempts.begin(tx, attempt)
    if pan_screening.suspicious(body.description):
        await pan_screening.note(tx, vault, owner, id=attempt.id, at=attempt.created_at, who=who, object_id=payment.id)
    return OperationIntent(attempt, shown)
