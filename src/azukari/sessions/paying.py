"""Paying a session: one try at a time, written down before it is made, and never made twice.

A try is a payment of its own, or a check of the details where nothing is paid. The session's row is the place one try
may hold; what comes of it is written to payment, customer and session in one unit.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from azukari.core import log
from azukari.core.errors import ApiError, Locked, NotFound, Unavailable
from azukari.customers import service as customers
from azukari.customers import store as customer_store
from azukari.customers.schemas import CustomerWrite
from azukari.customers.store import Customer
from azukari.db import Owner, Tx, persevere
from azukari.payments import outcomes
from azukari.payments import store as payments
from azukari.payments.outcomes import Shown
from azukari.payments.schemas import CardOut, More
from azukari.payments.store import Payment
from azukari.processors import attempts, machine
from azukari.processors.attempts import Attempt
from azukari.processors.base import Approved, Consent, DeclinedBy, NotDone, Outcome, Unsettled
from azukari.processors.declines import Declined, NoAnswer, NotSentAnswer
from azukari.processors.registry import Processors
from azukari.sessions import store
from azukari.sessions.errors import (
    Cancelled,
    Completed,
    CustomerGone,
    Expired,
    NotOffered,
    OrderNumTaken,
    TooManyTries,
)
from azukari.sessions.schemas import (
    PaymentData,
    PayResult,
    SessionMethod,
    SessionPay,
    View,
    WideCustomer,
    methods_of,
    pay_error,
    payment_data_of,
)
from azukari.sessions.store import Session
from azukari.tokens import given as tokens
from azukari.tokens import store as token_store
from azukari.tokens.given import Card, Given
from azukari.vault import EntryGone, PaymentDetails, SealedEntry, Vault
from azukari.web import idempotency
from azukari.web.answers import Answer, Replay
from azukari.web.call import Call
from azukari.web.idempotency import Claim, idempotent
from azukari.wiring import Parts


class FromPage(NamedTuple):
    """A try from our own page, which authenticates raw cards itself. consent: to keeping the details."""

    consent: Consent | None = None


class Trying(msgspec.Struct, omit_defaults=True):
    """What the end of a try needs beside its attempt.

    secret: a secret key made it. entry_id: of the details to be kept; token_id: where they come from, if from there.
    """

    secret: bool = False
    entry_id: str | None = None
    token_id: str | None = None
    email: str | None = None

    def encoded(self) -> str:
        """JSON, as the session keeps it."""
        return msgspec.json.encode(self).decode()


_trying = msgspec.json.Decoder(Trying).decode


async def pay(call: Call, session_id: str, order: SessionPay, *, page: FromPage | None = None) -> Answer:
    """Pay a session, or store details with it; what is given may be a card, a token, or details of another type.

    Answers 200 with what has to be done next, 202 while the outcome is not known, or the decline.
    Raises NotFound, Completed, Cancelled, Expired, TooManyTries, Locked (another try is in flight), NotOffered,
    InvalidToken, and what is wrong with the details. Source: contract 6.5.
    """
    session = await call.db.read(store.get, call.owner, session_id)
    capture, locale = order.capture_word(), order.locale()
    given = tokens.read(order.payment_details, call.now)
    await call.vault.ready(call.owner)
    # The key of details that are to be kept is durable before they are.
    sealed = None
    if session.keeps_details and isinstance(given, PaymentDetails):
        sealed = await call.vault.seal(call.owner, given)
    plan = _plan(call, given, sealed, capture, locale, page)
    try:
        # Write down what we are about to do: a crash below leaves an attempt to settle.
        ready = await call.db.write(begin, call.claim, call.owner, call.vault, session_id, plan)
    except (ApiError, Replay):
        if sealed is not None:
            await call.vault.shred(call.owner, sealed.id)
        raise
    # Move the money. No transaction is open: processors take seconds.
    outcome, refusal = await _send(call, ready)
    # Write down what happened, to payment, customer and session together.
    return await _conclude(call.parts, ready, outcome, refusal)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A try before its session and its details have been looked at.

    attempt: still without its kind, its amount, and who carries it out.
    """

    attempt: Attempt
    given: Given
    sealed: SealedEntry | None
    capture: str | None
    locale: str | None
    consent: Consent | None
    who: str
    view: View
    processors: Processors


