"""A payment as it is shown: with its refunds, and the requests for some."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from azukari.db import Owner, Tx
from azukari.payments import refund_requests, refunds, store
from azukari.payments.details import details_of
from azukari.payments.refund_requests import RefundRequest
from azukari.payments.refunds import Refund
from azukari.payments.schemas import PaymentOut
from azukari.payments.store import Payment
from azukari.processors.methods import CASH


class PaymentView(NamedTuple):
    """A payment, its refunds, and the requests for some."""

    payment: Payment
    refunds: list[Refund]
    requests: Sequence[RefundRequest] = ()

    def encoded(self, api_version: str) -> bytes:
        """As it goes over the wire."""
        return msgspec.json.encode(PaymentOut.of(*self, api_version))


async def show(tx: Tx, owner: Owner, payment_id: str) -> PaymentView:
    """The owner's payment. Raises NotFound."""
    return await with_refunds(tx, await store.get(tx, owner, payment_id))


async def with_refunds(tx: Tx, payment: Payment) -> PaymentView:
    """A payment with its refunds; most have none, and are not asked for them."""
    requests: Sequence[RefundRequest] = ()
    if payment.captured_at is not None and details_of(payment).type in CASH:
        requests = await refund_requests.of_payment(tx, payment.owner, payment.id)
    if payment.amount_refunded == 0 and payment.amount_captured in (0, payment.total):
        return PaymentView(payment, [], requests)
    found = await refunds.of_payment(tx, payment.owner, payment.id)
    # In lock step the rows of a neighbour's refund are there already, whose amount comes after this payment's state.
    counted = [refund for refund in found if refund.total_refunded <= payment.amount_refunded]
    return PaymentView(payment, counted, requests)
