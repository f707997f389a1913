"""Keys of an installation and of its merchants: made once, rotated, unwrapped rarely, missed loudly."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from azukari.core.clock import SECOND
from azukari.db import Owner
from azukari.vault import Context, NotFitForLive, ProviderDown, RequestNotSent, Wrapped, WrongKey
from azukari.vault.inside import tables
from azukari.vault.inside.file_provider import FileKeyProvider
from azukari.vault.inside.keys import KEEP_SECONDS
from tests.vault.banks import ORDER, Bank
from tests.vault.conftest import MASTER, A, B, CountingIds, Room, StandingClock, Stores, card, change, make_vault


async def test_the_four_keys_are_the_same_after_a_restart_and_differ_from_each_other(room: Room) -> None:
    again = room.another()
    await again.open()

    macs = {room.vault.mac(purpose, b"x") for purpose in ("pepper", "idempotency", "audit")}
    assert macs == {again.mac(purpose, b"x") for purpose in ("pepper", "idempotency", "audit")}
    assert len(macs) == 3
    assert again.fingerprint(A, card()) == room.vault.fingerprint(A, card())


async def test_servers_that_start_together_agree_on_the_keys(stores: Stores, provider: FileKeyProvider) -> None:
    vaults = [make_vault(stores, provider, StandingClock(), CountingIds(), []) for _ in range(8)]
    await asyncio.gather(*(vault.open() for vault in vaults))
    await asyncio.gather(*(vault.seal(A, card()) for vault in vaults[:1]))

    assert len({vault.mac("pepper", b"x") for vault in vaults}) == 1


async def test_the_wrong_key_file_is_told_at_the_start(room: Room, tmp_path: Path) -> None:
    other = FileKeyProvider.load(tmp_path / "other.key", data=tmp_path / "data", create=True)

    with pytest.raises(WrongKey, match="key it was set up with"):
        await room.another(other).open()


async def test_keys_rotate_while_old_cards_still_open(room: Room, bank: Bank) -> None:
    old = await room.keep(A, MASTER)
    room.provider.rotate()
    new = await room.keep(B)

    fresh = room.another()
    await fresh.open()
    fresh.allow("bank", bank)
    await fresh.send(await room.use(old.id), None, ORDER)
    await fresh.send(await room.use(new.id, B), None, ORDER)

    assert [MASTER.encode() in got.body for got in bank.got] == [True, False]


async def test_live_cards_are_refused_while_the_key_lies_beside_the_data(room: Room, tmp_path: Path) -> None:
    near = FileKeyProvider.load(tmp_path / "custody" / "vault.key", data=tmp_path)
    vault = room.another(near)
    await vault.open()

    assert not vault.fit_for_live
    await vault.seal(A, card())
    with pytest.raises(NotFitForLive):
        await vault.seal(Owner("merchant-a", "live"), card())


class Counting(FileKeyProvider):
    """Counts what it is asked, and can be switched off."""

    asked = 0
    down = False

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        self.asked += 1
        if self.down:
            raise ProviderDown
        return super().unwrap(wrapped, context)


@pytest.fixture
def counting(tmp_path: Path, provider: FileKeyProvider) -> Counting:
    return Counting.load(tmp_path / "custody" / "vault.key", data=tmp_path / "data")


async def test_a_merchants_key_is_unwrapped_once_in_five_minutes(room: Room, bank: Bank, counting: Counting) -> None:
    ids = [(await room.keep()).id for _ in range(5)]
    vault = room.another(counting)
    vault.allow("bank", bank)

    await asyncio.gather(*[vault.send(await room.use(entry_id), None, ORDER) for entry_id in ids])
    assert counting.asked == 1

    room.clock.time += KEEP_SECONDS * SECOND - 1
    await vault.send(await room.use(ids[0]), None, ORDER)
    assert counting.asked == 1

    room.clock.time += 1
    await vault.send(await room.use(ids[0]), None, ORDER)
    assert counting.asked == 2


async def test_a_provider_that_is_down_stops_nothing_that_is_in_memory(
    room: Room, bank: Bank, counting: Counting
) -> None:
    sealed = await room.keep()
    vault = room.another(counting)
    vault.allow("bank", bank)
    await vault.ready(A)
    counting.down = True

    await vault.send(await room.use(sealed.id), None, ORDER)
    with pytest.raises(ProviderDown):
        await vault.ready(B)


async def test_a_card_that_cannot_be_opened_is_provably_not_sent(room: Room, bank: Bank, counting: Counting) -> None:
    sealed = await room.keep()
    vault = room.another(counting)
    vault.allow("bank", bank)
    counting.down = True

    with pytest.raises(RequestNotSent, match="ProviderDown"):
        await vault.send(await room.use(sealed.id), None, ORDER)
    await change(room.stores.keys, sa.delete(tables.merchant_keys))
    with pytest.raises(RequestNotSent, match="KeyMissing"):
        await vault.send(await room.use(sealed.id), None, ORDER)
    assert bank.got == []