@dataclass(frozen=True, slots=True)
class _Ready:
    """A try whose intent is durable: what the call needs. shown: None where nothing is paid."""

    attempt: Attempt
    card: Card
    session: Session
    shown: Shown | None
    view: View


def _plan(
    call: Call, given: Given, sealed: SealedEntry | None, capture: str | None, locale: str | None,
    page: FromPage | None,
) -> _Plan:  # fmt: skip
    attempt = attempts.plan(
        call.parts.ids, call.owner, None, "verify", 0, "", now=call.now, api_version=call.api_version,
        state="prepared" if tokens.needs_two_steps(given) else "sent", payment_id=call.new_id(),
        orders=call.orders.encoded(), idempotency_key=call.idempotency_key,
    )  # fmt: skip
    view = View(call.parts.settings.base_url, call.key.is_secret, call.api_version)
    # Whether money is only held is the merchant's choice, not the shopper's browser's.
    capture = capture if call.key.is_secret else None
    return _Plan(
        attempt, given, sealed, capture, locale, page.consent if page else None, call.key.id, view,
        call.parts.processors,
    )  # fmt: skip


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
    tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, session_id: str, plan: _Plan
) -> _Ready:  # fmt: skip
    """T1: write down a try before it is made, and take the session's one place for it."""
    now = plan.attempt.created_at
    session = await store.get(tx, owner, session_id)
    refuse(session, now)
    card = await tokens.look(tx, vault, owner, plan.given, now, session.currency)
    method = _offered(session, card.use.masked.type)
    if session.keeps_details and await customer_of(tx, session) is None:
        raise CustomerGone
    attempt = _attempt(plan, session, method)
    shown = None if session.kind == "customer" else Shown(_payment(plan, session, method, card, attempt), [])
    if session.order_num is not None and await payments.order_num_taken(tx, owner, session.order_num):
        raise OrderNumTaken
    meanwhile = None if shown is None else _pending(plan.view, session, shown)
    await idempotency.take(tx, owner, claim, None if meanwhile is None else lambda: meanwhile)
    trying = Trying(
        plan.view.secret, plan.sealed.id if plan.sealed else card.use.entry_id or None,
        card.token.id if card.token else None, card.email,
    )  # fmt: skip
    if not await store.hold(
        tx, owner, session_id, attempt.id, payment_id=attempt.payment_id, trying=trying.encoded(),
        consent=None if plan.consent is None else msgspec.json.encode(plan.consent).decode(), now=now,
    ):  # fmt: skip
        raise Locked  # somebody else was faster by a moment
    if shown is not None and not await payments.save(tx, shown.payment):
        raise OrderNumTaken
    await attempts.begin(tx, attempt)
    if plan.sealed is not None:
        await vault.add(tx, owner, plan.sealed, now)
    await tokens.spend(
        tx, vault, owner, card, by=attempt.payment_id or attempt.customer_id or "",
        why="verify" if shown is None else "charge", who=plan.who, now=now, audit_id=attempt.id,
    )  # fmt: skip
    return _Ready(attempt, card, session, shown, plan.view)


def _offered(session: Session, type: str) -> SessionMethod:
    """The session's own entry for a type. Raises NotOffered."""
    for method in methods_of(session.methods):
        if method.type == type:
            return method
    raise NotOffered


