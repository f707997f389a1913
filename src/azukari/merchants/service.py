"""Merchants and keys: who may call, and making, rolling and revoking what they call with."""

import asyncio
import hmac
from collections.abc import Callable, Collection
from ipaddress import ip_address, ip_network
from typing import NamedTuple

import msgspec

from azukari.core import log
from azukari.core.clock import HOUR, Clock
from azukari.core.errors import Unauthorized
from azukari.core.ids import Ids
from azukari.core.secret import Secret
from azukari.db import Database, Owner, Tx
from azukari.merchants import clear_text, keys, store
from azukari.merchants.keys import ApiKey
from azukari.merchants.settings import MerchantSettings, settings_of
from azukari.merchants.store import KeyRow, Merchant

API_VERSIONS = ("2024-07-15", "2025-01-28")
#: How long a node may go on using a key, or settings, it has seen: below the second within which a revoked key must be
#: refused.
REMEMBERED_MS = 500
_REMEMBERED_KEYS = 10_000
_REMEMBERED_SHOPS = 1_000


class Pair(NamedTuple):
    """A secret and a publishable key, in full: shown once."""

    secret: Secret
    publishable: Secret


class LiveKeysRefused(Exception):
    """The vault's key lies beside the data it protects."""


class ServedInTheClear(Exception):
    """A process of this installation lets cards travel in the clear, so no live key is made."""


