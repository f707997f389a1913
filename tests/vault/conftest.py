"""The room on real stores: three databases on temporary files, a key file, a clock that stands still."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateSchema, CreateTable

from azukari.core.ids import base36
from azukari.core.secret import Secret
from azukari.db import Database, Owner, Statement, Tx, metadata
from azukari.db.postgres.database import PostgresDatabase
from azukari.db.shelf import Shelf
from azukari.db.sqlite import SqliteDatabase, Store
from azukari.db.tables import KEYS_SCHEMA, SAD_SCHEMA
from azukari.vault import AccessGrant, FileKeyProvider, PaymentDetails, SealedEntry, Vault
from azukari.vault.inside import tables
from tests import postgres
from tests.cards import MASTER, VISA
from tests.vault.banks import Bank

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z
AMEX = "378282246310005"
JCB = "3530111333300000"
DINERS = "30569309025904"
CARDS = (VISA, MASTER, AMEX, JCB, DINERS, "4242424242424242")

A = Owner("merchant-a", "test")
B = Owner("merchant-b", "test")

_MAIN = (tables.entries, tables.audit_lines)
_KEYS = (tables.deks, tables.merchant_keys, tables.root_keys)
_SAD = (tables.sad_values, tables.sad_machines, tables.sad_shares)


class StandingClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: int = NOW) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


class CountingIds:
    """Ids in order: 1, 2, 3 …"""

    def __init__(self) -> None:
        self._count = count(1)

    def new(self) -> str:
        return base36(next(self._count))

    def token(self) -> str:
        return "tok_" + self.new()

    def ref(self) -> str:
        return f"{next(self._count):032x}"

    def base62(self, length: int) -> str:
        return str(next(self._count)).rjust(length, "0")


@dataclass
class Stores:
    """The room's three databases."""

    main: Database
    keys: Database
    sad: Database

    async def close(self) -> None:
        for store in (self.main, self.keys, self.sad):
            await store.close()


def sqlite_stores(directory: Path) -> Stores:
    """The three as SQLite files, with the room's tables alone."""
    keys = Store(directory / "keys.db", KEYS_SCHEMA)
    sad = Store(directory / "sad.db", SAD_SCHEMA, volatile=True)
    main = Store(directory / "main.db", attach=(keys,))
    for store, wanted in ((keys, _KEYS), (sad, _SAD), (main, _MAIN)):
        engine = sa.create_engine("sqlite://", creator=store.open, poolclass=sa.pool.StaticPool)
        metadata.create_all(engine, tables=list(wanted))
        engine.dispose()
    return Stores(SqliteDatabase(main), SqliteDatabase(keys), SqliteDatabase(sad))


async def postgres_stores(url: str) -> Stores:
    """The three as one PostgreSQL database, with the room's tables alone."""
    made = [CreateSchema(KEYS_SCHEMA), CreateSchema(SAD_SCHEMA)]
    for table in (*_MAIN, *_KEYS, *_SAD):
        made += [CreateTable(table), *map(CreateIndex, table.indexes)]
    made += [
        sa.DDL(f"CREATE TABLE {tables.sad_values}_{turn} PARTITION OF {tables.sad_values} FOR VALUES IN ({turn})")
        for turn in (0, 1)
    ]
    connection = await asyncpg.connect(url)
    for element in made:
        await connection.execute(str(element.compile(dialect=postgresql.dialect())))
    await connection.close()
    database = await PostgresDatabase.open(url)
    return Stores(database, database, database)


