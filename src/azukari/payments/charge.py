"""Charging: written down before it is tried, never tried twice.

The story stands first; its parts (draft, resolve and begin within T1, send) follow, and others compose them too.
"""

import msgspec
from msgspec.structs import replace

from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core import log
from azukari.core.clock import Moment
from azukari.core.errors import ApiError, InvalidParameter, InvalidToken, MissingParameter
from azukari.customers import store as customers
from azukari.customers.store import Customer
from azukari.db import Owner, Tx, batched, directory
from azukari.merchants.settings import MerchantSettings
from azukari.payment_methods.catalogue import METHODS
from azukari.payment_methods.offer import fee
from azukari.payments import details as payment_details
from azukari.payments import store
from azukari.payments.errors import NotEnabled, NothingToCharge, OrderNumTaken, TwoSources
from azukari.payments.record import finish
from azukari.payments.schemas import CardOut, PaymentCreate, PaymentExtras, PaymentOut
from azukari.payments.store import Payment
from azukari.payments.views import PaymentView
from azukari.processors.base import Credential, NotSent, Outcome, Visit
from azukari.processors.declines import NotSentError
from azukari.processors.methods import CREDIT_CARD, OFFSITE
from azukari.processors.registry import Processors
from azukari.tokens import send as sending
from azukari.tokens import sources as tokens
from azukari.tokens.sources import CardSource, MethodSource, PaymentSource, WrongCurrency
from azukari.tokens.store import Token
from azukari.vault import CARDS, TERMINAL, EntryGone, Vault
from azukari.wire import idempotency, metadata, pan_screening, return_targets
from azukari.wire.answers import Answer, Done
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent
from azukari.wiring import Beside, Services

DEFAULT_LOCALE = "ja"


class ChargeDraft(msgspec.Struct, frozen=True):
    """A charge before its customer or token has been looked at.

    source: None for a customer's saved details. visit: for a method with a page of its own. settings: the merchant's.
    suspicious: a text of the order looks like a card number. fee: what the shopper was told; None: the merchant's.
    ordered_in: the currency of the order, where it is paid in a method's own. beside: what else the order asks for.
    """

    payment: Payment
    attempt: Attempt
    source: PaymentSource | None
    visit: Visit
    processors: Processors
    settings: MerchantSettings
    base_url: str
    who: str
    suspicious: bool
    fee: int | None = None
    ordered_in: str | None = None
    beside: Beside | None = None


class ChargeIntent(msgspec.Struct, frozen=True):
    """A charge whose intent is durable: what the call needs. credential: of stored details.

    spoilt: what the vault keeps beside them is not what we have written there. Nothing is sent.
    """

    attempt: Attempt
    payment: Payment
    instrument: CardSource | MethodSource
    credential: Credential | None = None
    visit: Visit | None = None
    spoilt: bool = False


async def charge(call: Call, body: PaymentCreate) -> Done[PaymentView]:
    """Charge the payment details a customer has saved, a token, or raw details.

    body.amount: in the currency's smallest unit; 1000 is ¥1000 in JPY, $10.00 in USD.
    Answers 200 with the payment, 202 while its outcome is not known, or the decline.
    Raises NotFound (no such customer), NothingToCharge, InvalidToken, OrderNumTaken and what is wrong with the details.
    Source: contract 3.2.
    """
    draft = await draft_charge(call, body)
    # Nothing may be written down that the vault could not open: 503 now, not a failed payment later.
    await call.vault.ready(call.owner)
    # Write down what we are about to do: a crash below leaves an attempt to reconcile.
    intent = await call.db.write(record_intent, call.claim, call.owner, call.vault, draft)
    # Move the money. No transaction is open: processors take seconds.
    outcome, refusal = await send(call.services, intent)
    # Write down what happened, together with the event that tells the merchant.
    return await finish(call.services, intent.attempt, outcome, PaymentView(intent.payment, []), refusal)


@batched
@idempotent
async def record_intent(tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, draft: ChargeDraft) -> ChargeIntent:
    """Write down a charge before it is tried (T1). Raises what :func:`resolve` and :func:`begin` do."""
    intent = await resolve(tx, owner, vault, draft)
    await idempotency.take(
        tx, owner, claim, lambda: Answer.of(PaymentOut.of(intent.payment, [], [], intent.attempt.api_version), 202)
    )
    await begin(tx, vault, draft, intent)
    return intent


