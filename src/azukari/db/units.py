"""The contract between a unit of work and the engine that runs it."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

import sqlalchemy as sa

from azukari.core.errors import Locked, Unavailable
from azukari.db.statements import Statement

P = ParamSpec("P")
R = TypeVar("R")


class Owner(NamedTuple):
    """Whose data: the merchant and the mode (``live`` or ``test``), both taken from the API key and nothing else."""

    merchant_id: str
    mode: str


class Tx(Protocol):
    """What a unit may wait for. Parameters are the binds of the statement, by name; the owner binds its two itself."""

    async def one(self, statement: Statement[R], owner: Owner | None, /, **params: Any) -> R | None:
        """The first row, or None. Also for writes with RETURNING: None means no row was changed."""
        ...

    async def all(self, statement: Statement[R], owner: Owner | None, /, **params: Any) -> list[R]:
        """Every row."""
        ...

    async def run(self, statement: Statement[Any], owner: Owner | None, /, **params: Any) -> int:
        """Run a write; the number of rows it changed."""
        ...


Unit = Callable[Concatenate[Tx, P], Coroutine[Any, Any, R]]

#: Told of each point where a crash matters: ``commit`` and ``call``, ``before`` and ``after``, and what is committed or
#: called. The list of points is thereby complete by construction.
Announce = Callable[[str], None]


def quiet(point: str) -> None:
    """Nobody listens."""


class UnitMisuse(RuntimeError):
    """A unit of work broke its contract: a bug, not an outage."""


class DatabaseDown(Unavailable):
    """The database or its disk cannot take the unit now.

    Nothing of it was stored, but for one case that cannot be told apart: a connection that broke while its commit was
    under way. So whoever tries again does it in a way that may run twice.

    because: why, where that is known: for the command line, never for a caller.
    """

    def __init__(self, *, because: str | None = None) -> None:
        super().__init__()
        self.because = because


class Database(Protocol):
    """Runs units of work. One per store and process."""

    async def write(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a unit that may write; answers after its commit is durable.

        The unit may run more than once, and raises what it raises, rolled back. Raises DatabaseDown.
        """
        ...

    async def read(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a unit that only reads, beside the writers. Raises DatabaseDown."""
        ...

    async def read_cached(self, unit: Callable[[Tx, Owner], Coroutine[Any, Any, R]], owner: Owner, /) -> R:
        """Run a unit that reads one row by its key: what every request asks for, as cheaply as can be.

        Those who ask for the same may share one answer; none is older than the last :meth:`write_through` before they
        asked. Raises DatabaseDown.
        """
        ...

    async def write_through(self, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Write what :meth:`read_cached` reads: once it has answered, all who read see it."""
        ...

    async def wipe(self, *tables: sa.Table) -> bool:
        """See that rows deleted before leave the files too, as far as that can be had; whether there was anything.

        tables: what is looked after on PostgreSQL; SQLite has nothing smaller than a store. Who reads or writes for
        long puts it off until the next time. Raises DatabaseDown.
        """
        ...

    async def empty(self, table: sa.Table, turn: int) -> None:
        """Give back the file of one turn of a table that has two; what is in it moves to the other.

        Where a store is in memory there is none. Raises DatabaseDown.
        """
        ...

    async def close(self) -> None:
        """Finish what was accepted, then let go of files and connections."""
        ...


#: Two writers that keep meeting at one row give way to each other this often.
_TRIES = 5


async def retry_on_conflict(db: Database, unit: Unit[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a unit that reads a row and then changes it as it was read: again when another writer was faster.

    Such a unit raises Locked when its guarded update changed nothing. Raises Locked after five losses.
    """
    for _ in range(_TRIES - 1):
        with suppress(Locked):
            return await db.write(unit, *args, **kwargs)
    return await db.write(unit, *args, **kwargs)


_BATCHED = "azukari_batched"
F = TypeVar("F", bound=Callable[..., Any])


def batched(unit: F) -> F:
    """Mark a unit of the charge: PostgreSQL runs the waiting ones in lock step.

    Such a unit reads first and writes after, guards every update by its row count, and never relies on seeing another
    unit's rows.
    """
    setattr(unit, _BATCHED, True)
    return unit


def is_batched(unit: Callable[..., Any]) -> bool:
    """Whether :func:`batched` marked it."""
    return getattr(unit, _BATCHED, False)


def name_of(unit: Callable[..., Any]) -> str:
    """``payments.charge.record_intent``: how a unit is named at its commit."""
    function: Any = getattr(unit, "func", unit)
    return f"{function.__module__.removeprefix('azukari.')}.{function.__qualname__}"


def fill(statement: Statement[Any], owner: Owner | None, params: dict[str, Any]) -> None:
    """Add to a caller's params what the statement needs besides: its owner."""
    if owner is not None:
        params["merchant_id"], params["mode"] = owner
    elif statement.ownerless is None:
        raise no_owner(statement)


def waits(name: str, awaited: Any) -> UnitMisuse:
    """The error for a unit that waited for a clock, a socket or another task: for ``awaited``."""
    if getattr(awaited, "_asyncio_future_blocking", False):
        awaited._asyncio_future_blocking = False  # it was not at fault, and others may still wait for it
    return UnitMisuse(f"{name} waited for something that is not its tx")


def only_reads(name: str) -> UnitMisuse:
    """The error for a unit that was given to ``read``, and writes."""
    return UnitMisuse(f"{name} writes, and was run by read")


def no_owner(statement: Statement[Any]) -> UnitMisuse:
    """The error for a statement on a merchant's table run without its owner."""
    return UnitMisuse(f"this statement needs an owner: {statement.query}")
