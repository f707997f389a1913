"""Paying a session: one try at a time, written down before it is made, and never made twice.

A try is a payment of its own, or a check of the details where nothing is paid. The session's row is the place one try
may hold; what comes of it is written to payment, customer and session in one unit (``record``).
"""

from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from azukari.accounts.choice import choose
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.clock import Moment
from azukari.core.errors import ApiError, InvalidToken, Locked
from azukari.db import Owner, Tx, directory
from azukari.payments import charge as charges
from azukari.payments.charge import SessionTerms
from azukari.payments.record import write_if_possible
from azukari.payments.schemas import PaymentCreate
from azukari.payments.top_up import add_card
from azukari.payments.views import PaymentView
from azukari.processors.base import Consent, NotSent, Outcome, Visit
from azukari.processors.methods import CREDIT_CARD, MethodDetails
from azukari.sessions import attempts as tries
from azukari.sessions import authentication, demands, pending, record, responses, store
from azukari.sessions.attempts import Try, TryContext
from azukari.sessions.demands import Demand, demanded
from azukari.sessions.errors import (
    Cancelled,
    Completed,
    CustomerGone,
    Expired,
    NotAuthenticated,
    NotOffered,
    TooManyTries,
)
from azukari.sessions.pending import StillWaiting
from azukari.sessions.queries import pending_of
from azukari.sessions.schemas import (
    PaymentData,
    PayResult,
    SessionMethod,
    SessionPay,
    TryResult,
    View,
    methods_of,
    payment_data_of,
)
from azukari.sessions.store import Session
from azukari.tokens import send as sending
from azukari.tokens import sources as tokens
from azukari.tokens import store as token_store
from azukari.tokens.sources import CardSource, MethodSource, PaymentSource
from azukari.vault import PaymentDetails, SealedEntry, Vault
from azukari.wire import idempotency
from azukari.wire.answers import Done, Replay
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent


class PageTry(NamedTuple):
    """A try from our own page. consent: to keeping the details.

    asks: a card's shopper is authenticated first also where the merchant has chosen nothing, in test mode.
    language: of the page, where it is another than the session's.
    """

    consent: Consent | None = None
    asks: bool = True
    language: str | None = None


class _Unauthenticated(ApiError):
    """A card whose shopper is to be asked first. Nobody is ever told so."""


async def pay(call: Call, session_id: str, body: SessionPay, *, page: PageTry | None = None) -> Done[TryResult]:
    """Pay a session, or store details with it; what is given may be a card, a token, or details of another type.

    Answers 200 with what has to be done next, 202 while the outcome is not known, or the decline.
    Raises NotFound, Completed, Cancelled, Expired, TooManyTries, Locked (another try is in flight), NotOffered,
    NotAuthenticated, InvalidToken, and what is wrong with the details. Source: contract 6.5.
    """
    session = await call.db.read(store.get, call.owner, session_id)
    try:
        # Whether money is only held is the merchant's choice, not the shopper's browser's.
        capture = body.capture_word()
        wanted = Try(
            tokens.read(body.payment_details, call.now),
            capture if call.is_secret else None,
            body.locale(),
            page and page.consent,
            page and page.language,
        )
    except ApiError:
        # Nobody is asked to mend what no try could be made with.
        refuse(session, call.now)
        raise
    demand = await demand_of(call, asks=page is not None and page.asks)
    try:
        return await attempt(call, session, wanted, demand)
    except (_Unauthenticated, InvalidToken) as error:
        # A token that this very try gave up for a secure one is used: the secure one takes its place.
        is_gone = isinstance(error, InvalidToken)
        if is_gone and not (demand.asks and isinstance(wanted.source, str) and find_offered(session, CREDIT_CARD)):
            raise
        shopper = await authentication.begin(
            call, session, wanted, offered(session, CREDIT_CARD), view_of(call), demand
        )
    if isinstance(shopper, PayResult):
        return Done.of(shopper)
    # A token that was given is a secure one by now. What is still as it was, nobody can authenticate.
    demand = demands.NONE if shopper is wanted.source else demand
    return await attempt(call, session, wanted._replace(source=shopper), demand)


