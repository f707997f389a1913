"""SQLite stores whose commits wait for readers, and commits that end in a way nobody thought of."""

import asyncio
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from azukari.db.sqlite import SqliteDatabase, Store
from tests.db.shop import add_item, count_orders, order, orders_of, stock_of
from tests.db.together import all_of

EACH = 60
WRITERS = 3


@pytest.fixture(params=[True, False], ids=["volatile", "durable"])
def store(request: pytest.FixtureRequest, sqlite_store: Store) -> Store:
    return dataclasses.replace(sqlite_store, volatile=request.param)


async def test_two_processes_on_one_volatile_store_do_not_stop_each_other(sqlite_store: Store) -> None:
    volatile = dataclasses.replace(sqlite_store, volatile=True)
    databases = [SqliteDatabase(volatile), SqliteDatabase(volatile)]
    await databases[0].write(add_item, "apple", 10_000)
    writing = True

    async def write(database: SqliteDatabase, name: str) -> None:
        for number in range(EACH):
            await database.write(order, "apple", f"{name}.{number}")

    async def read(database: SqliteDatabase) -> None:
        while writing:
            assert await database.read(stock_of, "apple") is not None
            await database.read(orders_of, "apple")

    readers = [asyncio.ensure_future(read(database)) for database in databases * 2]
    writers = [write(database, f"{d}.{w}") for d, database in enumerate(databases) for w in range(WRITERS)]
    wrote = await all_of(*writers)
    writing = False
    have_read = await all_of(*readers)

    assert wrote == [None] * len(writers)
    assert have_read == [None] * len(readers)
    for database in databases:
        assert await database.read(count_orders) == len(writers) * EACH
        assert await database.read(stock_of, "apple") == 10_000 - len(writers) * EACH
        await database.close()


class Listener:
    """Breaks, when it is told to, over one of a commit's two points."""

    def __init__(self) -> None:
        self._breaks_over: str | None = None

    def __call__(self, point: str) -> None:
        if self._breaks_over is not None and point.startswith(self._breaks_over):
            raise RuntimeError(point)

    @contextmanager
    def breaking(self, over: str) -> Iterator[None]:
        self._breaks_over = over
        yield
        self._breaks_over = None


@pytest.mark.parametrize("over", ["commit:before", "commit:after"])
async def test_a_commit_that_breaks_answers_its_callers_and_the_next_one_works(store: Store, over: str) -> None:
    listener = Listener()
    database = SqliteDatabase(store, listener)
    await database.write(add_item, "apple", 100)

    with listener.breaking(over):
        async with asyncio.timeout(30):
            answers = await all_of(*(database.write(order, "apple", f"{number}") for number in range(5)))

    assert [type(answer) for answer in answers] == [RuntimeError] * 5
    stored = 5 if over == "commit:after" else 0
    assert await database.write(order, "apple", "next") == "next"
    assert await database.read(count_orders) == stored + 1
    assert await database.read(stock_of, "apple") == 100 - stored - 1
    await database.close()
