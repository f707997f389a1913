"""A session with what belongs to it."""

from dataclasses import dataclass

from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.db import Owner, Tx
from azukari.payments import views
from azukari.payments.views import PaymentView
from azukari.sessions import store
from azukari.sessions.store import Session
from azukari.tokens import store as tokens
from azukari.tokens.store import Token


@dataclass(frozen=True, slots=True)
class SessionView:
    """payment: of the latest try. secure_token: of the latest authentication.

    waiting: the try whose shopper has to act elsewhere, while there is such a one.
    """

    session: Session
    payment: PaymentView | None = None
    secure_token: Token | None = None
    waiting: Attempt | None = None


async def view_of(tx: Tx, owner: Owner, session_id: str) -> SessionView:
    """The owner's session with what belongs to it. Raises NotFound."""
    session = await store.get(tx, owner, session_id)
    payment = None if session.payment_id is None else await views.show(tx, owner, session.payment_id)
    token = None if session.secure_token_id is None else await tokens.find(tx, owner, session.secure_token_id)
    return SessionView(session, payment, token, await pending_of(tx, session))


async def pending_of(tx: Tx, session: Session) -> Attempt | None:
    """The try of an open session whose shopper has to act elsewhere."""
    if session.status != "pending" or session.waiting_attempt is None:
        return None
    found = await attempts.find(tx, session.owner, session.waiting_attempt)
    return found if found is not None and found.state == "waiting" else None
