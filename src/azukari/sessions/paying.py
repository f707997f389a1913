"""Paying a session: one try at a time, written down before it is made, and never made twice.

A try is a payment of its own, or a check of the details where nothing is paid. The session's row is the place one try
may hold; what comes of it is written to payment, customer and session in one unit.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from azukari.core import log
from azukari.core.errors import ApiError, Locked, Unavailable
from azukari.db import Owner, Tx
from azukari.payments import store as payments
from azukari.payments.outcomes import Shown
from azukari.payments.schemas import CardOut, More
from azukari.payments.store import Payment
from azukari.processors import attempts, machine
from azukari.processors.attempts import Attempt
from azukari.processors.base import Consent, NotDone, Outcome
from azukari.processors.methods import CREDIT_CARD
from azukari.processors.registry import Processors
from azukari.sessions import authenticating, recording, store, tries
from azukari.sessions.errors import Cancelled, Completed, CustomerGone, Expired, NotOffered, OrderNumTaken, TooManyTries
from azukari.sessions.recording import Ending
from azukari.sessions.schemas import (
    PaymentData,
    SessionMethod,
    SessionPay,
    View,
    methods_of,
    payment_data_of,
)
from azukari.sessions.store import Session
from azukari.sessions.tries import Try, Trying
from azukari.tokens import given as tokens
from azukari.tokens.given import Card
from azukari.vault import PaymentDetails, SealedEntry, Vault
from azukari.web import idempotency
from azukari.web.answers import Answer, Replay
from azukari.web.call import Call
from azukari.web.idempotency import Claim, idempotent
from azukari.wiring import Parts


class FromPage(NamedTuple):
    """A try from our own page, which has raw cards authenticated. consent: to keeping the details."""

    consent: Consent | None = None


class _Unauthenticated(ApiError):
    """A raw card from our own page: the shopper is asked first. Nobody is ever told so."""


async def pay(call: Call, session_id: str, order: SessionPay, *, page: FromPage | None = None) -> Answer:
    """Pay a session, or store details with it; what is given may be a card, a token, or details of another type.

    Answers 200 with what has to be done next, 202 while the outcome is not known, or the decline.
    Raises NotFound, Completed, Cancelled, Expired, TooManyTries, Locked (another try is in flight), NotOffered,
    NotAuthenticated, InvalidToken, and what is wrong with the details. Source: contract 6.5.
    """
    session = await call.db.read(store.get, call.owner, session_id)
    # Whether money is only held is the merchant's choice, not the shopper's browser's.
    capture = order.capture_word() if call.key.is_secret else None
    wanted = Try(tokens.read(order.payment_details, call.now), capture, order.locale(), page and page.consent)
    try:
        return await attempt(call, session, wanted, authenticated=page is None)
    except _Unauthenticated:
        shopper = await authenticating.begin(call, session, wanted, offered(session, CREDIT_CARD), view_of(call))
    if isinstance(shopper, Answer):
        return shopper
    return await attempt(call, session, wanted._replace(given=shopper), authenticated=True)


def view_of(call: Call) -> View:
    """Who looks."""
    return View(call.parts.settings.base_url, call.key.is_secret, call.api_version)


async def attempt(call: Call, session: Session, wanted: Try, *, authenticated: bool) -> Answer:
    """One try. authenticated: nobody need ask the shopper any more; else raises :class:`_Unauthenticated`."""
    await call.vault.ready(call.owner)
    # The key of details that are to be kept is durable before they are.
    sealed = None
    if authenticated and session.keeps_details and isinstance(wanted.given, PaymentDetails):
        sealed = await call.vault.seal(call.owner, wanted.given)
    plan = _plan(call, wanted, sealed, authenticated)
    try:
        # Write down what we are about to do: a crash below leaves an attempt to settle.
        ready = await call.db.write(begin, call.claim, call.owner, call.vault, session.id, plan)
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
    wanted: Try
    sealed: SealedEntry | None
    authenticated: bool
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


def _plan(call: Call, wanted: Try, sealed: SealedEntry | None, authenticated: bool) -> _Plan:
    planned = attempts.plan(
        call.parts.ids, call.owner, None, "verify", 0, "", now=call.now, api_version=call.api_version,
        state="prepared" if tokens.needs_two_steps(wanted.given) else "sent", payment_id=call.new_id(),
        orders=call.orders.encoded(), idempotency_key=call.idempotency_key,
    )  # fmt: skip
    return _Plan(planned, wanted, sealed, authenticated, call.key.id, view_of(call), call.parts.processors)


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
    card = await _look(tx, vault, session, plan)
    method = offered(session, card.use.masked.type)
    attempt = _attempt(plan, session, method)
    shown = None if session.kind == "customer" else Shown(_payment(plan, session, method, card, attempt), [])
    if session.order_num is not None and await payments.order_num_taken(tx, owner, session.order_num):
        raise OrderNumTaken
    await idempotency.take(
        tx, owner, claim, None if shown is None else lambda: recording.pending(plan.view, session, shown)
    )  # fmt: skip
    if not await store.hold(
        tx, owner, session_id, attempt.id, payment_id=attempt.payment_id, trying=_trying(plan, card).encoded(),
        consent=tries.encoded(plan.wanted.consent), now=now,
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


async def _look(tx: Tx, vault: Vault, session: Session, plan: _Plan) -> Card:
    """The details to be tried. Reads only."""
    given, now = plan.wanted.given, plan.attempt.created_at
    if session.keeps_details and await recording.customer_of(tx, session) is None:
        raise CustomerGone
    if isinstance(given, PaymentDetails) and not plan.authenticated:
        offered(session, given.type)
        raise _Unauthenticated
    # A secure token is good for one amount, and it is always about a card.
    cards = find_offered(session, CREDIT_CARD)
    total = None if session.kind == "customer" or cards is None else total_of(cards)
    return await tokens.look(tx, vault, session.owner, given, now, session.currency, total=total)


def _trying(plan: _Plan, card: Card) -> Trying:
    entry_id = plan.sealed.id if plan.sealed else card.use.entry_id or None
    return Trying(
        secret=plan.view.secret, entry_id=entry_id, token_id=card.token.id if card.token else None, email=card.email
    )


def find_offered(session: Session, type: str) -> SessionMethod | None:
    """The session's own entry for a type."""
    return next((method for method in methods_of(session.methods) if method.type == type), None)


