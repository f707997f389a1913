"""Payments as they are listed and changed; a verb that moves money has a file of its own."""

import msgspec

from azukari.core.clock import Moment
from azukari.core.errors import InvalidParameter, Locked
from azukari.db import Owner, Page, Tx, retry_on_conflict
from azukari.events import store as events
from azukari.payment_methods.details import read_details
from azukari.payments import store, views
from azukari.payments.schemas import PaymentQuery, PaymentUpdate
from azukari.payments.top_up import top_up
from azukari.payments.views import PaymentView
from azukari.processors.methods import MethodDetails
from azukari.vault import Vault
from azukari.wire import metadata, pan_screening
from azukari.wire.answers import Answer, Done
from azukari.wire.call import Call
from azukari.wire.lists import Bounds


async def page(tx: Tx, owner: Owner, bounds: Bounds, query: PaymentQuery) -> Page[PaymentView]:
    """A page of the owner's payments, newest first."""
    if query.merchant_id is not None and query.merchant_id != owner.merchant_id:
        return Page([], 0)
    found = await store.page(
        tx,
        owner,
        bounds.slice,
        currency=query.currency,
        external_order_num=query.external_order_num,
        status=query.status,
    )
    return Page([await views.with_refunds(tx, payment) for payment in found.rows], found.total)


async def update(call: Call, payment_id: str, body: PaymentUpdate) -> Done[PaymentView]:
    """Change a payment's description and metadata, or add one more prepaid card while it is short of money.

    Raises NotFound, Locked (somebody else keeps changing it), and what :func:`top_up` does.
    """
    if body.payment_details is None:
        shown = await _update_description(call, payment_id, body)
        return Done(shown, None, Answer(200, shown.encoded(call.api_version)))
    details = read_details(body.payment_details, call.now)
    if not isinstance(details, MethodDetails) or details.prepaid_number is None:
        raise InvalidParameter("payment_details[type]")
    if body.description is not msgspec.UNSET or body.metadata is not None:
        await _update_description(call, payment_id, body)
    return await top_up(call, payment_id, details)


async def _update_description(call: Call, payment_id: str, body: PaymentUpdate) -> PaymentView:
    return await retry_on_conflict(
        call.db,
        _rewrite,
        call.owner,
        call.vault,
        payment_id,
        body,
        call.new_id(),
        call.moment,
        call.api_version,
        call.actor,
    )


async def _rewrite(
    tx: Tx,
    owner: Owner,
    vault: Vault,
    payment_id: str,
    body: PaymentUpdate,
    event_id: str,
    moment: Moment,
    api_version: str,
    actor: str,
) -> PaymentView:
    read = await store.get(tx, owner, payment_id)
    description = read.description if body.description is msgspec.UNSET else body.description
    payment = await store.rewrite(tx, read, description, metadata.merged(read.metadata, body.metadata))
    if payment is None:
        raise Locked
    # Its refunds are read now that the row is ours: one that ended a moment ago shows in both or in neither.
    shown = await views.with_refunds(tx, payment)
    await events.record(tx, owner, id=event_id, type="payment.updated", data=shown.encoded(api_version), now=moment.now)
    if pan_screening.suspicious(body.description, metadata=body.metadata):
        await pan_screening.note(tx, vault, owner, id=event_id, at=moment.system_now, actor=actor, object_id=payment_id)
    return shown
