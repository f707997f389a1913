"""The end of a subscription: asked for, or because its customer is deleted."""

from azukari.attempts import store as attempts
from azukari.core.errors import Locked
from azukari.core.ids import Ids
from azukari.customers.store import Customer
from azukari.db import Owner, Tx
from azukari.events import store as events
from azukari.subscriptions import queries, store, transitions
from azukari.subscriptions.schemas import SubscriptionView


async def end(tx: Tx, owner: Owner, subscription_id: str, event_id: str, now: int) -> SubscriptionView:
    """End it, and tell; one that has ended stays as it is. Raises NotFound, Locked (it moves this moment)."""
    shown = await queries.show(tx, owner, subscription_id)
    return shown if shown.subscription.ended_at is not None else await _end(tx, shown, event_id, now)


async def _end(tx: Tx, shown: SubscriptionView, event_id: str, now: int) -> SubscriptionView:
    read = shown.subscription
    period = await store.get_period(tx, read)
    after = await store.change(tx, read, transitions.over(read, now))
    if after is None:
        raise Locked
    if period.state == "open" and read.active_attempt is None:
        await store.settle_period(tx, period, "failed", declines=period.declines, settled_at=now)
    ended = shown._replace(subscription=after)
    await events.record(tx, read.owner, id=event_id, type=transitions.DELETED, data=ended.encoded(), now=now)
    return ended


async def end_with_customer(tx: Tx, customer: Customer, ids: Ids, now: int) -> None:
    """End all of a customer's, whose details are gone. Raises Locked."""
    owner = Owner(customer.merchant_id, customer.mode)
    for read in await store.of_customer(tx, owner, customer.id):
        payments = await attempts.payments_of_subscription(tx, owner, read.id)
        await _end(tx, SubscriptionView(read, customer, payments), ids.new(), now)
