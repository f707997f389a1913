"""Verification values (PCI DSS: sensitive authentication data): kept in memory only, until the first use or for a day.

Each is sealed under the random key of its quarter of an hour, which is in that store alone and is destroyed with its
last value; so nothing that outlives the store can be opened. Source: PCI DSS 3.3; SEC-2.
"""

import asyncio
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from azukari.core.clock import DAY, MINUTE, Clock
from azukari.core.secret import Secret
from azukari.db import Database, Integer, Owner, Statement, Tx, add, add_unless_there, bind, owned
from azukari.vault.inside import envelope
from azukari.vault.inside.envelope import Cipher
from azukari.vault.inside.errors import KeyMissing
from azukari.vault.inside.keys import wrapped_values
from azukari.vault.inside.provider import Context, KeyProvider, Wrapped, ask
from azukari.vault.inside.tables import sad_epochs, sad_values

EPOCH = 15 * MINUTE
LIFE = DAY
KIND = "sad"
_ALL_OWNERS = "an epoch's key serves all merchants; values are destroyed by age"


class Sealed(NamedTuple):
    """A value as it is stored, with the quarter of an hour whose key opens it."""

    epoch: int
    sealed: bytes


_EPOCH_KEY = sa.select(sad_epochs.c.provider, sad_epochs.c.kek_id, sad_epochs.c.kek_version, sad_epochs.c.blob)
FIND_EPOCH = Statement(
    Wrapped, _EPOCH_KEY.where(sad_epochs.c.number == bind(sad_epochs.c.number)), ownerless=_ALL_OWNERS
)  # fmt: skip
ADD_EPOCH: Statement[None] = Statement(None, add_unless_there(sad_epochs), ownerless=_ALL_OWNERS)
_keep_one = add(sad_values)
KEEP: Statement[None] = Statement(
    None,
    # Twice under one id: the shopper's last answer came in two requests at once.
    _keep_one.on_conflict_do_update(
        index_elements=["merchant_id", "mode", "id"],
        set_={name: _keep_one.excluded[name] for name in ("epoch", "sealed", "created_at")},
    ),
)
_this = (*owned(sad_values), sad_values.c.id == bind(sad_values.c.id))
FIND = Statement(Sealed, sa.select(sad_values.c.epoch, sad_values.c.sealed).where(*_this))
TAKE = Statement(
    Sealed,
    sa.delete(sad_values).where(*_this).returning(sad_values.c.epoch, sad_values.c.sealed),
)
EXPIRE: Statement[None] = Statement(
    None,
    sa.delete(sad_values).where(sad_values.c.created_at <= sa.bindparam("before", type_=Integer)),
    ownerless=_ALL_OWNERS,
)
DROP_EPOCHS: Statement[None] = Statement(
    None,
    sa.delete(sad_epochs).where(
        sad_epochs.c.number < sa.bindparam("before", type_=Integer),
        ~sa.exists().where(sad_values.c.epoch == sad_epochs.c.number),
    ),
    ownerless=_ALL_OWNERS,
)


