"""Test mode: what the shopper of a waiting payment would do, or whoever transfers money, done by the merchant."""

from collections.abc import Mapping
from typing import Literal

from azukari.attempts import store as attempts
from azukari.core.errors import NotFound
from azukari.payments import reconcile, refund, views
from azukari.payments.errors import NotWaiting
from azukari.payments.refund_requests import RequestOutcome
from azukari.payments.schemas import PaymentOut
from azukari.wire.call import Call

#: What a payment is when it has come about.
_LEADS_TO: Mapping[str, tuple[str, ...]] = {
    "paid": ("captured", "authorized"), "expired": ("expired",), "failed": ("failed",),
}  # fmt: skip


async def simulate(call: Call, payment_id: str, outcome: Literal["paid", "expired", "failed"]) -> PaymentOut:
    """Decide about a payment at the far side, and hear of it at once. Raises NotFound (live keys too), NotWaiting."""
    if not call.is_test:
        raise NotFound
    shown = await call.db.read(views.show, call.owner, payment_id)
    waiting = await call.db.read(attempts.find, call.owner, shown.payment.waiting_attempt or "")
    if waiting is None:
        if shown.payment.status not in _LEADS_TO[outcome]:
            raise NotWaiting
        return PaymentOut.of(*shown, call.api_version)  # asked for again
    call.services.processors.simulator.decide(waiting.ref, outcome, call.now)
    return PaymentOut.of(*await reconcile.refresh(call.services, call.owner, payment_id), call.api_version)


async def transfer(call: Call, request_id: str, outcome: RequestOutcome) -> PaymentOut:
    """Decide about a request to give cash back. Raises NotFound (live keys too), NotWaiting, Locked."""
    if not call.is_test:
        raise NotFound
    ids = (call.new_id(), call.new_id(), call.new_id())
    shown = await call.db.write(refund.end_request, call.owner, request_id, outcome, ids, call.now, call.api_version)
    return PaymentOut.of(*shown, call.api_version)
