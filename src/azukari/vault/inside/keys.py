"""The keys between the provider and the records: four root keys, one key per merchant and mode, one per record."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import sqlalchemy as sa

from azukari.core.clock import SECOND, Clock
from azukari.db import Database, Owner, Statement, Tx, add, add_unless_there, bind, owned
from azukari.vault.inside import envelope
from azukari.vault.inside.envelope import Cipher
from azukari.vault.inside.errors import KeyMissing, NotFitForLive, Unreadable, WrongKey
from azukari.vault.inside.provider import Context, KeyProvider, Wrapped, ask
from azukari.vault.inside.tables import deks, merchant_keys, root_keys

#: How long, and how many, merchants' keys stay unwrapped in memory.
KEEP_SECONDS = 300
KEEP = 1_000

Purpose = Literal["pepper", "idempotency", "audit"]
FINGERPRINT = "fingerprint"
_ROOTS = (FINGERPRINT, "pepper", "idempotency", "audit")
_NOT_A_MERCHANTS = "root keys belong to the installation"


class RootKey(NamedTuple):
    """A row of root_keys."""

    name: str
    wrapped: Wrapped


class WrappedMerchantKey(NamedTuple):
    """A row of merchant_keys."""

    version: int
    wrapped: Wrapped


class MerchantKey(NamedTuple):
    """A merchant's key, ready: it wraps and unwraps data keys."""

    version: int
    cipher: Cipher


def _root_key(name: str, *wrapped: object) -> RootKey:
    return RootKey(name, Wrapped(*wrapped))  # type: ignore[arg-type]


def _merchant_key(version: int, *wrapped: object) -> WrappedMerchantKey:
    return WrappedMerchantKey(version, Wrapped(*wrapped))  # type: ignore[arg-type]


def _wrapped_columns(table: sa.Table) -> tuple[sa.Column[object], ...]:
    return (table.c.provider, table.c.kek_id, table.c.kek_version, table.c.blob)


ROOTS = Statement(_root_key, sa.select(root_keys.c.name, *_wrapped_columns(root_keys)), ownerless=_NOT_A_MERCHANTS)
ADD_ROOT: Statement[None] = Statement(None, add_unless_there(root_keys), ownerless=_NOT_A_MERCHANTS)
_OF_OWNER = sa.select(merchant_keys.c.version, *_wrapped_columns(merchant_keys)).where(*owned(merchant_keys))
NEWEST_KEY = Statement(_merchant_key, _OF_OWNER.order_by(merchant_keys.c.version.desc()).limit(1))
KEY_OF_VERSION = Statement(_merchant_key, _OF_OWNER.where(merchant_keys.c.id == bind(merchant_keys.c.id)))
ADD_KEY: Statement[None] = Statement(None, add_unless_there(merchant_keys))
ADD_DEK: Statement[None] = Statement(None, add(deks))
DROP_DEKS: Statement[None] = Statement(None, sa.delete(deks).where(*owned(deks), deks.c.id == bind(deks.c.id)))


async def load_roots(store: Database, provider: KeyProvider, clock: Clock) -> dict[str, bytes]:
    """The root keys by name, made the first time. Raises WrongKey, ProviderDown.

    Servers that start together all try to make them; the first row of each name is everybody's.
    """
    rows = await store.read(all_roots)
    missing = set(_ROOTS) - {row.name for row in rows}
    if missing:
        made = [(name, await ask(provider, provider.wrap, envelope.new_key(), _root(name))) for name in sorted(missing)]
        rows = await store.write(_add_roots, made, clock.now())
    try:
        return {row.name: await ask(provider, provider.unwrap, row.wrapped, _root(row.name)) for row in rows}
    except (WrongKey, Unreadable) as error:
        raise WrongKey(
            f"The vault was locked with another key than the one given now. {error} "
            "Start the server with the key it was set up with; a new key opens none of the stored cards."
        ) from None


def _root(name: str) -> Context:
    return Context(f"root/{name}")


def root_mac(provider: KeyProvider, name: str, wrapped: Wrapped) -> Callable[[bytes], bytes]:
    """The keyed hash of a root key, for work on a store that is not open. Raises WrongKey, Unreadable, ProviderDown."""
    return partial(envelope.hmac, provider.unwrap(wrapped, _root(name)))


async def all_roots(tx: Tx) -> list[RootKey]:
    """The root keys, wrapped."""
    return await tx.all(ROOTS, None)


async def _add_roots(tx: Tx, made: list[tuple[str, Wrapped]], now: int) -> list[RootKey]:
    for name, key in made:
        await tx.run(ADD_ROOT, None, name=name, created_at=now, **wrapped_values(key))
    return await tx.all(ROOTS, None)


