"""What came of a session's try: its payment's new state, its customer's details and its own, in one unit (T3).

The caller and the resolver write through the same unit; the attempt's fence lets one of them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from azukari.core.errors import ApiError, NotFound
from azukari.customers import service as customers
from azukari.customers import store as customer_store
from azukari.customers.schemas import CustomerWrite
from azukari.customers.store import Customer
from azukari.db import Tx, persevere
from azukari.payments import outcomes
from azukari.payments.outcomes import Shown
from azukari.processors import attempts
from azukari.processors.attempts import Attempt
from azukari.processors.base import Approved, Consent, DeclinedBy, NotDone, Outcome, Unsettled
from azukari.processors.declines import Declined, NoAnswer, NotSentAnswer
from azukari.sessions import store
from azukari.sessions.schemas import PayResult, View, WideCustomer, pay_error
from azukari.sessions.store import Session
from azukari.sessions.tries import Trying
from azukari.tokens import given as tokens
from azukari.tokens import store as token_store
from azukari.tokens.given import Card
from azukari.vault import EntryGone, Vault
from azukari.web import idempotency
from azukari.web.answers import Answer
from azukari.wiring import Parts


async def customer_of(tx: Tx, session: Session) -> Customer | None:
    """The customer whose details a session keeps; None: it is gone, or nothing is kept."""
    if session.customer_id is None:
        return None
    try:
        return await customer_store.get(tx, session.owner, session.customer_id)
    except NotFound:
        return None


@dataclass(frozen=True, slots=True)
class Ending:
    """event_ids: of the payment's events. customer_event_id: of the customer's. again_at: when to ask again."""

    event_ids: tuple[str, ...]
    customer_event_id: str
    now: int
    again_at: int | None


class _Ended(NamedTuple):
    """unneeded: entries of the vault that nobody needs any more."""

    answer: Answer
    unneeded: tuple[str, ...] = ()


async def finish(
    parts: Parts, attempt: Attempt, outcome: Outcome, view: View, ending: Ending, refusal: ApiError | None = None
) -> Answer:
    ended = await persevere(parts.db, record_try, attempt, outcome, parts.vault, view, ending, refusal)
    for entry_id in ended.unneeded:
        await parts.vault.shred(attempt.owner, entry_id)
    return ended.answer


async def record_try(
    tx: Tx, attempt: Attempt, outcome: Outcome, vault: Vault, view: View, ending: Ending, refusal: ApiError | None
) -> _Ended:
    """T3: write down what a try came to, to payment, customer and session. Raises Locked: read anew and try again."""
    owner = attempt.owner
    session = await store.get(tx, owner, attempt.session_id or "")
    trying = Trying.of(session.trying)
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
    tx: Tx, attempt: Attempt, outcome: Outcome, ending: Ending
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
    ending: Ending,
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
            return pending(view, session, shown)


def pending(view: View, session: Session, shown: Shown | None) -> Answer:
    """Nobody knows yet: the shopper waits on the session's page."""
    return Answer.of(_result(view, session, shown, view.url(session)), 202)


def open_result(view: View, session: Session, shown: Shown | None) -> Answer:
    """Nothing has come of it yet, and nothing is under way: the shopper chooses on the session's page."""
    return Answer.of(_result(view, session, shown, view.url(session)))


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
        await finish(parts, attempt, NotDone(), view, Ending((), parts.ids.new(), parts.clock.now(), None))
        return
    asked = await outcomes.ask(parts, attempt)
    if asked is not None:
        ending = Ending(asked.event_ids, parts.ids.new(), asked.now, asked.again_at)
        await finish(parts, attempt, asked.outcome, view, ending)
