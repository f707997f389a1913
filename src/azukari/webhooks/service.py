"""Webhook endpoints: made, changed, given another secret, deleted; events sent again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from azukari.core import log
from azukari.core.clock import DAY
from azukari.core.errors import InvalidParameter, Locked, NotFound, Unavailable, Unprocessable
from azukari.core.ids import earliest
from azukari.core.secret import Secret
from azukari.db import Owner, Tx, retry_on_conflict
from azukari.events import numbering
from azukari.events import store as events
from azukari.vault import SealedEntry, Vault
from azukari.webhooks import addresses, deliveries, store
from azukari.webhooks.addresses import AddressRefused
from azukari.webhooks.deliveries import Notification
from azukari.webhooks.names import Names
from azukari.webhooks.schemas import (
    EndpointCreate,
    EndpointOut,
    EndpointUpdate,
    Replay,
    ReplayOut,
    is_short,
    warnings_about,
)
from azukari.webhooks.store import Endpoint
from azukari.wire import errors, idempotency
from azukari.wire.answers import Answer, Done
from azukari.wire.idempotency import Claim, idempotent
from azukari.wiring import Services

ALL = ["*"]
PING = "ping"
#: How long the secret before signs too, once it is rolled.
OLD_SECRET_LIFE = DAY
#: Of one merchant and mode.
MOST_ENDPOINTS = 50
BATCH = 200
_PREFIX, _LENGTH = "whsec_", 32
#: For requests, which wait for no delivery's names. A name that is not found in so many seconds is not found.
_names = Names(seconds=3)


class TooMany(Unprocessable):
    """A merchant has as many endpoints as it may."""

    code, message = "unprocessable_entity", "There are too many webhook endpoints. Delete one first."


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a change: of which owner, by which key or person, when. claim: of a request that has one.

    now: by the merchant's clock. system_now: by the machine's. logs: False at the command line, which tells by itself.
    """

    services: Services
    owner: Owner
    actor: str
    now: int
    claim: Claim | None = None
    logs: bool = True

    @property
    def system_now(self) -> int:
        return self.services.clock.now()

    @property
    def loopback(self) -> bool:
        """Whether plain HTTP may go to this machine."""
        return loopback_allowed(self.services, self.owner.mode)


def loopback_allowed(services: Services, mode: str) -> bool:
    """In test mode, where the installation says so. That we listen on loopback says nothing: so does whoever stands
    behind a proxy on the same machine, beside services that trust whoever can reach them.
    """
    return mode == "test" and services.settings.loopback_webhooks


async def create(asking: Caller, body: EndpointCreate, api_version: str) -> Done[EndpointOut]:
    """A new endpoint, and a ping to it. The answer shows its secret, once: a repeat of the request does not.

    Raises InvalidParameter, TooMany, ProviderDown.
    """
    ids, now = asking.services.ids, asking.now
    url = await checked_url(asking, body.url)
    secret, warnings = _new_secret(asking.services, body.secret), warnings_about(body.secret)
    sealed = await asking.services.vault.seal_secret(asking.owner, secret)
    endpoint = Endpoint.new(
        asking.owner,
        ids.new(),
        now,
        url=url,
        entry_id=sealed.id,
        events=encoded_events(body.events or ALL),
        api_version=body.api_version or api_version,
        active=body.active,
        ordered=body.ordered,
    )
    await asking.services.db.write(
        _save,
        asking.claim,
        asking.owner,
        asking.services.vault,
        endpoint,
        sealed,
        _AuditContext(asking.actor, ids.new(), ids.new(), ids.new(), now, asking.system_now, warnings),
    )
    note_short(asking, body.secret, endpoint)
    return Done.of(EndpointOut.of(endpoint, secret.reveal(), warnings))


