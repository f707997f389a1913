"""Webhook endpoints: made, changed, given another secret, deleted; events sent again."""

from dataclasses import dataclass

import msgspec

from azukari.core.clock import DAY
from azukari.core.errors import InvalidParameter, Locked, Unprocessable
from azukari.core.ids import earliest
from azukari.core.secret import Secret
from azukari.db import Owner, Tx, persevere
from azukari.events import store as events
from azukari.vault import SealedEntry, Vault
from azukari.web import idempotency
from azukari.web.answers import Answer
from azukari.web.idempotency import Claim, idempotent
from azukari.webhooks import addresses, deliveries, store
from azukari.webhooks.addresses import AddressRefused, Lookup
from azukari.webhooks.schemas import EndpointCreate, EndpointOut, EndpointUpdate
from azukari.webhooks.store import Endpoint
from azukari.wiring import Parts

ALL = ["*"]
PING = "ping"
#: How long the secret before signs too, once it is rolled.
OLD_SECRET_LIFE = DAY
#: Of one merchant and mode.
MOST_ENDPOINTS = 50
BATCH = 200
_PREFIX, _LENGTH = "whsec_", 32


class TooMany(Unprocessable):
    """A merchant has as many endpoints as it may."""

    code, message = "unprocessable_entity", "There are too many webhook endpoints. Delete one first."


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for a change: of which owner, by which key or person, when. claim: of a request that has one.

    now: by the merchant's clock. real: by the machine's.
    """

    parts: Parts
    owner: Owner
    who: str
    now: int
    claim: Claim | None = None
    lookup: Lookup = addresses.system_lookup

    @property
    def real(self) -> int:
        return self.parts.clock.now()

    @property
    def loopback(self) -> bool:
        """Whether plain HTTP may go to this machine."""
        return loopback_allowed(self.parts, self.owner.mode)


def loopback_allowed(parts: Parts, mode: str) -> bool:
    """In test mode, while nobody else can reach us, or where the installation says so."""
    return mode == "test" and (parts.settings.on_loopback or parts.settings.loopback_webhooks)


async def create(asking: Asking, order: EndpointCreate, api_version: str) -> Answer:
    """A new endpoint, and a ping to it. The answer shows its secret, once: a repeat of the request does not.

    Raises InvalidParameter, TooMany, ProviderDown.
    """
    ids, now = asking.parts.ids, asking.now
    url = await _checked(asking, order.url)
    secret = _new_secret(asking.parts, order.secret)
    sealed = await asking.parts.vault.seal_secret(asking.owner, secret)
    id = ids.new()
    endpoint = Endpoint(
        merchant_id=asking.owner.merchant_id, mode=asking.owner.mode, id=id, url=url, entry_id=sealed.id,
        old_entry_id=None, old_until=None, events=_encoded(order.events or ALL), active=int(order.active),
        api_version=order.api_version or api_version, ordered=int(order.ordered), disabled_reason=None,
        since=id if order.active else None, swept_to=asking.real, turn=0, version=1, created_at=now, updated_at=now,
        deleted_at=None,
    )  # fmt: skip
    await asking.parts.db.write(
        _save, asking.claim, asking.owner, asking.parts.vault, endpoint, sealed,
        _Words(asking.who, ids.new(), ids.new(), ids.new(), now, asking.real),
    )  # fmt: skip
    return Answer.of(EndpointOut.of(endpoint, secret.reveal()))


async def update(asking: Asking, endpoint_id: str, order: EndpointUpdate) -> EndpointOut:
    """Change an endpoint. One that is switched on is told of what happens from now on.

    Raises NotFound, InvalidParameter, Locked.
    """
    parts = asking.parts
    await parts.db.read(store.get, asking.owner, endpoint_id)
    url = None if order.url is None else await _checked(asking, order.url)
    words = _Words(asking.who, "", "", parts.ids.new(), asking.now, asking.real)
    changed = await persevere(
        parts.db, _update, asking.owner, parts.vault, endpoint_id, order, url, parts.ids.new(), words
    )  # fmt: skip
    return EndpointOut.of(changed)


async def roll(asking: Asking, endpoint_id: str, given: str | None) -> Answer:
    """Another secret. The one before signs too, for a day. Raises NotFound, Locked, ProviderDown."""
    parts = asking.parts
    await parts.db.read(store.get, asking.owner, endpoint_id)
    secret = _new_secret(parts, given)
    sealed = await parts.vault.seal_secret(asking.owner, secret)
    words = _Words(asking.who, "", "", parts.ids.new(), asking.now, asking.real)
    changed = await persevere(
        parts.db, _roll, asking.claim, asking.owner, parts.vault, endpoint_id, sealed, words
    )  # fmt: skip
    return Answer.of(EndpointOut.of(changed, secret.reveal()))


async def delete(asking: Asking, endpoint_id: str) -> EndpointOut:
    """Forget an endpoint and its secrets; what was on its way to it is dropped. Raises NotFound, Locked."""
    parts = asking.parts
    words = _Words(asking.who, "", "", parts.ids.new(), asking.now, asking.real)
    endpoint = await persevere(parts.db, _delete, asking.owner, parts.vault, endpoint_id, words)
    for entry in endpoint.entries:
        await parts.vault.shred(asking.owner, entry)
    return EndpointOut.of(endpoint)


async def ping(asking: Asking, endpoint_id: str) -> Answer:
    """Send a ping. Raises NotFound."""
    ids = asking.parts.ids
    words = _Words(asking.who, ids.new(), ids.new(), "", asking.now, asking.real)
    return await asking.parts.db.write(_ping, asking.claim, asking.owner, endpoint_id, words)


async def replay_event(asking: Asking, endpoint_id: str, event_id: str) -> int:
    """Send one event again, whatever the endpoint wants of its kind; how many were. Raises NotFound."""
    parts = asking.parts
    endpoint = await parts.db.read(store.get, asking.owner, endpoint_id)
    event = await parts.db.read(events.get, asking.owner, event_id)
    return await parts.db.write(
        deliveries.replay, endpoint, [(parts.ids.new(), event.id, event.type)], asking.now
    )  # fmt: skip


async def replay_range(asking: Asking, endpoint_id: str, start: int, end: int) -> int:
    """Send again what happened from ``start`` to before ``end`` and is wanted; how many were. Raises NotFound."""
    parts, count, after, before = asking.parts, 0, earliest(start), earliest(end)
    endpoint = await parts.db.read(store.get, asking.owner, endpoint_id)
    while found := await parts.db.read(deliveries.happened, asking.owner, after, before, BATCH):
        wanted = [(parts.ids.new(), *each) for each in found if each[1] != PING and endpoint.wants(each[1])]
        count += await parts.db.write(deliveries.replay, endpoint, wanted, asking.now)
        after = found[-1][0]
    return count


async def replay_dead(asking: Asking, endpoint_id: str) -> int:
    """Send again all that was given up; how many were. Raises NotFound."""
    parts, count, after = asking.parts, 0, ""
    endpoint = await parts.db.read(store.get, asking.owner, endpoint_id)
    while found := await parts.db.read(deliveries.dead_letters, endpoint, after, BATCH):
        wanted = [("", event_id, "") for event_id in found]
        count += await parts.db.write(deliveries.replay, endpoint, wanted, asking.now)
        after = found[-1]
    return count


async def end_old_secrets(parts: Parts, limit: int) -> int:
    """Forget secrets that were rolled a day ago; how many there were."""
    now = parts.clock.now()
    rolled = await parts.db.read(store.rolled, now, limit)
    for endpoint in rolled:
        if await parts.db.write(_end_old_secret, parts.vault, endpoint, now) and endpoint.old_entry_id is not None:
            await parts.vault.shred(endpoint.owner, endpoint.old_entry_id)
    return len(rolled)


@dataclass(frozen=True, slots=True)
class _Words:
    """What a change leaves beside it: ids of an event, its delivery, and an audit line."""

    who: str
    event_id: str
    delivery_id: str
    audit_id: str
    now: int
    real: int


async def _checked(asking: Asking, url: str) -> str:
    """The address as it is kept. Raises InvalidParameter."""
    try:
        target = addresses.parse(url, loopback=asking.loopback)
        await addresses.resolve(target, asking.lookup)
    except AddressRefused as refused:
        raise InvalidParameter("url", f"The value of url is invalid. {refused.reason}") from None
    return target.url


def _new_secret(parts: Parts, given: str | None) -> Secret:
    return Secret(given or _PREFIX + parts.ids.base62(_LENGTH))


def _encoded(wanted: list[str]) -> str:
    return msgspec.json.encode(wanted).decode()


@idempotent
async def _save(
    tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, endpoint: Endpoint, sealed: SealedEntry, words: _Words
) -> None:
    if await store.count(tx, owner) >= MOST_ENDPOINTS:
        raise TooMany
    # What is stored for a repeat is the answer without the secret.
    answer = Answer.of(EndpointOut.of(endpoint, None))
    await idempotency.take(tx, owner, claim, lambda: answer)
    await vault.add(tx, owner, sealed, words.real)
    await store.save(tx, endpoint)
    await _audit(tx, vault, endpoint, words, "webhook.create")
    await _send_ping(tx, endpoint, words)
    await idempotency.settle(tx, owner, claim.key if claim else None, answer)


async def _send_ping(tx: Tx, endpoint: Endpoint, words: _Words) -> None:
    await events.record(tx, endpoint.owner, id=words.event_id, type=PING, data=b"{}", now=words.now)
    ping = (words.delivery_id, words.event_id, PING)
    await deliveries.add_all(tx, endpoint, [ping], words.now)


@idempotent
async def _ping(tx: Tx, claim: Claim | None, owner: Owner, endpoint_id: str, words: _Words) -> Answer:
    endpoint = await store.get(tx, owner, endpoint_id)
    answer = Answer.of(EndpointOut.of(endpoint))
    await idempotency.take(tx, owner, claim, lambda: answer)
    await _send_ping(tx, endpoint, words)
    await idempotency.settle(tx, owner, claim.key if claim else None, answer)
    return answer


async def _update(
    tx: Tx, owner: Owner, vault: Vault, endpoint_id: str, order: EndpointUpdate, url: str | None, since: str,
    words: _Words,
) -> Endpoint:  # fmt: skip
    read = await store.get(tx, owner, endpoint_id)
    change = msgspec.structs.replace(
        read, url=url or read.url, events=_encoded(order.events) if order.events else read.events,
        api_version=order.api_version or read.api_version, updated_at=words.now,
        ordered=read.ordered if order.ordered is None else int(order.ordered),
    )  # fmt: skip
    if order.active is not None and order.active != bool(read.active):
        change = msgspec.structs.replace(
            change, active=int(order.active), disabled_reason=None, since=since if order.active else None,
            swept_to=words.real,
        )  # fmt: skip
    return await _changed(tx, vault, read, change, words, "webhook.update")


@idempotent
async def _roll(
    tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, endpoint_id: str, sealed: SealedEntry, words: _Words
) -> Endpoint:
    read = await store.get(tx, owner, endpoint_id)
    change = msgspec.structs.replace(
        read, entry_id=sealed.id, old_entry_id=read.entry_id, old_until=words.real + OLD_SECRET_LIFE,
        updated_at=words.now,
    )  # fmt: skip
    answer = Answer.of(EndpointOut.of(change, None))
    await idempotency.take(tx, owner, claim, lambda: answer)
    await vault.add(tx, owner, sealed, words.real)
    if read.old_entry_id is not None:
        await vault.retire(tx, owner, read.old_entry_id, words.real)
    changed = await _changed(tx, vault, read, change, words, "webhook.roll")
    await idempotency.settle(tx, owner, claim.key if claim else None, answer)
    return changed


async def _delete(tx: Tx, owner: Owner, vault: Vault, endpoint_id: str, words: _Words) -> Endpoint:
    """The endpoint as it was."""
    read = await store.get(tx, owner, endpoint_id)
    change = msgspec.structs.replace(
        read, active=0, since=None, entry_id=None, old_entry_id=None, old_until=None, updated_at=words.now,
        deleted_at=words.now,
    )  # fmt: skip
    await _changed(tx, vault, read, change, words, "webhook.delete")
    await deliveries.drop(tx, owner, endpoint_id, words.real)
    for entry in read.entries:
        await vault.retire(tx, owner, entry, words.real)
    return read


async def _end_old_secret(tx: Tx, vault: Vault, read: Endpoint, now: int) -> bool:
    change = msgspec.structs.replace(read, old_entry_id=None, old_until=None)
    if read.old_entry_id is None or not await store.update(tx, read, change):
        return False
    await vault.retire(tx, read.owner, read.old_entry_id, now)
    return True


async def _changed(
    tx: Tx, vault: Vault, read: Endpoint, change: Endpoint, words: _Words, action: str
) -> Endpoint:  # fmt: skip
    """Raises Locked when it is no longer as it was read."""
    if not await store.update(tx, read, change):
        raise Locked
    await _audit(tx, vault, read, words, action)
    return change


async def _audit(tx: Tx, vault: Vault, endpoint: Endpoint, words: _Words, action: str) -> None:
    await vault.audit(
        tx, endpoint.owner, id=words.audit_id, at=words.real, who=words.who, action=action, object_id=endpoint.id,
        result="done",
    )  # fmt: skip