async def draft_charge(
    call: Call,
    body: PaymentCreate,
    *,
    source: PaymentSource | None = None,
    session_id: str | None = None,
    store: bool = False,
    subscription_id: str | None = None,
) -> ChargeDraft:
    """Read an order. source: its details, where they have been read. session_id: whose try it is.

    store: a wallet's shopper is asked to allow later charges too. subscription_id: whose charge it is.

    Raises TwoSources, MissingParameter, InvalidParameter, what is wrong with the details, NoProcessor.
    """
    source = source or _source(call, body)
    settings = await call.services.settings_of(call.owner)
    return_targets.hold_to_apps(settings, body.return_url)
    if body.mcc is not None and len(body.mcc) != 4:
        raise InvalidParameter("mcc")
    type = CREDIT_CARD if source is None or isinstance(source, str) else source.type
    tax = body.tax_amount()
    attempt = attempts.draft(
        call.services.ids,
        call.owner,
        call.services.processors.pick(call.owner, type),
        "sale" if body.capture else "authorize",
        body.amount + tax,
        body.currency,
        now=call.real,
        api_version=call.api_version,
        customer_id=body.customer,
        payment_id=call.new_id(),
        state="prepared" if source and tokens.needs_two_steps(source) else "sent",
        idempotency_key=call.idempotency_key,
        orders=call.orders.encoded(),
        session_id=session_id,
        subscription_id=subscription_id,
    )
    payment = Payment(
        merchant_id=call.owner.merchant_id,
        mode=call.owner.mode,
        id=attempt.payment_id or "",
        status="pending",
        amount=body.amount,
        tax=tax,
        fee=0,
        total=body.amount + tax,
        currency=body.currency,
        amount_captured=0,
        amount_refunded=0,
        amount_reserved=0,
        customer_id=body.customer,
        session_id=session_id,
        details="null",
        description=body.description,
        external_order_num=body.external_order_num,
        metadata=metadata.merged("{}", body.metadata),
        locale=body.locale or DEFAULT_LOCALE,
        more=_more(body, source),
        processor=attempt.processor,
        processor_ref=None,
        active_attempt=attempt.id,
        version=1,
        deadline=None,
        captured_at=None,
        created_at=call.now,
    )
    base_url = call.services.settings.base_url
    visit = Visit(f"{base_url}/return/{attempt.ref}", payment.locale, settings.name, store)
    suspicious = pan_screening.suspicious(body.description, body.external_order_num, metadata=body.metadata)
    return ChargeDraft(
        payment,
        attempt,
        source,
        visit,
        call.services.processors,
        settings,
        base_url,
        call.actor,
        suspicious,
        beside=None if body.webhooks is None else await _beside(call, body.webhooks),
    )


async def _beside(call: Call, webhooks: object) -> Beside:
    read = call.services.hooks.payment_webhooks
    return await read(call.services, call.owner, webhooks, call.actor, call.api_version, call.now)


def _source(call: Call, body: PaymentCreate) -> PaymentSource | None:
    if body.payment_details is not None and body.customer is not None:
        raise TwoSources
    if body.payment_details is not None:
        return tokens.read(body.payment_details, call.now)
    if body.customer is None:
        raise MissingParameter("payment_details")
    return None


def _more(body: PaymentCreate, source: PaymentSource | None) -> str | None:
    names = None if isinstance(source, str) else source
    more = PaymentExtras(
        customer_family_name=names.family_name if names else None,
        customer_given_name=names.given_name if names else None,
        mcc=body.mcc,
        statement_descriptor=body.statement_descriptor,
        platform_details=body.platform_details,
        return_url=body.return_url,
    )
    return _encoded(more)


def _encoded(more: PaymentExtras) -> str | None:
    return None if more == PaymentExtras() else msgspec.json.encode(more).decode()


_credential = msgspec.json.Decoder(Credential).decode