async def demand_of(call: Call, *, asks: bool) -> Demand:
    """What the merchant demands of who calls. asks: see :class:`PageTry`."""
    return demanded(await call.services.settings_of(call.owner), call, by_default=asks)


def view_of(call: Call) -> View:
    """Who looks."""
    return View(call.services.settings.base_url, call.is_secret, call.api_version)


async def attempt(call: Call, session: Session, wanted: Try, demand: Demand) -> Done[TryResult]:
    """One try. Raises NotAuthenticated; :class:`_Unauthenticated`: the shopper has to be asked first."""
    await call.vault.ready(call.owner)
    draft = await _draft(call, session, wanted, demand)
    try:
        # Write down what we are about to do: a crash below leaves an attempt to reconcile.
        try:
            intent = await call.db.write(begin, call.claim, call.owner, call.vault, session.id, draft)
        except StillWaiting:
            short = await pending.short_of(call, session.id, wanted.source)
            if short is not None:
                return await _top_up(call, session, *short)
            await pending.end(call, session.id)
            intent = await call.db.write(begin, call.claim, call.owner, call.vault, session.id, draft)
    except (ApiError, Replay):
        if draft.sealed is not None:
            await call.vault.shred(call.owner, draft.sealed.id)
        raise
    # Move the money. No transaction is open: processors take seconds.
    outcome, refusal = await _send(call, intent)
    # Write down what happened, to payment, customer and session together.
    return await _finish(call, intent.attempt, intent.session, intent.shown, outcome, refusal)


async def _top_up(call: Call, session: Session, payment_id: str, card: MethodDetails) -> Done[TryResult]:
    """One more prepaid card for the try that is short of money. Raises Locked, NotShort."""
    intent, outcome = await add_card(call, payment_id, card, by_session=True)
    return await _finish(call, intent.attempt, session, intent.shown, outcome, None)


@dataclass(frozen=True, slots=True)
class _TryDraft:
    """A try before its session and its details have been looked at.

    method: the session's entry for it; None: it has none. charge: None where nothing is paid, and ``check`` is made.
    visit: of a wallet's agreement.
    """

    wanted: Try
    method: SessionMethod | None
    charge: charges.ChargeDraft | None
    check: Attempt | None
    visit: Visit | None
    sealed: SealedEntry | None
    demand: Demand
    actor: str
    view: View
    at: Moment


@dataclass(frozen=True, slots=True)
class _TryIntent:
    """A try whose intent is durable: what the call needs. charge: None where nothing is paid."""

    attempt: Attempt
    session: Session
    view: View
    instrument: CardSource | MethodSource
    visit: Visit | None = None
    charge: charges.ChargeIntent | None = None

    @property
    def shown(self) -> PaymentView | None:
        return None if self.charge is None else PaymentView(self.charge.payment, [])


async def _draft(call: Call, session: Session, wanted: Try, demand: Demand) -> _TryDraft:
    type = await _type_of(call, wanted.source)
    method = find_offered(session, type)
    # The key of details that are to be kept is durable before they are.
    sealed = None
    if (
        _may_begin(wanted.source, demand)
        and method
        and session.keeps_details
        and isinstance(wanted.source, PaymentDetails)
    ):
        sealed = await call.vault.seal(call.owner, wanted.source)
    charge, check, visit = None, None, None
    if session.kind != "customer" and method is not None:
        charge = await _charge(call, session, wanted, method)
    else:
        check = await _check(call, session, wanted, type)
        visit = await _visit(call, session, wanted, check)
    return _TryDraft(wanted, method, charge, check, visit, sealed, demand, call.actor, view_of(call), call.moment)


