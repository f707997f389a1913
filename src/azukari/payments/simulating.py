"""Test mode: what the shopper of a waiting payment would do, done by the merchant."""

from typing import Literal

from azukari.core.errors import NotFound
from azukari.payments import outcomes
from azukari.payments.errors import NotWaiting
from azukari.payments.schemas import PaymentOut
from azukari.processors import attempts
from azukari.web.call import Call


async def simulate(call: Call, payment_id: str, outcome: Literal["paid", "expired", "failed"]) -> PaymentOut:
    """Decide about a payment at the far side, and hear of it at once. Raises NotFound (live keys too), NotWaiting."""
    if not call.key.is_test:
        raise NotFound
    payment = (await call.db.read(outcomes.show, call.owner, payment_id)).payment
    waiting = await call.db.read(attempts.find, call.owner, payment.waiting_attempt or "")
    if waiting is None:
        raise NotWaiting
    call.parts.processors.simulator.decide(waiting.ref, outcome)
    return PaymentOut.of(*await outcomes.settle_now(call.parts, call.owner, payment_id), call.api_version)
