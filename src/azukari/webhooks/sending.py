"""Deliveries on their way: who is tried when, what is sent, and what an answer means."""

import asyncio
import functools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from azukari.core import log
from azukari.core.clock import HOUR, MINUTE, SECOND
from azukari.core.errors import Unavailable
from azukari.db import Owner, Tx
from azukari.events.schemas import EventOut
from azukari.vault import AccessGrant, EntryGone, Signer, Vault, VaultError
from azukari.webhooks import addresses, deliveries, fanout, signing, store
from azukari.webhooks.addresses import AddressRefused, Unresolved
from azukari.webhooks.deliveries import DEAD, DELIVERED, IN_FLIGHT, LEASE, PENDING, Claimed, Delivery, Outcome
from azukari.webhooks.names import Lookup, Names
from azukari.webhooks.post import Post, Posted, within_limit
from azukari.webhooks.service import loopback_allowed
from azukari.webhooks.store import Endpoint
from azukari.wiring import Services

#: How long after each failed try comes the next; after the last there is none. Source: ``docs/security.md``.
WAITS = (
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    24 * HOUR,
    24 * HOUR,
)
#: A wait may be this much longer or shorter, so that what failed together does not come back together.
JITTER = 0.2
GONE = 410
#: How long an opened secret stays in memory, and how many do.
SIGNERS_LIFE, MOST_SIGNERS = 300 * SECOND, 1_000
#: Endpoints served at the same time by one process. An owner gets another lane while it has fewer than are free, so one
#: whose receivers all hang has half of them, ten of these a twelfth each, and there is always one left for the next.
LANES = 256
#: How long a name may take: long enough for a question that was lost on the way, and asked again after five seconds.
NAME_SECONDS = 6
#: Seconds until we look again whether another worker has done what it has begun.
_ANOTHERS_TURN = 0.02

_random = random.SystemRandom()
#: One for all senders of the process.
_names = Names(NAME_SECONDS)

_encode = msgspec.json.Encoder().encode


class Sender:
    """Sends what is due. One per worker process.

    Each endpoint with something due gets a lane of its own, so one that hangs holds up nobody else.
    lookup: how names are resolved, unless out of each owner's share. chance: a number from 0 to 1, for the waits.
    """

    def __init__(
        self,
        services: Services,
        *,
        lookup: Lookup | None = None,
        chance: Callable[[], float] = _random.random,
        post: Post | None = None,
    ) -> None:
        self._services = services
        self._lookup = lookup
        self._chance = chance
        self._post = post or Post()
        self._signers = Signers(services)
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._held: Counter[Owner] = Counter()

    async def begin(self, owner: Owner | None = None) -> None:
        """Open a lane for each endpoint, of one owner or of all, that has something due and none yet."""
        for endpoint in await self._services.db.read(deliveries.waiting, self._services.clock.now(), owner):
            if endpoint.id not in self._lanes and self._held[endpoint.owner] < LANES - len(self._lanes):
                lane = asyncio.ensure_future(self._lane(endpoint.owner, endpoint.id))
                self._lanes[endpoint.id] = lane
                self._held[endpoint.owner] += 1
                lane.add_done_callback(functools.partial(self._close_lane, endpoint))

    def _close_lane(self, endpoint: Endpoint, _: asyncio.Task[None]) -> None:
        del self._lanes[endpoint.id]
        self._held[endpoint.owner] -= 1
        if not self._held[endpoint.owner]:
            del self._held[endpoint.owner]

    async def finish(self) -> None:
        """Wait until no lane has anything to send."""
        while self._lanes:
            await asyncio.gather(*self._lanes.values())

    async def close(self) -> None:
        """Let go of what is under way: its leases run out, and another worker tries it."""
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        await self._post.close()

    async def _lane(self, owner: Owner, endpoint_id: str) -> None:
        out: set[asyncio.Task[None]] = set()
        try:
            while True:
                claimed = await self._services.db.write(
                    deliveries.claim, owner, endpoint_id, await self._services.moment_of(owner), IN_FLIGHT - len(out)
                )
                if claimed is not None:
                    endpoint, found = claimed
                    # Once for all of them; where it cannot be, their leases run out, and they are tried then.
                    signers = await self._signers_for(endpoint)
                    out |= {asyncio.ensure_future(self._deliver(endpoint, each, signers)) for each in found}
                if not out:
                    return
                _, out = await asyncio.wait(out, return_when=asyncio.FIRST_COMPLETED)
        except (Unavailable, VaultError) as error:
            log.warning("webhooks.not_tried", reason=type(error).__name__, webhook=endpoint_id)
        except Exception as error:
            log.bug("webhooks not delivered", error, webhook=endpoint_id)
        finally:
            for each in out:
                each.cancel()
            await asyncio.gather(*out, return_exceptions=True)

    async def _signers_for(self, endpoint: Endpoint) -> list[Signer]:
        """A payment's own endpoint without a secret is signed for by the merchant's oldest; none: there is none left.

        Raises VaultError, ProviderDown, DatabaseDown.
        """
        signing: Endpoint | None = endpoint
        if endpoint.payment_id is not None and endpoint.entry_id is None:
            signing = await self._services.db.read(store.oldest, endpoint.owner)
        return [] if signing is None else await self._signers.of(signing, self._services.clock.now())

    async def _deliver(self, endpoint: Endpoint, claimed: Claimed, signers: list[Signer]) -> None:
        """One whose outcome cannot be written down is logged; its lease runs out, and it is tried again then."""
        delivery, services = claimed.delivery, self._services
        with _logged(delivery):
            started = services.clock.now()
            body = _encode(EventOut.of(claimed.event))
            if signers:
                headers = signing.headers(delivery.id, delivery.event_type, body, signers, started)
                posted = await within_limit(self._send(endpoint, headers, body))
            else:
                posted = Posted(None, "unsigned")
            at = await services.moment_of(delivery.owner)
            outcome = self._outcome(delivery, posted, at.now, at.system_now - started)
            if await services.db.write(deliveries.finish, delivery, outcome, services.ids.new(), at):
                log.event(
                    "webhook.tried",
                    delivery=delivery.id,
                    webhook=endpoint.id,
                    event_type=delivery.event_type,
                    code=posted.code,
                    reason=posted.failure,
                    state=outcome.state,
                    ms=outcome.ms,
                )

    async def _send(self, endpoint: Endpoint, headers: dict[str, str], body: bytes) -> Posted:
        try:
            target = addresses.parse(endpoint.url, loopback=loopback_allowed(self._services, endpoint.mode))
            found = await addresses.resolve(target, self._lookup or _names.of(endpoint.owner))
        except Unresolved:
            return Posted(None, "unresolved")
        except AddressRefused:
            return Posted(None, "refused")
        return await self._post.send(target, found, headers, body)

    def _outcome(self, delivery: Delivery, posted: Posted, now: int, ms: int) -> Outcome:
        if posted.code is not None and 200 <= posted.code < 300:
            return Outcome(DELIVERED, None, posted.code, None, ms)
        if posted.code == GONE:
            return Outcome(DEAD, None, GONE, None, ms, gone=True)
        if delivery.tries >= len(WAITS):
            return Outcome(DEAD, None, *posted, ms)
        wait = WAITS[delivery.tries] * (1 - JITTER + 2 * JITTER * self._chance())
        return Outcome(PENDING, now + int(wait), *posted, ms)


