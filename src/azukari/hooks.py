"""Connects layers with those above them, which they do not know: every process calls this before it moves money."""

from azukari.sessions import record as sessions
from azukari.subscriptions import cancel
from azukari.subscriptions import record as subscriptions
from azukari.webhooks import of_payments
from azukari.wiring import Hooks, Services


def connect(services: Services) -> None:
    """Fill in the hooks of an open installation. Calling it again changes nothing."""
    services.connect(
        Hooks(
            outcome_writers={"session": sessions.write, "subscription": subscriptions.write},
            on_customer_deleted=[cancel.end_with_customer],
            payment_webhooks=of_payments.read,
        )
    )
