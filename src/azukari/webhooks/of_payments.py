"""A payment's own webhooks: what ``POST /payments`` is given as ``webhooks``.

KOMOJU's reference names the parameter and not its shape; the shape here is ours. Each of them is an endpoint that no
route shows: signed, tried again and held to the same addresses as any other, and told of its payment's events alone.
"""

import asyncio
from typing import Annotated

import msgspec

from azukari.core.errors import InvalidParameter
from azukari.core.secret import Secret
from azukari.db import Owner, Tx
from azukari.events import numbering
from azukari.vault import SealedEntry
from azukari.webhooks import service, store
from azukari.webhooks.schemas import EventTypes, SigningSecret, Url
from azukari.webhooks.service import ALL, Caller
from azukari.webhooks.store import Endpoint
from azukari.wire.bodies import MEANT, NOT_BLANK, convert
from azukari.wiring import Services

#: Of one payment.
MOST = 5


class PaymentWebhook(msgspec.Struct, kw_only=True):
    """secret: that of the merchant's oldest endpoint, unless given. events: all of the payment, unless given."""

    url: Url
    events: Annotated[EventTypes, MEANT] | None = None
    secret: Annotated[SigningSecret, NOT_BLANK] | None = None


class _Given(msgspec.Struct):
    webhooks: list[PaymentWebhook]


class PaymentWebhookDraft(msgspec.Struct, frozen=True):
    """Endpoints and the secrets they were given, ready to be written beside their payment. Times as in a call."""

    services: Services
    endpoints: list[tuple[Endpoint, SealedEntry | None]]
    actor: str
    system_now: int

    async def write(self, tx: Tx, owner: Owner, payment_id: str) -> None:
        """Within the unit that begins the payment."""
        vault = self.services.vault
        await numbering.open_line(tx, owner, numbering.OF_PAYMENTS, await numbering.last(tx, owner))
        for endpoint, sealed in self.endpoints:
            if sealed is not None:
                await vault.add(tx, owner, sealed, self.system_now)
            await store.save(tx, msgspec.structs.replace(endpoint, payment_id=payment_id))
            await vault.audit(
                tx,
                owner,
                id=endpoint.id,
                at=self.system_now,
                actor=self.actor,
                action="webhook.create",
                object_id=endpoint.id,
                result="done",
            )


async def read(
    services: Services, owner: Owner, given: object, actor: str, api_version: str, now: int
) -> PaymentWebhookDraft:
    """What an order gives: an address, an object ``{url, events, secret}``, or a list of these.

    Raises InvalidParameter, MissingParameter, ProviderDown.
    """
    asking = Caller(services, owner, actor, now)
    entries = _read(given)
    if any(entry.secret is None for entry in entries) and await services.db.read(store.oldest, owner) is None:
        raise InvalidParameter(
            "webhooks", "A webhook without a secret is signed as your oldest webhook endpoint is, and there is none."
        )
    # All at once: the request waits for names as long as for a single one.
    urls = await asyncio.gather(*(service.checked_url(asking, entry.url, "webhooks") for entry in entries))
    endpoints = [await _endpoint(asking, entry, url, api_version) for entry, url in zip(entries, urls, strict=True)]
    return PaymentWebhookDraft(services, endpoints, actor, asking.system_now)


def _read(given: object) -> list[PaymentWebhook]:
    each = given if isinstance(given, list) else [given]
    if len(each) > MOST:
        raise InvalidParameter("webhooks", f"A payment has at most {MOST} webhooks.")
    tree: dict[str, object] = {"webhooks": [{"url": one} if isinstance(one, str) else one for one in each]}
    return convert(tree, _Given).webhooks


async def _endpoint(
    asking: Caller, entry: PaymentWebhook, url: str, api_version: str
) -> tuple[Endpoint, SealedEntry | None]:
    secret = entry.secret
    sealed = None if secret is None else await asking.services.vault.seal_secret(asking.owner, Secret(secret))
    endpoint = Endpoint.new(
        asking.owner,
        asking.services.ids.new(),
        asking.now,
        url=url,
        entry_id=None if sealed is None else sealed.id,
        events=service.encoded_events(entry.events or ALL),
        api_version=api_version,
    )
    service.note_short(asking, secret, endpoint)
    return endpoint, sealed


async def forget_old(services: Services, limit: int) -> int:
    """Delete those of payments made half a year ago; how many there were."""
    over = await services.db.read(store.OF_OLD_PAYMENTS.of_all, services.clock.now(), limit)
    for endpoint in over:
        now = await services.time_of(endpoint.owner)
        await service.delete_of_payment(Caller(services, endpoint.owner, "worker", now), endpoint)
    return len(over)
