"""The keys of verification values: in each machine's memory, and on their way to another one."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
import sqlalchemy as sa

from azukari.core.clock import DAY, HOUR, MINUTE
from azukari.core.secret import Secret
from azukari.db.shelf import Shelf
from azukari.vault import FileKeyProvider, ProviderDown, Vault
from azukari.vault.inside import sad_keys, tables

from .conftest import NOW, A, Room, change, keys_on, rows, secret


async def meanwhile(work: Awaitable[Secret | None], *serving: Vault) -> str | None:
    """What comes of it while other machines go their rounds."""
    task = asyncio.ensure_future(work)
    while not task.done():
        for vault in serving:
            await vault.serve_machines()
        await asyncio.sleep(0)
    return secret(await task)


@pytest.fixture
def other(room: Room) -> Vault:
    """Another machine."""
    return room.another(shelf=Shelf())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sad_keys, "_LOOK_SECONDS", 0)


async def test_a_machines_processes_seal_under_one_key(room: Room) -> None:
    vaults = [room.vault, *(room.another() for _ in range(3))]

    await asyncio.gather(
        *(vault.keep_verification_value(A, f"entry-{n}", Secret(f"{n:03}")) for n, vault in enumerate(vaults))
    )

    assert len(keys_on(room.shelf)) == 1
    taken = [await room.another().take_verification_value(A, f"entry-{n}") for n in range(4)]
    assert [secret(value) for value in taken] == ["000", "001", "002", "003"]


async def test_processes_without_a_common_memory_are_machines_of_their_own(room: Room) -> None:
    one, two = room.another(shelf=Shelf()), room.another(shelf=Shelf())
    await two.serve_machines()

    await one.keep_verification_value(A, "entry", Secret("123"))

    assert secret(await two.take_verification_value(A, "entry")) == "123"


async def test_a_machine_that_is_there_has_a_key_before_anything_is_sealed_under_it(room: Room, other: Vault) -> None:
    await other.serve_machines()

    await room.vault.keep_verification_value(A, "entry", Secret("123"))

    assert secret(await other.take_verification_value(A, "entry")) == "123"


async def test_a_machine_that_comes_later_asks_for_it(room: Room, other: Vault) -> None:
    await room.vault.keep_verification_value(A, "entry", Secret("123"))

    assert await meanwhile(other.take_verification_value(A, "entry"), room.vault) == "123"


async def test_all_who_wait_for_one_key_get_it(room: Room, other: Vault) -> None:
    names = [f"entry-{n}" for n in range(8)]
    for name in names:
        await room.vault.keep_verification_value(A, name, Secret("123"))
    taking = [asyncio.ensure_future(other.take_verification_value(A, name)) for name in names[1:]]

    assert await meanwhile(other.take_verification_value(A, names[0]), room.vault) == "123"
    assert [secret(value) for value in await asyncio.gather(*taking)] == ["123"] * 7


async def test_another_process_of_the_machine_may_answer(room: Room, other: Vault) -> None:
    await room.vault.keep_verification_value(A, "entry", Secret("123"))

    assert await meanwhile(other.take_verification_value(A, "entry"), room.another()) == "123"


async def test_a_key_is_had_from_a_third_machine_when_the_first_is_gone(room: Room, other: Vault) -> None:
    third = room.another(shelf=Shelf())
    await third.serve_machines()
    await room.vault.keep_verification_value(A, "entry", Secret("123"))
    for name in room.shelf.names():
        room.shelf.drop(name)

    assert await meanwhile(other.take_verification_value(A, "entry"), third) == "123"


async def test_what_the_database_forgot_in_a_crash_is_asked_for_again(room: Room, other: Vault) -> None:
    """Unlogged tables are empty afterwards; values kept since then are not lost."""
    await other.serve_machines()
    await room.vault.keep_verification_value(A, "before", Secret("111"))
    for table in (tables.sad_values, tables.sad_machines, tables.sad_shares):
        await change(room.stores.sad, sa.delete(table))
    room.clock.time += 1
    await room.vault.keep_verification_value(A, "since", Secret("222"))
    await room.vault.serve_machines()

    assert await meanwhile(other.take_verification_value(A, "since"), room.vault) == "222"
    assert await other.take_verification_value(A, "before") is None


async def test_what_nobody_has_is_waited_for_once(room: Room, other: Vault, impatient: None) -> None:
    await room.vault.keep_verification_value(A, "one", Secret("111"))
    await room.vault.keep_verification_value(A, "two", Secret("222"))

    assert await other.take_verification_value(A, "one") is None
    asked = await rows(room.stores.sad, sa.select(tables.sad_machines.c.asked_at).order_by("asked_at"))
    room.clock.time += 1
    assert await other.take_verification_value(A, "two") is None

    assert asked == [(0,), (NOW,)]
    assert await rows(room.stores.sad, sa.select(tables.sad_machines.c.asked_at).order_by("asked_at")) == asked


async def test_a_machine_that_is_gone_is_given_nothing(room: Room, other: Vault) -> None:
    await other.serve_machines()
    room.clock.time += HOUR

    await room.vault.keep_verification_value(A, "entry", Secret("123"))

    assert await rows(room.stores.sad, sa.select(tables.sad_shares)) == []
    assert await meanwhile(other.take_verification_value(A, "entry"), room.vault) == "123"


async def test_a_machine_says_once_a_minute_that_it_is_there(room: Room) -> None:
    seen = []
    for minutes in (0, 0.5, 1.5):
        room.clock.time = NOW + int(minutes * MINUTE)
        await room.vault.serve_machines()
        seen += await rows(room.stores.sad, sa.select(tables.sad_machines.c.seen_at))

    assert seen == [(NOW,), (NOW,), (NOW + 90_000,)]


async def test_another_machines_key_goes_with_its_last_value(room: Room) -> None:
    shelf = Shelf()
    other = room.another(shelf=shelf)
    await other.serve_machines()
    await room.vault.keep_verification_value(A, "entry", Secret("123"))
    room.clock.time += HOUR
    assert secret(await other.take_verification_value(A, "entry")) == "123"

    await room.vault.sweep(room.clock.time)

    assert keys_on(shelf) == keys_on(room.shelf) == []
    assert await rows(room.stores.sad, sa.select(tables.sad_shares)) == []


async def test_a_machine_is_forgotten_after_a_day(room: Room, other: Vault) -> None:
    await other.serve_machines()
    await room.vault.sweep(NOW + DAY - 1)
    assert len(await rows(room.stores.sad, sa.select(tables.sad_machines))) == 1

    await room.vault.sweep(NOW + DAY)

    assert await rows(room.stores.sad, sa.select(tables.sad_machines)) == []


async def test_a_box_is_good_for_its_key_and_machine_alone(room: Room, other: Vault, impatient: None) -> None:
    third = room.another(shelf=Shelf())
    await third.serve_machines()
    await other.serve_machines()
    await room.vault.keep_verification_value(A, "entry", Secret("123"))
    (one, two) = [machine for (machine,) in await rows(room.stores.sad, sa.select(tables.sad_shares.c.machine))]
    boxes = dict(await rows(room.stores.sad, sa.select(tables.sad_shares.c.machine, tables.sad_shares.c.box)))  # type: ignore[arg-type]
    for machine, stolen in ((one, boxes[two]), (two, boxes[one])):
        await change(
            room.stores.sad,
            sa.update(tables.sad_shares)
            .where(tables.sad_shares.c.machine == sa.bindparam("which"))
            .values(box=sa.bindparam("stolen")),
            which=machine,
            stolen=stolen,
        )

    assert await other.take_verification_value(A, "entry") is None


@pytest.mark.parametrize("public", [b"", bytes(32), b"\xff" * 31])
async def test_a_machine_nobody_can_write_to_holds_up_nobody(room: Room, other: Vault, public: bytes) -> None:
    await other.serve_machines()
    await change(room.stores.sad, sa.insert(tables.sad_machines).values(id=7, public=public, seen_at=NOW, asked_at=NOW))

    await room.vault.keep_verification_value(A, "entry", Secret("123"))
    await room.vault.serve_machines()

    assert secret(await other.take_verification_value(A, "entry")) == "123"


async def test_a_memory_that_another_vault_left_is_begun_anew(room: Room, tmp_path: Path) -> None:
    before = FileKeyProvider.load(tmp_path / "before" / "vault.key", data=tmp_path / "data", create=True)
    await room.another(before).keep_verification_value(A, "old", Secret("111"))

    await room.vault.keep_verification_value(A, "new", Secret("222"))

    assert await room.vault.take_verification_value(A, "old") is None
    assert secret(await room.another().take_verification_value(A, "new")) == "222"


@pytest.mark.parametrize("rubbish", [b"", b"{", b"{}", b"\xa5" * 300])
async def test_a_damaged_memory_costs_the_values_alone(room: Room, rubbish: bytes) -> None:
    await room.vault.keep_verification_value(A, "old", Secret("111"))
    for name in room.shelf.names():
        room.shelf.drop(name)
        room.shelf.put(name, rubbish)
    room.shelf.put("rubbish", rubbish)
    restarted = room.another()

    await restarted.keep_verification_value(A, "new", Secret("222"))

    assert await restarted.take_verification_value(A, "old") is None
    assert secret(await restarted.take_verification_value(A, "new")) == "222"
    await restarted.serve_machines()
    await restarted.sweep(room.clock.time)


async def test_no_key_is_had_without_the_provider(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on the machine either: what its processes share is wrapped."""
    await room.vault.keep_verification_value(A, "entry", Secret("123"))

    def down(*_: object) -> bytes:
        raise ProviderDown

    monkeypatch.setattr(FileKeyProvider, "unwrap", down)

    with pytest.raises(ProviderDown):
        await room.another().take_verification_value(A, "entry")