@dataclass
class Room:
    """A vault and what it stands on."""

    vault: Vault
    stores: Stores
    clock: StandingClock
    ids: CountingIds
    provider: FileKeyProvider
    points: list[str] = field(default_factory=list)
    shelf: Shelf = field(default_factory=Shelf)

    def another(self, provider: FileKeyProvider | None = None, shelf: Shelf | None = None) -> Vault:
        """A second vault on the same stores: another process, or the same one after a restart.

        shelf: of another machine.
        """
        return make_vault(
            self.stores, provider or self.provider, self.clock, self.ids, self.points, shelf or self.shelf
        )

    async def keep(self, owner: Owner = A, number: str = VISA, **more: object) -> SealedEntry:
        """Seal a card and keep it."""
        sealed = await self.vault.seal(owner, card(number, **more))
        await self.stores.main.write(self.vault.add, owner, sealed, self.clock.now())
        return sealed

    async def use(self, entry_id: str, owner: Owner = A) -> AccessGrant:
        """The permission to open an entry, and its audit line."""

        async def unit(tx: Tx) -> AccessGrant:
            return await self._noted(tx, await self.vault.find(tx, owner, entry_id))

        return await self.stores.main.write(unit)

    async def lend(self, details: PaymentDetails, owner: Owner = A) -> AccessGrant:
        """The permission to send a card that is not stored, and its audit line."""

        async def unit(tx: Tx) -> AccessGrant:
            return await self._noted(tx, self.vault.grant_unsaved(owner, details))

        return await self.stores.main.write(unit)

    async def _noted(self, tx: Tx, use: AccessGrant) -> AccessGrant:
        now, audit_id = self.clock.now(), self.ids.new()
        await self.vault.audit_access(
            tx, use, action="charge", object_id="payment-1", actor="key-1", now=now, audit_id=audit_id
        )
        return use


def make_vault(
    stores: Stores,
    provider: FileKeyProvider,
    clock: StandingClock,
    ids: CountingIds,
    points: list[str],
    shelf: Shelf | None = None,
) -> Vault:
    return Vault(
        main=stores.main,
        keys=stores.keys,
        sad=stores.sad,
        provider=provider,
        clock=clock,
        ids=ids,
        shelf=shelf,
        announce=points.append,
        loopback_http=True,
    )


def card(number: str = VISA, **more: object) -> PaymentDetails:
    """Payment details as a request brings them."""
    tree = {"type": "credit_card", "number": number, "month": 8, "year": 2030, "name": "Hana Sato", **more}
    return PaymentDetails.parse(tree, now=NOW)


def keys_on(shelf: Shelf) -> list[str]:
    """Those of verification values, that a machine's processes share."""
    return [name for name in shelf.names() if name != "machine"]


def secret(value: Secret | None) -> str | None:
    return None if value is None else value.reveal()


async def rows(database: Database, query: sa.sql.Executable) -> list[tuple[object, ...]]:
    """Rows of a plain query, past every owner: the thief's view of a store."""
    statement = Statement(lambda *row: row, query, ownerless="a test")
    Statement.every.remove(statement)

    async def unit(tx: Tx) -> list[tuple[object, ...]]:
        return await tx.all(statement, None)

    return await database.read(unit)


async def change(database: Database, query: sa.sql.Executable, **values: object) -> int:
    """The same for writes: the thief's pen."""
    statement: Statement[None] = Statement(None, query, ownerless="a test")
    Statement.every.remove(statement)

    async def unit(tx: Tx) -> int:
        return await tx.run(statement, None, **values)

    return await database.write(unit)


@pytest.fixture(params=["sqlite", "postgres"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    if request.param == "sqlite":
        made = sqlite_stores(tmp_path)
        yield made
        await made.close()
        return
    url = await postgres.create_database(request.getfixturevalue("postgres_url"))
    made = await postgres_stores(url)
    yield made
    await made.close()
    await postgres.drop_database(url)


@pytest.fixture
def provider(tmp_path: Path) -> FileKeyProvider:
    return FileKeyProvider.load(tmp_path / "custody" / "vault.key", data=tmp_path / "data", create=True)


@pytest.fixture
async def room(stores: Stores, provider: FileKeyProvider, tmp_path: Path) -> AsyncIterator[Room]:
    clock, ids, points, shelf = StandingClock(), CountingIds(), [], Shelf(tmp_path / "shelf")
    vault = make_vault(stores, provider, clock, ids, points, shelf)
    await vault.open()
    yield Room(vault, stores, clock, ids, provider, points, shelf)
    await vault.close()


@pytest.fixture
def bank(room: Room) -> Bank:
    bank = Bank()
    room.vault.allow("bank", bank)
    return bank