async def update(asking: Caller, endpoint_id: str, body: EndpointUpdate) -> EndpointOut:
    """Change an endpoint. One that is switched on is told of what happens from now on.

    Raises NotFound, InvalidParameter, Locked.
    """
    services = asking.services
    await services.db.read(store.get, asking.owner, endpoint_id)
    url = None if body.url is None else await checked_url(asking, body.url)
    context = _AuditContext(asking.actor, "", "", services.ids.new(), asking.now, asking.system_now)
    changed = await retry_on_conflict(
        services.db, _update, asking.owner, services.vault, endpoint_id, body, url, services.ids.new(), context
    )
    return EndpointOut.of(changed)


async def roll(asking: Caller, endpoint_id: str, given: str | None) -> Done[EndpointOut]:
    """Another secret. The one before signs too, for a day. Raises NotFound, Locked, ProviderDown."""
    services = asking.services
    await services.db.read(store.get, asking.owner, endpoint_id)
    secret, warnings = _new_secret(services, given), warnings_about(given)
    sealed = await services.vault.seal_secret(asking.owner, secret)
    context = _AuditContext(asking.actor, "", "", services.ids.new(), asking.now, asking.system_now, warnings)
    changed = await retry_on_conflict(
        services.db, _roll, asking.claim, asking.owner, services.vault, endpoint_id, sealed, context
    )
    note_short(asking, given, changed)
    return Done.of(EndpointOut.of(changed, secret.reveal(), warnings))


async def delete(asking: Caller, endpoint_id: str) -> EndpointOut:
    """Forget an endpoint and its secrets; what was on its way to it is dropped. Raises NotFound, Locked."""
    endpoint = await asking.services.db.read(store.get, asking.owner, endpoint_id)
    return EndpointOut.of(await _forget(asking, endpoint))


async def delete_of_payment(asking: Caller, endpoint: Endpoint) -> None:
    """The same for one of a payment's own. Raises NotFound, Locked."""
    await _forget(asking, endpoint)


async def _forget(asking: Caller, endpoint: Endpoint) -> Endpoint:
    services = asking.services
    context = _AuditContext(asking.actor, "", "", services.ids.new(), asking.now, asking.system_now)
    deleted = await retry_on_conflict(services.db, _delete, asking.owner, services.vault, endpoint.id, context)
    for entry in deleted.entries:
        await services.vault.shred(asking.owner, entry)
    return deleted


async def ping(asking: Caller, endpoint_id: str) -> Done[EndpointOut]:
    """Send a ping. Raises NotFound."""
    ids = asking.services.ids
    context = _AuditContext(asking.actor, ids.new(), ids.new(), "", asking.now, asking.system_now)
    return await asking.services.db.write(_ping, asking.claim, asking.owner, endpoint_id, context)


async def replay(asking: Caller, endpoint_id: str, body: Replay) -> Done[ReplayOut]:
    """Send events again: one, whatever the endpoint wants of its kind; what it wants of those of a time; or all that
    was given up. What is on its way stays as it is.

    Raises NotFound, Unprocessable (a repeat while it runs: Conflict).
    """
    services = asking.services
    endpoint = await services.db.read(store.get, asking.owner, endpoint_id)
    await numbering.number_all(services, asking.owner)
    count, claim, key = 0, asking.claim, asking.claim.key if asking.claim else None
    chosen = _chosen(asking, endpoint, body)
    wanted: list[Notification] = await anext(chosen, [])
    while True:
        following = await anext(chosen, None)
        count = await services.db.write(
            _replay, claim, asking.owner, endpoint, wanted, count, None if following is not None else key, asking.now
        )
        if following is None:
            return Done.of(ReplayOut(endpoint.id, count))
        wanted, claim = following, None


async def _chosen(asking: Caller, endpoint: Endpoint, body: Replay) -> AsyncIterator[list[Notification]]:
    """What is to be sent again, some at a time."""
    services, owner, ids = asking.services, asking.owner, asking.services.ids
    if body.event is not None:
        event = await services.db.read(events.get, owner, body.event)
        yield [Notification(ids.new(), event.id, event.type, event.sequence or 0)]
    elif body.dead:
        after = ""
        while letters := await services.db.read(deliveries.dead_letters, endpoint, after, BATCH):
            yield [Notification("", event_id, "", 0) for event_id in letters]
            after = letters[-1]
    else:
        start, end = body.bounds(asking.now)
        after, before = earliest(start), earliest(end)
        while found := await services.db.read(deliveries.happened, owner, after, before, BATCH):
            yield [Notification(ids.new(), *each) for each in found if each.type != PING and endpoint.wants(each.type)]
            after = found[-1].id


