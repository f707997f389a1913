"""What a try is answered with. Source: contract 6.5."""

from msgspec import UNSET

from azukari.core.errors import ApiError
from azukari.customers import store as customers
from azukari.db import Tx
from azukari.payments.views import PaymentView
from azukari.processors.base import Approved, Declined, Outcome, PartiallyPaid, Pending, Unknown
from azukari.processors.declines import DeclinedError, NoAnswer, NotSentError
from azukari.sessions.attempts import TryContext
from azukari.sessions.schemas import PayResult, View, WideCustomer, pay_error
from azukari.sessions.store import Session
from azukari.wire.answers import Answer


async def of(
    tx: Tx, view: View, session: Session, shown: PaymentView | None, outcome: Outcome, refusal: ApiError | None
) -> Answer:
    """By what came of it."""
    match outcome:
        case Approved() | Pending() | PartiallyPaid():
            return await result(tx, view, session, shown)
        case Declined(code):
            return pay_error(DeclinedError(code))
        case Unknown() if session.active_attempt is not None:
            return pending(view, session, shown)
        case Unknown():
            return pay_error(refusal or NoAnswer())
        case _:
            return pay_error(refusal or NotSentError())


def pending(view: View, session: Session, shown: PaymentView | None) -> Answer:
    """Nobody knows yet: the shopper waits on the session's page."""
    return Answer.of(_result(view, session, shown, view.url(session)), 202)


async def result(tx: Tx, view: View, session: Session, shown: PaymentView | None) -> Answer:
    """How a session stands, and where its shopper goes next."""
    answer = _result(view, session, shown, next_of(view, session, shown) or view.url(session))
    if session.status == "completed" and session.customer_id is not None:
        customer = await customers.find(tx, session.owner, session.customer_id)
        if customer is not None:
            answer.customer = WideCustomer.of(
                customer, session, updated_at=session.completed_at or session.created_at, secret=view.secret
            )
    return Answer.of(answer)


def next_of(view: View, session: Session, shown: PaymentView | None) -> str | None:
    """Where a shopper goes who has done what there was to do here; None: nowhere, there is more to do."""
    if session.status == "completed":
        return (view.instructions(shown) if shown is not None else None) or view.way_back(session)
    if session.waiting_attempt is not None:
        return TryContext.of(session.trying).redirect_url
    return None


def _result(view: View, session: Session, shown: PaymentView | None, url: str) -> PayResult:
    return PayResult(session.status, url, None, UNSET if shown is None else view.payment(shown))
