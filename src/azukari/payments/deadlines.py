"""Holds that nobody captured end by themselves. Source: contract 3.5."""

from azukari.db import Tx
from azukari.events import store as events
from azukari.merchants.service import API_VERSIONS
from azukari.payments import store
from azukari.payments.outcomes import Shown
from azukari.payments.store import Payment
from azukari.wiring import Parts


async def expire(parts: Parts, limit: int = 200) -> int:
    """End holds past their deadline, so many at a time; how many there were."""
    now = parts.clock.now()
    overdue = await parts.db.read(store.overdue, now, limit)
    for payment in overdue:
        await parts.db.write(_expire, payment, parts.ids.new(), now)
    return len(overdue)


async def _expire(tx: Tx, payment: Payment, event_id: str, now: int) -> None:
    expired = await store.expire(tx, payment, now)
    if expired is not None:
        data = Shown(expired, []).encoded(API_VERSIONS[-1])
        await events.record(tx, payment.owner, id=event_id, type="payment.expired", data=data, now=now)