async def end_old_secrets(services: Services, limit: int) -> int:
    """Forget secrets that were rolled a day ago; how many there were."""
    now = services.clock.now()
    rolled = await services.db.read(store.rolled, now, limit)
    for endpoint in rolled:
        if (
            await services.db.write(_end_old_secret, services.vault, endpoint, now)
            and endpoint.old_entry_id is not None
        ):
            await services.vault.shred(endpoint.owner, endpoint.old_entry_id)
    return len(rolled)


@dataclass(frozen=True, slots=True)
class _AuditContext:
    """What a change leaves beside it: ids of an event, its delivery, and an audit line; warnings about its secret."""

    actor: str
    event_id: str
    delivery_id: str
    audit_id: str
    now: int
    system_now: int
    warnings: list[str] | UnsetType = UNSET


async def checked_url(asking: Caller, url: str, param: str = "url") -> str:
    """The address as it is kept. Raises InvalidParameter."""
    try:
        target = addresses.parse(url, loopback=asking.loopback)
        await addresses.resolve(target, _names.of(asking.owner))
    except AddressRefused as refused:
        raise InvalidParameter(param, f"The value of {param} is invalid. {refused.reason}") from None
    return target.url


def _new_secret(services: Services, given: str | None) -> Secret:
    return Secret(given or _PREFIX + services.ids.base62(_LENGTH))


def note_short(asking: Caller, given: str | None, endpoint: Endpoint) -> None:
    """The server's log is told of a short secret too."""
    if is_short(given) and asking.logs:
        log.warning("webhook.short_secret", merchant=endpoint.merchant_id, mode=endpoint.mode, endpoint=endpoint.id)


def encoded_events(wanted: list[str]) -> str:
    """Types of events as they are kept."""
    return msgspec.json.encode(wanted).decode()


@idempotent
async def _save(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    vault: Vault,
    endpoint: Endpoint,
    sealed: SealedEntry,
    context: _AuditContext,
) -> None:
    if await store.count(tx, owner) >= MOST_ENDPOINTS:
        raise TooMany
    told = await numbering.last(tx, owner)
    # What is stored for a repeat is the answer without the secret.
    answer = Answer.of(EndpointOut.of(endpoint, None, context.warnings))
    await idempotency.take(tx, owner, claim, lambda: answer)
    await vault.add(tx, owner, sealed, context.system_now)
    await store.save(tx, msgspec.structs.replace(endpoint, told=told))
    await _audit(tx, vault, endpoint, context, "webhook.create")
    await _send_ping(tx, endpoint, context)
    await idempotency.store_response(tx, owner, claim.key if claim else None, answer)


async def _send_ping(tx: Tx, endpoint: Endpoint, context: _AuditContext) -> None:
    await events.record(tx, endpoint.owner, id=context.event_id, type=PING, data=b"{}", now=context.now)
    # It is nobody else's, waits for nothing and holds nothing up: it has no place among the others.
    await deliveries.add_all(tx, endpoint, [Notification(context.delivery_id, context.event_id, PING, 0)], context.now)


@idempotent
async def _ping(
    tx: Tx, claim: Claim | None, owner: Owner, endpoint_id: str, context: _AuditContext
) -> Done[EndpointOut]:
    endpoint = await store.get(tx, owner, endpoint_id)
    done = Done.of(EndpointOut.of(endpoint))
    await idempotency.take(tx, owner, claim, lambda: done.answer)
    await _send_ping(tx, endpoint, context)
    await idempotency.store_response(tx, owner, claim.key if claim else None, done.answer)
    return done