def _attempt(plan: _Plan, session: Session, method: SessionMethod) -> Attempt:
    """The try's attempt, with what the session says. Raises NoProcessor."""
    data = _data(session)
    hold = (plan.capture or data.capture) == "manual"
    ordered = machine.orders_of(plan.attempt)
    if session.scenario is not None:
        ordered = msgspec.structs.replace(ordered, scenario=session.scenario)
    attempt = msgspec.structs.replace(
        attempts.assign(plan.attempt, plan.processors.pick(session.owner, method.type)),
        orders=ordered.encoded(), session_id=session.id, currency=method.currency or session.currency,
    )  # fmt: skip
    if session.kind == "customer":
        return msgspec.structs.replace(attempt, kind="verify", payment_id=None, customer_id=session.customer_id)
    return msgspec.structs.replace(
        attempt, kind="authorize" if hold else "sale", amount=(method.amount or 0) + (method.customer_fee or 0)
    )


def _data(session: Session) -> PaymentData:
    return PaymentData() if session.payment_data is None else payment_data_of(session.payment_data)


def _payment(plan: _Plan, session: Session, method: SessionMethod, card: Card, attempt: Attempt) -> Payment:
    data, fee = _data(session), method.customer_fee or 0
    names = plan.given if isinstance(plan.given, PaymentDetails) else None
    more = More(
        customer_family_name=names.family_name if names else None,
        customer_given_name=names.given_name if names else None, mcc=data.mcc,
        statement_descriptor=data.statement_descriptor, platform_details=data.platform_details,
    )  # fmt: skip
    return Payment(
        merchant_id=session.merchant_id, mode=session.mode, id=attempt.payment_id or "", status="pending",
        amount=attempt.amount - fee, tax=0, fee=fee, total=attempt.amount, currency=attempt.currency,
        amount_captured=0, amount_refunded=0, amount_reserved=0, customer_id=session.customer_id,
        session_id=session.id, details=msgspec.json.encode(CardOut.of(card.use.masked, card.email)).decode(),
        description=None, external_order_num=session.order_num, metadata=session.metadata,
        locale=plan.locale or session.locale, more=None if more == More() else msgspec.json.encode(more).decode(),
        processor=attempt.processor, processor_ref=None, active_attempt=attempt.id, version=1, deadline=None,
        captured_at=None, created_at=attempt.created_at,
    )  # fmt: skip


async def customer_of(tx: Tx, session: Session) -> Customer | None:
    """The customer whose details a session keeps; None: it is gone, or nothing is kept."""
    if session.customer_id is None:
        return None
    try:
        return await customer_store.get(tx, session.owner, session.customer_id)
    except NotFound:
        return None


async def _send(call: Call, ready: _Ready) -> tuple[Outcome, ApiError | None]:
    processor = call.parts.processors.named(ready.attempt.processor)
    assert processor is not None  # the intent would not have been written
    try:
        return await tokens.send(call.parts, processor, ready.attempt, ready.card), None
    except tokens.NotBegun as ended:
        return NotDone(), ended.refusal


async def _conclude(parts: Parts, ready: _Ready, outcome: Outcome, refusal: ApiError | None) -> Answer:
    """Write the outcome down. Should that fail, all we know for certain is that the try was begun."""
    attempt, fault = ready.attempt, machine.orders_of(ready.attempt).fault or parts.settings.simulator_fault
    try:
        answer = await _write(parts, ready, outcome, refusal)
        if fault == "duplicate_reply":
            answer = await _write(parts, ready, outcome, refusal)
    except Unavailable:
        log.warning("session.outcome_not_written", payment=attempt.payment_id, attempt=attempt.id)
        return _pending(ready.view, ready.session, ready.shown)
    except Exception as error:
        log.bug("session.outcome_not_written", error, payment=attempt.payment_id, attempt=attempt.id)
        return _pending(ready.view, ready.session, ready.shown)
    return answer


async def _write(parts: Parts, ready: _Ready, outcome: Outcome, refusal: ApiError | None) -> Answer:
    processor, now = parts.processors.named(ready.attempt.processor), parts.clock.now()
    again_at = None if processor is None else machine.ask_again_at(processor, ready.attempt, now)
    ending = _Ending((parts.ids.new(),), parts.ids.new(), now, again_at)
    return await _finish(parts, ready.attempt, outcome, ready.view, ending, refusal)


