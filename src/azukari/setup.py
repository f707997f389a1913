"""Setting an installation up: directory, key, schema, one merchant with test keys. Doing it again changes nothing."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from azukari.core.config import SettingError, Settings
from azukari.core.secret import Secret
from azukari.db import migrate as migrations
from azukari.db.open import check_files, open_stores
from azukari.merchants import first_pair, store
from azukari.merchants.first_pair import FirstPair
from azukari.merchants.keys import TEST
from azukari.merchants.service import Pair
from azukari.merchants.store import Merchant
from azukari.vault import FileKeyProvider, Wrapped, root_mac
from azukari.wiring import KEK_NAME, Services, key_file, key_provider

FIRST_PAIR = first_pair.FILE
FIRST_MERCHANT = "Test shop"


class Installation(NamedTuple):
    """What ``init`` shows."""

    secret_key: Secret
    publishable_key: Secret
    data: Path
    is_new: bool = False


@asynccontextmanager
async def _alone(data: Path) -> AsyncIterator[None]:
    """Those who set one data directory up at the same time do so one after another."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)  # noqa: ASYNC240 - nobody is waiting yet
    found = data.stat()  # noqa: ASYNC240
    if found.st_uid == os.getuid() and found.st_mode & 0o077:
        # It was there before, as others may read it: the vault's key and the first test pair will stand in it.
        data.chmod(0o700)  # noqa: ASYNC240
    handle = os.open(data / "setup.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


async def migrate(settings: Settings) -> None:
    """Bring the schema up to this version. Raises DatabaseDown, SettingError, VaultError."""
    async with _alone(settings.data):
        if not await migrations.is_current(settings):
            await migrations.migrate(settings, _binder(settings))


def _binder(settings: Settings) -> migrations.Binder:
    """Binds keys of earlier releases; only where there are some is the vault's key needed."""

    def of(provider: str, kek_id: str, version: int, blob: bytes) -> Callable[[bytes], bytes]:
        key = FileKeyProvider.load(key_file(settings), data=settings.data, create=False)
        return root_mac(key, "pepper", Wrapped(provider, kek_id, version, blob))

    return of


def _check_key(settings: Settings) -> None:
    """A key file of its own is there and can be read. Raises SettingError, KeyFileError."""
    path = settings.kek_file
    if path is None:
        return
    if not os.path.exists(path):
        raise SettingError(
            f"AZUKARI_KEK_FILE names {path}, and there is no such file. Put the key file of this installation there. "
            f"A new one makes its own: run `azukari init` without the setting, then move {KEK_NAME} there."
        )
    key_provider(settings)


async def init(settings: Settings) -> Installation:
    """Set up whatever is missing. Raises SettingError, KeyFileError, DatabaseDown."""
    _check_key(settings)
    await migrate(settings)
    async with _alone(settings.data):
        kept = first_pair.find(settings.data)
        if kept is None or not kept.enrolled:
            kept = await _enrol_first_pair(settings, kept)
    return _shown(kept, settings)


async def _enrol_first_pair(settings: Settings, kept: FirstPair | None) -> FirstPair:
    """The file is written before the database knows its pair: a crash between the two is mended by the next start."""
    services = await Services.assemble(settings)
    try:
        if kept is None:
            if await services.db.read(store.any_merchant) is not None:
                raise SettingError("This installation has merchants already. Make keys with `azukari keys create`.")
            made = services.api_keys.new_pair(TEST)
            kept = FirstPair(made.secret.reveal(), made.publishable.reveal())
            first_pair.keep(settings.data, kept)
        merchant = Merchant(services.ids.new(), FIRST_MERCHANT, services.clock.now())
        await services.api_keys.enrol(Pair(Secret(kept.secret_key), Secret(kept.publishable_key)), merchant)
        enrolled = msgspec.structs.replace(kept, enrolled=True)
        first_pair.keep(settings.data, enrolled)
        return enrolled
    finally:
        await services.close()


async def ensure(settings: Settings) -> Installation | None:
    """Before serving: set up an empty installation, refuse a damaged one and one with another schema.

    None: it keeps no test pair. Raises SettingError, KeyFileError, Damaged.
    """
    _check_key(settings)
    check_files(settings)
    schema = await migrations.current(settings)
    if schema is None:
        return (await init(settings))._replace(is_new=True)
    if schema != migrations.HEAD:
        raise SettingError("The database has another version's schema. Run `azukari migrate` first.")
    kept = first_pair.find(settings.data)
    if kept is None:
        return None
    return _shown(kept, settings) if kept.enrolled else await init(settings)


async def check_processors(settings: Settings) -> None:
    """Build the processors once, as every server of this installation will. Raises SettingError, DatabaseDown."""
    services = await Services.assemble(settings)
    await services.close()


async def has_live_keys(settings: Settings) -> bool:
    """Whether real cards may come here. Raises DatabaseDown."""
    stores = await open_stores(settings)
    try:
        return await stores.main.read(store.any_live)
    finally:
        await stores.close()


def _shown(kept: FirstPair, settings: Settings) -> Installation:
    return Installation(Secret(kept.secret_key), Secret(kept.publishable_key), settings.data)