# By turns


async def test_values_that_wait_move_when_a_turn_ends(room: Room) -> None:
    for n in range(3):
        await room.vault.keep_verification_value(A, f"entry-{n}", Secret(f"{n:03}"))
        room.clock.time += HOUR
        await room.vault.wipe()

    taken = [await room.vault.take_verification_value(A, f"entry-{n}") for n in range(3)]

    assert [secret(value) for value in taken] == ["000", "001", "002"]
    assert await rows(room.stores.sad, sa.select(tables.sad_values)) == []


async def test_of_two_values_under_one_id_the_newer_counts_across_turns(room: Room) -> None:
    for wiping in (False, True):
        await room.vault.keep_verification_value(A, "entry", Secret("111"))
        room.clock.time += HOUR
        await room.vault.keep_verification_value(A, "entry", Secret("222"))
        if wiping:
            await room.vault.wipe()

        assert secret(await room.vault.take_verification_value(A, "entry")) == "222"
        assert await room.vault.take_verification_value(A, "entry") is None


async def test_none_is_lost_or_given_twice_while_they_move(room: Room) -> None:
    names = [f"entry-{n}" for n in range(60)]
    for name in names:
        await room.vault.keep_verification_value(A, name, Secret("987"))
    other = room.another()
    room.clock.time += HOUR

    under_way: set[asyncio.Task[None]] = set()

    async def move() -> None:
        for _ in range(5):
            # No value is hours on its way: those that have set out arrive before the next hour but one.
            begun = set(under_way)
            await other.wipe()
            await asyncio.gather(*begun)
            room.clock.time += HOUR

    async def keep_and_take(name: str) -> list[str | None]:
        keeping = asyncio.create_task(room.vault.keep_verification_value(A, "new-" + name, Secret("123")))
        under_way.add(keeping)
        keeping.add_done_callback(under_way.discard)
        await keeping
        return [
            secret(await vault.take_verification_value(A, each))
            for each in (name, "new-" + name)
            for vault in (room.vault, other)
        ]

    _, *taken = await asyncio.gather(move(), *map(keep_and_take, names))

    assert taken == [["987", None, "123", None]] * len(names)