async def _type_of(call: Call, source: PaymentSource) -> str:
    """Of payment details; a token that is not there is found out about later."""
    if not isinstance(source, str):
        return source.type
    token = await call.db.read(token_store.find, call.owner, source)
    return CREDIT_CARD if token is None or token.method is None else tokens.method_of(token).type


async def _check(call: Call, session: Session, wanted: Try, type: str) -> Attempt:
    """The attempt of a try that pays nothing: a card is checked, a wallet's shopper asked to agree."""
    directives = call.directives if session.scenario is None else replace(call.directives, scenario=session.scenario)
    choice = choose(call.services.processors, call.owner, await call.services.accounts_of(call.owner), type)
    return call.draft_attempt(directives).build(
        choice.processor,
        "verify" if type == CREDIT_CARD else "agree",
        0,
        session.currency,
        customer_id=session.customer_id,
        state="prepared" if tokens.needs_two_steps(wanted.source) else "sent",
        method=None if type == CREDIT_CARD else type,
        session_id=session.id,
        account_id=choice.account_id,
    )


async def _visit(call: Call, session: Session, wanted: Try, check: Attempt) -> Visit:
    return_url = wanted.back_to(f"{call.services.settings.base_url}/return/{check.ref}")
    name = (await call.services.settings_of(call.owner)).name
    return Visit(return_url, wanted.locale or session.locale, name, session.keeps_details)


async def _charge(call: Call, session: Session, wanted: Try, method: SessionMethod) -> charges.ChargeDraft:
    """The charge of a try: what the session says, in the method's own currency and with its own fee."""
    data = PaymentData() if session.payment_data is None else payment_data_of(session.payment_data)
    body = PaymentCreate(
        amount=method.amount or 0,
        currency=method.currency or session.currency,
        capture=(wanted.capture or data.capture) != "manual",
        external_order_num=session.order_num,
        locale=wanted.locale or session.locale,
        mcc=data.mcc,
        statement_descriptor=data.statement_descriptor,
        platform_details=data.platform_details,
    )
    terms = SessionTerms(
        session.id,
        session.currency,
        customer_id=session.customer_id,
        metadata=session.metadata,
        scenario=session.scenario,
        fee=method.customer_fee or 0,
        stores=session.keeps_details,
        return_url=wanted.back_to,
    )
    return await charges.draft_charge(call, body, source=wanted.source, session=terms)


def refuse(session: Session, now: int) -> None:
    """Raises Completed, Cancelled, Expired, TooManyTries, Locked unless a try may begin."""
    if session.status != "pending":
        raise Completed if session.status == "completed" else Cancelled
    if session.active_attempt is not None:
        raise Locked
    if session.is_expired(now):
        raise Expired
    if session.is_locked:
        raise TooManyTries


@idempotent
async def begin(
    tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, session_id: str, draft: _TryDraft
) -> _TryIntent:
    """T1: write down a try before it is made, and take the session's one place for it."""
    session = await store.get(tx, owner, session_id)
    intent = await _look(tx, vault, session, draft)
    shown = intent.shown
    await idempotency.take(
        tx, owner, claim, None if shown is None else lambda: responses.pending(draft.view, session, shown).answer
    )
    if not await store.lock_session(
        tx,
        session,
        intent.attempt.id,
        payment_id=intent.attempt.payment_id,
        trying=_trying(session, draft, intent).encoded(),
        consent=tries.encoded(draft.wanted.consent),
        now=draft.at.now,
    ):
        raise Locked  # somebody else was faster by a moment
    if draft.charge is not None and intent.charge is not None:
        await charges.begin(tx, vault, draft.charge, intent.charge)
    else:
        await _begin_check(tx, vault, draft, intent)
    if draft.sealed is not None:
        await vault.add(tx, owner, draft.sealed, draft.at.system_now)
    return intent


