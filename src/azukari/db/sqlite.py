"""The SQLite engine: one writer with group commit, readers beside it.

Whoever waits goes into one transaction, each unit in a savepoint of its own; one fsync answers them all. A store is one
file; other stores may be attached, read-only, and are never written in the same commit (in WAL mode each file commits
by itself).
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from azukari.core.errors import Unavailable
from azukari.db.statements import Statement
from azukari.db.units import Announce, DatabaseDown, Owner, Unit, fill, name_of, only_reads, quiet, waits
from azukari.db.waiting import WAITING, Outcome, Waiting, answer_all

P = ParamSpec("P")
R = TypeVar("R")

#: Units in one commit, at most.
BATCH = 128
READERS = 2
BUSY_SECONDS = 5.0

_DURABLE = ("journal_mode=WAL", "synchronous=FULL")
#: For values that must not outlive the machine's memory: nothing is ever written to a journal file.
_IN_MEMORY = ("journal_mode=MEMORY", "synchronous=OFF", "secure_delete=ON")


@dataclass(frozen=True, slots=True)
class Store:
    """One SQLite file and how it is opened.

    path: None for memory that the connections of this process share.
    schema: the name its tables are written under, None for the main store.
    attach: other stores this one reads.
    volatile: on a memory file system, never journalled.
    """

    path: Path | None
    schema: str | None = None
    attach: tuple["Store", ...] = ()
    volatile: bool = False

    @property
    def uri(self) -> str:
        """How SQLite names the file."""
        if self.path is None:
            return f"file:{self.schema}?mode=memory&cache=shared"
        # A quote would end the name early where it stands in a statement.
        return self.path.absolute().as_uri().replace("'", "%27")

    def open(self, *, read_only: bool = False) -> sqlite3.Connection:
        """A connection with the settings every one of ours has."""
        try:
            connection = sqlite3.connect(
                ":memory:" if self.schema else self.uri,
                timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True, cached_statements=512,
            )  # fmt: skip
            if self.schema:
                connection.execute(f"ATTACH '{self.uri}' AS {self.schema}")
            where = f"{self.schema}." if self.schema else ""
            for setting in _IN_MEMORY if self.volatile else _DURABLE:
                connection.execute(f"PRAGMA {where}{setting}").fetchall()
            connection.execute("PRAGMA foreign_keys=ON")
            for other in self.attach:
                connection.execute(f"ATTACH '{other.uri}?mode=ro' AS {other.schema}")
            if read_only:
                connection.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            raise DatabaseDown from error
        return connection


class SqliteTx:
    """A transaction of one connection. Every wait returns at once."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _execute(self, statement: Statement[Any], owner: Owner | None, params: dict[str, Any]) -> sqlite3.Cursor:
        compiled = statement.sqlite
        fill(statement, owner, params, compiled.constants)
        return self._connection.execute(compiled.sql, params)

    async def one(self, statement: Statement[R], owner: Owner | None, /, **params: Any) -> R | None:
        row = self._execute(statement, owner, params).fetchone()
        return None if row is None else statement.into(*row)  # type: ignore[misc]

    async def all(self, statement: Statement[R], owner: Owner | None, /, **params: Any) -> list[R]:
        into = statement.into
        return [into(*row) for row in self._execute(statement, owner, params)]  # type: ignore[misc]

    async def run(self, statement: Statement[Any], owner: Owner | None, /, **params: Any) -> int:
        cursor = self._execute(statement, owner, params)
        # With RETURNING, rows are counted as they are fetched.
        return cursor.rowcount if cursor.description is None else len(cursor.fetchall())