class VerificationValues:
    """The SAD store."""

    def __init__(self, store: Database, provider: KeyProvider, clock: Clock) -> None:
        self._store = store
        self._provider = provider
        self._clock = clock
        self._kept: dict[int, Cipher] = {}
        self._making = asyncio.Lock()

    async def keep(self, owner: Owner, entry_id: str, value: Secret) -> None:
        """Raises ProviderDown."""
        now = self._clock.now()
        epoch = now // EPOCH
        under = self._kept.get(epoch) or await self._current(epoch)
        plaintext = envelope.pad(msgspec.json.encode({"v": value.reveal()}))
        sealed = envelope.seal(under, plaintext, _aad(owner, entry_id, epoch))
        await self._store.write(_keep, owner, entry_id, epoch, sealed, now)

    async def take(self, owner: Owner, entry_id: str) -> Secret | None:
        """The value, which is gone from the store when this returns; None when it was not there.

        Raises ProviderDown, Unreadable: then it is gone as well.
        """
        now = self._clock.now()
        row = await self._store.write(_take, owner, entry_id, now // EPOCH)
        return None if row is None else await self.open(owner, entry_id, row)

    async def find(self, owner: Owner, entry_id: str) -> Sealed | None:
        """The value as it is stored, where it stays; None where none is kept, or no more."""
        return await self._store.read(_find, owner, entry_id)

    async def open(self, owner: Owner, entry_id: str, row: Sealed) -> Secret | None:
        """A stored value; None: its key is gone. Raises ProviderDown, Unreadable."""
        try:
            under = self._kept.get(row.epoch) or await self._find(row.epoch)
        except KeyMissing:
            return None
        plaintext = envelope.unpad(envelope.unseal(under, row.sealed, _aad(owner, entry_id, row.epoch)))
        return Secret(msgspec.json.decode(plaintext, type=dict[str, str])["v"])

    async def drop(self, owner: Owner, entry_id: str) -> None:
        """Destroy the value, if there is one."""
        await self._store.write(_take, owner, entry_id, self._clock.now() // EPOCH)

    async def reachable(self) -> None:
        """Raises DatabaseDown where the store does not answer."""
        await self._store.read(_find_epoch, self._clock.now() // EPOCH)

    async def sweep(self, now: int) -> int:
        """Destroy values older than a day, and keys without values; how many values there were."""
        current = now // EPOCH
        for epoch in [epoch for epoch in self._kept if epoch < current - 1]:
            del self._kept[epoch]
        return await self._store.write(_sweep, now - LIFE, current)

    async def _current(self, epoch: int) -> Cipher:
        async with self._making:
            found = self._kept.get(epoch)
            if found is not None:
                return found
            wrapped = await ask(self._provider, self._provider.wrap, envelope.new_key(), _context(epoch))
            await self._store.write(_add_epoch, epoch, wrapped)
            found = await self._find(epoch)  # another process may have been first
            self._kept = {number: key for number, key in self._kept.items() if number >= epoch - 1}
            self._kept[epoch] = found
            return found

    async def _find(self, epoch: int) -> Cipher:
        wrapped = await self._store.read(_find_epoch, epoch)
        if wrapped is None:
            raise KeyMissing("The key of a verification value is gone.")
        return envelope.cipher(await ask(self._provider, self._provider.unwrap, wrapped, _context(epoch)))


def _context(epoch: int) -> Context:
    return Context("sad", version=epoch)


def _aad(owner: Owner, entry_id: str, epoch: int) -> bytes:
    """The epoch stands where a record has the generation of its key."""
    return envelope.record_aad(owner, entry_id, KIND, envelope.SCHEMA, epoch)


async def _keep(tx: Tx, owner: Owner, entry_id: str, epoch: int, sealed: bytes, now: int) -> None:
    await tx.run(KEEP, owner, id=entry_id, epoch=epoch, sealed=sealed, created_at=now)


async def _take(tx: Tx, owner: Owner, entry_id: str, current: int) -> Sealed | None:
    row = await tx.one(TAKE, owner, id=entry_id)
    if row is not None and row.epoch < current - 1:
        await tx.run(DROP_EPOCHS, None, before=current - 1)
    return row


async def _find(tx: Tx, owner: Owner, entry_id: str) -> Sealed | None:
    return await tx.one(FIND, owner, id=entry_id)


async def _add_epoch(tx: Tx, epoch: int, wrapped: Wrapped) -> None:
    await tx.run(ADD_EPOCH, None, number=epoch, **wrapped_values(wrapped))


async def _find_epoch(tx: Tx, epoch: int) -> Wrapped | None:
    return await tx.one(FIND_EPOCH, None, number=epoch)


async def _sweep(tx: Tx, before: int, current: int) -> int:
    expired = await tx.run(EXPIRE, None, before=before)
    # The epoch before the current one is left alone: a value of it may be on its way in.
    await tx.run(DROP_EPOCHS, None, before=current - 1)
    return expired
