"""What came of a session's try: its payment's new state, its customer's details and its own, in one unit (T3).

The caller, the resolver and whoever asks after a payment that waits write through the same unit; the attempt's fence
lets one of them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.clock import Moment
from azukari.core.errors import ApiError, InvalidToken, Locked, NotFound
from azukari.customers import service as customers
from azukari.customers import store as customer_store
from azukari.customers.service import SavedDetails
from azukari.customers.store import Customer
from azukari.db import Tx, retry_on_conflict
from azukari.payments import reconcile, record
from azukari.payments.transitions import context_of
from azukari.payments.views import PaymentView
from azukari.processors.base import Approved, Consent, Declined, NotSent, Outcome, PartiallyPaid, Pending, Unknown
from azukari.sessions import responses, store
from azukari.sessions.attempts import TryContext
from azukari.sessions.schemas import TryResult, View
from azukari.sessions.store import Session
from azukari.tokens import send as sending
from azukari.tokens import store as token_store
from azukari.tokens.sources import CardSource
from azukari.vault import EntryGone, SealedEntry, Vault
from azukari.wire import idempotency
from azukari.wire.answers import Done
from azukari.wiring import Services


@dataclass(frozen=True, slots=True)
class RecordContext:
    """event_ids: of the payment's events. customer_event_id: of the customer's. again_at: when to ask again.

    agreement: a wallet's, sealed, where the shopper has given one.
    """

    event_ids: tuple[str, ...]
    customer_event_id: str
    at: Moment
    again_at: int | None
    agreement: SealedEntry | None = None


class RecordResult(NamedTuple):
    """unneeded: entries of the vault that nobody needs any more."""

    done: Done[TryResult | PaymentView]
    unneeded: tuple[str, ...] = ()


async def reconcile_try(services: Services, attempt: Attempt) -> None:
    """Find out what became of a try whose owner died or got no answer, or that waits for its shopper."""
    if attempt.kind != "verify":
        await reconcile.reconcile(services, attempt)
        return
    # Nobody need ask what became of a check that gave no answer: it moved nothing.
    if attempt.state == "prepared":
        await sending.drop_value(services, attempt)
    await write(services, attempt, NotSent(), (), await services.moment_of(attempt.owner), None, None)


async def write(
    services: Services,
    attempt: Attempt,
    outcome: Outcome,
    event_ids: tuple[str, ...],
    at: Moment,
    again_at: int | None,
    refusal: ApiError | None,
) -> Done[TryResult | PaymentView]:
    """Run the unit that records a try, and see to what it leaves behind."""
    sealed = None
    if isinstance(outcome, Approved) and outcome.agreement is not None and attempt.method is not None:
        # The key of an agreement is durable before the agreement is.
        sealed = await services.vault.seal_agreement(attempt.owner, attempt.method, outcome.agreement)
    ending = RecordContext(event_ids, services.ids.new(), at, again_at, sealed)
    view = View(services.settings.base_url, False, attempt.api_version)
    ended = await retry_on_conflict(services.db, record_try, attempt, outcome, services.vault, view, ending, refusal)
    for entry_id in ended.unneeded:
        await services.vault.shred(attempt.owner, entry_id)
    return ended.done


async def record_try(
    tx: Tx,
    attempt: Attempt,
    outcome: Outcome,
    vault: Vault,
    view: View,
    ending: RecordContext,
    refusal: ApiError | None,
) -> RecordResult:
    """T3: write down what a try came to, to payment, customer and session. Raises Locked: read anew and try again."""
    session = await store.get(tx, attempt.owner, attempt.session_id or "")
    # One more prepaid card goes on with the try that was short of money.
    holder = context_of(attempt).waiting if attempt.kind == "top_up" else attempt.id
    holds = session.status == "pending" and holder in (session.active_attempt, session.waiting_attempt)
    trying = TryContext.of(session.trying) if holds else TryContext()
    # Whoever ends it, the answer that is kept is the one for the key that began it.
    by_session = context_of(attempt).by_session
    view = msgspec.structs.replace(view, secret=trying.secret if by_session is None else by_session)
    kept = await _keeping(tx, vault, attempt, session, trying, outcome, ending)

    held, shown = await _record_first(tx, attempt, outcome, ending)
    if not held:
        known = await record.known_outcome(tx, attempt)
        unneeded = () if ending.agreement is None else (ending.agreement.id,)
        return RecordResult(await _done(tx, view, session, shown, attempt, known, refusal), unneeded)
    moved = _Moved(session)
    if holds and holder is not None:
        moved = await _move(tx, vault, session, holder, trying, attempt, outcome, kept, shown, ending)
    done = await _done(tx, view, moved.session, shown, attempt, outcome, refusal)
    final = attempt.kind == "verify" or not isinstance(outcome, Unknown)
    await idempotency.store_response(tx, attempt.owner, attempt.idempotency_key, done.answer, final=final)
    return RecordResult(done, moved.unneeded)


async def _done(
    tx: Tx,
    view: View,
    session: Session,
    shown: PaymentView | None,
    attempt: Attempt,
    outcome: Outcome,
    refusal: ApiError | None,
) -> Done[Any]:
    if attempt.kind != "top_up" or shown is None:
        return await responses.of(tx, view, session, shown, outcome, refusal)
    if context_of(attempt).by_session is None:
        return Done(shown, outcome, record.answer_of(outcome, shown.encoded(attempt.api_version), refusal))
    if isinstance(outcome, Unknown):
        return responses.pending(view, session, shown)
    return await responses.of(tx, view, session, shown, outcome, refusal)


async def _record_first(
    tx: Tx, attempt: Attempt, outcome: Outcome, ending: RecordContext
) -> tuple[bool, PaymentView | None]:
    """The attempt, and its payment where it has one; whether it was ours to end."""
    if attempt.payment_id is not None:
        return await record.apply_to_payment(tx, attempt, outcome, ending.event_ids, ending.at, ending.again_at)
    if attempt.kind == "verify" and not isinstance(outcome, Approved | Declined):
        outcome = NotSent()
    if attempt.state == "waiting" and isinstance(outcome, Pending | Unknown):
        await attempts.wait_on(tx, attempt, ending.again_at, ending.at.system_now)
        return False, None
    held = await attempts.finish(tx, attempt, outcome, ending.at.system_now, ending.again_at)
    if not held and isinstance(outcome, Approved | Pending) and attempt.kind != "verify":
        await attempts.undo(tx, attempt, outcome.processor_ref, ending.at.system_now)
    return held, None


class _Moved(NamedTuple):
    session: Session
    unneeded: tuple[str, ...] = ()


async def _move(
    tx: Tx,
    vault: Vault,
    session: Session,
    holder: str,
    trying: TryContext,
    attempt: Attempt,
    outcome: Outcome,
    kept: SavedDetails | None,
    shown: PaymentView | None,
    ending: RecordContext,
) -> _Moved:
    """The session's move, and its customer's. Raises Locked: somebody else has moved it this moment."""
    owner, after = session.owner, None
    unneeded: tuple[str, ...] = ()
    match outcome:
        case Unknown() if attempt.kind != "verify":
            return _Moved(session)
        case Pending() | PartiallyPaid() if shown is not None and shown.payment.status == "authorized":
            # Paid at a till, some time: the shopper is done here.
            after = await store.complete(tx, owner, session.id, holder, ending.at.now)
        case PartiallyPaid() if attempt.kind == "top_up":
            return _Moved(session)
        case _ if attempt.kind == "top_up" and not isinstance(outcome, Approved):
            # The try goes on; a card that was refused counts all the same.
            if isinstance(outcome, Declined):
                await store.count_decline(tx, owner, session.id, holder)
            return _Moved(session)
        case Pending() | PartiallyPaid():
            url = outcome.redirect_url if isinstance(outcome, Pending) else None
            waiting = msgspec.structs.replace(trying, redirect_url=url)
            after = await store.wait(tx, owner, session.id, holder, waiting.encoded())
        case Approved():
            unneeded = await _keep(tx, vault, session, trying, kept, ending)
            after = await store.complete(tx, owner, session.id, holder, ending.at.now)
        case _:
            after = await store.unlock_session(tx, owner, session.id, holder, declined=isinstance(outcome, Declined))
            if trying.entry_id is not None:
                await vault.retire(tx, owner, trying.entry_id, ending.at.system_now)
                unneeded = (trying.entry_id,)
    if after is None:
        raise Locked
    return _Moved(after, unneeded)


async def customer_of(tx: Tx, session: Session) -> Customer | None:
    """The customer whose details a session keeps; None: it is gone, or nothing is kept."""
    return None if session.customer_id is None else await customer_store.find(tx, session.owner, session.customer_id)


async def _keeping(
    tx: Tx,
    vault: Vault,
    attempt: Attempt,
    session: Session,
    trying: TryContext,
    outcome: Outcome,
    ending: RecordContext,
) -> SavedDetails | None:
    """What the customer is to get. Reads only. None: nothing, or there is no customer or no details any more."""
    if not isinstance(outcome, Approved) or await customer_of(tx, session) is None:
        return None
    consent = None if session.consent is None else msgspec.json.decode(session.consent, type=Consent)
    if ending.agreement is not None:
        return SavedDetails.of_agreement(ending.agreement, outcome, attempt, ending.at.now, consent)
    if trying.entry_id is None:
        return None
    token = None
    if trying.token_id is not None:
        token = await token_store.find(tx, session.owner, trying.token_id)
        if token is None or token.swept_at is not None:
            return None
    try:
        card = CardSource(await vault.find(tx, session.owner, trying.entry_id), trying.email, token)
    except EntryGone:
        return None
    return SavedDetails.of_card(card, None, outcome, attempt, ending.at.now, consent)


async def _keep(
    tx: Tx, vault: Vault, session: Session, trying: TryContext, kept: SavedDetails | None, ending: RecordContext
) -> tuple[str, ...]:
    """The customer has its details from now on; the entries that nobody needs any more.

    Should the customer have been deleted meanwhile, what was paid is paid, and nothing is kept.
    """
    if kept is not None and session.customer_id is not None:
        try:
            replaced = await customers.save_details(
                tx,
                vault,
                session.owner,
                session.customer_id,
                kept,
                event_id=ending.customer_event_id,
                moment=ending.at,
                email=trying.email,
            )
        except (NotFound, InvalidToken):
            raise Locked from None  # customer or card went this moment: read anew, there is nothing to keep
        return () if replaced is None else (replaced,)
    if trying.entry_id is not None:
        await vault.retire(tx, session.owner, trying.entry_id, ending.at.system_now)
    agreement = None if ending.agreement is None else ending.agreement.id
    return tuple(entry_id for entry_id in (trying.entry_id, agreement) if entry_id is not None)