class ApiKeys:
    """Turns the text of a key into the one who calls, and keeps the keys.

    pepper: the keyed hash keys are stored under; its key belongs to the vault. live_allowed: whether live keys may be
    made. served: the modes whose keys are let in.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        ids: Ids,
        pepper: Callable[[bytes], bytes],
        *,
        live_allowed: bool,
        served: Collection[str] = (keys.LIVE, keys.TEST),
    ) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._pepper = pepper
        self._live_allowed = live_allowed
        self._served = served
        self._seen: dict[bytes, tuple[int, KeyRow, ApiKey]] = {}
        self._noting: set[asyncio.Task[None]] = set()

    async def resolve(self, text: str, client: str | None) -> ApiKey:
        """Who calls with this key from this address. Raises Unauthorized."""
        if len(text) != keys.LENGTH or not text.isascii():
            raise Unauthorized
        key_hash, now = self._pepper(text.encode()), self._clock.now()
        seen = self._seen.get(key_hash)
        if seen is None or not 0 <= now - seen[0] < REMEMBERED_MS:
            # The checksum spares the database a mistyped key; one that was seen has passed it.
            if not keys.well_formed(text):
                raise Unauthorized
            seen = await self._look_up(text, key_hash, now)
        _, row, key = seen
        if row.ip_allow and not _allowed(row.ip_allow, client):
            raise Unauthorized
        return key

    async def _look_up(self, text: str, key_hash: bytes, now: int) -> tuple[int, KeyRow, ApiKey]:
        row = await self._db.read(store.find_by_hash, key_hash)
        if row is None or row.revoked_at is not None or not hmac.compare_digest(row.hash, key_hash):
            self._seen.pop(key_hash, None)
            raise Unauthorized
        if not (self._is_ours(row) and text.startswith(f"{row.kind}_{row.mode}_")):
            self._seen.pop(key_hash, None)
            raise Unauthorized
        if row.mode not in self._served:
            if row.mode == keys.LIVE:
                log.warning("clear_text.live_key", key=row.id)
            raise Unauthorized
        key = ApiKey(row.id, Owner(row.merchant_id, row.mode), row.kind, row.api_version, row.last_four)
        if len(self._seen) >= _REMEMBERED_KEYS:
            self._seen.clear()
        self._seen[key_hash] = seen = (now, row, key)
        if row.last_used_at is None or now - row.last_used_at > HOUR:
            self._note_use(row.id, now)
        return seen

    def bind(self, row: KeyRow) -> KeyRow:
        """The same row, bound to what stands in it: as it is, or not at all."""
        return msgspec.structs.replace(row, binding=self._pepper(row.bound))

    def _is_ours(self, row: KeyRow) -> bool:
        """Whether we wrote this row. One that somebody has edited makes no other key of it, and none of its own."""
        found: object = row.binding  # whatever an editor has put there
        ours = isinstance(found, bytes) and hmac.compare_digest(found, self._pepper(row.bound))
        if not ours:
            log.warning("key.edited", key=row.id)
        return ours

    def _note_use(self, key_id: str, now: int) -> None:
        # Beside the request: no caller waits for a timestamp.
        task = asyncio.ensure_future(self._db.write(store.note_use, key_id, now))
        self._noting.add(task)
        task.add_done_callback(self._noted)

    def _noted(self, task: "asyncio.Task[None]") -> None:
        self._noting.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so that nobody warns: the next hour's use notes it again

    def new_pair(self, mode: str) -> Pair:
        """Two keys nobody has yet; :meth:`enrol` makes them good. Raises LiveKeysRefused, ServedInTheClear."""
        self._may_make(mode)
        return Pair(*(Secret(keys.make(kind, mode, self._ids)) for kind in (keys.SECRET, keys.PUBLISHABLE)))

    async def enrol(self, pair: Pair, merchant: Merchant) -> None:
        """A new merchant with this pair; doing it again changes nothing."""
        await self._db.write(_enrol, merchant, self._rows(pair, merchant.id))

    async def make_pair(self, merchant_id: str, mode: str) -> Pair:
        """Two new keys of a merchant. Raises LiveKeysRefused, ServedInTheClear."""
        pair = self.new_pair(mode)
        await self._db.write(_add_keys, self._rows(pair, merchant_id), self._clock.now())
        return pair

    def _rows(self, pair: Pair, merchant_id: str) -> list[KeyRow]:
        return [self._row(text.reveal(), merchant_id, API_VERSIONS[-1]) for text in pair]

    async def roll(self, key_id: str) -> Secret | None:
        """A new key of the same kind beside the old one, which stays good until it is revoked; None: no such key.

        Raises LiveKeysRefused, ServedInTheClear.
        """
        old = await self._db.read(store.find_key, key_id)
        if old is None or not self._is_ours(old):
            return None
        self._may_make(old.mode)
        text = keys.make(old.kind, old.mode, self._ids)
        await self._db.write(_add_keys, [self._row(text, old.merchant_id, old.api_version)], self._clock.now())
        return Secret(text)

    def _may_make(self, mode: str) -> None:
        if mode == keys.LIVE and mode not in self._served:
            raise ServedInTheClear
        if mode == keys.LIVE and not self._live_allowed:
            raise LiveKeysRefused

    async def revoke(self, key_id: str) -> bool:
        """End a key, on every node within a second; whether it was in use until now."""
        return await self._db.write(store.revoke, key_id, self._clock.now())

    def _row(self, text: str, merchant_id: str, api_version: str) -> KeyRow:
        row = KeyRow(
            hash=self._pepper(text.encode()),
            id=self._ids.new(),
            merchant_id=merchant_id,
            mode=text[3:7],
            kind=text[:2],
            last_four=text[-4:],
            api_version=api_version,
            scopes="",
            ip_allow="",
            created_at=self._clock.now(),
            last_used_at=None,
            revoked_at=None,
        )
        return self.bind(row)


class SettingsCache:
    """Merchants' settings, remembered as keys are: whoever asks for them often does not ask the database as often."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._seen: dict[str, tuple[int, MerchantSettings]] = {}

    async def settings_of(self, merchant_id: str) -> MerchantSettings:
        """The merchant's settings, half a second old at most. Raises NotFound."""
        now = self._clock.now()
        seen = self._seen.get(merchant_id)
        if seen is None or not 0 <= now - seen[0] < REMEMBERED_MS:
            if len(self._seen) >= _REMEMBERED_SHOPS:
                self._seen.clear()
            self._seen[merchant_id] = seen = (now, await self._db.read(settings_of, merchant_id))
        return seen[1]


async def _add_keys(tx: Tx, rows: list[KeyRow], system_now: int) -> None:
    if any(row.mode == keys.LIVE for row in rows) and await clear_text.anybody(tx, system_now):
        raise ServedInTheClear
    for row in rows:
        await store.add_key(tx, row)


async def _enrol(tx: Tx, merchant: Merchant, rows: list[KeyRow]) -> None:
    if await store.find_by_hash(tx, rows[0].hash) is None:
        await store.add_merchant(tx, merchant)
        await _add_keys(tx, rows, merchant.created_at)


async def create(db: Database, name: str, clock: Clock, ids: Ids) -> Merchant:
    """A new merchant, without keys."""
    merchant = Merchant(ids.new(), name, clock.now())
    await db.write(store.add_merchant, merchant)
    return merchant


def _allowed(networks: str, client: str | None) -> bool:
    try:
        address = ip_address(client or "")
    except ValueError:
        return False
    return any(address in ip_network(network) for network in networks.split(","))
