"""Going on with a session whose shopper has come back: from the issuer's page, or from a method's own."""

from azukari.attempts.store import Attempt
from azukari.processors.declines import DeclinedError
from azukari.sessions import authentication, pending, responses
from azukari.sessions import pay as session_pay
from azukari.sessions.attempts import Try, TryContext
from azukari.sessions.queries import view_of
from azukari.sessions.schemas import PayResult, TryResult
from azukari.wire.answers import Done
from azukari.wire.call import Call


async def resume(call: Call, session_id: str) -> Done[TryResult]:
    """Finish what can be finished; answers and raises what :func:`~azukari.sessions.pay.pay` does.

    Nothing to finish: the session as it stands, ``pending``, with the way to what it waits for, or to its own page.
    """
    decided = await pending.ask(call.services, call.owner, session_id, by_shopper=True)
    looked = await call.db.read(view_of, call.owner, session_id)
    session, view = looked.session, session_pay.view_of(call)
    if session.status == "completed":
        return await call.db.read(responses.result, view, session, looked.payment)
    if session.active_attempt is not None:
        return responses.pending(view, session, looked.payment)
    _tell(decided)
    session_pay.refuse(session, call.now)
    if session.authenticating:
        demand = await session_pay.demand_of(call, asks=True)
        shopper = await authentication.go_on(call, session, demand)
        if isinstance(shopper, PayResult):
            return Done.of(shopper)
        wanted = Try(shopper, locale=TryContext.of(session.trying).locale)
        return await session_pay.attempt(call, session, wanted, demand)
    return await call.db.read(responses.result, view, session, looked.payment)


def _tell(decided: Attempt | None) -> None:
    """Raises DeclinedError: the shopper, or the wallet, has said no just now."""
    if decided is not None and decided.state == "declined":
        raise DeclinedError(decided.code or "")
