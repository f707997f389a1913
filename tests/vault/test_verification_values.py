"""A verification value is there once, for a day, under the key of its quarter of an hour."""

import asyncio

import sqlalchemy as sa

from azukari.core.clock import HOUR, SECOND
from azukari.core.secret import Secret
from azukari.vault.inside import tables
from tests.vault.conftest import NOW, A, B, Room, keys_on, rows, secret


async def test_the_verification_value_is_there_once(room: Room) -> None:
    sealed = await room.keep()
    await room.vault.keep_verification_value(A, sealed.id, Secret("123"))

    assert await room.vault.take_verification_value(B, sealed.id) is None
    assert secret(await room.vault.take_verification_value(A, sealed.id)) == "123"
    assert await room.vault.take_verification_value(A, sealed.id) is None
    assert await rows(room.stores.sad, sa.select(tables.sad_values)) == []


async def test_of_many_who_take_a_verification_value_one_gets_it(room: Room) -> None:
    await room.vault.keep_verification_value(A, "entry", Secret("0123"))

    taken = await asyncio.gather(*(room.vault.take_verification_value(A, "entry") for _ in range(20)))

    assert [secret(value) for value in taken if value] == ["0123"]


async def test_another_process_can_take_it(room: Room) -> None:
    await room.vault.keep_verification_value(A, "entry", Secret("987"))

    assert secret(await room.another().take_verification_value(A, "entry")) == "987"


async def test_a_verification_value_lives_for_a_day_and_its_key_with_it(room: Room) -> None:
    await room.vault.keep_verification_value(A, "entry", Secret("123"))
    await room.vault.sweep(NOW + 24 * HOUR - 1)
    assert len(keys_on(room.shelf)) == 1

    assert await room.vault.sweep(NOW + 24 * HOUR) == 1
    assert keys_on(room.shelf) == []
    assert await room.vault.take_verification_value(A, "entry") is None


async def test_the_last_value_takes_the_key_of_its_time_along(room: Room) -> None:
    await room.vault.keep_verification_value(A, "entry", Secret("123"))
    room.clock.time += HOUR

    await room.vault.take_verification_value(A, "entry")

    assert keys_on(room.shelf) == []


async def test_each_quarter_of_an_hour_has_its_own_key(room: Room) -> None:
    await room.vault.keep_verification_value(A, "one", Secret("111"))
    room.clock.time += 900 * SECOND
    await room.vault.keep_verification_value(A, "two", Secret("222"))

    assert len(keys_on(room.shelf)) == 2
    assert secret(await room.vault.take_verification_value(A, "one")) == "111"


async def test_a_value_whose_key_is_gone_is_gone(room: Room) -> None:
    await room.vault.keep_verification_value(A, "entry", Secret("123"))
    for name in room.shelf.names():
        room.shelf.drop(name)

    assert await room.another().take_verification_value(A, "entry") is None
