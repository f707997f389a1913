"""What is SQLite's alone: a full disk, a writer that is busy."""

import asyncio
import sqlite3
import threading
from typing import Any

import pytest

from azukari.db import DatabaseDown, sqlite
from azukari.db.sqlite import SqliteDatabase, Store
from tests.db.shop import add_item, count_orders, order, orders_of, stock_of
from tests.db.together import all_of


class SmallDisk:
    """Limits the writer's file. It counts the pages of each connection, so it goes in where connections are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connections: list[sqlite3.Connection] = []
        opening = Store.open

        def opened(store: Store, **kwargs: Any) -> sqlite3.Connection:
            connection = opening(store, **kwargs)
            self.connections.append(connection)
            return connection

        monkeypatch.setattr(Store, "open", opened)

    def limit(self, pages: int) -> None:
        for connection in self.connections:
            connection.execute(f"PRAGMA max_page_count={pages}").fetchall()


async def test_on_a_full_disk_nobody_is_told_yes_and_it_passes(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch):
    disk = SmallDisk(monkeypatch)
    database = SqliteDatabase(sqlite_store)
    await database.write(add_item, "apple", 1_000)
    disk.limit(1)  # SQLite takes it as: no larger than now

    long = "x" * 50_000
    answers = await all_of(
        *(database.write(order, "apple", f"{number}" + (long if number == 5 else "")) for number in range(10))
    )

    stored = [answer for answer in answers if isinstance(answer, str)]
    assert all(isinstance(answer, DatabaseDown) for answer in answers if answer not in stored)
    assert isinstance(answers[5], DatabaseDown)
    assert await database.read(count_orders) == len(stored)
    assert await database.read(stock_of, "apple") == 1_000 - len(stored)

    disk.limit(100_000)
    assert await database.write(order, "apple", "after" + long) == "after" + long
    assert len(await database.read(orders_of, "apple")) == len(stored) + 1
    await database.close()


async def test_too_many_in_line_are_turned_away(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite, "WAITING", 30)
    at_commit, go_on = threading.Event(), threading.Event()

    def announce(point: str) -> None:
        at_commit.set()
        go_on.wait(60)

    database = SqliteDatabase(sqlite_store, announce)
    first = asyncio.ensure_future(database.write(add_item, "apple", 100))
    await asyncio.to_thread(at_commit.wait, 60)

    rest = [asyncio.ensure_future(database.write(order, "apple", str(number))) for number in range(40)]
    await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
    go_on.set()

    assert await first == 1
    answers = await all_of(*rest)
    assert [isinstance(answer, DatabaseDown) for answer in answers] == [False] * 30 + [True] * 10
    assert await database.read(count_orders) == 30
    await database.close()
