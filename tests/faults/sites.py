"""An installation whose servers are killed and started again, and what is really stored in it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from azukari import hooks
from azukari.core.config import Settings
from azukari.db.open import SqliteFiles
from azukari.vault.inside import envelope
from azukari.wire import idempotency
from azukari.wiring import Services
from tests.faults.crashing_server import Death, Order, ShiftedClock, Started
from tests.house import Api
from tests.webhooks.receiver import Receiver

ROOT = Path(__file__).parents[2]
#: No test waits longer for anything that must come.
PATIENCE_SECONDS = 60


class Launcher:
    """The process that starts servers."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def start(self, order: Order) -> Started:
        """A new server; it may not answer yet, but it listens."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Started)


@contextmanager
def launching() -> Iterator[Launcher]:
    """A launcher of our own."""
    command = [sys.executable, "-m", "tests.faults.crashing_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Launcher(process)
        assert process.stdin is not None
        process.stdin.close()


class Rows:
    """Reads the three stores past the server. The SQL is the same for both databases."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._postgres: Any = None

    async def all(self, sql: str) -> list[dict[str, Any]]:
        """Every row, by the names of its columns."""
        if self._settings.database_url is None:
            return self._from_files(SqliteFiles.of(self._settings.data), sql)
        if self._postgres is None:
            self._postgres = await asyncpg.connect(self._settings.database_url.reveal())
        return [dict(row) for row in await self._postgres.fetch(sql)]

    def _from_files(self, files: SqliteFiles, sql: str) -> list[dict[str, Any]]:
        connection = sqlite3.connect(files.main.uri, uri=True, isolation_level=None, timeout=30)
        try:
            for store in (files.keys, files.sad):
                if store.path is None or not store.path.exists():
                    continue  # no server has run yet
                connection.execute(f"ATTACH '{store.uri}' AS {store.schema}")
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql)]
        finally:
            connection.close()

    async def column(self, sql: str) -> list[Any]:
        """The first column of every row."""
        return [next(iter(row.values())) for row in await self.all(sql)]

    async def change(self, sql: str) -> None:
        """Change rows, as an accident would."""
        await self.all(sql)

    async def close(self) -> None:
        if self._postgres is not None:
            await self._postgres.close()


@dataclass
class Site:
    """An installation. ``ahead``: how far the clock of its next server is ahead, milliseconds."""

    settings: Settings
    launcher: Launcher
    key: str
    rows: Rows
    receiver: Receiver
    ahead: int = 0
    pid: int = 0
    _mac: Callable[[bytes], bytes] | None = None

    async def stored_key(self, name: str) -> str:
        """What an idempotency key is stored under."""
        if self._mac is None:
            async with self.opened() as services:
                # The key itself: the installation forgets it when it is closed.
                self._mac = partial(envelope.mac, services.vault._macs["idempotency"])
        return idempotency.stored_name(name, self._mac)

    @asynccontextmanager
    async def serving(
        self,
        *,
        worker: bool = False,
        delay: int = 0,
        death: Death | None = None,
        trace: Path | None = None,
        leaps: Path | None = None,
    ) -> AsyncIterator[Api]:
        """A server that ends as they all do here: killed."""
        url = self.settings.database_url
        started = self.launcher.start(
            Order(
                data=str(self.settings.data),
                database_url=url and url.reveal(),
                ahead=self.ahead,
                worker=worker,
                delay=delay,
                death=death,
                trace=trace and str(trace),
                leaps=leaps and str(leaps),
            )
        )
        self.pid = started.pid
        transport = httpx.AsyncHTTPTransport(verify=False, limits=httpx.Limits(max_connections=None))
        async with Api(transport, self.key) as api:
            api.base_url = httpx.URL(f"http://127.0.0.1:{started.port}/api/v1")
            try:
                yield api
            finally:
                await kill(started.pid)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Services]:
        """The installation itself, in this process, beside its server."""
        services = await Services.assemble(self.settings, clock=ShiftedClock(self.ahead))
        hooks.connect(services)
        try:
            yield services
        finally:
            await services.close()

    async def until_dead(self) -> None:
        """Wait until the server has died where it was told to."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while _lives(self.pid):
                await asyncio.sleep(0.002)

    async def overdue(self) -> str:
        """Which waiting attempts a worker that starts now asks after: a query that finds those it has not asked yet."""
        start = ShiftedClock(self.ahead).now()
        found = await self.rows.column(f"SELECT id FROM attempts WHERE state = 'waiting' AND due_at <= {start}")
        names = ", ".join(f"'{name}'" for name in ["", *found])
        return f"SELECT id FROM attempts WHERE state = 'waiting' AND updated_at < {start} AND id IN ({names})"

    async def until_none(self, sql: str) -> None:
        """Wait until a query finds nothing any more: the worker's work is done."""
        left: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while left := await self.rows.all(sql):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{len(left)} left of {sql}: {left[:3]}") from None


async def kill(pid: int) -> None:
    """kill -9, and wait until nothing is left of it; it may be dead already."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while _lives(pid, signal.SIGKILL):
            await asyncio.sleep(0.002)


def _lives(pid: int, sent: int = 0) -> bool:
    try:
        os.kill(pid, sent)
    except ProcessLookupError:
        return False
    return True
