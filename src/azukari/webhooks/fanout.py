"""From events to deliveries, without a word from whoever writes the events.

Each endpoint keeps the number up to which events have their deliveries to it. Numbers have no gaps and never change, so
what comes after that one is all there is to look at, however many workers do it.
"""

from collections.abc import Coroutine
from typing import Any

import msgspec

from azukari.core import log
from azukari.core.errors import Unavailable
from azukari.db import Owner
from azukari.events import numbering
from azukari.events import store as events
from azukari.webhooks import deliveries, store
from azukari.webhooks.deliveries import Told
from azukari.webhooks.service import PING
from azukari.webhooks.store import Endpoint
from azukari.wiring import Parts

BATCH = 200


async def look(parts: Parts, *, thorough: bool = False) -> None:
    """Give what has happened its number, and each endpoint its deliveries. thorough: also what was committed late."""
    await numbering.number_all(parts, quick=not thorough)
    for endpoint in await parts.db.read(store.behind):
        await _alone(_fan_out(parts, endpoint), webhook=endpoint.id)
    for owner, told in await parts.db.read(numbering.behind):
        await _alone(_fan_out_to_payments(parts, owner, told), merchant=owner.merchant_id, mode=owner.mode)


async def _alone(telling: Coroutine[Any, Any, None], **whose: str) -> None:
    """What goes wrong with one is logged; the others go on."""
    try:
        await telling
    except Unavailable:
        raise
    except Exception as error:
        log.bug("events not told", error, **whose)


async def look_for(parts: Parts, owner: Owner) -> None:
    """The thorough look for one owner."""
    await numbering.number_all(parts, owner)
    for endpoint in await parts.db.read(store.active, owner):
        await _fan_out(parts, endpoint)
    for each, told in await parts.db.read(numbering.behind):
        if each == owner:
            await _fan_out_to_payments(parts, owner, told)


async def _fan_out(parts: Parts, endpoint: Endpoint) -> None:
    while found := await parts.db.read(deliveries.after, endpoint.owner, endpoint.told, BATCH):
        wanted = [
            Told(parts.ids.new(), *event) for event in found
            # What was under way when the endpoint was made has its number later than the endpoint, and its id before.
            if event.id > (endpoint.since or "") and event.type != PING and endpoint.wants(event.type)
        ]  # fmt: skip
        told = found[-1].sequence
        if not await parts.db.write(deliveries.tell, endpoint, wanted, told, await parts.time_of(endpoint.owner)):
            return  # another worker has done it, or it is not wanted any more
        endpoint = msgspec.structs.replace(endpoint, told=told)


class _Resource(msgspec.Struct):
    """All we want to know of an event's data."""

    id: str


_resource = msgspec.json.Decoder(_Resource).decode


async def _fan_out_to_payments(parts: Parts, owner: Owner, told: int) -> None:
    """For payments with webhooks of their own: the events of an owner who has any, each one looked at once."""
    while found := await parts.db.read(events.after, owner, told, BATCH):
        wanted = [
            (endpoint, Told(parts.ids.new(), event.id, event.type, event.sequence or 0))
            for event in found if event.type.startswith("payment.")
            for endpoint in await parts.db.read(store.of_payment, owner, _resource(event.data).id)
            if endpoint.wants(event.type)
        ]  # fmt: skip
        to = found[-1].sequence or told
        if not await parts.db.write(deliveries.tell_payments, owner, wanted, told, to, await parts.time_of(owner)):
            return
        told = to