async def deliver_due(services: Services, owner: Owner) -> None:
    """Deliver all that has happened to an owner and is due by now, and wait until it was tried, by whomever."""
    sender = Sender(services)
    try:
        await fanout.look_for(services, owner)
        since, last = services.clock.now(), None
        while True:
            await sender.begin(owner)
            await sender.finish()
            at = await services.moment_of(owner)
            due = await services.db.read(deliveries.next_due, owner)
            if (due is None or due > at.now) and not await services.db.read(deliveries.under_way, owner, at.system_now):
                return
            if due != last:
                since, last = at.system_now, due
            elif at.system_now - since > 2 * LEASE:
                return  # something keeps it from being tried: the worker will
            await asyncio.sleep(_ANOTHERS_TURN)
    finally:
        await sender.close()


@contextmanager
def _logged(delivery: Delivery) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        log.warning("webhook.not_written_down", delivery=delivery.id, reason=type(error).__name__)
    except Exception as error:
        log.bug("webhook not tried", error, delivery=delivery.id)


class _Opened(NamedTuple):
    at: int
    entries: list[str]
    signers: list[Signer]


class Signers:
    """Endpoints' secrets, opened for a while: each opening leaves an audit line, each delivery does not."""

    def __init__(self, services: Services) -> None:
        self._vault = services.vault
        self._services = services
        self._opened: dict[str, _Opened] = {}

    async def of(self, endpoint: Endpoint, now: int) -> list[Signer]:
        """Of the secret in force, then of the one before it. Raises VaultError, ProviderDown, DatabaseDown."""
        opened = self._opened.get(endpoint.id)
        if opened is None or opened.entries != endpoint.entries or not 0 <= now - opened.at < SIGNERS_LIFE:
            if len(self._opened) >= MOST_SIGNERS:
                self._opened.clear()
            opened = _Opened(now, endpoint.entries, [each async for each in self._open_all(endpoint)])
            self._opened[endpoint.id] = opened
        if not opened.signers:
            raise EntryGone
        return opened.signers

    async def _open_all(self, endpoint: Endpoint) -> AsyncIterator[Signer]:
        for entry_id in endpoint.entries:
            try:
                yield await self._open(endpoint, entry_id)
            except EntryGone:
                # The old one's day may have ended since the endpoint was read.
                if entry_id == endpoint.entry_id:
                    raise

    async def _open(self, endpoint: Endpoint, entry_id: str) -> Signer:
        services = self._services
        use = await services.db.write(
            note_signing, self._vault, endpoint, entry_id, services.ids.new(), services.clock.now()
        )
        return await self._vault.signer(use)


async def note_signing(tx: Tx, vault: Vault, endpoint: Endpoint, entry_id: str, audit_id: str, now: int) -> AccessGrant:
    """The permission to open an endpoint's secret, and the audit line of it. Raises EntryGone."""
    use = await vault.find(tx, endpoint.owner, entry_id)
    await vault.audit_access(tx, use, action="sign", object_id=endpoint.id, actor="worker", now=now, audit_id=audit_id)
    return use
