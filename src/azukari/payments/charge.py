"""Charging: written down before it is tried, never tried twice.

The story stands first; its parts (draft, resolve and begin within T1, send) follow, and others compose them too.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from azukari.accounts.choice import choose
from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt, AttemptDraft
from azukari.core import log
from azukari.core.clock import Moment
from azukari.core.errors import ApiError, InvalidParameter, InvalidToken, MissingParameter, Unavailable
from azukari.customers import store as customers
from azukari.customers.store import Customer
from azukari.db import Owner, Tx, batched, directory
from azukari.merchants.settings import MerchantSettings
from azukari.payment_methods.offer import fee
from azukari.payment_types import METHODS
from azukari.payments import details as payment_details
from azukari.payments import store
from azukari.payments.errors import NotEnabled, NothingToCharge, OrderNumTaken, TwoSources
from azukari.payments.record import finish
from azukari.payments.schemas import CardOut, PaymentCreate, PaymentExtras, PaymentOut
from azukari.payments.store import Payment
from azukari.payments.views import PaymentView
from azukari.processors.account import Account
from azukari.processors.base import Credential, NotSent, Outcome, Visit
from azukari.processors.capabilities import Kind
from azukari.processors.declines import NotSentError
from azukari.processors.methods import CREDIT_CARD, OFFSITE
from azukari.processors.registry import Processors
from azukari.tokens import send as sending
from azukari.tokens import sources as tokens
from azukari.tokens.sources import CardSource, MethodSource, PaymentSource, WrongCurrency
from azukari.vault import CARDS, TERMINAL, EntryGone, Vault
from azukari.wire import idempotency, metadata, pan_screening, return_targets
from azukari.wire.answers import Answer, Done
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent
from azukari.wiring import PaymentWebhooks, Services

DEFAULT_LOCALE = "ja"


class SessionTerms(msgspec.Struct, frozen=True):
    """What a session says of the charge of a try, beside its body.

    metadata: JSON. fee: what the shopper was told. currency: of the session; the try may be in a method's own.
    stores: a wallet's shopper is asked to allow later charges too. return_url: of our page, with the way back's ref.
    """

    id: str
    currency: str
    customer_id: str | None = None
    metadata: str = "{}"
    scenario: str | None = None
    fee: int = 0
    stores: bool = False
    return_url: Callable[[str], str] = str


class ChargeDraft(msgspec.Struct, frozen=True):
    """A charge whose body is read, before its source is resolved: ids and times are there, and no row yet.

    source: None for a customer's saved details. metadata: JSON. extras: with the names of raw details.
    now: the merchant's time. visit: for a method with a page of its own. settings: the merchant's.
    suspicious: a text of the body looks like a card number. webhooks: the payment's own.
    """

    attempt: AttemptDraft
    payment_id: str
    kind: Kind
    amount: int
    tax: int
    currency: str
    customer_id: str | None
    source: PaymentSource | None
    description: str | None
    external_order_num: str | None
    metadata: str
    locale: str
    extras: PaymentExtras
    now: int
    visit: Visit
    processors: Processors
    accounts: Sequence[Account]
    settings: MerchantSettings
    base_url: str
    actor: str
    suspicious: bool
    webhooks: PaymentWebhooks | None
    session: SessionTerms | None
    subscription_id: str | None


class _Resolved(NamedTuple):
    """What a charge is made with. customer: whose saved details they are.

    credential: of stored details; spoilt: what the vault keeps of it is not what we have written there.
    """

    instrument: CardSource | MethodSource
    customer: Customer | None = None
    credential: Credential | None = None
    spoilt: bool = False


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
    session: SessionTerms | None = None,
    subscription_id: str | None = None,
) -> ChargeDraft:
    """Read a body. source: its details, where they have been read. session: what it says, where it is a try at one.

    subscription_id: whose charge it is.

    Raises TwoSources, MissingParameter, InvalidParameter, what is wrong with the details, NoProcessor.
    """
    source = source or _source(call, body)
    settings = await call.services.settings_of(call.owner)
    return_targets.hold_to_apps(settings, body.return_url)
    if body.mcc is not None and len(body.mcc) != 4:
        raise InvalidParameter("mcc")
    # Nothing is read for details that no processor takes.
    type = CREDIT_CARD if source is None or isinstance(source, str) else source.type
    accounts = await call.services.accounts_of(call.owner)
    choose(call.services.processors, call.owner, accounts, type, currency=body.currency, amount=body.amount)
    directives, base_url = call.directives, call.services.settings.base_url
    if session is not None and session.scenario is not None:
        directives = replace(directives, scenario=session.scenario)
    attempt = call.draft_attempt(directives)
    locale, return_url = body.locale or DEFAULT_LOCALE, f"{base_url}/return/{attempt.ref}"
    visit = Visit(return_url, locale, settings.name)
    if session is not None:
        visit = Visit(session.return_url(return_url), locale, settings.name, session.stores)
    return ChargeDraft(
        attempt,
        call.new_id(),
        "sale" if body.capture else "authorize",
        body.amount,
        body.tax_amount(),
        body.currency,
        body.customer,
        source,
        body.description,
        body.external_order_num,
        metadata.merged("{}", body.metadata) if session is None else session.metadata,
        locale,
        _extras(body, source),
        call.now,
        visit,
        call.services.processors,
        accounts,
        settings,
        base_url,
        call.actor,
        # What looks like a card number in a session's own texts was noted when it was made.
        session is None and pan_screening.suspicious(body.description, body.external_order_num, metadata=body.metadata),
        None if body.webhooks is None else await _webhooks(call, body.webhooks),
        session,
        subscription_id,
    )


async def _webhooks(call: Call, webhooks: object) -> PaymentWebhooks:
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


def _extras(body: PaymentCreate, source: PaymentSource | None) -> PaymentExtras:
    names = None if isinstance(source, str) else source
    return PaymentExtras(
        customer_family_name=names.family_name if names else None,
        customer_given_name=names.given_name if names else None,
        mcc=body.mcc,
        statement_descriptor=body.statement_descriptor,
        platform_details=body.platform_details,
        return_url=body.return_url,
    )


_credential = msgspec.json.Decoder(Credential).decode


async def resolve(tx: Tx, owner: Owner, vault: Vault, draft: ChargeDraft) -> ChargeIntent:
    """Within the caller's unit, the reads of T1: what is charged, and the rows that say so.

    Raises NotFound (no such customer), NothingToCharge (no saved details), InvalidToken, WrongCurrency, NotEnabled,
    OrderNumTaken.
    """
    if draft.source is None:
        resolved = await _saved(tx, owner, vault, draft)
    else:
        resolved = await _given(tx, owner, vault, draft, draft.source)
    intent = _build(owner, draft, resolved)
    if draft.external_order_num and await store.order_num_taken(tx, owner, draft.external_order_num):
        raise OrderNumTaken
    return intent


async def _saved(tx: Tx, owner: Owner, vault: Vault, draft: ChargeDraft) -> _Resolved:
    """What a customer has saved. Raises NotFound, NothingToCharge."""
    customer = await customers.get(tx, owner, draft.customer_id or "")
    if customer.entry_id is None:
        raise NothingToCharge
    try:
        card = CardSource(await vault.find(tx, owner, customer.entry_id), customer.email)
    except EntryGone:
        raise NothingToCharge from None
    if card.use.credential is None:
        raise NothingToCharge  # never checked with the shopper present: no network would have it (SEC-22)
    try:
        return _Resolved(card, customer, _credential(card.use.credential))
    except msgspec.DecodeError:
        return _Resolved(card, customer, spoilt=True)


async def _given(tx: Tx, owner: Owner, vault: Vault, draft: ChargeDraft, source: PaymentSource) -> _Resolved:
    """What was given with the body. Raises InvalidToken, WrongCurrency, NotEnabled."""
    session = draft.session
    instrument = await tokens.resolve(
        tx,
        vault,
        owner,
        source,
        draft.now,
        draft.currency,
        total=draft.amount + draft.tax,
        saved=session is None,
        ordered_in=None if session is None else session.currency,
    )
    if session is None:
        # A session has its own list of what may pay it.
        _check_enabled(draft, instrument.type)
    token = instrument.token
    if token is None or token.customer_id is None or isinstance(instrument, MethodSource):
        return _Resolved(instrument)
    # A secure token about a customer's saved card: that card, as long as the customer has it.
    customer = await customers.find(tx, owner, token.customer_id)
    if customer is None or customer.entry_id != token.entry_id:
        raise InvalidToken
    return _Resolved(replace(instrument, email=customer.email or instrument.email), customer)


def _check_enabled(draft: ChargeDraft, type: str) -> None:
    """Raises NotEnabled."""
    chosen = draft.settings.payment_types.get(draft.currency)
    if chosen is not None and type not in chosen:
        raise NotEnabled(type, chosen)


def _build(owner: Owner, draft: ChargeDraft, resolved: _Resolved) -> ChargeIntent:
    """Payment and attempt, of a charge whose source is known. Raises WrongCurrency, NotSentError, NoProcessor."""
    instrument, customer, session = resolved.instrument, resolved.customer, draft.session
    type, token = instrument.type, instrument.token
    _check_currency(type, draft.currency)
    offsite = type in OFFSITE and isinstance(instrument, MethodSource)
    extras = draft.extras
    if token is not None:
        names = tokens.names_of(token)
        extras = replace(extras, customer_family_name=names.family_name, customer_given_name=names.given_name)
    charged = fee(draft.settings, type, draft.currency) if session is None else session.fee
    total = draft.amount + draft.tax + charged
    brand = instrument.use.masked.brand if isinstance(instrument, CardSource) else None
    choice = choose(draft.processors, owner, draft.accounts, type, currency=draft.currency, amount=total, brand=brand)
    attempt = draft.attempt.build(
        choice.processor,
        # Nobody can hold cash for us: it is taken, or it is not there.
        draft.kind if offsite or isinstance(instrument, CardSource) else "sale",
        total,
        draft.currency,
        state="prepared" if draft.source and tokens.needs_two_steps(draft.source) else "sent",
        payment_id=draft.payment_id,
        customer_id=draft.customer_id,
        # Only a chip is waited for; every other card's attempt is found as cards' are.
        method=None if type in CARDS and type != TERMINAL else type,
        session_id=None if session is None else session.id,
        subscription_id=draft.subscription_id,
        scenario=None if customer is None else customer.scenario,
        account_id=choice.account_id,
    )
    payment = Payment.new(
        attempt,
        amount=draft.amount,
        tax=draft.tax,
        fee=charged,
        customer_id=_customer_of(draft, customer),
        details=_details(draft, instrument),
        description=draft.description,
        external_order_num=draft.external_order_num,
        metadata=draft.metadata,
        locale=draft.locale,
        more=None if extras == PaymentExtras() else msgspec.json.encode(extras).decode(),
        now=draft.now,
    )
    return ChargeIntent(
        attempt,
        payment,
        instrument,
        resolved.credential,
        draft.visit if offsite else None,
        resolved.spoilt,
    )


def _customer_of(draft: ChargeDraft, customer: Customer | None) -> str | None:
    if customer is not None:
        return customer.id
    return draft.customer_id if draft.session is None else draft.session.customer_id


def _check_currency(type: str, currency: str) -> None:
    """Raises WrongCurrency, NotSentError (an entry's row was changed: it names a type that is none)."""
    if type not in METHODS:
        raise NotSentError
    if not METHODS[type].takes(currency):
        raise WrongCurrency("This payment method cannot be paid in this currency.")


def _details(draft: ChargeDraft, instrument: CardSource | MethodSource) -> str:
    """What the payment shows of them, JSON."""
    if isinstance(instrument, MethodSource):
        return payment_details.shown(instrument.details, draft.payment_id, draft.locale, draft.base_url)
    if instrument.type in CARDS:
        return msgspec.json.encode(CardOut.of(instrument.use.masked, instrument.email)).decode()
    return payment_details.shown_wallet(instrument.type, instrument.email)


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
        action="charge",
        actor=draft.actor,
        audit_id=attempt.id,
        moment=Moment(payment.created_at, attempt.created_at),
    )
    if attempt.method is not None and intent.visit is not None:
        await directory.publish(tx, payment.owner, attempt.ref, "attempt")
    elif attempt.method is not None and attempt.method != TERMINAL:
        await directory.publish(tx, payment.owner, payment.id, "payment")
    if draft.webhooks is not None:
        await draft.webhooks.write(tx, payment.owner, payment.id)
    if draft.suspicious:
        await pan_screening.note(
            tx, vault, payment.owner, id=payment.id, at=attempt.created_at, actor=draft.actor, object_id=payment.id
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
        try:
            account = await services.account_use(intent.attempt.owner, intent.attempt.account_id)
        except Unavailable:
            return NotSent(), None
        outcome = await execute.execute(
            processor,
            intent.attempt,
            services.clock,
            use=intent.instrument.use,
            credential=intent.credential,
            ordered_at=intent.payment.created_at,
            account=account,
        )
        return outcome, None
    try:
        return await sending.send(services, processor, intent.attempt, intent.instrument, visit=intent.visit), None
    except sending.NotBegun as ended:
        return NotSent(), ended.refusal
