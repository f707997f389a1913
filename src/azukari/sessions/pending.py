"""Tries that wait for their shopper elsewhere: asked after now, or ended because something else is to happen."""

from msgspec.structs import replace

from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.clock import SECOND
from azukari.core.errors import Locked
from azukari.db import Owner, Tx
from azukari.payments import reconcile
from azukari.payments.cancel import cancel
from azukari.payments.details import details_of
from azukari.payments.errors import NotCancellable
from azukari.processors.base import NO_DIRECTIVES, Expired, NotSent, Unknown
from azukari.processors.methods import MethodDetails
from azukari.sessions.queries import view_of
from azukari.tokens.sources import PaymentSource
from azukari.wire.call import Call
from azukari.wiring import Services


class StillWaiting(Locked):
    """The session waits for a shopper elsewhere; that has to end first.

    Whoever has ended it and finds another try waiting by then is told that the session is in use.
    """


async def ask(services: Services, owner: Owner, session_id: str, *, by_shopper: bool = False) -> Attempt | None:
    """Hear now, and not when it is due, what a shopper has decided; the try that waited, as it is then.

    by_shopper: see :func:`~azukari.payments.reconcile.poll`.
    """
    waiting = (await services.db.read(view_of, owner, session_id)).waiting
    if waiting is None:
        return None
    await reconcile.poll(services, waiting, by_shopper=by_shopper)
    return await services.db.read(attempts.find, owner, waiting.id)


async def short_of(call: Call, session_id: str, source: PaymentSource) -> tuple[str, MethodDetails] | None:
    """The payment that waits for the rest of its money, and the card that could be it."""
    payment = (await call.db.read(view_of, call.owner, session_id)).payment
    if payment is None or not isinstance(source, MethodDetails):
        return None
    details = details_of(payment.payment)
    return (payment.payment.id, source) if details.type == source.type and details.short_amount > 0 else None


async def end(call: Call, session_id: str) -> None:
    """End what waits, unless the shopper has decided: then that is written down instead.

    Raises Locked: nobody can say now.
    """
    waiting = (await call.db.read(view_of, call.owner, session_id)).waiting
    if waiting is None:
        return
    if waiting.payment_id is not None:
        await _cancel(replace(call, claim=None, directives=NO_DIRECTIVES), waiting.payment_id)
        return
    after = await ask(call.services, call.owner, session_id)
    if after is not None and after.state == "waiting":
        await call.db.write(give_up, after, call.services.clock.now() + SECOND)


async def _cancel(call: Call, payment_id: str) -> None:
    """The processor has the last word about a payment that may have been made a moment ago."""
    try:
        done = await cancel(call, payment_id)
    except NotCancellable:
        return  # it has ended meanwhile
    if isinstance(done.outcome, Unknown | NotSent | Expired):
        raise Locked


async def give_up(tx: Tx, attempt: Attempt, now: int) -> None:
    """An agreement that nobody needs any more: whatever comes of it is undone."""
    if await attempts.end(tx, attempt.owner, attempt.id, "not_done", now):
        await attempts.undo(tx, attempt, attempt.processor_ref or "", now)
