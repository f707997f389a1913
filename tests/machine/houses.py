"""A fresh installation of two merchants for every run, in a few hundredths of a second.

On SQLite it is a copy of a prepared one, on PostgreSQL the same database with everything taken out that was not there
at the beginning.
"""

import dataclasses
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from azukari.app import asgi
from azukari.core.config import Settings
from azukari.merchants import keys, service, store
from azukari.wiring import KEK_NAME, Services
from tests.faults.sites import Rows
from tests.faults.truth import hold_against_book
from tests.house import forget_memory, running
from tests.machine.front import Front

#: Whose each table is, by its schema; what says how the schema stands is nobody's.
_TABLES = """
    SELECT schemaname AS schema, tablename AS name FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> 'alembic_version'
"""
#: Files that would otherwise be synced a thousand times over.
_QUICK = Path("/dev/shm")


class StillClock:
    """Stands still but for those who move it."""

    def __init__(self, start: int) -> None:
        self.time = start

    def now(self) -> int:
        return self.time


@dataclass(frozen=True)
class Keys:
    """Of two merchants; live: the first one's live key."""

    secret: tuple[str, str]
    publishable: tuple[str, str]
    live: str


@dataclass
class House:
    """A running installation, opened for one run."""

    services: Services
    front: Front
    keys: Keys
    clock: StillClock

    async def hold_against_book(self) -> None:
        """Everything that has to agree when nothing is in flight."""
        rows = Rows(self.services.settings)
        try:
            await hold_against_book(rows, self.services.settings.data, self.clock)
        finally:
            await rows.close()


@dataclass
class Houses:
    """Where they come from."""

    settings: Settings
    keys: Keys
    folder: Path
    empty: Callable[[], Awaitable[None]] | None

    @asynccontextmanager
    async def fresh(self, start: int) -> AsyncIterator[House]:
        """One that nobody has used."""
        settings = self.settings
        data = self.folder / "data"
        shutil.copytree(settings.data, data)
        if self.empty is not None:
            await self.empty()
        settings, clock = dataclasses.replace(settings, data=data), StillClock(start)
        services = await Services.assemble(settings, clock=clock)
        try:
            yield House(services, Front(asgi(services)), self.keys, clock)
        finally:
            await services.close()
            forget_memory(data)
            shutil.rmtree(data)


@asynccontextmanager
async def houses(settings: Settings) -> AsyncIterator[Houses]:
    """Prepare them from an installation of its own."""
    folder = Path(tempfile.mkdtemp(prefix="azukari-machine-", dir=_QUICK if _QUICK.is_dir() else None))
    with suppress(FileNotFoundError):
        shutil.move(settings.data / KEK_NAME, folder / KEK_NAME)  # live keys need it to lie elsewhere
    settings = dataclasses.replace(settings, kek_file=folder / KEK_NAME)
    try:
        made = await _people(settings)
        if settings.database_url is None:
            yield Houses(settings, made, folder, None)
            return
        connection = await asyncpg.connect(settings.database_url.reveal())
        try:
            yield Houses(settings, made, folder, await _emptying(connection))
        finally:
            await connection.close()
    finally:
        shutil.rmtree(folder)


async def _people(settings: Settings) -> Keys:
    async with running(settings) as house:
        services, first = house.services, house.installation
        other = await service.create(services.db, "Other shop", services.clock, services.ids)
        theirs = await services.api_keys.make_pair(other.id, keys.TEST)
        ours = [merchant.id for merchant in await services.db.read(store.list_merchants) if merchant.id != other.id]
        live = await services.api_keys.make_pair(ours[0], keys.LIVE)
        return Keys(
            (first.secret_key.reveal(), theirs.secret.reveal()),
            (first.publishable_key.reveal(), theirs.publishable.reveal()),
            live.secret.reveal(),
        )


async def _emptying(connection: asyncpg.Connection) -> Callable[[], Awaitable[None]]:
    """Empties the tables that are empty now."""
    names = [f'"{row["schema"]}"."{row["name"]}"' for row in await connection.fetch(_TABLES)]
    emptied = [name for name in names if not await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})")]
    command = "BEGIN; SET LOCAL session_replication_role = replica; "
    command += " ".join(f"DELETE FROM {name};" for name in emptied) + " COMMIT;"

    async def empty() -> None:
        await connection.execute(command)

    return empty
