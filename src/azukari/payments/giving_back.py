"""The end of a request to give cash back: somebody has transferred the money, or has refused to.

Source: contract section 5. A transfer is a refund like any other from then on.
"""

from azukari.core.errors import Locked
from azukari.db import Owner, Tx
from azukari.events import store as events
from azukari.payments import refund_requests, refunds, store, views
from azukari.payments.errors import NotWaiting
from azukari.payments.refund_requests import Ended
from azukari.payments.refunds import REFUND, Refund
from azukari.payments.views import PaymentView


async def end(
    tx: Tx, owner: Owner, request_id: str, outcome: Ended, ids: tuple[str, str, str], now: int, api_version: str
) -> PaymentView:
    """End a request that is pending; asked again, it says the same. ids: for a refund and for two events.

    Raises NotFound, NotWaiting (it has ended the other way), Locked (this moment).
    """
    request = await refund_requests.get(tx, owner, request_id)
    if request.status == outcome:
        return await views.show(tx, owner, request.payment_id)
    if request.status != "pending":
        raise NotWaiting
    if not await refund_requests.end(tx, request, outcome):
        raise Locked
    # What it was about was set aside when it was made, so there is always that much.
    move = store.refunded if outcome == "completed" else store.release
    payment = await move(tx, owner, request.payment_id, request.amount)
    assert payment is not None
    told = ["payment.updated"]
    if outcome == "completed":
        told = ["payment.refund.created"] + (["payment.refunded"] if payment.status == "refunded" else [])
        await refunds.save(
            tx,
            Refund(
                merchant_id=owner.merchant_id,
                mode=owner.mode,
                id=ids[0],
                payment_id=payment.id,
                amount=request.amount,
                currency=payment.currency,
                description=refund_requests.description_of(request),
                chargeback=0,
                type=REFUND,
                total_refunded=payment.amount_refunded,
                created_at=now,
            ),
        )
    shown = await views.with_refunds(tx, payment)
    for event_id, type in zip(ids[1:], told, strict=False):
        await events.record(tx, owner, id=event_id, type=type, data=shown.encoded(api_version), now=now)
    return shown
