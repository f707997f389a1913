"""Verification values (PCI DSS: sensitive authentication data): kept until the first use, or for a day.

Each is sealed under the random key of its quarter of an hour, which is in memory alone (``sad_keys``) and is destroyed
with its last value: nothing that is left of a value on a disk can be opened. Source: PCI DSS 3.3; SEC-2.
"""

from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from azukari.core.clock import DAY, HOUR, Clock
from azukari.core.secret import Secret
from azukari.db import Database, Integer, Owner, Statement, Tx, add, bind, owned
from azukari.vault.inside import envelope
from azukari.vault.inside.errors import KeyMissing
from azukari.vault.inside.sad_keys import SadKeys, number_of, oldest
from azukari.vault.inside.tables import sad_values

LIFE = DAY
#: How long values are added to one of the two tables; then to the other one, and what is left moves there too.
TURN = HOUR
KIND = "sad"
_ALL_OWNERS = "an epoch's key serves all merchants; values are destroyed by age"


class Sealed(NamedTuple):
    """A value as it is stored, with the quarter of an hour whose key opens it."""

    epoch: int
    sealed: bytes
    created_at: int


_keep_one = add(sad_values)
KEEP: Statement[None] = Statement(
    None,
    # Twice under one id: the shopper's last answer came in two requests at once.
    _keep_one.on_conflict_do_update(
        index_elements=["merchant_id", "mode", "id", "turn"],
        set_={name: _keep_one.excluded[name] for name in ("epoch", "sealed", "created_at")},
    ),
)
_this = (*owned(sad_values), sad_values.c.id == bind(sad_values.c.id))
FIND = Statement(
    Sealed,
    sa.select(sad_values.c.epoch, sad_values.c.sealed, sad_values.c.created_at)
    .where(*_this)
    .order_by(sad_values.c.created_at.desc())
    .limit(1),
)
TAKE = Statement(
    Sealed,
    sa.delete(sad_values).where(*_this).returning(sad_values.c.epoch, sad_values.c.sealed, sad_values.c.created_at),
)
EXPIRE: Statement[None] = Statement(
    None,
    sa.delete(sad_values).where(sad_values.c.created_at <= sa.bindparam("before", type_=Integer)),
    ownerless=_ALL_OWNERS,
)
LIVING = Statement(int, sa.select(sad_values.c.epoch).distinct(), ownerless=_ALL_OWNERS)
LEFT = Statement(
    int,
    sa.select(sad_values.c.epoch).where(sad_values.c.epoch == bind(sad_values.c.epoch)).limit(1),
    ownerless=_ALL_OWNERS,
)


class _Taken(NamedTuple):
    """value: None when there was none. last: of epochs that are over, those without a value now."""

    value: Sealed | None
    last: set[int]


class VerificationValues:
    """The SAD store."""

    def __init__(self, store: Database, keys: SadKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    async def keep(self, owner: Owner, entry_id: str, value: Secret) -> None:
        """Raises ProviderDown."""
        now = self._clock.now()
        epoch, under = await self._keys.current()
        plaintext = envelope.pad(msgspec.json.encode({"v": value.reveal()}))
        sealed = envelope.seal(under, plaintext, _aad(owner, entry_id, epoch))
        await self._store.write(_keep, owner, entry_id, Sealed(epoch, sealed, now))

    async def take(self, owner: Owner, entry_id: str) -> Secret | None:
        """The value, which is gone from the store when this returns; None when it was not there.

        Raises ProviderDown, Unreadable: then it is gone as well.
        """
        value, last = await self._store.write(_take, owner, entry_id, oldest(self._clock.now()))
        try:
            return None if value is None else await self.open(owner, entry_id, value)
        finally:
            self._drop_keys(last)

    async def find(self, owner: Owner, entry_id: str) -> Sealed | None:
        """The value as it is stored, where it stays; None where none is kept, or no more."""
        return await self._store.read(_find, owner, entry_id)

    async def open(self, owner: Owner, entry_id: str, row: Sealed) -> Secret | None:
        """A stored value; None: its key is gone. Raises ProviderDown, Unreadable."""
        try:
            under = await self._keys.find(row.epoch)
        except KeyMissing:
            return None
        plaintext = envelope.unpad(envelope.unseal(under, row.sealed, _aad(owner, entry_id, row.epoch)))
        return Secret(msgspec.json.decode(plaintext, type=dict[str, str])["v"])

    async def drop(self, owner: Owner, entry_id: str) -> None:
        """Destroy the value, if there is one."""
        self._drop_keys((await self._store.write(_take, owner, entry_id, oldest(self._clock.now()))).last)

    def _drop_keys(self, epochs: set[int]) -> None:
        for epoch in epochs:
            self._keys.drop(epoch)

    async def reachable(self) -> None:
        """Raises DatabaseDown where the store does not answer."""
        await self._store.read(_is_left, 0)

    async def any_left(self) -> bool:
        """Whether there are values. Raises DatabaseDown."""
        return bool(await self._store.read(_living))

    async def sweep(self, now: int) -> int:
        """Destroy values older than a day, and keys without values; how many values there were."""
        expired, living = await self._store.write(_sweep, now - LIFE)
        await self._keys.sweep(now, living)
        return expired

    async def wipe(self) -> None:
        """Give back the table that values are not added to now, with what is left in its file of those deleted."""
        await self._store.empty(sad_values, 1 - _turn(self._clock.now()))


def _turn(now: int) -> int:
    return now // TURN % 2


def _aad(owner: Owner, entry_id: str, epoch: int) -> bytes:
    """The epoch's number stands where a record has the generation of its key."""
    return envelope.record_aad(owner, entry_id, KIND, envelope.SCHEMA, number_of(epoch))


async def _keep(tx: Tx, owner: Owner, entry_id: str, value: Sealed) -> None:
    await tx.run(KEEP, owner, id=entry_id, turn=_turn(value.created_at), **value._asdict())


async def _take(tx: Tx, owner: Owner, entry_id: str, before: int) -> _Taken:
    # Two, where one id was kept in two turns: the newer counts.
    rows = sorted(await tx.all(TAKE, owner, id=entry_id), key=lambda row: row.created_at)
    over = {row.epoch for row in rows if number_of(row.epoch) < before}
    last = {epoch for epoch in over if not await _is_left(tx, epoch)}
    return _Taken(rows[-1] if rows else None, last)


async def _find(tx: Tx, owner: Owner, entry_id: str) -> Sealed | None:
    return await tx.one(FIND, owner, id=entry_id)


async def _is_left(tx: Tx, epoch: int) -> bool:
    return await tx.one(LEFT, None, epoch=epoch) is not None


async def _living(tx: Tx) -> set[int]:
    return set(await tx.all(LIVING, None))


async def _sweep(tx: Tx, before: int) -> tuple[int, set[int]]:
    return await tx.run(EXPIRE, None, before=before), await _living(tx)