@dataclass(frozen=True, slots=True)
class _Ending:
    """event_ids: of the payment's events. customer_event_id: of the customer's. again_at: when to ask again."""

    event_ids: tuple[str, ...]
    customer_event_id: str
    now: int
    again_at: int | None


class _Ended(NamedTuple):
    """unneeded: entries of the vault that nobody needs any more."""

    answer: Answer
    unneeded: tuple[str, ...] = ()


async def _finish(
    parts: Parts, attempt: Attempt, outcome: Outcome, view: View, ending: _Ending, refusal: ApiError | None = None
) -> Answer:
    ended = await persevere(parts.db, record_try, attempt, outcome, parts.vault, view, ending, refusal)
    for entry_id in ended.unneeded:
        await parts.vault.shred(attempt.owner, entry_id)
    return ended.answer


async def record_try(
    tx: Tx, attempt: Attempt, outcome: Outcome, vault: Vault, view: View, ending: _Ending, refusal: ApiError | None
) -> _Ended:
    """T3: write down what a try came to, to payment, customer and session. Raises Locked: read anew and try again."""
    owner = attempt.owner
    session = await store.get(tx, owner, attempt.session_id or "")
    trying = Trying() if session.trying is None else _trying(session.trying)
    # Whoever ends it, the answer that is kept is the one for the key that began it.
    view = msgspec.structs.replace(view, secret=view.secret or trying.secret)
    change = await _change(tx, vault, attempt, session, trying) if isinstance(outcome, Approved) else None

    held, shown = await _record_first(tx, attempt, outcome, ending)
    if not held:
        known = await outcomes.known_outcome(tx, attempt)
        return _Ended(await _answer(tx, view, session, shown, known, refusal))
    unneeded: tuple[str, ...] = ()
    if isinstance(outcome, Approved):
        unneeded = await _keep(tx, vault, session, trying, outcome, change, ending)
        session = await _completed(tx, session, attempt, ending.now)
    elif attempt.kind == "verify" or not isinstance(outcome, Unsettled):
        session = await _let_go(tx, session, attempt, declined=isinstance(outcome, DeclinedBy))
        if trying.entry_id is not None:
            await vault.retire(tx, owner, trying.entry_id, ending.now)
            unneeded = (trying.entry_id,)
    answer = await _answer(tx, view, session, shown, outcome, refusal)
    final = attempt.kind == "verify" or not isinstance(outcome, Unsettled)
    await idempotency.settle(tx, owner, attempt.idempotency_key, answer, final=final)
    return _Ended(answer, unneeded)


async def _record_first(
    tx: Tx, attempt: Attempt, outcome: Outcome, ending: _Ending
) -> tuple[bool, Shown | None]:  # fmt: skip
    """The attempt and its payment; whether they were ours to write."""
    if attempt.kind == "verify":
        # Nobody need ask what became of a check that gave no answer: it moved nothing.
        done = outcome if isinstance(outcome, Approved | DeclinedBy) else NotDone()
        return await attempts.finish(tx, attempt, done, ending.now), None
    recorded = await outcomes.record(tx, attempt, outcome, ending.event_ids, ending.now, ending.again_at)
    return recorded.held, recorded.shown


async def _completed(tx: Tx, session: Session, attempt: Attempt, now: int) -> Session:
    completed = await store.complete(tx, session.owner, session.id, attempt.id, now)
    if completed is None:
        raise NotMovable(session.id)
    return completed


async def _let_go(tx: Tx, session: Session, attempt: Attempt, *, declined: bool) -> Session:
    freed = await store.let_go(tx, session.owner, session.id, attempt.id, declined=declined)
    if freed is None:
        raise NotMovable(session.id)
    return freed


class NotMovable(RuntimeError):
    """A session is not in the state its try found it in."""


