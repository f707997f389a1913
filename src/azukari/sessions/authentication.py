"""3-D Secure in a session: the shopper behind a card is authenticated before it is tried, where that is demanded."""

from azukari.core.errors import Locked
from azukari.db import Owner, Tx, retry_on_conflict
from azukari.secure_tokens import service as secure_tokens
from azukari.secure_tokens.errors import UnsupportedCardBrand
from azukari.secure_tokens.schemas import SecureTokenOut
from azukari.sessions import attempts as tries
from azukari.sessions import store
from azukari.sessions.attempts import Try, TryContext
from azukari.sessions.demands import Demand
from azukari.sessions.errors import NotAuthenticated
from azukari.sessions.queries import pending_of
from azukari.sessions.schemas import PayResult, SessionMethod, View
from azukari.sessions.store import Session
from azukari.tokens.sources import PaymentSource
from azukari.wire.call import Call


async def begin(
    call: Call, session: Session, wanted: Try, method: SessionMethod, view: View, demand: Demand
) -> PaymentSource | PayResult:
    """Ask the card's issuer. What the try goes on with, or the result that sends the shopper to the issuer's page.

    Raises NotAuthenticated (counted like a declined try), Locked (the same is being asked this moment, or another try
    has begun).
    """
    try:
        token = await secure_tokens.begin_for_session(
            call,
            wanted.source,
            amount=method.amount or 0,
            currency=method.currency or session.currency,
            return_url=wanted.back_to(view.url(session)),
            made_for=f"{session.id}:{call.idempotency_key or call.request_id}",
            without=demand.goes_on_without,
        )
    except UnsupportedCardBrand:
        if not demand.goes_on_without:
            raise NotAuthenticated from None
        return wanted.source  # nobody can authenticate it
    await retry_on_conflict(call.db, note_token, call.owner, session.id, token.id, wanted, call.now)
    return await _act_on(call, session, token, demand)


async def go_on(call: Call, session: Session, demand: Demand) -> PaymentSource | PayResult:
    """The same for a shopper who may be back from the issuer's page."""
    token = await secure_tokens.show(call.services, call.owner, session.secure_token_id or "")
    return await _act_on(call, session, token, demand)


async def _act_on(call: Call, session: Session, token: SecureTokenOut, demand: Demand) -> PaymentSource | PayResult:
    match token.verification_status:
        case "OK" | "SKIPPED" as status if demand.takes(status):
            return token.id
        case "NEEDS_VERIFY" if token.authentication_url is not None:
            return PayResult(session.status, token.authentication_url, None)
        case "CREATED":
            raise Locked
        case _:
            await call.db.write(count_refusal, call.owner, session.id, token.id)
            raise NotAuthenticated


async def note_token(tx: Tx, owner: Owner, session_id: str, token_id: str, wanted: Try, now: int) -> None:
    """The session waits for what comes of this token. Raises Locked: another try has begun while it was made."""
    session = await store.get(tx, owner, session_id)
    if session.secure_token_id == token_id:
        return  # the same, pressed twice
    if await pending_of(tx, session) is not None or not await store.authenticate(
        tx,
        session,
        token_id,
        trying=TryContext(locale=wanted.locale).encoded(),
        consent=tries.encoded(wanted.consent),
        now=now,
    ):
        raise Locked


async def count_refusal(tx: Tx, owner: Owner, session_id: str, token_id: str) -> None:
    """The issuer said no: once, however often that is read."""
    await store.not_authenticated(tx, owner, session_id, token_id)
