"""The keys verification values are sealed under: in memory only, never in a store, so that what is left of a deleted
value on a disk or in a backup is noise (PCI DSS 3.3.1).

Each machine makes a random key for each quarter of an hour. Its processes share it on its memory file system, wrapped
by the provider. Other machines get the wrapped key through the SAD store, sealed (RFC 9180) to a key that their memory
alone holds: opening what the store keeps of it takes that memory, and the provider.
"""

import asyncio
import re
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from azukari.core.clock import DAY, MINUTE, Clock
from azukari.db import Database, Integer, Statement, Tx, add, add_unless_there, bind
from azukari.db.shelf import Shelf
from azukari.vault.inside import envelope
from azukari.vault.inside.envelope import Cipher
from azukari.vault.inside.errors import KeyMissing, Unreadable, WrongKey
from azukari.vault.inside.provider import Context, KeyProvider, Wrapped, ask
from azukari.vault.inside.tables import sad_machines, sad_shares, sad_values

EPOCH = 15 * MINUTE
#: An epoch's key is named by the epoch's number and the machine that made it.
_MACHINE_BITS = 40
#: How long a machine is told of new keys that has not been heard of.
LIVING = 30 * MINUTE
#: How often a machine says that it is there.
_HEARTBEAT = MINUTE
#: How often, and how many seconds apart, to look for a key that another machine may have: each serves those who ask
#: every two seconds.
_LOOKS, _LOOK_SECONDS = 50, 0.1

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_MACHINE = "machine"
_NAME = re.compile("[0-9a-f]{16}")
_ALL_OWNERS = "an epoch's key serves all merchants"


class Machine(NamedTuple):
    """A row of sad_machines."""

    id: int
    public: bytes
    asked_at: int


class Share(NamedTuple):
    """A row of sad_shares, of one machine."""

    epoch: int
    box: bytes


class _Me(msgspec.Struct, frozen=True):
    """This machine, as its processes find it on their shelf."""

    id: int
    wrapped: Wrapped


class _Self(NamedTuple):
    id: int
    private: X25519PrivateKey
    public: bytes


_be_there = add(sad_machines)
BE_THERE: Statement[None] = Statement(
    None,
    _be_there.on_conflict_do_update(
        index_elements=["id"],
        set_={
            "seen_at": _be_there.excluded.seen_at,
            "asked_at": sa.func.coalesce(sa.func.nullif(_be_there.excluded.asked_at, 0), sad_machines.c.asked_at),
        },
    ),
    ownerless=_ALL_OWNERS,
)
MACHINES = Statement(
    Machine,
    sa.select(sad_machines.c.id, sad_machines.c.public, sad_machines.c.asked_at).where(
        sad_machines.c.seen_at > sa.bindparam("after", type_=Integer)
    ),
    ownerless=_ALL_OWNERS,
)
ADD_SHARE: Statement[None] = Statement(None, add_unless_there(sad_shares), ownerless=_ALL_OWNERS)
_OF_MACHINE = sa.select(sad_shares.c.epoch, sad_shares.c.box).where(sad_shares.c.machine == bind(sad_shares.c.machine))
SHARES = Statement(Share, _OF_MACHINE, ownerless=_ALL_OWNERS)
SHARE = Statement(Share, _OF_MACHINE.where(sad_shares.c.epoch == bind(sad_shares.c.epoch)), ownerless=_ALL_OWNERS)
DROP_SHARES: Statement[None] = Statement(
    None,
    sa.delete(sad_shares).where(
        sad_shares.c.epoch < sa.bindparam("before", type_=Integer),
        ~sa.exists().where(sad_values.c.epoch == sad_shares.c.epoch),
    ),
    ownerless=_ALL_OWNERS,
)
DROP_MACHINES: Statement[None] = Statement(
    None,
    sa.delete(sad_machines).where(sad_machines.c.seen_at <= sa.bindparam("before", type_=Integer)),
    ownerless=_ALL_OWNERS,
)


def number_of(epoch: int) -> int:
    """The number of a key's quarter of an hour."""
    return epoch >> _MACHINE_BITS


def oldest(now: int) -> int:
    """The number from which on keys are left alone: a value of the one before may be on its way in."""
    return now // EPOCH - 1


