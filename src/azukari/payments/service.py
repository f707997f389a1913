"""Charging: written down before it is tried, never tried twice."""

import msgspec

from azukari.core.errors import ApiError, InvalidParameter, Locked, MissingParameter
from azukari.customers import store as customers
from azukari.db import Owner, Page, Tx, hot, persevere
from azukari.events import store as events
from azukari.payments import outcomes, store
from azukari.payments.errors import NothingToCharge, OrderNumTaken, TwoSources
from azukari.payments.outcomes import Shown
from azukari.payments.schemas import CardOut, More, PaymentCreate, PaymentOut, PaymentQuery, PaymentUpdate
from azukari.payments.store import Payment
from azukari.processors import attempts, machine
from azukari.processors.attempts import Attempt
from azukari.processors.base import Credential, NotDone, Outcome
from azukari.tokens import given as tokens
from azukari.tokens.given import Card, Given
from azukari.vault import EntryGone, PaymentDetails, Vault
from azukari.web import idempotency, metadata, screening
from azukari.web.answers import Answer
from azukari.web.call import Call
from azukari.web.idempotency import Claim, idempotent
from azukari.web.lists import Bounds

DEFAULT_LOCALE = "ja"


async def charge(call: Call, order: PaymentCreate) -> Answer:
    """Charge the payment details a customer has saved, a token, or raw details.

    order.amount: in the currency's smallest unit; 1000 is ¥1000 in JPY, $10.00 in USD.
    Answers 200 with the payment, 202 while its outcome is not known, or the decline.
    Raises NotFound (no such customer), NothingToCharge, InvalidToken, OrderNumTaken and what is wrong with the details.
    Source: contract 3.2.
    """
    plan = _plan(call, order)
    # Nothing may be written down that the vault could not open: 503 now, not a failed payment later.
    await call.vault.ready(call.owner)
    # Write down what we are about to do: a crash below leaves an attempt to settle.
    ready = await call.db.write(record_intent, call.claim, call.owner, call.vault, plan)
    # Move the money. No transaction is open: processors take seconds.
    outcome, refusal = await _send(call, ready)
    # Write down what happened, together with the event that tells the merchant.
    return await outcomes.conclude(call.parts, ready.attempt, outcome, Shown(ready.payment, []), refusal)


class _Plan(msgspec.Struct, frozen=True):
    """A charge before its customer or token has been looked at.

    given: None for a customer's saved details. suspicious: a text of the order looks like a card number.
    """

    payment: Payment
    attempt: Attempt
    given: Given | None
    who: str
    suspicious: bool


class _Ready(msgspec.Struct, frozen=True):
    """A charge whose intent is durable: what the call needs. credential: of a stored card."""

    attempt: Attempt
    payment: Payment
    card: Card
    credential: Credential | None = None


def _plan(call: Call, order: PaymentCreate) -> _Plan:
    given = _given(call, order)
    processor = call.parts.processors.pick(call.owner)
    if order.mcc is not None and len(order.mcc) != 4:
        raise InvalidParameter("mcc")
    tax = order.tax_amount()
    attempt = attempts.plan(
        call.parts.ids, call.owner, processor, "sale" if order.capture else "authorize", order.amount + tax,
        order.currency, now=call.now, api_version=call.api_version, customer_id=order.customer,
        payment_id=call.new_id(), state="prepared" if given and tokens.needs_two_steps(given) else "sent",
        idempotency_key=call.idempotency_key, orders=call.orders.encoded(),
    )  # fmt: skip
    payment = Payment(
        merchant_id=call.owner.merchant_id, mode=call.owner.mode, id=attempt.payment_id or "", status="pending",
        amount=order.amount, tax=tax, fee=0, total=order.amount + tax, currency=order.currency, amount_captured=0,
        amount_refunded=0, amount_reserved=0, customer_id=order.customer, session_id=None, details="null",
        description=order.description, external_order_num=order.external_order_num,
        metadata=metadata.merged("{}", order.metadata), locale=order.locale or DEFAULT_LOCALE,
        more=_more(order, given), processor=processor.name, processor_ref=None, active_attempt=attempt.id, version=1,
        deadline=None, captured_at=None, created_at=call.now,
    )  # fmt: skip
    suspicious = screening.suspicious(order.description, order.external_order_num, metadata=order.metadata)
    return _Plan(payment, attempt, given, call.key.id, suspicious)


def _given(call: Call, order: PaymentCreate) -> Given | None:
    if order.payment_details is not None and order.customer is not None:
        raise TwoSources
    if order.payment_details is not None:
        return tokens.read(order.payment_details, call.now)
    if order.customer is None:
        raise MissingParameter("payment_details")
    return None


def _more(order: PaymentCreate, given: Given | None) -> str | None:
    names = given if isinstance(given, PaymentDetails) else None
    more = More(
        customer_family_name=names.family_name if names else None,
        customer_given_name=names.given_name if names else None,
        mcc=order.mcc,
        statement_descriptor=order.statement_descriptor,
        platform_details=order.platform_details,
    )
    return None if more == More() else msgspec.json.encode(more).decode()


