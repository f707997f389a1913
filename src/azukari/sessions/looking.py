"""A session with what belongs to it."""

from dataclasses import dataclass

from azukari.db import Owner, Tx
from azukari.payments import outcomes
from azukari.payments.outcomes import Shown
from azukari.sessions import store
from azukari.sessions.store import Session
from azukari.tokens import store as tokens
from azukari.tokens.store import Token


@dataclass(frozen=True, slots=True)
class Looked:
    """payment: of the latest try. secure_token: of the latest authentication."""

    session: Session
    payment: Shown | None
    secure_token: Token | None


async def look(tx: Tx, owner: Owner, session_id: str) -> Looked:
    """The owner's session with what belongs to it. Raises NotFound."""
    session = await store.get(tx, owner, session_id)
    payment = None if session.payment_id is None else await outcomes.show(tx, owner, session.payment_id)
    token = None if session.secure_token_id is None else await tokens.find(tx, owner, session.secure_token_id)
    return Looked(session, payment, token)
