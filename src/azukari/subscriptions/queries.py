"""A subscription with what belongs to it."""

from azukari.attempts import store as attempts
from azukari.customers import store as customers
from azukari.db import Owner, Page, Tx
from azukari.subscriptions import store
from azukari.subscriptions.schemas import SubscriptionView
from azukari.subscriptions.store import Subscription
from azukari.wire.lists import Bounds


async def show(tx: Tx, owner: Owner, subscription_id: str) -> SubscriptionView:
    """The owner's subscription. Raises NotFound."""
    return await with_payments(tx, await store.get(tx, owner, subscription_id))


async def with_payments(tx: Tx, subscription: Subscription) -> SubscriptionView:
    """A subscription with its customer, who may be deleted, and its payments."""
    owner = subscription.owner
    customer = await customers.get_including_deleted(tx, owner, subscription.customer_id)
    return SubscriptionView(subscription, customer, await attempts.payments_of_subscription(tx, owner, subscription.id))


async def page(tx: Tx, owner: Owner, bounds: Bounds) -> Page[SubscriptionView]:
    """A page of the owner's subscriptions, newest first."""
    found = await store.page(tx, owner, bounds.slice)
    return Page([await with_payments(tx, subscription) for subscription in found.rows], found.total)