async def _change(
    tx: Tx, vault: Vault, attempt: Attempt, session: Session, trying: Trying
) -> customers.Change | None:  # fmt: skip
    """What the customer is to get; None: there is no customer any more, or no details."""
    customer = await customer_of(tx, session)
    if customer is None or trying.entry_id is None:
        return None
    token = None
    if trying.token_id is not None:
        token = await token_store.find(tx, session.owner, trying.token_id)
        if token is None or token.swept_at is not None:
            return None
    try:
        card = Card(await vault.find(tx, session.owner, trying.entry_id), trying.email, token)
    except EntryGone:
        return None
    write = CustomerWrite() if customer.email or not trying.email else CustomerWrite(email=trying.email)
    consent = None if session.consent is None else msgspec.json.decode(session.consent, type=Consent)
    return customers.Change(attempt, customer, False, write, card, None, consent)


async def _keep(
    tx: Tx, vault: Vault, session: Session, trying: Trying, outcome: Approved, change: customers.Change | None,
    ending: _Ending,
) -> tuple[str, ...]:  # fmt: skip
    """The customer has its details from now on; the entries that nobody needs any more.

    Should the customer have been deleted meanwhile, what was paid is paid, and nothing is kept.
    """
    if not session.keeps_details:
        return ()
    if change is not None:
        words = customers.Words(vault, "session", ending.customer_event_id, ending.now, False)
        customer, replaced = await customers.with_card(tx, outcome, change, words)
        await customers.report(tx, "customer.updated", customer, words)
        return () if replaced is None else (replaced,)
    if trying.entry_id is None:
        return ()
    await vault.retire(tx, session.owner, trying.entry_id, ending.now)
    return (trying.entry_id,)


async def _answer(
    tx: Tx, view: View, session: Session, shown: Shown | None, outcome: Outcome, refusal: ApiError | None
) -> Answer:
    """What a try is answered with, by what came of it."""
    match outcome:
        case Approved():
            return await result(tx, view, session, shown)
        case DeclinedBy(code):
            return pay_error(Declined(code))
        case NotDone():
            return pay_error(refusal or NotSentAnswer())
        case _ if shown is None:
            return pay_error(refusal or NoAnswer())
        case _:
            return _pending(view, session, shown)


def _pending(view: View, session: Session, shown: Shown | None) -> Answer:
    """Nobody knows yet: the shopper waits on the session's page."""
    return Answer.of(_result(view, session, shown, view.url(session)), 202)


async def result(tx: Tx, view: View, session: Session, shown: Shown | None) -> Answer:
    """What a session has come to. Source: contract 6.5."""
    customer = await customer_of(tx, session) if session.status == "completed" else None
    answer = _result(view, session, shown, view.way_back(session))
    if customer is not None:
        answer.customer = WideCustomer.of(
            customer, session, updated_at=session.completed_at or session.created_at, secret=view.secret
        )  # fmt: skip
    return Answer.of(answer)


def _result(view: View, session: Session, shown: Shown | None, url: str) -> PayResult:
    return PayResult(session.status, url, None, UNSET if shown is None else view.payment(shown))


async def settle(parts: Parts, attempt: Attempt) -> None:
    """Find out what became of a try whose owner died or got no answer."""
    view = View(parts.settings.base_url, False, attempt.api_version)
    if attempt.kind == "verify":
        if attempt.state == "prepared":
            await tokens.drop_value(parts, attempt)
        await _finish(parts, attempt, NotDone(), view, _Ending((), parts.ids.new(), parts.clock.now(), None))
        return
    asked = await outcomes.ask(parts, attempt)
    if asked is not None:
        ending = _Ending(asked.event_ids, parts.ids.new(), asked.now, asked.again_at)
        await _finish(parts, attempt, asked.outcome, view, ending)


async def end_waiting(call: Call, session_id: str) -> None:
    """Cancel a try that waits for its shopper elsewhere. Raises NotFound."""
    await call.db.read(store.get, call.owner, session_id)
