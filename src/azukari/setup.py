"""Setting an installation up: directory, key, schema, one merchant with test keys. Doing it again changes nothing.

The database holds only hashes of keys, so the first test pair also stays in a file of the data directory. No live key
ever does.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from azukari.core.config import SettingError, Settings
from azukari.core.secret import Secret
from azukari.db import migrate as migrations
from azukari.db.open import check_files, open_stores
from azukari.merchants import store
from azukari.merchants.keys import TEST
from azukari.merchants.service import Pair
from azukari.merchants.store import Merchant
from azukari.wiring import Parts

FIRST_PAIR = "test-keys.json"
FIRST_MERCHANT = "Test shop"


class Installation(NamedTuple):
    """What ``init`` shows."""

    secret_key: Secret
    publishable_key: Secret
    data: Path


class _Kept(msgspec.Struct):
    """The file. enrolled: the database knows the pair."""

    secret_key: str
    publishable_key: str
    enrolled: bool = False


@asynccontextmanager
async def _alone(data: Path) -> AsyncIterator[None]:
    """Those who set one data directory up at the same time do so one after another."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)  # noqa: ASYNC240 - nobody is waiting yet
    handle = os.open(data / "setup.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


async def migrate(settings: Settings) -> None:
    """Bring the schema up to this version. Raises DatabaseDown."""
    async with _alone(settings.data):
        if not await migrations.is_current(settings):
            await migrations.migrate(settings)


async def init(settings: Settings) -> Installation:
    """Set up whatever is missing. Raises SettingError, DatabaseDown."""
    await migrate(settings)
    file = settings.data / FIRST_PAIR
    async with _alone(settings.data):
        if not (file.exists() and _load(file).enrolled):
            await _enrol_first_pair(settings, file)
    return _read(file, settings)


async def _enrol_first_pair(settings: Settings, file: Path) -> None:
    """The file is written before the database knows its pair: a crash between the two is mended by the next start."""
    parts = await Parts.assemble(settings)
    try:
        if not file.exists():  # noqa: ASYNC240 - nobody is waiting yet
            if await parts.db.read(store.any_merchant) is not None:
                raise SettingError("This installation has merchants already. Make keys with `azukari keys create`.")
            made = parts.keyring.new_pair(TEST)
            _write(file, _Kept(made.secret.reveal(), made.publishable.reveal()))
        kept = _load(file)
        merchant = Merchant(parts.ids.new(), FIRST_MERCHANT, parts.clock.now())
        await parts.keyring.enrol(Pair(Secret(kept.secret_key), Secret(kept.publishable_key)), merchant)
        _write(file, msgspec.structs.replace(kept, enrolled=True))
    finally:
        await parts.close()


async def ensure(settings: Settings) -> Installation | None:
    """Before serving: set up an empty installation, refuse a damaged one and one with another schema.

    None: it keeps no test pair. Raises SettingError, Damaged.
    """
    check_files(settings)
    schema = await migrations.current(settings)
    if schema is None:
        return await init(settings)
    if schema != migrations.HEAD:
        raise SettingError("The database has another version's schema. Run `azukari migrate` first.")
    file = settings.data / FIRST_PAIR
    if not file.exists():
        return None
    return _read(file, settings) if _load(file).enrolled else await init(settings)


async def has_live_keys(settings: Settings) -> bool:
    """Whether real cards may come here. Raises DatabaseDown."""
    stores = await open_stores(settings)
    try:
        return await stores.main.read(store.any_live)
    finally:
        await stores.close()


def _load(file: Path) -> _Kept:
    return msgspec.json.decode(file.read_bytes(), type=_Kept)


def _read(file: Path, settings: Settings) -> Installation:
    kept = _load(file)
    return Installation(Secret(kept.secret_key), Secret(kept.publishable_key), settings.data)


def _write(file: Path, kept: _Kept) -> None:
    """All of it or nothing, and for nobody else's eyes."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as opened:
        opened.write(msgspec.json.encode(kept))
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