async def _look(tx: Tx, vault: Vault, session: Session, draft: _TryDraft) -> _TryIntent:
    """The reads of T1. Raises what :func:`pay` does, and StillWaiting."""
    now = draft.at.now
    refuse(session, now)
    if await pending_of(tx, session) is not None:
        raise StillWaiting
    if draft.method is None:
        raise NotOffered
    if not _may_begin(draft.wanted.source, draft.demand):
        raise _Unauthenticated
    if session.keeps_details and await record.customer_of(tx, session) is None:
        raise CustomerGone
    if draft.charge is not None:
        charge = await charges.resolve(tx, session.owner, vault, draft.charge)
        _check_demand(draft.demand, charge.instrument)
        return _TryIntent(charge.attempt, session, draft.view, charge.instrument, charge.visit, charge)
    instrument = await tokens.resolve(tx, vault, session.owner, draft.wanted.source, now, session.currency)
    _check_demand(draft.demand, instrument)
    visit = draft.visit if isinstance(instrument, MethodSource) else None
    assert draft.check is not None  # or there would be a charge
    return _TryIntent(draft.check, session, draft.view, instrument, visit)


def _may_begin(source: PaymentSource, demand: Demand) -> bool:
    """Whether it is no raw card whose shopper has to be asked first. What a token is about is found out later."""
    return not (demand.asks and isinstance(source, PaymentDetails) and source.type == CREDIT_CARD)


def _check_demand(demand: Demand, instrument: CardSource | MethodSource) -> None:
    """Raises _Unauthenticated, NotAuthenticated."""
    if isinstance(instrument, CardSource):
        if not demand.is_met_by(instrument):
            raise _Unauthenticated
        if demand.refuses(instrument):
            raise NotAuthenticated


async def _begin_check(tx: Tx, vault: Vault, draft: _TryDraft, intent: _TryIntent) -> None:
    check = intent.attempt
    await attempts.begin(tx, check)
    await tokens.redeem(
        tx,
        vault,
        check.owner,
        intent.instrument,
        by=check.customer_id or "",
        action="verify",
        actor=draft.actor,
        moment=draft.at,
        audit_id=check.id,
    )
    if intent.visit is not None:
        await directory.publish(tx, check.owner, check.ref, "attempt")


def _trying(session: Session, draft: _TryDraft, intent: _TryIntent) -> TryContext:
    trying = TryContext(secret=draft.view.secret, email=intent.instrument.email)
    if not session.keeps_details or not isinstance(intent.instrument, CardSource):
        return trying
    token = intent.instrument.token
    entry_id = draft.sealed.id if draft.sealed else intent.instrument.use.entry_id or None
    return replace(trying, entry_id=entry_id, token_id=None if token is None else token.id)


def find_offered(session: Session, type: str) -> SessionMethod | None:
    """The session's own entry for a type."""
    return next((method for method in methods_of(session.methods) if method.type == type), None)


def offered(session: Session, type: str) -> SessionMethod:
    """:func:`find_offered`. Raises NotOffered."""
    method = find_offered(session, type)
    if method is None:
        raise NotOffered
    return method


async def _send(call: Call, intent: _TryIntent) -> tuple[Outcome, ApiError | None]:
    if intent.charge is not None:
        return await charges.send(call.services, intent.charge)
    processor = call.services.processors.named(intent.attempt.processor)
    assert processor is not None  # the intent would not have been written
    try:
        return await sending.send(call.services, processor, intent.attempt, intent.instrument, visit=intent.visit), None
    except sending.NotBegun as ended:
        return NotSent(), ended.refusal


async def _finish(
    call: Call,
    tried: Attempt,
    session: Session,
    shown: PaymentView | None,
    outcome: Outcome,
    refusal: ApiError | None,
) -> Done[TryResult]:
    """Write the outcome down. Should that fail, all we know for certain is that the try was begun."""
    done = await write_if_possible(call.services, tried, outcome, refusal, record.write, of="session")
    return done or responses.pending(view_of(call), session, shown)
