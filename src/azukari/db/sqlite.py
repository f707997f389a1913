"""The SQLite engine: one writer with group commit, readers beside it.

Whoever waits goes into one transaction, one fsync answers them all; a unit that fails after a write sends them round
again, each in a savepoint of its own. Units run on the event loop and commits in a thread:
``docs/decisions/0009-sqlite-writer-on-the-loop.md``. A store is one file; other stores may be attached, read-only, and
are never written in the same commit (in WAL mode each file commits by itself).
"""

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa

from azukari.core.errors import Unavailable
from azukari.db.jobs import QUEUE_LIMIT, Job, Outcome, answer_all
from azukari.db.shared_cache import SharedCache
from azukari.db.statements import Statement
from azukari.db.units import Announce, DatabaseDown, Owner, Tx, Unit, fill, name_of, only_reads, quiet, waits

P = ParamSpec("P")
R = TypeVar("R")

#: Units in one commit, at most.
BATCH = 64
READERS = 2
BUSY_SECONDS = 5.0
#: A wipe waits for those who read this long: nobody can write meanwhile.
WIPE_SECONDS = 0.2

#: What is deleted is overwritten with zeros: whether SQLite does so by itself depends on who built it.
_DURABLE = ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON")
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
        """A connection with the settings every one of ours has. Raises DatabaseDown."""
        try:
            return self.connect(read_only=read_only)
        except sqlite3.Error as error:
            raise DatabaseDown from error

    def connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        """:meth:`open`, with the driver's own errors."""
        connection = sqlite3.connect(
            ":memory:" if self.schema else self.uri,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
            cached_statements=512,
        )
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
        return connection


class SqliteTx:
    """A transaction of one connection. Every wait returns at once. wrote: whether a write was run in it."""

    __slots__ = ("_connection", "wrote")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.wrote = False

    def _execute(self, statement: Statement[Any], owner: Owner | None, params: dict[str, Any]) -> sqlite3.Cursor:
        compiled = statement.sqlite
        if statement.writes:
            self.wrote = True
        fill(statement, owner, params)
        return self._connection.execute(compiled.sql, compiled.args(params))

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


class _Reader:
    """A thread with one read-only connection; several share a queue."""

    def __init__(self, name: str, waiting: "queue.SimpleQueue[Job | None]", connection: sqlite3.Connection) -> None:
        self._queue = waiting
        self._connection = connection
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (waiting := self._queue.get()) is not None:
            outcome = self._read(waiting)
            # A loop that is gone has nobody left to answer.
            with suppress(RuntimeError):
                waiting.answer.get_loop().call_soon_threadsafe(answer_all, [outcome])

    def _read(self, waiting: Job) -> Outcome:
        try:
            self._connection.execute("BEGIN")
            try:
                value = drive(waiting.start(SqliteTx(self._connection)))
            finally:
                self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            refused = error.sqlite_errorcode == sqlite3.SQLITE_READONLY
            return waiting.answer, None, only_reads(name_of(waiting.unit)) if refused else _down(error)
        except BaseException as error:
            return waiting.answer, None, error
        return waiting.answer, value, None

    def join(self) -> None:
        self._thread.join()
        self._connection.close()


