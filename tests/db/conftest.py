"""Both engines, each on a fresh database with the shop's tables."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from azukari.db import Announce, Database, quiet
from azukari.db.postgres.database import PostgresDatabase
from azukari.db.sqlite import SqliteDatabase, Store
from tests import postgres
from tests.db.shop import metadata

#: Opens one more Database on the test's database, as another process would.
Open = Callable[..., Awaitable[Database]]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
async def postgres_url(postgres_server: str) -> AsyncIterator[str]:
    url = await postgres.create_database(postgres_server)
    await postgres.create_tables(url, metadata)
    yield url
    await postgres.drop_database(url)


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "shop.db")
    with sqlite3.connect(store.path) as connection:
        for table in metadata.sorted_tables:
            connection.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
    connection.close()
    return store


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(engine: str, request: pytest.FixtureRequest) -> Any:
    """A URL, or a Store."""
    return request.getfixturevalue("postgres_url" if engine == "postgres" else "sqlite_store")


@pytest.fixture
async def open_database(engine: str, place: Any) -> AsyncIterator[Open]:
    opened: list[Database] = []

    async def open_it(announce: Announce = quiet) -> Database:
        database: Database = (
            await PostgresDatabase.open(place, announce) if engine == "postgres" else SqliteDatabase(place, announce)
        )
        opened.append(database)
        return database

    yield open_it
    for database in opened:
        await database.close()


@pytest.fixture
async def database(open_database: Open) -> Database:
    return await open_database()


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    database = await PostgresDatabase.open(postgres_url)
    yield database
    await database.close()