def wrapped_values(key: Wrapped) -> dict[str, object]:
    """A wrapped key's columns."""
    return {"provider": key.provider, "kek_id": key.kek_id, "kek_version": key.kek_version, "blob": key.blob}


class MerchantKeys:
    """Merchants' keys, unwrapped on demand and kept for a while: one call to the provider per merchant and period."""

    def __init__(self, store: Database, provider: KeyProvider, clock: Clock) -> None:
        self._store = store
        self._provider = provider
        self._clock = clock
        # (merchant, mode, version; 0 for the newest) -> when it was loaded, the key.
        self._kept: dict[tuple[str, str, int], tuple[int, MerchantKey]] = {}
        self._loading: dict[tuple[str, str, int], asyncio.Task[MerchantKey]] = {}

    async def newest(self, owner: Owner) -> MerchantKey:
        """The key new data keys are wrapped by, made with the merchant's first. Raises ProviderDown, NotFitForLive."""
        if owner.mode == "live" and not self._provider.fit_for_live:
            raise NotFitForLive
        return self.kept(owner, 0) or await self._load(owner, 0)

    async def of_version(self, owner: Owner, version: int) -> MerchantKey:
        """Raises KeyMissing, WrongKey, Unreadable, ProviderDown."""
        return self.kept(owner, version) or await self._load(owner, version)

    def kept(self, owner: Owner, version: int) -> MerchantKey | None:
        """The key, if it is in memory and fresh."""
        found = self._kept.get((*owner, version))
        # A clock set back must not make a key look young for longer.
        if found is None or not 0 <= self._clock.now() - found[0] < KEEP_SECONDS * SECOND:
            return None
        return found[1]

    def forget(self) -> None:
        """Let go of every key."""
        self._kept.clear()

    async def _load(self, owner: Owner, version: int) -> MerchantKey:
        # Charges that wait for one key ask the provider once.
        name = (*owner, version)
        task = self._loading.get(name)
        if task is None:
            task = self._loading[name] = asyncio.create_task(self._fetch(owner, version))
            task.add_done_callback(lambda _: self._loading.pop(name, None))
        return await asyncio.shield(task)

    async def _fetch(self, owner: Owner, version: int) -> MerchantKey:
        row = await self._store.read(_find_key, owner, version)
        if row is None:
            if version:
                raise KeyMissing(f"Version {version} of a merchant's key is not in the keys store.")
            row = await self._make_first(owner)
        context = _context(owner, row.version)
        key = MerchantKey(
            row.version, envelope.cipher(await ask(self._provider, self._provider.unwrap, row.wrapped, context))
        )
        for name in {version, row.version}:
            self._keep((*owner, name), key)
        return key

    async def _make_first(self, owner: Owner) -> WrappedMerchantKey:
        wrapped = await ask(self._provider, self._provider.wrap, envelope.new_key(), _context(owner, 1))
        return await self._store.write(_add_first_key, owner, wrapped, self._clock.now())

    def _keep(self, name: tuple[str, str, int], key: MerchantKey) -> None:
        while len(self._kept) >= KEEP:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = (self._clock.now(), key)
        # kept() refuses an old key; this lets go of it.
        asyncio.get_running_loop().call_later(KEEP_SECONDS, self._kept.pop, name, None)


def _context(owner: Owner, version: int) -> Context:
    return Context("mk", owner.mode, owner.merchant_id, version)


async def _find_key(tx: Tx, owner: Owner, version: int) -> WrappedMerchantKey | None:
    if version == 0:
        return await tx.one(NEWEST_KEY, owner)
    return await tx.one(KEY_OF_VERSION, owner, id=str(version))


async def _add_first_key(tx: Tx, owner: Owner, wrapped: Wrapped, now: int) -> WrappedMerchantKey:
    await tx.run(ADD_KEY, owner, id="1", version=1, created_at=now, **wrapped_values(wrapped))
    row = await tx.one(NEWEST_KEY, owner)
    if row is None:
        raise KeyMissing("A merchant's key was not stored.")
    return row


async def add_dek(tx: Tx, owner: Owner, entry_id: str, gen: int, mk_version: int, wrapped: bytes, now: int) -> None:
    """Write a data key down, in the keys store, before anything is sealed under it."""
    await tx.run(ADD_DEK, owner, id=entry_id, gen=gen, mk_version=mk_version, wrapped=wrapped, created_at=now)


async def drop_deks(tx: Tx, owner: Owner, entry_id: str) -> int:
    """Destroy every data key of an entry; how many there were."""
    return await tx.run(DROP_DEKS, owner, id=entry_id)
