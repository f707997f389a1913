"""What a try is answered with. Source: contract 6.5."""

import msgspec
from msgspec import UNSET

from azukari.core.errors import ApiError
from azukari.customers import store as customers
from azukari.db import Tx
from azukari.payments.views import PaymentView
from azukari.processors.base import Approved, Declined, Outcome, PartiallyPaid, Pending, Unknown
from azukari.processors.declines import DeclinedError, NoAnswer, NotSentError
from azukari.sessions.attempts import TryContext
from azukari.sessions.schemas import PayResult, TryResult, View, WideCustomer, pay_error
from azukari.sessions.store import Session
from azukari.wire import errors
from azukari.wire.answers import Done, Replay


class _Stored(msgspec.Struct):
    status: str
    redirect_url: str


async def of(
    tx: Tx, view: View, session: Session, shown: PaymentView | None, outcome: Outcome, refusal: ApiError | None
) -> Done[TryResult]:
    """By what came of it."""
    match outcome:
        case Approved() | Pending() | PartiallyPaid():
            return await result(tx, view, session, shown, outcome)
        case Declined(code):
            return failed(DeclinedError(code), outcome)
        case Unknown() if session.active_attempt is not None:
            return pending(view, session, shown)
        case Unknown():
            return failed(refusal or NoAnswer(), outcome)
        case _:
            return failed(refusal or NotSentError(), outcome)


def pending(view: View, session: Session, shown: PaymentView | None) -> Done[TryResult]:
    """Nobody knows yet: the shopper waits on the session's page."""
    return Done.of(_result(view, session, shown, view.url(session)), Unknown(), 202)


def failed(error: ApiError, outcome: Outcome | None = None) -> Done[TryResult]:
    """Report a try that failed, or that was refused before anything was sent."""
    return Done(error, outcome, pay_error(error))


def replayed(replay: Replay) -> Done[TryResult]:
    """Read what an earlier try with the same key came to; its stored answer is all there is."""
    error = errors.read(replay.answer)
    if error is not None:
        return Done(error, None, replay.answer)
    stored = replay.read(_Stored)
    return Done(PayResult(stored.status, stored.redirect_url, None), None, replay.answer)


async def result(
    tx: Tx, view: View, session: Session, shown: PaymentView | None, outcome: Outcome | None = None
) -> Done[TryResult]:
    """How a session stands, and where its shopper goes next."""
    out = _result(view, session, shown, next_of(view, session, shown) or view.url(session))
    if session.status == "completed" and session.customer_id is not None:
        customer = await customers.find(tx, session.owner, session.customer_id)
        if customer is not None:
            out.customer = WideCustomer.of(
                customer, session, updated_at=session.completed_at or session.created_at, secret=view.secret
            )
    return Done.of(out, outcome)


def next_of(view: View, session: Session, shown: PaymentView | None) -> str | None:
    """Where a shopper goes who has done what there was to do here; None: nowhere, there is more to do."""
    if session.status == "completed":
        return (view.instructions(shown) if shown is not None else None) or view.way_back(session)
    if session.waiting_attempt is not None:
        return TryContext.of(session.trying).redirect_url
    return None


def _result(view: View, session: Session, shown: PaymentView | None, url: str) -> PayResult:
    return PayResult(session.status, url, None, UNSET if shown is None else view.payment(shown))