async def resolve(tx: Tx, owner: Owner, vault: Vault, draft: ChargeDraft) -> ChargeIntent:
    """Within the caller's unit, the reads of T1: what is charged, and the payment that shows it.

    Raises NotFound (no such customer), NothingToCharge (no saved details), InvalidToken, WrongCurrency, NotEnabled,
    OrderNumTaken.
    """
    if draft.source is None:
        intent = await _stored(tx, owner, vault, draft)
    else:
        intent = await _of_source(tx, owner, vault, draft, draft.source)
    number = draft.payment.external_order_num
    if number and await store.order_num_taken(tx, owner, number):
        raise OrderNumTaken
    return intent


async def begin(tx: Tx, vault: Vault, draft: ChargeDraft, intent: ChargeIntent) -> None:
    """Within the caller's unit, the writes of T1: payment, attempt, the used token, the audit line.

    Raises OrderNumTaken, InvalidToken: somebody else was faster by a moment.
    """
    payment, attempt = intent.payment, intent.attempt
    if not await store.save(tx, payment):
        raise OrderNumTaken
    await attempts.begin(tx, attempt)
    await tokens.redeem(
        tx,
        vault,
        payment.owner,
        intent.instrument,
        by=payment.id,
        why="charge",
        who=draft.who,
        audit_id=attempt.id,
        moment=Moment(payment.created_at, attempt.created_at),
    )
    if attempt.method is not None and intent.visit is not None:
        await directory.publish(tx, payment.owner, attempt.ref, "attempt")
    elif attempt.method is not None and attempt.method != TERMINAL:
        await directory.publish(tx, payment.owner, payment.id, "payment")
    if draft.beside is not None:
        await draft.beside.write(tx, payment.owner, payment.id)
    if draft.suspicious:
        await pan_screening.note(
            tx, vault, payment.owner, id=payment.id, at=attempt.created_at, who=draft.who, object_id=payment.id
        )


async def send(services: Services, intent: ChargeIntent) -> tuple[Outcome, ApiError | None]:
    """The call of a charge that was begun; what came of it, and what the caller is told where nothing was sent."""
    processor = services.processors.named(intent.attempt.processor)
    assert processor is not None  # it was picked for the plan
    if intent.spoilt:
        # As with a record that was changed: the caller hears that nothing was sent, and we know why.
        entry = intent.instrument.use.entry_id if isinstance(intent.instrument, CardSource) else None
        log.warning("entry.not_opened", entry=entry, reason="credential")
        return NotSent(), None
    if intent.credential is not None and isinstance(intent.instrument, CardSource):
        outcome = await execute.execute(
            processor,
            intent.attempt,
            services.clock,
            use=intent.instrument.use,
            credential=intent.credential,
            ordered_at=intent.payment.created_at,
        )
        return outcome, None
    try:
        return await sending.send(services, processor, intent.attempt, intent.instrument, visit=intent.visit), None
    except sending.NotBegun as ended:
        return NotSent(), ended.refusal


async def _of_source(tx: Tx, owner: Owner, vault: Vault, draft: ChargeDraft, source: PaymentSource) -> ChargeIntent:
    """What was given with the order. Raises InvalidToken, WrongCurrency."""
    payment = draft.payment
    instrument = await tokens.resolve(
        tx,
        vault,
        owner,
        source,
        payment.created_at,
        payment.currency,
        total=payment.amount + payment.tax,
        saved=payment.session_id is None,
        ordered_in=draft.ordered_in,
    )
    if payment.session_id is None:
        _check_enabled(draft, instrument)
    if instrument.token is not None:
        draft = replace(draft, payment=_named(payment, instrument.token))
    if isinstance(instrument, MethodSource):
        return _by_method(draft, instrument)
    if instrument.token is not None and instrument.token.customer_id is not None:
        return await _of_customer(tx, owner, draft, instrument, instrument.token)
    return _by_card(draft, draft.attempt, instrument)


def _named(payment: Payment, token: Token) -> Payment:
    """Only now is it known who the token is about."""
    more, names = msgspec.json.decode(payment.more or "{}", type=PaymentExtras), tokens.names_of(token)
    more.customer_family_name, more.customer_given_name = names.family_name, names.given_name
    return replace(payment, more=_encoded(more))


def _check_enabled(draft: ChargeDraft, instrument: CardSource | MethodSource) -> None:
    """A session has its own list of what may pay it. Raises NotEnabled."""
    type = instrument.details.type if isinstance(instrument, MethodSource) else instrument.use.masked.type
    chosen = draft.settings.payment_types.get(draft.payment.currency)
    if chosen is not None and type not in chosen:
        raise NotEnabled(type, chosen)


