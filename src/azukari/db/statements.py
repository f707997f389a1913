"""A statement: written once in SQLAlchemy Core, compiled once per database, run on the driver."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, overload

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ClauseElement

from azukari.db.postgres import bulk
from azukari.db.postgres.bulk import ORDINAL

R = TypeVar("R")

_SQLITE = sqlite.dialect(paramstyle="qmark")


Pick = Callable[[Mapping[str, Any]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ForSqlite:
    """SQL with ``?`` binds; ``args`` picks their values, in order, from the named ones.

    By place, because the driver would look every name up for every row.
    """

    sql: str
    args: Pick


_Write = sa.Insert | sa.Update | sa.Delete


@dataclass(frozen=True, slots=True)
class ForPostgres:
    """SQL with ``$n`` binds; ``args`` picks their values, in order, from the named ones.

    ``batch_sql`` is the same statement for many sets of parameters at once: it takes one more, named ``ord_``, and
    gives it back in the last column of each row, so that rows find their way home; ``batch_args`` picks for it.
    ``row`` picks the key of the row a write takes, None where it does not name it whole. ``key`` picks, as text, what
    says which rows a write takes: whoever writes several goes by it, so that two never wait for each other's rows.
    """

    sql: str
    args: Pick
    batch_sql: str
    batch_args: Pick
    row: Pick | None
    key: Pick


class Statement(Generic[R]):
    """One statement of the application.

    into: what a row becomes, called with the columns in their order; None for a statement without rows.
    query: the SQLAlchemy Core statement.
    ownerless: why it may run without an Owner, where it does; ``tests/test_isolation.py`` lists these by name.
    """

    every: ClassVar[list["Statement[Any]"]] = []

    @overload
    def __init__(
        self: "Statement[None]", into: None, query: sa.sql.Executable, *, ownerless: str | None = None
    ) -> None: ...

    @overload
    def __init__(self, into: Callable[..., R], query: sa.sql.Executable, *, ownerless: str | None = None) -> None: ...

    def __init__(
        self, into: Callable[..., R] | None, query: sa.sql.Executable, *, ownerless: str | None = None
    ) -> None:
        self.into = into
        self.query = query
        self.ownerless = ownerless
        self.writes = isinstance(query, _Write)
        Statement.every.append(self)

    @cached_property
    def sqlite(self) -> ForSqlite:
        plain = _Compiled.of(self.query, _SQLITE)
        return ForSqlite(plain.sql, plain.args)

    @cached_property
    def postgres(self) -> ForPostgres:
        from sqlalchemy.dialects.postgresql.asyncpg import dialect  # not needed, and not loaded, on SQLite

        numbers = dialect()  # type: ignore[no-untyped-call]
        plain, batch = _Compiled.of(self.query, numbers), _Compiled.of(self._numbered(), numbers)
        return ForPostgres(plain.sql, plain.args, batch.sql, batch.args, _row(self.query), _key(self.query, plain))

    @cached_property
    def bulk(self) -> bulk.Bulk | None:
        """The statement on PostgreSQL for many sets of parameters in one, where there is such a one."""
        from sqlalchemy.dialects.postgresql.asyncpg import dialect

        derived = bulk.derive(self.query)
        if derived is None:
            return None
        many = _Compiled.of(derived, dialect())  # type: ignore[no-untyped-call]
        return bulk.compiled(many.sql, many.names, many.constants, self.query)

    @cached_property
    def adds(self) -> bool:
        """Whether it is a plain insert, which adds its one row or fails: nobody has to wait for its answer."""
        return bulk.is_plain(self.query) and self.bulk is not None

    def _numbered(self) -> ClauseElement:
        ordinal = sa.bindparam(ORDINAL, type_=sa.Integer).label(ORDINAL)
        query: Any = self.query
        if isinstance(query, _Write):
            return query.returning(ordinal)
        if isinstance(query, sa.Select):
            return query.add_columns(ordinal)
        return sa.select(query.subquery(), ordinal)  # a union, or plain SQL: it takes no further column


@lru_cache(None)
def together(statements: tuple[Statement[Any], ...]) -> bulk.Bulk:
    """Plain inserts of many sets each, as one statement."""
    from sqlalchemy.dialects.postgresql.asyncpg import dialect

    many = _Compiled.of(bulk.together([statement.query for statement in statements]), dialect())  # type: ignore[no-untyped-call]
    return bulk.compiled(many.sql, many.names, many.constants)


class _Compiled(NamedTuple):
    """names: of the binds in their order.

    constants: values the code wrote into the statement (``status == "captured"``), which no caller gives.
    """

    sql: str
    names: Sequence[str]
    constants: Mapping[str, Any]

    @classmethod
    def of(cls, query: Any, dialect: sa.Dialect) -> "_Compiled":
        compiled = query.compile(dialect=dialect)
        required = {name for bind, name in compiled.bind_names.items() if bind.required}
        # A list the code wrote (``status.in_([...])``) is spelled out now: nothing is filled in when statements run.
        state = compiled.construct_expanded_state(dict.fromkeys(required))
        lists = state.parameter_expansion
        constants = {name: v for name, v in state.parameters.items() if name not in required and name not in lists}
        return cls(state.statement, state.positiontup or (), constants)

    @property
    def args(self) -> Pick:
        """Picks the values of the binds, in order, from what a caller gives."""
        pick, constants = _picker(self.names), self.constants
        return (lambda params: pick({**params, **constants})) if constants else pick


def _picker(names: Sequence[str]) -> Pick:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda params: tuple(params[name] for name in names)


def _row(query: Any) -> Pick | None:
    names = bulk.rows(query) if isinstance(query, sa.Insert | sa.Update) else [None]
    return None if None in names else _picker([name for name in names if name])


def _key(query: Any, compiled: _Compiled) -> Pick:
    """The primary key's binds first, in its order, then whatever else the condition of an update compares with."""
    if not isinstance(query, _Write):
        return lambda params: ()
    primary = [column.name for column in query.table.primary_key]
    if isinstance(query, sa.Insert):
        names = set(primary) & set(compiled.names)
    else:
        parts = () if query.whereclause is None else visitors.iterate(query.whereclause)
        names = {part.key for part in parts if isinstance(part, sa.BindParameter) and part.required}
    ordered = sorted(names, key=lambda name: (primary.index(name) if name in primary else len(primary), name))
    return lambda params: tuple(str(params[name]) for name in ordered)
