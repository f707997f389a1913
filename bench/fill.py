"""Customers and payments in bulk: rows of the application's own statements, many at a time.

Customers' cards are sealed by the vault itself. A sealed card is bound to its row, so none is copied: each has
its own data key, as if it had come through the API.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import asyncpg
import httpx
import msgspec
import sqlalchemy as sa

from azukari.app import asgi
from azukari.core import log
from azukari.core.config import Settings
from azukari.core.ids import RandomIds
from azukari.customers import store as customers
from azukari.customers.store import Customer
from azukari.db import Owner, Statement
from azukari.db.open import SqliteFiles
from azukari.db.sqlite import drive
from azukari.events.long_lists import LATE, LongLists
from azukari.payments import store as payments
from azukari.vault import FileKeyProvider, PaymentDetails, Vault
from azukari.wiring import KEK_NAME, Services

CARD = {"type": "credit_card", "number": "4111111111111111", "month": "12", "year": "2099", "name": "Taro Yamada"}
#: Rows that go to the database at once.
CHUNK = 5_000
#: As many customers are charged, spread evenly over all there are.
CHARGED = 10_000


async def fill(settings: Settings, key: str, count: int) -> list[str]:
    """Give a merchant so many customers with a saved card; the ids of those to charge."""
    async with calling(settings, key) as (services, client):
        reply = await client.post("/customers", json={"payment_details": CARD})
        reply.raise_for_status()
        owner = (await services.api_keys.resolve(key, None)).owner
        like = await services.db.read(customers.get, owner, reply.json()["id"])
        collected = _Collected()
        collected.credential = (await services.db.read(services.vault.find, owner, like.entry_id or "")).credential
        vault = await _collecting(services, collected)
        ids: list[str] = []
        for start in range(0, count, CHUNK):
            for _ in range(min(CHUNK, count - start)):
                ids.append(await _add(services, vault, collected, like))
            await _write(settings, collected)
        await vault.close()
        return ids[:: max(1, count // CHARGED)]


async def fill_payments(settings: Settings, key: str, count: int, since: int) -> None:
    """Give a merchant so many payments, spread evenly from a moment until now: each like one that was really made."""
    async with calling(settings, key) as (services, client):
        form = {"amount": "1000", "currency": "JPY", **{f"payment_details[{name}]": it for name, it in CARD.items()}}
        reply = await client.post("/payments", data=form)
        reply.raise_for_status()
        owner = (await services.api_keys.resolve(key, None)).owner
        like = await services.db.read(payments.get, owner, reply.json()["id"])
        clock = _Walking(since, (services.clock.now() - LATE - since) / count)
        ids = RandomIds(clock)
        collected = _Collected()
        for start in range(0, count, CHUNK):
            for _ in range(min(CHUNK, count - start)):
                clock.step()
                await payments.save(collected, msgspec.structs.replace(like, id=ids.new(), created_at=clock.now()))
            await _write(settings, collected, analyze=False)
        await settle(settings)
        await LongLists(services).write_down(owner)


class _Walking:
    """A clock that goes on by steps of equal length."""

    def __init__(self, now: int, step: float) -> None:
        self._now, self._step = float(now), step

    def now(self) -> int:
        return int(self._now)

    def step(self) -> None:
        self._now += self._step


@asynccontextmanager
async def calling(settings: Settings, key: str) -> AsyncIterator[tuple[Services, httpx.AsyncClient]]:
    """An installation opened in this process, and a client of it. It logs nothing."""
    with Path(os.devnull).open("w") as nowhere, mock.patch.object(log._sink, "stream", nowhere):
        services = await Services.assemble(settings)
        transport = httpx.ASGITransport(asgi(services))
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://bench/api/v1", auth=(key, "")) as client:
                yield services, client
        finally:
            await services.close()


async def _collecting(services: Services, collected: "_Collected") -> Vault:
    """The installation's vault, but what it writes to its keys store is collected."""
    settings = services.settings
    provider = FileKeyProvider.load(settings.data / KEK_NAME, data=settings.data, create=False)
    keys: Any = _CollectingStore(services.stores.keys, collected)
    vault = Vault(
        main=services.db, keys=keys, sad=services.stores.sad, provider=provider, clock=services.clock, ids=services.ids
    )
    await vault.open()
    return vault


async def _add(services: Services, vault: Vault, collected: "_Collected", like: Customer) -> str:
    """One more customer: a row like that of the one who came through the API, with a card of its own."""
    owner, now = Owner(like.merchant_id, like.mode), services.clock.now()
    sealed = await vault.seal(owner, PaymentDetails.parse(CARD, now=now))
    await vault.add(collected, owner, sealed, now)
    customer = msgspec.structs.replace(like, id=services.ids.new(), entry_id=sealed.id, created_at=now)
    await customers.save(collected, customer)
    return customer.id


class _Collected:
    """A transaction that only notes down what would be written. credential: goes with each card."""

    def __init__(self) -> None:
        self.credential: str | None = None
        self.rows: dict[Statement[Any], list[dict[str, Any]]] = {}

    async def run(self, statement: Statement[Any], owner: Owner | None, /, **params: Any) -> int:
        if owner is not None:
            params["merchant_id"], params["mode"] = owner
        if "credential" in params:
            params["credential"] = self.credential
        self.rows.setdefault(statement, []).append(params)
        return 1

    async def one(self, statement: Statement[Any], owner: Owner | None, /, **params: Any) -> Any:
        raise NotImplementedError

    all = one


class _CollectingStore:
    """A database whose reads are real and whose writes are collected."""

    def __init__(self, store: Any, collected: _Collected) -> None:
        self.read = store.read
        self._collected = collected

    async def write(self, unit: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return drive(unit(self._collected, *args, **kwargs))


async def _write(settings: Settings, collected: _Collected, *, analyze: bool = True) -> None:
    rows, collected.rows = collected.rows, {}
    if settings.database_url is None:
        _write_sqlite(settings, rows)
        return
    connection = await asyncpg.connect(settings.database_url.reveal())
    try:
        for statement, each in rows.items():
            table: sa.Table = statement.query.table  # type: ignore[attr-defined]
            columns = [name for name in each[0] if name in table.c]
            await connection.copy_records_to_table(
                table.name,
                schema_name=table.schema,
                columns=columns,
                records=[[row[name] for name in columns] for row in each],
            )
        if analyze:
            # The check of the next rows' foreign keys is planned by what is known of the tables by then.
            await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def settle(settings: Settings) -> None:
    """What a database does by itself some time after a load: PostgreSQL's statistics, everybody's checkpoint."""
    if settings.database_url is None:
        for store in (SqliteFiles.of(settings.data).keys, SqliteFiles.of(settings.data).main):
            connection = store.open()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.close()
    else:
        server = await asyncpg.connect(settings.database_url.reveal())
        await server.execute("VACUUM ANALYZE")
        await server.execute("CHECKPOINT")
        await server.close()


def _write_sqlite(settings: Settings, rows: dict[Statement[Any], list[dict[str, Any]]]) -> None:
    files = SqliteFiles.of(settings.data)
    # Data keys first: what is in the main store must open. Rows of the one store do not fit the other.
    for store, mine in ((files.keys, True), (files.main, False)):
        connection: sqlite3.Connection = store.open()
        connection.execute("BEGIN IMMEDIATE")
        for statement, each in rows.items():
            if (statement.query.table.schema is not None) is mine:  # type: ignore[attr-defined]
                compiled = statement.sqlite
                connection.executemany(compiled.sql, [compiled.args(row) for row in each])
        connection.execute("COMMIT")
        connection.close()
