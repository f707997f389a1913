"""The engine: one transaction per unit on a few connections, and the units of a charge in lock step.

READ COMMITTED throughout: races are settled by guarded updates and their row counts.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, ParamSpec, Self, TypeVar

import sqlalchemy as sa

from azukari.db.jobs import QUEUE_LIMIT, Job, Outcome, all_on_their_way, answer_all
from azukari.db.postgres.connecting import Unreachable
from azukari.db.postgres.connection import Connection
from azukari.db.postgres.leftovers import Leftovers
from azukari.db.postgres.lockstep import BatchFailed, Commit, lock_step
from azukari.db.postgres.stepping import Running, Step
from azukari.db.units import Announce, DatabaseDown, Owner, Tx, Unit, UnitMisuse, is_batched, name_of, only_reads, quiet

P = ParamSpec("P")
R = TypeVar("R")

#: Units in one lock-step batch, at most.
BATCH = 64
#: Batches in flight: while one commits, the next collects.
BATCHES = 2
#: A batch this small is not shared out further.
SHARED_FROM = 16
#: One connection in so many serves reads.
READERS_SHARE = 4

_Run = Callable[[Connection, list[Job]], Awaitable[list[Outcome]]]


class Pool:
    """A line of units, and the connections that serve it. Only as many are opened as are needed at once."""

    def __init__(self, connections: list[Connection], run: _Run, most: int) -> None:
        self._connections = connections
        self._free = list(connections)
        self._run = run
        self._most = most
        self._waiting: deque[Job] = deque()
        self._working: set[asyncio.Task[None]] = set()
        #: Connections whose work has not begun.
        self._starting = 0
        self._closed = False

    async def open(self) -> None:
        """Make the first connection. Raises DatabaseDown."""
        await self._free[-1].open()

    async def submit(self, unit: Unit[..., R], args: Any, kwargs: Any) -> R:
        if self._closed or len(self._waiting) >= QUEUE_LIMIT:
            raise DatabaseDown
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(unit, args, kwargs, answer))
        self._start()
        return await answer

    def _start(self) -> None:
        if self._free:
            # A task of its own: a caller who goes away does not take the connection, or its neighbours, along.
            self._starting += 1
            task = asyncio.create_task(self._work(self._free.pop()))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def _work(self, connection: Connection) -> None:
        self._starting -= 1
        try:
            while self._waiting:
                if self._most > 1:
                    await all_on_their_way(self._waiting, self._most)
                batch = self._take(min(self._most, self._share()))
                if not batch:
                    continue  # another connection was faster
                try:
                    outcomes = await self._run(connection, batch)
                except BaseException as error:  # whatever it is, nobody is left without an answer
                    if not isinstance(error, Exception):
                        answer_all(_all_down(batch, error))
                        raise
                    outcomes = [(waiting.answer, None, error) for waiting in batch]
                answer_all(outcomes)
                if isinstance(outcomes[-1][2], Unreachable):
                    answer_all(_all_down(self._take(QUEUE_LIMIT), outcomes[-1][2]))
        finally:
            self._free.append(connection)

    def _share(self) -> int:
        """A long line is shared with the free connections: while one batch is with the server, we prepare the next."""
        return max(SHARED_FROM, -(-len(self._waiting) // (1 + self._starting + len(self._free))))

    def _take(self, most: int) -> list[Job]:
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    async def close(self) -> None:
        self._closed = True
        while self._working:
            await asyncio.wait(self._working)
        for connection in self._connections:
            await connection.close()


class PostgresDatabase:
    """One database. Everything of it belongs to the loop it was opened in."""

    def __init__(self, url: str, announce: Announce = quiet, pool_size: int = 16) -> None:
        readers = max(1, pool_size // READERS_SHARE)
        writers = max(1, pool_size - readers - BATCHES)
        self._announce = announce
        self._leftovers = Leftovers(url)
        self._reading = Pool([Connection(url) for _ in range(readers)], self._read, 1)
        self._writing = Pool([Connection(url) for _ in range(writers)], self._write, 1)
        self._batching = Pool([Connection(url, by_key=True) for _ in range(BATCHES)], self._together, BATCH)
        #: What is about to be read for all who ask for it, and the tasks that do it.
        self._asked: dict[tuple[Any, Owner], asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        #: Units that read in several statements, by name.
        self._several: set[str] = set()

    @classmethod
    async def open(cls, url: str, announce: Announce = quiet, pool_size: int = 16) -> Self:
        """Connect. Raises DatabaseDown.

        url: ``postgresql://user:password@host/database``.
        pool_size: connections, at most.
        """
        database = cls(url, announce, pool_size)
        await database._reading.open()
        return database

    async def write(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await (self._batching if is_batched(unit) else self._writing).submit(unit, args, kwargs)

    async def read(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._reading.submit(unit, args, kwargs)

    async def read_cached(self, unit: Callable[[Tx, Owner], Coroutine[Any, Any, R]], owner: Owner, /) -> R:
        waiting: asyncio.Future[R] | None = self._asked.get((unit, owner))
        if waiting is None:
            waiting = self._asked[unit, owner] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._read_for_all(unit, owner, waiting))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        # One who goes away does not take the answer of the others along.
        return await asyncio.shield(waiting)

    async def write_through(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.write(unit, *args, **kwargs)  # a cached read asks the database

    async def _read_for_all(self, unit: Unit[..., R], owner: Owner, waiting: asyncio.Future[R]) -> None:
        """Read for all who ask until the reading begins; whoever asks later is read for once more."""
        await asyncio.sleep(0)
        del self._asked[unit, owner]
        try:
            answer_all([(waiting, await self.read(unit, owner), None)])
        except BaseException as error:  # whatever it is, nobody is left without an answer
            answer_all([(waiting, None, error)])
            waiting.exception()  # seen, should all of them have gone away
            if not isinstance(error, Exception):
                raise

    async def wipe(self, *tables: sa.Table) -> bool:
        for table in tables:
            await self._leftovers.wipe(table)
        return bool(tables)

    async def empty(self, table: sa.Table, turn: int) -> None:
        await self._leftovers.empty(table, turn)

    async def close(self) -> None:
        for pool in (self._batching, self._writing, self._reading):
            await pool.close()

    async def _write(self, connection: Connection, batch: list[Job]) -> list[Outcome]:
        return [await self._alone(connection, waiting) for waiting in batch]

    async def _alone(self, connection: Connection, waiting: Job) -> Outcome:
        try:
            return await connection.attempt(partial(_one, waiting=waiting, commit=self._commit))
        except Exception as error:
            return waiting.answer, None, error

    async def _together(self, connection: Connection, batch: list[Job], *, again: bool = True) -> list[Outcome]:
        if len(batch) == 1:
            return await self._write(connection, batch)
        try:
            return await connection.attempt(partial(lock_step, batch=batch, commit=self._commit))
        except DatabaseDown as error:
            return _all_down(batch, error)
        except BatchFailed as spoiled:
            # Those who spoiled it run alone, the others together once more; spoiled twice, everyone runs alone.
            apart = spoiled.spoilers if again else batch
        except Exception:  # the database's error belongs to one of them: alone, each gets its own
            apart = batch
        rest = [waiting for waiting in batch if waiting not in apart]
        outcomes = await self._together(connection, rest, again=False) if rest else []
        return outcomes + await self._write(connection, apart)

    async def _commit(self, end: Callable[[], Awaitable[str]], ended_well: list[Job]) -> None:
        if not ended_well:
            await end()
            return
        names = ",".join(sorted({name_of(waiting.unit) for waiting in ended_well}))
        self._announce(f"commit:before:{names}")
        if await end() != "COMMIT":
            raise UnitMisuse(f"{names}: the transaction had failed before its commit")
        self._announce(f"commit:after:{names}")

    async def _read(self, connection: Connection, batch: list[Job]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for waiting in batch:
            try:
                outcomes.append(await connection.attempt(partial(self._look, waiting=waiting)))
            except Exception as error:
                outcomes.append((waiting.answer, None, error))
        return outcomes

    async def _look(self, connection: Any, waiting: Job) -> Outcome:
        """Run a unit that reads: without a transaction if it has one statement, else all on one snapshot."""
        name = name_of(waiting.unit)
        if name not in self._several:
            unit = await _steps(connection, Running(waiting), most=1, only_read=True)
            if unit.step is None:
                return unit.outcome
            unit.close()
            self._several.add(name)
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        unit = await _steps(connection, Running(waiting), only_read=True)
        await connection.execute("COMMIT")
        return unit.outcome


async def _one(connection: Any, waiting: Job, commit: Commit) -> Outcome:
    await connection.execute("BEGIN")
    unit = await _steps(connection, Running(waiting))
    well = unit.error is None
    await commit(partial(connection.execute, "COMMIT" if well else "ROLLBACK"), [waiting] if well else [])
    return unit.outcome


async def _steps(connection: Any, unit: Running, *, most: int | None = None, only_read: bool = False) -> Running:
    """Take a unit to its end, or as far as ``most`` statements. Raises what the driver raises."""
    try:
        while unit.step is not None and most != 0:
            if only_read and unit.step.statement.writes:
                unit.fail(only_reads(name_of(unit.waiting.unit)))
                break
            unit.advance(await _send(connection, unit.step))
            most = None if most is None else most - 1
    except BaseException:
        unit.close()
        raise
    return unit


async def _send(connection: Any, step: Step) -> Any:
    compiled = step.statement.postgres
    args = compiled.args(step.params)
    if not step.counts:
        return await connection.fetch(compiled.sql, *args)
    status = await connection.execute(compiled.sql, *args)
    return int(status.rpartition(" ")[2])


def _all_down(batch: list[Job], error: BaseException) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for waiting in batch:
        down = Unreachable() if isinstance(error, Unreachable) else DatabaseDown()
        down.__cause__ = error
        outcomes.append((waiting.answer, None, down))
    return outcomes