def drive(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a unit to its end, here and now. Raises UnitMisuse when it waits for anything but its tx."""
    try:
        awaited = coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    coroutine.close()
    raise waits(getattr(coroutine, "__qualname__", "a unit"), awaited)


class _Lane:
    """A thread with one connection and a queue of units, started with the first of them."""

    def __init__(
        self,
        name: str,
        waiting: "queue.SimpleQueue[Waiting | None]",
        run: "Callable[[list[Waiting]], list[Outcome]]",
        most: int,
    ) -> None:
        self._queue = waiting
        self._run = run
        self._most = most
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            batch, stop = [first], False
            while len(batch) < self._most:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    stop = True
                    break
                batch.append(following)
            outcomes = self._run(batch)
            # One wake-up of the loop answers the whole batch. A loop that is gone has nobody left to answer.
            with suppress(RuntimeError):
                first.answer.get_loop().call_soon_threadsafe(answer_all, outcomes)
            if stop:
                return

    def join(self) -> None:
        self._thread.join()


class SqliteDatabase:
    """One store, its writer and its readers."""

    def __init__(self, store: Store, announce: Announce = quiet) -> None:
        self._store = store
        self._announce = announce
        self._writing: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._reading: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._connections: list[sqlite3.Connection] = []
        self._closed = False
        writer = self._connect(read_only=False)
        self._writer = _Lane("azukari-writer", self._writing, lambda batch: self._write(writer, batch), BATCH)
        self._readers = [self._reader(number) for number in range(READERS)]

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        connection = self._store.open(read_only=read_only)
        self._connections.append(connection)
        return connection

    def _reader(self, number: int) -> _Lane:
        connection = self._connect(read_only=True)
        return _Lane(f"azukari-reader-{number}", self._reading, lambda batch: self._read(connection, batch), 1)

    async def write(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._submit(self._writing, unit, args, kwargs)

    async def read(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._submit(self._reading, unit, args, kwargs)

    async def _submit(
        self, waiting: "queue.SimpleQueue[Waiting | None]", unit: Unit[..., R], args: Any, kwargs: Any
    ) -> R:
        if self._closed or waiting.qsize() >= WAITING:
            raise DatabaseDown
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        waiting.put(Waiting(unit, args, kwargs, answer))
        return await answer

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writing.put(None)
        for _ in self._readers:
            self._reading.put(None)
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        for lane in (self._writer, *self._readers):
            lane.join()
        for connection in self._connections:
            connection.close()

    def _write(self, connection: sqlite3.Connection, batch: list[Waiting]) -> list[Outcome]:
        names = ",".join(sorted({name_of(waiting.unit) for waiting in batch}))
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._in_savepoint(connection, waiting) for waiting in batch]
            self._announce(f"commit:before:{names}")
            connection.execute("COMMIT")
            self._announce(f"commit:after:{names}")
        except sqlite3.Error as error:
            # A full disk or a broken one: SQLite has given the whole transaction up, savepoints too, or we do.
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            return [(waiting.answer, None, _down(error)) for waiting in batch]
        return outcomes

    def _in_savepoint(self, connection: sqlite3.Connection, waiting: Waiting) -> Outcome:
        connection.execute("SAVEPOINT unit")
        try:
            value = drive(waiting.start(SqliteTx(connection)))
        except BaseException as error:
            if isinstance(error, sqlite3.Error) and not isinstance(
                error, sqlite3.IntegrityError | sqlite3.ProgrammingError
            ):
                raise
            connection.execute("ROLLBACK TO unit")
            connection.execute("RELEASE unit")
            return waiting.answer, None, error
        connection.execute("RELEASE unit")
        return waiting.answer, value, None

    def _read(self, connection: sqlite3.Connection, batch: list[Waiting]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for waiting in batch:
            try:
                connection.execute("BEGIN")
                try:
                    value = drive(waiting.start(SqliteTx(connection)))
                finally:
                    connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                refused = error.sqlite_errorcode == sqlite3.SQLITE_READONLY
                outcomes.append((waiting.answer, None, only_reads(name_of(waiting.unit)) if refused else _down(error)))
            except BaseException as error:
                outcomes.append((waiting.answer, None, error))
            else:
                outcomes.append((waiting.answer, value, None))
        return outcomes


def _down(error: sqlite3.Error) -> Unavailable:
    down = DatabaseDown()
    down.__cause__ = error
    return down
