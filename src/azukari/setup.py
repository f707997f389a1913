"""Setting an installation up: directory, key, schema, one merchant with test keys. Doing it again changes nothing.

The database holds only hashes of keys, so the first test pair also stays in a file of the data directory. No live key
ever does.
"""

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from azukari.core.config import SettingError, Settings
from azukari.core.secret import Secret
from azukari.db import migrate
from azukari.db.open import check_files, open_stores
from azukari.merchants import service as merchants
from azukari.merchants import store
from azukari.merchants.keys import TEST
from azukari.wiring import Parts

FIRST_PAIR = "test-keys.json"
FIRST_MERCHANT = "Test shop"


class Installation(NamedTuple):
    """What ``init`` shows."""

    secret_key: Secret
    publishable_key: Secret
    data: Path


class _Pair(msgspec.Struct):
    secret_key: str
    publishable_key: str


async def init(settings: Settings) -> Installation:
    """Set up whatever is missing. Raises SettingError, DatabaseDown."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not await migrate.is_current(settings):
        await migrate.migrate(settings)
    file = settings.data / FIRST_PAIR
    if not file.exists():
        parts = await Parts.assemble(settings)
        try:
            merchant = await merchants.create(parts.db, FIRST_MERCHANT, parts.clock, parts.ids)
            pair = await parts.keyring.make_pair(merchant.id, TEST)
        finally:
            await parts.close()
        _write(file, _Pair(pair.secret.reveal(), pair.publishable.reveal()))
    return _read(file, settings)


async def ensure(settings: Settings) -> Installation | None:
    """Before serving: set up an empty installation, refuse a damaged one and one with another schema.

    None: it keeps no test pair. Raises SettingError, Damaged.
    """
    check_files(settings)
    schema = await migrate.current(settings)
    if schema is None:
        return await init(settings)
    if schema != migrate.HEAD:
        raise SettingError("The database has another version's schema. Run `azukari migrate` first.")
    file = settings.data / FIRST_PAIR
    return _read(file, settings) if file.exists() else None


async def has_live_keys(settings: Settings) -> bool:
    """Whether real cards may come here. Raises DatabaseDown."""
    stores = await open_stores(settings)
    try:
        return await stores.main.read(store.any_live)
    finally:
        await stores.close()


def _read(file: Path, settings: Settings) -> Installation:
    pair = msgspec.json.decode(file.read_bytes(), type=_Pair)
    return Installation(Secret(pair.secret_key), Secret(pair.publishable_key), settings.data)


def _write(file: Path, pair: _Pair) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as opened:
        opened.write(msgspec.json.encode(pair))
