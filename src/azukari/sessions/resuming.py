"""Going on with a session whose shopper has come back: from the issuer's page, or from a method's own."""

from azukari.sessions import authenticating, paying, recording
from azukari.sessions.looking import look
from azukari.sessions.tries import Try, Trying
from azukari.web.answers import Answer
from azukari.web.call import Call


async def resume(call: Call, session_id: str) -> Answer:
    """Finish what can be finished; answers and raises what :func:`~azukari.sessions.paying.pay` does.

    Nothing to finish: the session as it stands, ``pending``, and its own page as the way to go.
    """
    whole = await call.db.read(look, call.owner, session_id)
    session, view = whole.session, paying.view_of(call)
    if session.status == "completed":
        return await call.db.read(recording.result, view, session, whole.payment)
    if session.active_attempt is not None:
        return recording.pending(view, session, whole.payment)
    paying.refuse(session, call.now)
    if session.authenticating:
        shopper = await authenticating.go_on(call, session)
        if isinstance(shopper, Answer):
            return shopper
        wanted = Try(shopper, locale=Trying.of(session.trying).locale)
        return await paying.attempt(call, session, wanted, authenticated=True)
    return recording.open_result(view, session, whole.payment)