class SadKeys:
    """The keys this machine holds, and how it comes to others'."""

    def __init__(self, store: Database, shelf: Shelf, provider: KeyProvider, clock: Clock) -> None:
        self._store = store
        self._shelf = shelf
        self._provider = provider
        self._clock = clock
        self._kept: dict[int, Cipher] = {}
        self._me: _Self | None = None
        self._making = asyncio.Lock()
        #: When this process last said that its machine is there, and what it has given to whom.
        self._seen_at = 0
        self._served: dict[int, int] = {}
        #: Keys that are asked for, and those that were in vain: they are not waited for again.
        self._asking: dict[int, asyncio.Task[Share | None]] = {}
        self._lost: set[int] = set()

    async def current(self) -> tuple[int, Cipher]:
        """The key to seal under now, and its name. Raises ProviderDown, DatabaseDown."""
        number = self._clock.now() // EPOCH
        me = self._me or await self._know_myself()
        epoch = number << _MACHINE_BITS | me.id
        found = self._kept.get(epoch)
        if found is None:
            async with self._making:
                found = self._kept.get(epoch) or await self._begin(epoch)
        return epoch, found

    async def find(self, epoch: int) -> Cipher:
        """The key of that name. Raises KeyMissing, ProviderDown, DatabaseDown."""
        found = self._kept.get(epoch) or await self._from_shelf(epoch)
        if found is None:
            await self._receive(epoch)
            found = await self._from_shelf(epoch)
        if found is None:
            raise KeyMissing("The key of a verification value is gone.")
        self._keep(epoch, found)
        return found

    def drop(self, epoch: int) -> None:
        """Destroy a key: here and for the machine's other processes."""
        self._kept.pop(epoch, None)
        self._shelf.drop(_name(epoch))

    async def serve(self) -> None:
        """Give the keys this machine holds to machines that ask for them; say that it is there."""
        now = self._clock.now()
        me = self._me or await self._know_myself()
        machines = await self._store.read(_machines, now)
        # A crash of the database takes its row along.
        if not 0 <= now - self._seen_at < _HEARTBEAT or me.id not in (each.id for each in machines):
            machines = await self._be_there(me)
        asking = [each for each in machines if each.id != me.id and self._served.get(each.id) != each.asked_at]
        if asking:
            # What was given to us may be all that is left of a machine that is gone.
            for share in await self._store.read(_shares, me.id):
                self._accept(me, share)
            for machine in asking:
                given = {share.epoch for share in await self._store.read(_shares, machine.id)}
                await self._give([epoch for epoch in self._epochs() if epoch not in given], [machine])
        self._served = {each.id: each.asked_at for each in machines}

    async def sweep(self, now: int, living: set[int]) -> None:
        """Destroy keys without a value, but for those a value may be on its way to. living: with values."""
        before = oldest(now)
        for epoch in self._epochs():
            if number_of(epoch) < before and epoch not in living:
                self.drop(epoch)
        self._let_go(before)
        await self._store.write(_forget, before << _MACHINE_BITS, now - DAY)

    def _epochs(self) -> list[int]:
        return [int(name, 16) for name in self._shelf.names() if _NAME.fullmatch(name)]

    async def _know_myself(self) -> _Self:
        """This machine's number, and its key, which is in its memory alone."""
        content = self._shelf.get(_MACHINE)
        found = None if content is None else await self._opened(content)
        if found is None:
            private = X25519PrivateKey.generate()
            wrapped = await ask(self._provider, self._provider.wrap, private.private_bytes_raw(), _OF_MACHINES)
            me = _Me(int.from_bytes(envelope.new_key()[:5], "big"), wrapped)
            found = await self._opened(self._shelf.put(_MACHINE, msgspec.json.encode(me)))
        if found is None:
            raise KeyMissing("This machine's own key was changed.")
        self._me = found
        return found

    async def _opened(self, content: bytes) -> _Self | None:
        try:
            me = msgspec.json.decode(content, type=_Me)
            private = X25519PrivateKey.from_private_bytes(
                await ask(self._provider, self._provider.unwrap, me.wrapped, _OF_MACHINES)
            )
        except (WrongKey, Unreadable, msgspec.DecodeError, ValueError):
            # Another vault's, that had this place before.
            self._shelf.drop(_MACHINE)
            return None
        return _Self(me.id, private, private.public_key().public_bytes_raw())

    async def _begin(self, epoch: int) -> Cipher:
        """The key of an epoch that begins; other machines have it when this returns, as far as they are known."""
        found = await self._from_shelf(epoch)
        if found is None:
            wrapped = await ask(self._provider, self._provider.wrap, envelope.new_key(), _context(epoch))
            self._shelf.put(_name(epoch), msgspec.json.encode(wrapped))  # another process may have been first
            found = await self._from_shelf(epoch)
        if found is None:
            raise KeyMissing("The key of verification values was changed.")
        me = self._me or await self._know_myself()
        # After it is on the shelf: whoever serves a machine that comes meanwhile finds it there.
        await self._give([epoch], [each for each in await self._be_there(me) if each.id != me.id])
        self._keep(epoch, found)
        return found

    def _keep(self, epoch: int, key: Cipher) -> None:
        """Older ones are on the shelf, if at all: what is destroyed there is not to live on here."""
        before = oldest(self._clock.now())
        self._let_go(before)
        if number_of(epoch) >= before:
            self._kept[epoch] = key

    def _let_go(self, before: int) -> None:
        self._kept = {epoch: key for epoch, key in self._kept.items() if number_of(epoch) >= before}
        self._lost = {epoch for epoch in self._lost if number_of(epoch) >= before - DAY // EPOCH}

    async def _from_shelf(self, epoch: int) -> Cipher | None:
        content = self._shelf.get(_name(epoch))
        if content is None:
            return None
        try:
            wrapped = msgspec.json.decode(content, type=Wrapped)
            return envelope.cipher(await ask(self._provider, self._provider.unwrap, wrapped, _context(epoch)))
        except (WrongKey, Unreadable, msgspec.DecodeError):
            self._shelf.drop(_name(epoch))
            return None

    async def _be_there(self, me: _Self, asked_at: int = 0) -> list[Machine]:
        now = self._clock.now()
        machines = await self._store.write(_say, me, now, asked_at)
        self._seen_at = now
        return machines

    async def _give(self, epochs: list[int], machines: list[Machine]) -> None:
        """Seal keys to other machines."""
        shares = []
        for epoch in epochs:
            content = self._shelf.get(_name(epoch))
            if content is not None:
                boxes = [(each.id, _box(content, epoch, each)) for each in machines]
                shares += [(machine, Share(epoch, box)) for machine, box in boxes if box is not None]
        if shares:
            await self._store.write(_add_shares, shares)

    def _accept(self, me: _Self, share: Share) -> None:
        try:
            content = _SUITE.decrypt(share.box, me.private, _bound_to(share.epoch, me.id))
        except InvalidTag:
            return
        self._shelf.put(_name(share.epoch), content)

    async def _receive(self, epoch: int) -> None:
        """Take a key another machine has given us, or ask for it where there is one that may have it."""
        me = self._me or await self._know_myself()
        share = await self._store.read(_share, me.id, epoch)
        if share is None and epoch not in self._lost:
            # Those who wait for one key ask for it once.
            task = self._asking.get(epoch)
            if task is None:
                task = self._asking[epoch] = asyncio.create_task(self._ask_for(me, epoch))
                task.add_done_callback(lambda _: self._asking.pop(epoch, None))
            share = await asyncio.shield(task)
        if share is not None:
            self._accept(me, share)

    async def _ask_for(self, me: _Self, epoch: int) -> Share | None:
        if len(await self._be_there(me, asked_at=self._clock.now())) > 1:
            for _ in range(_LOOKS):
                await asyncio.sleep(_LOOK_SECONDS)
                share = await self._store.read(_share, me.id, epoch)
                if share is not None:
                    return share
        self._lost.add(epoch)
        return None


_OF_MACHINES = Context("sad/machine")


def _box(content: bytes, epoch: int, machine: Machine) -> bytes | None:
    """None where the machine's row is not what a machine wrote."""
    try:
        to = X25519PublicKey.from_public_bytes(machine.public)
        return _SUITE.encrypt(content, to, _bound_to(epoch, machine.id))
    except ValueError:
        return None


def _context(epoch: int) -> Context:
    return Context("sad", version=number_of(epoch))


def _name(epoch: int) -> str:
    return f"{epoch:016x}"


def _bound_to(epoch: int, machine: int) -> bytes:
    return b"az1/sad" + epoch.to_bytes(8, "big") + machine.to_bytes(8, "big")


async def _say(tx: Tx, me: _Self, now: int, asked_at: int) -> list[Machine]:
    await tx.run(BE_THERE, None, id=me.id, public=me.public, seen_at=now, asked_at=asked_at)
    return await tx.all(MACHINES, None, after=now - LIVING)


async def _machines(tx: Tx, now: int) -> list[Machine]:
    return await tx.all(MACHINES, None, after=now - LIVING)


async def _add_shares(tx: Tx, shares: list[tuple[int, Share]]) -> None:
    for machine, share in shares:
        await tx.run(ADD_SHARE, None, machine=machine, epoch=share.epoch, box=share.box)


async def _shares(tx: Tx, machine: int) -> list[Share]:
    return await tx.all(SHARES, None, machine=machine)


async def _share(tx: Tx, machine: int, epoch: int) -> Share | None:
    return await tx.one(SHARE, None, machine=machine, epoch=epoch)


async def _forget(tx: Tx, before: int, unseen_since: int) -> None:
    await tx.run(DROP_SHARES, None, before=before)
    await tx.run(DROP_MACHINES, None, before=unseen_since)
