"""The contract between a unit of work and the engine that runs it."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from azukari.core.errors import Unavailable
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
    """The database or its disk cannot take the unit now; nothing of it was stored."""


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

    async def close(self) -> None:
        """Finish what was accepted, then let go of files and connections."""
        ...


_HOT = "azukari_hot"
F = TypeVar("F", bound=Callable[..., Any])


def hot(unit: F) -> F:
    """Mark a unit of the charge: PostgreSQL runs the waiting ones in lock step.

    Such a unit reads first and writes after, guards every update by its row count, and never relies on seeing another
    unit's rows.
    """
    setattr(unit, _HOT, True)
    return unit


def is_hot(unit: Callable[..., Any]) -> bool:
    """Whether :func:`hot` marked it."""
    return getattr(unit, _HOT, False)


def name_of(unit: Callable[..., Any]) -> str:
    """``payments.service.record_intent``: how a unit is named at its commit."""
    function: Any = getattr(unit, "func", unit)
    return f"{function.__module__.removeprefix('azukari.')}.{function.__qualname__}"


def no_owner(statement: Statement[Any]) -> UnitMisuse:
    """The error for a statement on a merchant's table run without its owner."""
    return UnitMisuse(f"this statement needs an owner: {statement.query}")
