"""Holds that nobody captured end by themselves. Source: contract 3.5."""

from azukari.db import Tx
from azukari.events import store as events
from azukari.merchants.service import API_VERSIONS
from azukari.payments import store
from azukari.payments.outcomes import Shown
from azukari.payments.store import Payment
from azukari.wiring import Parts

BATCH = 200


async def expire(parts: Parts) -> None:
    """End every hold past its deadline."""
    now = parts.clock.now()
    for payment in await parts.db.read(store.overdue, now, BATCH):
        await parts.db.write(_expire, payment, parts.ids.new(), now)


async def _expire(tx: Tx, payment: Payment, event_id: str, now: int) -> None:
    expired = await store.expire(tx, payment, now)
    if expired is not None:
        data = Shown(expired, []).encoded(API_VERSIONS[-1])
        await events.record(tx, payment.owner, id=event_id, type="payment.expired", data=data, now=now)