@idempotent
async def _replay(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    endpoint: Endpoint,
    wanted: list[Notification],
    before: int,
    key: str | None,
    now: int,
) -> int:
    """Some of what is sent again. before: how many were so far. key: of the request, where these are the last."""
    # Should we die before the last of them, nobody knows how many were sent.
    await idempotency.take(tx, owner, claim, lambda: errors.answer(Unavailable()))
    count = before + await deliveries.replay(tx, endpoint, wanted, now)
    await idempotency.store_response(tx, owner, key, Answer.of(ReplayOut(endpoint.id, count)))
    return count


async def _update(
    tx: Tx,
    owner: Owner,
    vault: Vault,
    endpoint_id: str,
    body: EndpointUpdate,
    url: str | None,
    since: str,
    context: _AuditContext,
) -> Endpoint:
    read = await store.get(tx, owner, endpoint_id)
    last = await numbering.last(tx, owner)
    change = msgspec.structs.replace(
        read,
        url=url or read.url,
        events=encoded_events(body.events) if body.events else read.events,
        api_version=body.api_version or read.api_version,
        updated_at=context.now,
        ordered=read.ordered if body.ordered is None else int(body.ordered),
    )
    if body.active is not None and body.active != bool(read.active):
        change = msgspec.structs.replace(
            change, active=int(body.active), disabled_reason=None, since=since if body.active else None
        )
    changed = await _changed(tx, vault, read, change, context, "webhook.update")
    if change.since not in (None, read.since):
        await store.start(tx, change, last)
    return changed


@idempotent
async def _roll(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    vault: Vault,
    endpoint_id: str,
    sealed: SealedEntry,
    context: _AuditContext,
) -> Endpoint:
    read = await store.get(tx, owner, endpoint_id)
    change = msgspec.structs.replace(
        read,
        entry_id=sealed.id,
        old_entry_id=read.entry_id,
        old_until=context.system_now + OLD_SECRET_LIFE,
        updated_at=context.now,
    )
    answer = Answer.of(EndpointOut.of(change, None, context.warnings))
    await idempotency.take(tx, owner, claim, lambda: answer)
    await vault.add(tx, owner, sealed, context.system_now)
    if read.old_entry_id is not None:
        await vault.retire(tx, owner, read.old_entry_id, context.system_now)
    changed = await _changed(tx, vault, read, change, context, "webhook.roll")
    await idempotency.store_response(tx, owner, claim.key if claim else None, answer)
    return changed


async def _delete(tx: Tx, owner: Owner, vault: Vault, endpoint_id: str, context: _AuditContext) -> Endpoint:
    """The endpoint as it was."""
    read = await store.find(tx, owner, endpoint_id)
    if read is None:
        raise NotFound
    change = msgspec.structs.replace(
        read,
        active=0,
        since=None,
        entry_id=None,
        old_entry_id=None,
        old_until=None,
        updated_at=context.now,
        deleted_at=context.now,
    )
    await _changed(tx, vault, read, change, context, "webhook.delete")
    await deliveries.drop(tx, owner, endpoint_id, context.system_now)
    for entry in read.entries:
        await vault.retire(tx, owner, entry, context.system_now)
    return read


async def _end_old_secret(tx: Tx, vault: Vault, read: Endpoint, now: int) -> bool:
    change = msgspec.structs.replace(read, old_entry_id=None, old_until=None)
    if read.old_entry_id is None or not await store.update(tx, read, change):
        return False
    await vault.retire(tx, read.owner, read.old_entry_id, now)
    return True


async def _changed(
    tx: Tx, vault: Vault, read: Endpoint, change: Endpoint, context: _AuditContext, action: str
) -> Endpoint:
    """Raises Locked when it is no longer as it was read."""
    if not await store.update(tx, read, change):
        raise Locked
    await _audit(tx, vault, read, context, action)
    return change


async def _audit(tx: Tx, vault: Vault, endpoint: Endpoint, context: _AuditContext, action: str) -> None:
    await vault.audit(
        tx,
        endpoint.owner,
        id=context.audit_id,
        at=context.system_now,
        actor=context.actor,
        action=action,
        object_id=endpoint.id,
        result="done",
    )