async def _of_customer(tx: Tx, owner: Owner, draft: ChargeDraft, card: CardSource, token: Token) -> ChargeIntent:
    """A secure token about a customer's saved card: that card, as long as the customer has it. Raises InvalidToken."""
    customer = await customers.find(tx, owner, token.customer_id or "")
    if customer is None or customer.entry_id != token.entry_id:
        raise InvalidToken
    payment = replace(draft.payment, customer_id=customer.id)
    card = replace(card, email=customer.email or card.email)
    return _by_card(replace(draft, payment=payment), _ordered(draft.attempt, customer), card)


def _ordered(attempt: Attempt, customer: Customer) -> Attempt:
    """With what every test payment of the customer ends in."""
    if customer.scenario is None:
        return attempt
    ordered = replace(execute.directives_of(attempt), scenario=customer.scenario)
    return replace(attempt, orders=ordered.encoded())


async def _stored(tx: Tx, owner: Owner, vault: Vault, draft: ChargeDraft) -> ChargeIntent:
    """What a customer has saved."""
    customer = await customers.get(tx, owner, draft.payment.customer_id or "")
    if customer.entry_id is None:
        raise NothingToCharge
    try:
        card = CardSource(await vault.find(tx, owner, customer.entry_id), customer.email)
    except EntryGone:
        raise NothingToCharge from None
    if card.use.credential is None:
        raise NothingToCharge  # never checked with the shopper present: no network would have it (SEC-22)
    try:
        credential = _credential(card.use.credential)
    except msgspec.DecodeError:
        credential = None
    intent = _by_card(draft, _ordered(draft.attempt, customer), card, credential)
    return intent if credential is not None else replace(intent, spoilt=True)


def _by_card(
    draft: ChargeDraft, attempt: Attempt, card: CardSource, credential: Credential | None = None
) -> ChargeIntent:
    """By a card, or by a wallet's agreement."""
    shown = card.use.masked
    if shown.type in CARDS:
        details = msgspec.json.encode(CardOut.of(shown, card.email)).decode()
        attempt = attempt if shown.type == CREDIT_CARD else _of_type(draft, attempt, shown.type)
        # Only a chip is waited for; every other card's attempt is found as cards' are.
        attempt = attempt if shown.type == TERMINAL else replace(attempt, method=None)
    else:
        details, attempt = payment_details.shown_wallet(shown.type, card.email), _of_type(draft, attempt, shown.type)
    payment, attempt = _priced(draft, attempt, shown.type, details)
    return ChargeIntent(attempt, payment, card, credential)


def _by_method(draft: ChargeDraft, instrument: MethodSource) -> ChargeIntent:
    details = instrument.details
    attempt = _of_type(draft, draft.attempt, details.type)
    if details.type not in OFFSITE:
        # Nobody can hold cash for us: it is taken, or it is not there.
        attempt = replace(attempt, kind="sale")
    shown = payment_details.shown(details, draft.payment.id, draft.payment.locale, draft.base_url)
    payment, attempt = _priced(draft, attempt, details.type, shown)
    return ChargeIntent(attempt, payment, instrument, visit=draft.visit if details.type in OFFSITE else None)


def _of_type(draft: ChargeDraft, attempt: Attempt, type: str) -> Attempt:
    """An attempt whose type is known only now: it may be another processor's.

    Raises WrongCurrency, NotSentError (an entry's row was changed: it names a type that is none).
    """
    if type not in METHODS:
        raise NotSentError
    if not METHODS[type].takes(draft.payment.currency):
        raise WrongCurrency("This payment method cannot be paid in this currency.")
    return replace(attempts.assign(attempt, draft.processors.pick(draft.payment.owner, type)), method=type)


def _priced(draft: ChargeDraft, attempt: Attempt, type: str, details: str) -> tuple[Payment, Attempt]:
    """Payment and attempt with the fee of their type."""
    payment = draft.payment
    extra = fee(draft.settings, type, payment.currency) if draft.fee is None else draft.fee
    payment = replace(payment, details=details, fee=extra, total=payment.total + extra, processor=attempt.processor)
    return payment, replace(attempt, amount=payment.total)
