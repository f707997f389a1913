"""A statement: written once in SQLAlchemy Core, compiled once per database, run on the driver."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, ClassVar, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.elements import ClauseElement

R = TypeVar("R")

_SQLITE = sqlite.dialect(paramstyle="named")
#: The bind that numbers the rows of a lock-step batch, and the column it comes back in (always the last).
ORDINAL = "ord_"


@dataclass(frozen=True, slots=True)
class ForSqlite:
    """SQL with ``:name`` binds. ``constants`` are the values the code itself wrote into the statement."""

    sql: str
    constants: Mapping[str, Any]


Pick = Callable[[Mapping[str, Any]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ForPostgres:
    """SQL with ``$n`` binds; ``args`` picks their values, in order, from the named ones.

    ``batch_sql`` is the same statement for many sets of parameters at once: it takes one more, named ``ord_``, and
    gives it back in the last column of each row, so that rows find their way home; ``batch_args`` picks for it.
    """

    sql: str
    args: Pick
    batch_sql: str
    batch_args: Pick
    constants: Mapping[str, Any]


class Statement(Generic[R]):
    """One statement of the application.

    into: what a row becomes, called with the columns in their order; None for a statement without rows.
    query: the SQLAlchemy Core statement.
    ownerless: why it may run without an Owner, where it does; ``tests/test_isolation.py`` lists these by name.
    """

    every: ClassVar[list["Statement[Any]"]] = []

    def __init__(
        self, into: Callable[..., R] | None, query: sa.sql.Executable, *, ownerless: str | None = None
    ) -> None:
        self.into = into
        self.query = query
        self.ownerless = ownerless
        self.writes = isinstance(query, sa.Insert | sa.Update | sa.Delete)
        Statement.every.append(self)

    @cached_property
    def sqlite(self) -> ForSqlite:
        compiled = _compile(self.query, _SQLITE)
        return ForSqlite(str(compiled), _constants(compiled))

    @cached_property
    def postgres(self) -> ForPostgres:
        from sqlalchemy.dialects.postgresql.asyncpg import dialect  # not needed, and not loaded, on SQLite

        plain, batch = _compile(self.query, dialect()), _compile(self._numbered(), dialect())
        return ForPostgres(str(plain), _picker(plain), str(batch), _picker(batch), _constants(plain))

    def _numbered(self) -> ClauseElement:
        ordinal = sa.bindparam(ORDINAL, type_=sa.Integer).label(ORDINAL)
        query: Any = self.query
        if isinstance(query, sa.Insert | sa.Update | sa.Delete):
            return query.returning(ordinal)
        return query.add_columns(ordinal)  # type: ignore[no-any-return]


def _compile(query: Any, dialect: sa.Dialect) -> Any:
    return query.compile(dialect=dialect)


def _constants(compiled: Any) -> Mapping[str, Any]:
    """Values the code wrote into the statement (``status == "captured"``), which no caller gives."""
    return {name: bind.value for bind, name in compiled.bind_names.items() if bind.value is not None}


def _picker(compiled: Any) -> Pick:
    names = compiled.positiontup or ()
    if len(names) > 1:
        return itemgetter(*names)
    return lambda params: tuple(params[name] for name in names)
