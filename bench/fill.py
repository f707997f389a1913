"""Customers in bulk: sealed by the vault itself, written by the application's own statements, many rows at a time.

A sealed card is bound to its row, so none is copied: each has its own data key, as if it had come through the API.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import asyncpg
import msgspec

from azukari.core.config import Settings
from azukari.customers import store as customers
from azukari.customers.schemas import Source
from azukari.customers.store import Customer
from azukari.db import Owner, Statement
from azukari.db.open import SqliteFiles
from azukari.db.sqlite import drive
from azukari.merchants import store as merchants
from azukari.vault import FileKeyProvider, PaymentDetails, Vault
from azukari.wiring import KEK_NAME, Parts

CARD = {"type": "credit_card", "number": "4111111111111111", "month": "12", "year": "2099", "name": "Taro Yamada"}
#: Rows that go to the database at once.
CHUNK = 5_000
#: As many customers are charged, spread evenly over all there are.
CHARGED = 10_000


async def fill(settings: Settings, count: int) -> list[str]:
    """Give the first merchant so many customers with a saved card; the ids of those to charge."""
    parts = await Parts.assemble(settings)
    try:
        merchant = (await parts.db.read(merchants.list_merchants))[0]
        owner = Owner(merchant.id, "test")
        await parts.vault.ready(owner)
        collected = _Collected()
        vault = await _collecting(parts, collected)
        ids: list[str] = []
        for start in range(0, count, CHUNK):
            for _ in range(min(CHUNK, count - start)):
                ids.append(await _add(parts, vault, collected, owner))
            await _write(settings, collected)
        await vault.close()
        return ids[:: max(1, count // CHARGED)]
    finally:
        await parts.close()


async def _collecting(parts: Parts, collected: "_Collected") -> Vault:
    """The installation's vault, but what it writes to its keys store is collected."""
    settings = parts.settings
    provider = FileKeyProvider.load(settings.data / KEK_NAME, data=settings.data, create=False)
    keys: Any = _CollectingStore(parts.stores.keys, collected)
    vault = Vault(
        main=parts.db, keys=keys, sad=parts.stores.sad, provider=provider, clock=parts.clock, ids=parts.ids
    )  # fmt: skip
    await vault.open()
    return vault


async def _add(parts: Parts, vault: Vault, collected: "_Collected", owner: Owner) -> str:
    now = parts.clock.now()
    details = PaymentDetails.parse(CARD, now=now)
    sealed = await vault.seal(owner, details)
    await vault.add(collected, owner, sealed, now)
    shown = details.masked
    customer = Customer(
        merchant_id=owner.merchant_id, mode=owner.mode, id=parts.ids.new(), email=None, metadata="{}",
        entry_id=sealed.id, source=msgspec.json.encode(Source.of(shown)).decode(), exp_month=shown.month,
        exp_year=shown.year, network_id=parts.ids.new()[:15], scenario=None, external_id=None, version=1,
        created_at=now, deleted_at=None,
    )  # fmt: skip
    await customers.save(collected, customer)
    return customer.id


class _Collected:
    """A transaction that only notes down what would be written."""

    def __init__(self) -> None:
        self.rows: dict[Statement[Any], list[dict[str, Any]]] = {}

    async def run(self, statement: Statement[Any], owner: Owner | None, /, **params: Any) -> int:
        if owner is not None:
            params["merchant_id"], params["mode"] = owner
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


async def _write(settings: Settings, collected: _Collected) -> None:
    rows, collected.rows = collected.rows, {}
    if settings.database_url is None:
        _write_sqlite(settings, rows)
        return
    connection = await asyncpg.connect(settings.database_url.reveal())
    try:
        for statement, each in rows.items():
            compiled = statement.postgres
            await connection.executemany(compiled.sql, [compiled.args({**row, **compiled.constants}) for row in each])
    finally:
        await connection.close()


def _write_sqlite(settings: Settings, rows: dict[Statement[Any], list[dict[str, Any]]]) -> None:
    files = SqliteFiles.of(settings.data)
    # Data keys first: what is in the main store must open. Rows of the one store do not fit the other.
    for store, mine in ((files.keys, True), (files.main, False)):
        connection: sqlite3.Connection = store.open()
        connection.execute("BEGIN IMMEDIATE")
        for statement, each in rows.items():
            if (statement.query.table.schema is not None) is mine:  # type: ignore[attr-defined]
                compiled = statement.sqlite
                connection.executemany(compiled.sql, [{**row, **compiled.constants} for row in each])
        connection.execute("COMMIT")
        connection.close()
