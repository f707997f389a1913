"""Payments past their deadline: holds that nobody captured, and waiting that came to nothing. Source: contract 3.5."""

from azukari.attempts import store as attempts
from azukari.db import Owner, Tx, sweep_due
from azukari.events import store as events
from azukari.merchants.service import API_VERSIONS
from azukari.payments import reconcile, store, transitions
from azukari.payments.store import Payment
from azukari.payments.views import PaymentView
from azukari.wiring import Services

#: When the next deadline of an owner is over.
next_due = store.OVERDUE.next_due


async def expire(services: Services, limit: int = 200, owner: Owner | None = None) -> int:
    """End what is past its deadline, of one owner or of all, reading so many at a time; how many were ended."""
    overdue = services.due_of(store.OVERDUE, owner, limit)
    return await sweep_due(
        overdue, store.OVERDUE.cursor, lambda each: _end(services, each), step="end holds", named="payment"
    )


async def _end(services: Services, payment: Payment) -> bool:
    if payment.waiting_attempt is not None:
        return await _ask_once_more(services, payment, payment.waiting_attempt)
    await services.db.write(_expire, payment, services.ids.new(), await services.time_of(payment.owner))
    return True


async def _ask_once_more(services: Services, payment: Payment, attempt_id: str) -> bool:
    """One that waits may have been paid at the last minute. Whether it has ended; another round tries the others."""
    waiting = await services.db.read(attempts.find, payment.owner, attempt_id)
    if waiting is None:
        return False
    await reconcile.poll(services, waiting, deadline=payment.deadline)
    after = await services.db.read(store.get, payment.owner, payment.id)
    return after.waiting_attempt is None


async def _expire(tx: Tx, payment: Payment, event_id: str, now: int) -> None:
    expired = await transitions.expire(tx, payment, now)
    if expired is not None:
        data = PaymentView(expired, []).encoded(API_VERSIONS[-1])
        await events.record(tx, payment.owner, id=event_id, type="payment.expired", data=data, now=now)