def offered(session: Session, type: str) -> SessionMethod:
    """:func:`find_offered`. Raises NotOffered."""
    method = find_offered(session, type)
    if method is None:
        raise NotOffered
    return method


def total_of(method: SessionMethod) -> int:
    """What is paid, the method's fee included; 0 where nothing is."""
    return (method.amount or 0) + (method.customer_fee or 0)


def _attempt(plan: _Plan, session: Session, method: SessionMethod) -> Attempt:
    """The try's attempt, with what the session says. Raises NoProcessor."""
    ordered = machine.orders_of(plan.attempt)
    if session.scenario is not None:
        ordered = msgspec.structs.replace(ordered, scenario=session.scenario)
    attempt = msgspec.structs.replace(
        attempts.assign(plan.attempt, plan.processors.pick(session.owner, method.type)),
        orders=ordered.encoded(), session_id=session.id, currency=method.currency or session.currency,
    )  # fmt: skip
    if session.kind == "customer":
        return msgspec.structs.replace(attempt, kind="verify", payment_id=None, customer_id=session.customer_id)
    held = (plan.wanted.capture or _data(session).capture) == "manual"
    return msgspec.structs.replace(attempt, kind="authorize" if held else "sale", amount=total_of(method))


def _data(session: Session) -> PaymentData:
    return PaymentData() if session.payment_data is None else payment_data_of(session.payment_data)


def _payment(plan: _Plan, session: Session, method: SessionMethod, card: Card, attempt: Attempt) -> Payment:
    data, fee = _data(session), method.customer_fee or 0
    names = plan.wanted.given if isinstance(plan.wanted.given, PaymentDetails) else None
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
        locale=plan.wanted.locale or session.locale,
        more=None if more == More() else msgspec.json.encode(more).decode(), processor=attempt.processor,
        processor_ref=None, active_attempt=attempt.id, version=1, deadline=None, captured_at=None,
        created_at=attempt.created_at,
    )  # fmt: skip


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
        return recording.pending(ready.view, ready.session, ready.shown)
    except Exception as error:
        log.bug("session.outcome_not_written", error, payment=attempt.payment_id, attempt=attempt.id)
        return recording.pending(ready.view, ready.session, ready.shown)
    return answer


async def _write(parts: Parts, ready: _Ready, outcome: Outcome, refusal: ApiError | None) -> Answer:
    processor, now = parts.processors.named(ready.attempt.processor), parts.clock.now()
    again_at = None if processor is None else machine.ask_again_at(processor, ready.attempt, now)
    ending = Ending((parts.ids.new(),), parts.ids.new(), now, again_at)
    return await recording.finish(parts, ready.attempt, outcome, ready.view, ending, refusal)
