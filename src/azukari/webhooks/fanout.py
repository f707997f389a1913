"""From events to deliveries, without a word from whoever writes the events.

Each endpoint keeps the number up to which events have their deliveries to it. Numbers have no gaps and never change, so
what comes after that one is all there is to look at, however many workers do it.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from azukari.core import log
from azukari.core.errors import Unavailable
from azukari.db import Owner
from azukari.events import numbering
from azukari.events import store as events
from azukari.webhooks import deliveries, store
from azukari.webhooks.deliveries import Notification
from azukari.webhooks.service import PING
from azukari.webhooks.store import Endpoint
from azukari.wiring import Services

R = TypeVar("R")

#: Events that an endpoint, or an owner for its payments, is told of before it is the next one's turn.
BATCH = 100


async def look(services: Services, *, thorough: bool = False) -> None:
    """Give what has happened its number, and each endpoint its deliveries. thorough: also what was committed late."""
    while await look_once(services, thorough=thorough):
        continue


async def look_once(services: Services, *, thorough: bool = False) -> bool:
    """A turn for each: whether there is more. What has happened to one by the thousand holds up nobody else's."""
    await numbering.number_all(services, quick=not thorough)
    more = False
    for endpoint in await services.db.read(store.behind):
        more |= await _alone(_fan_out(services, endpoint), webhook=endpoint.id) is not None
    for owner, told in await services.db.read(numbering.behind):
        telling = _fan_out_to_payments(services, owner, told)
        more |= await _alone(telling, merchant=owner.merchant_id, mode=owner.mode) is not None
    return more


async def _alone(telling: Coroutine[Any, Any, R | None], **whose: str) -> R | None:
    """What goes wrong with one is logged; the others go on."""
    try:
        return await telling
    except Unavailable:
        raise
    except Exception as error:
        log.bug("events not told", error, **whose)
        return None


async def look_for(services: Services, owner: Owner) -> None:
    """The thorough look for one owner."""
    await numbering.number_all(services, owner)
    for endpoint in await services.db.read(store.active, owner):
        behind: Endpoint | None = endpoint
        while behind is not None:
            behind = await _fan_out(services, behind)
    for each, told in await services.db.read(numbering.behind):
        to: int | None = told if each == owner else None
        while to is not None:
            to = await _fan_out_to_payments(services, owner, to)


async def _fan_out(services: Services, endpoint: Endpoint) -> Endpoint | None:
    """A turn; the endpoint as it is then, where there may be more."""
    found = await services.db.read(deliveries.after, endpoint.owner, endpoint.told, BATCH)
    if not found:
        return None
    wanted = [
        Notification(services.ids.new(), *event)
        for event in found
        # What was under way when the endpoint was made has its number later than the endpoint, and its id before.
        if event.id > (endpoint.since or "") and event.type != PING and endpoint.wants(event.type)
    ]
    told = found[-1].sequence
    if not await services.db.write(deliveries.enqueue, endpoint, wanted, told, await services.time_of(endpoint.owner)):
        return None  # another worker has done it, or it is not wanted any more
    return None if len(found) < BATCH else msgspec.structs.replace(endpoint, told=told)


class _Resource(msgspec.Struct):
    """All we want to know of an event's data."""

    id: str


_resource = msgspec.json.Decoder(_Resource).decode


async def _fan_out_to_payments(services: Services, owner: Owner, told: int) -> int | None:
    """For payments with webhooks of their own: the events of an owner who has any, each one looked at once.

    A turn; up to which number, where there may be more.
    """
    found = await services.db.read(events.after, owner, told, BATCH)
    if not found:
        return None
    of_payments = [(event, _resource(event.data).id) for event in found if event.type.startswith("payment.")]
    endpoints = await services.db.read(store.of_payments, owner, list({payment_id for _, payment_id in of_payments}))
    wanted = [
        (endpoint, Notification(services.ids.new(), event.id, event.type, event.sequence or 0))
        for event, payment_id in of_payments
        for endpoint in endpoints[payment_id]
        if endpoint.wants(event.type)
    ]
    to = found[-1].sequence or told
    if not await services.db.write(
        deliveries.enqueue_for_payments, owner, wanted, told, to, await services.time_of(owner)
    ):
        return None
    return None if len(found) < BATCH else to