class _Writer:
    """The one writer of a store.

    Units run on the event loop: between its statements ``sqlite3`` gives the interpreter's lock away, and a thread of
    its own would have to win it back from the loop each time. What waits for the disk or for another process, COMMIT
    and a contended BEGIN, has a thread: a slow fsync must not stop the server.
    """

    def __init__(self, store: Store, announce: Announce) -> None:
        self._connection = connection = store.open()
        self._announce = announce
        # Outside of WAL a commit waits for readers; there it is only BEGIN that waits, for another writer.
        self._commit_waits = store.volatile
        self._waiting: deque[Job] = deque()
        self._working: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "azukari-writer")
        connection.execute("PRAGMA busy_timeout=0")

    def submit(self, waiting: Job) -> None:
        """Put a unit in the line. Raises DatabaseDown when it is full."""
        if len(self._waiting) >= QUEUE_LIMIT:
            raise DatabaseDown
        self._waiting.append(waiting)
        if self._working is None or self._working.done():
            # It begins with the next turn of the loop: whoever comes in this one shares the commit.
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                outcomes = await self._run(batch)
            except BaseException as error:  # whatever it is, nobody is left without an answer
                self._roll_back()
                answer_all([(waiting.answer, None, error) for waiting in batch])
                if not isinstance(error, Exception):
                    raise
            else:
                answer_all(outcomes)

    async def _run(self, batch: list[Job]) -> list[Outcome]:
        try:
            await self._begin()
            try:
                outcomes = [self._in_the_open(waiting) for waiting in batch]
            except _BatchFailed:
                # Rare enough that savepoints, two statements a unit, are only for those who turn out to need them.
                self._connection.execute("ROLLBACK")
                await self._begin()
                outcomes = [self._in_savepoint(waiting) for waiting in batch]
            names = ",".join(sorted({name_of(waiting.unit) for waiting in batch}))
            await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, names)
        except sqlite3.Error as error:
            # A full disk or a broken one: SQLite has given the whole transaction up, savepoints too, or we do.
            self._roll_back()
            return [(waiting.answer, None, _down(error)) for waiting in batch]
        return outcomes

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    async def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            # Another process writes to this file: wait for it where waiting is free.
            await asyncio.get_running_loop().run_in_executor(self._thread, self._begin_patiently)

    def _begin_patiently(self) -> None:
        with self._patience():
            self._connection.execute("BEGIN IMMEDIATE")

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Wait for other connections, as long as they may take; on the loop nobody waits."""
        self._connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1_000)}")
        try:
            yield
        finally:
            self._connection.execute("PRAGMA busy_timeout=0")

    def _commit(self, names: str) -> None:
        self._announce(f"commit:before:{names}")
        with self._patience() if self._commit_waits else nullcontext():
            self._connection.execute("COMMIT")
        self._announce(f"commit:after:{names}")

    def _in_the_open(self, waiting: Job) -> Outcome:
        """Run a unit that will leave nothing to undo: one that fails after a write spoils the batch."""
        tx = SqliteTx(self._connection)
        try:
            return waiting.answer, drive(waiting.start(tx)), None
        except BaseException as error:
            if _is_the_disk(error):
                raise
            if tx.wrote:
                raise _BatchFailed from error
            return waiting.answer, None, error

    def _in_savepoint(self, waiting: Job) -> Outcome:
        execute = self._connection.execute
        execute("SAVEPOINT unit")
        try:
            value = drive(waiting.start(SqliteTx(self._connection)))
        except BaseException as error:
            if _is_the_disk(error):
                raise
            execute("ROLLBACK TO unit")
            execute("RELEASE unit")
            return waiting.answer, None, error
        execute("RELEASE unit")
        return waiting.answer, value, None

    async def close(self) -> None:
        """Finish what was accepted."""
        if self._working is not None:
            await asyncio.wait([self._working])
        self._thread.shutdown()
        self._connection.close()


class SqliteDatabase:
    """One store, its writer and its readers."""

    def __init__(self, store: Store, announce: Announce = quiet) -> None:
        self._store = store
        self._writer = _Writer(store, announce)
        self._reading: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._readers = [
            _Reader(f"azukari-reader-{number}", self._reading, store.open(read_only=True)) for number in range(READERS)
        ]
        # A cached read is made on the loop: sooner than in a thread. It never waits.
        self._cache = (
            SharedCache(store.path.with_name(store.path.name + "-seen")) if store.path and not store.schema else None
        )
        self._cached_reader = store.open(read_only=True) if self._cache else None
        if self._cached_reader is not None:
            self._cached_reader.execute("PRAGMA busy_timeout=0")
        self._changing: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def write(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        waiting = self._wait(unit, args, kwargs)
        self._writer.submit(waiting)
        return await waiting.answer  # type: ignore[no-any-return]

    async def read(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        waiting = self._wait(unit, args, kwargs)
        if self._reading.qsize() >= QUEUE_LIMIT:
            raise DatabaseDown
        self._reading.put(waiting)
        return await waiting.answer  # type: ignore[no-any-return]

    async def read_cached(self, unit: Callable[[Tx, Owner], Coroutine[Any, Any, R]], owner: Owner, /) -> R:
        if self._closed:
            raise DatabaseDown
        reader = self._cached_reader
        if self._cache is None or reader is None:
            return await self.read(unit, owner)
        try:
            return self._cache.answer((unit, owner), lambda: drive(unit(SqliteTx(reader), owner)))
        except sqlite3.OperationalError:
            return await self.read(unit, owner)  # where waiting is free, and errors have their names

    async def write_through(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._cache is None:
            return await self.write(unit, *args, **kwargs)
        # Whoever asked may go away; the number may not say "changed" before the commit.
        changing = asyncio.ensure_future(self._change(self._cache, unit, args, kwargs))
        self._changing.add(changing)
        changing.add_done_callback(self._changed)
        return await asyncio.shield(changing)

    async def _change(self, cache: SharedCache, unit: Unit[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        async with cache.change():
            return await self.write(unit, *args, **kwargs)

    def _changed(self, changing: "asyncio.Task[Any]") -> None:
        self._changing.discard(changing)
        if not changing.cancelled():
            changing.exception()  # seen, should whoever asked have gone away

    async def wipe(self, *tables: sa.Table) -> bool:
        if self._closed:
            raise DatabaseDown
        return await asyncio.to_thread(_empty_log, self._store)

    async def empty(self, table: sa.Table, turn: int) -> None:
        """Nothing: what is deleted here is overwritten at once."""

    def _wait(self, unit: Unit[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job:
        if self._closed:
            raise DatabaseDown
        return Job(unit, args, kwargs, asyncio.get_running_loop().create_future())

    async def close(self) -> None:
        if self._closed:
            return
        if self._changing:
            await asyncio.wait(self._changing)
        self._closed = True
        await self._writer.close()
        if self._cache is not None and self._cached_reader is not None:
            self._cache.close()
            self._cached_reader.close()
        for _ in self._readers:
            self._reading.put(None)
        for reader in self._readers:
            await asyncio.to_thread(reader.join)


def _empty_log(store: Store) -> bool:
    """Bring what is in the write-ahead log into its file, where deleted rows are zeros; whether there was anything."""
    if store.path is None or store.volatile:
        return False
    log = store.path.with_name(store.path.name + "-wal")
    if not log.exists() or log.stat().st_size == 0:
        return False
    try:
        with closing(sqlite3.connect(store.uri, uri=True, timeout=WIPE_SECONDS)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise DatabaseDown from error
    return True


class _BatchFailed(Exception):
    """A unit of the batch failed after it wrote: all of them run again, each in a savepoint."""


def _is_the_disk(error: BaseException) -> bool:
    """Whether the whole transaction is lost, and not one unit's mistake."""
    mistakes = (sqlite3.IntegrityError, sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.Error) and not isinstance(error, mistakes)


def _down(error: sqlite3.Error) -> Unavailable:
    down = DatabaseDown()
    down.__cause__ = error
    return down