_credential = msgspec.json.Decoder(Credential).decode


@hot
@idempotent
async def record_intent(tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, plan: _Plan) -> _Ready:
    """Write down a charge before it is tried (T1).

    Raises NotFound (no such customer), NothingToCharge (no saved details), InvalidToken, OrderNumTaken.
    """
    ready = await _look(tx, owner, vault, plan)
    payment = ready.payment
    if payment.external_order_num and await store.order_num_taken(tx, owner, payment.external_order_num):
        raise OrderNumTaken
    await idempotency.take(
        tx, owner, claim, lambda: Answer.of(PaymentOut.of(payment, [], plan.attempt.api_version), 202)
    )  # fmt: skip
    if not await store.save(tx, payment):
        raise OrderNumTaken  # somebody else was faster by a moment
    await attempts.begin(tx, ready.attempt)
    await tokens.spend(
        tx, vault, owner, ready.card, by=payment.id, why="charge", who=plan.who, now=payment.created_at,
        audit_id=ready.attempt.id,
    )  # fmt: skip
    if plan.suspicious:
        await screening.note(
            tx, vault, owner, id=payment.id, at=payment.created_at, who=plan.who, object_id=payment.id
        )  # fmt: skip
    return ready


async def _look(tx: Tx, owner: Owner, vault: Vault, plan: _Plan) -> _Ready:
    """The card to be charged, and the payment that shows it. Reads only."""
    if plan.given is not None:
        card = await tokens.look(tx, vault, owner, plan.given, plan.payment.created_at, plan.payment.currency)
        return _Ready(plan.attempt, _showing(plan.payment, card), card)
    customer = await customers.get(tx, owner, plan.payment.customer_id or "")
    if customer.entry_id is None:
        raise NothingToCharge
    try:
        card = Card(await vault.find(tx, owner, customer.entry_id), customer.email)
    except EntryGone:
        raise NothingToCharge from None
    if card.use.credential is None:
        raise NothingToCharge  # never checked with the shopper present: no network would have it (SEC-22)
    credential = _credential(card.use.credential)
    attempt = plan.attempt
    if customer.scenario is not None:
        ordered = msgspec.structs.replace(machine.orders_of(attempt), scenario=customer.scenario)
        attempt = msgspec.structs.replace(attempt, orders=ordered.encoded())
    return _Ready(attempt, _showing(plan.payment, card), card, credential)


def _showing(payment: Payment, card: Card) -> Payment:
    shown = msgspec.json.encode(CardOut.of(card.use.masked, card.email)).decode()
    return msgspec.structs.replace(payment, details=shown)


async def _send(call: Call, ready: _Ready) -> tuple[Outcome, ApiError | None]:
    processor = call.parts.processors.pick(call.owner)
    if ready.attempt.customer_id is None:
        try:
            return await tokens.send(call.parts, processor, ready.attempt, ready.card), None
        except tokens.NotBegun as ended:
            return NotDone(), ended.refusal
    outcome = await machine.carry_out(
        processor, ready.attempt, call.parts.clock, use=ready.card.use, credential=ready.credential
    )  # fmt: skip
    return outcome, None


async def page(tx: Tx, owner: Owner, bounds: Bounds, query: PaymentQuery) -> Page[Shown]:
    """A page of the owner's payments, newest first."""
    if query.merchant_id is not None and query.merchant_id != owner.merchant_id:
        return Page([], 0)
    found = await store.page(
        tx, owner, **bounds.as_arguments(), currency=query.currency, external_order_num=query.external_order_num,
        status=query.status,
    )  # fmt: skip
    return Page([await outcomes.with_refunds(tx, payment) for payment in found.rows], found.total)


async def update(call: Call, payment_id: str, order: PaymentUpdate) -> PaymentOut:
    """Change a payment's description and metadata. Raises NotFound, Locked (somebody else keeps changing it)."""
    shown = await persevere(
        call.db, _rewrite, call.owner, call.vault, payment_id, order, call.new_id(), call.now, call.api_version,
        call.key.id,
    )  # fmt: skip
    return PaymentOut.of(*shown, call.api_version)


async def _rewrite(
    tx: Tx, owner: Owner, vault: Vault, payment_id: str, order: PaymentUpdate, event_id: str, now: int,
    api_version: str, who: str,
) -> Shown:  # fmt: skip
    read = await store.get(tx, owner, payment_id)
    description = read.description if order.description is msgspec.UNSET else order.description
    payment = await store.rewrite(tx, read, description, metadata.merged(read.metadata, order.metadata))
    if payment is None:
        raise Locked
    # Its refunds are read now that the row is ours: one that ended a moment ago shows in both or in neither.
    shown = await outcomes.with_refunds(tx, payment)
    await events.record(tx, owner, id=event_id, type="payment.updated", data=shown.encoded(api_version), now=now)
    if screening.suspicious(order.description, metadata=order.metadata):
        await screening.note(tx, vault, owner, id=event_id, at=now, who=who, object_id=payment_id)
    return shown
