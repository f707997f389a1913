"""One PostgreSQL statement for many sets of parameters, derived from the statement for one.

The sets travel as one JSON document. ``json_to_recordset`` makes a table of it, ``given``, whose columns stand where
the statement has its binds; so what is said of a statement for one, its owner's conditions above all, holds for each
row of it. Parsing, planning and starting it is paid once instead of once a row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.sql import visitors

#: The number of a set, which comes back in the last column of its rows.
ORDINAL = "ord_"
_GIVEN = "given_"

_encode = msgspec.json.Encoder().encode
#: The kinds of column there are, and what each is without what only a column has, as its collation.
_TYPES: tuple[tuple[Any, Any], ...] = (
    (sa.Integer, sa.BigInteger()),
    (sa.LargeBinary, sa.LargeBinary()),
    (sa.String, sa.Text()),
)


class UnfilledBind(Exception):
    """A bug: a derived statement has a bind that is neither a constant of the code nor the sets."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """A statement for many sets.

    constants: the values the code wrote, in the statement's order, and ``places``, where the sets go among them.
    key: of an insert, picks from a set the key that comes back instead of its number, which an insert cannot tell.
    """

    sql: str
    constants: Sequence[Any]
    places: Sequence[int]
    key: Callable[[Mapping[str, Any]], tuple[Any, ...]] | None

    def args(self, *sets: list[dict[str, Any]]) -> list[Any]:
        """The values of the binds. sets: one list; of inserts that go together, one for each."""
        args = list(self.constants)
        for place, each in zip(self.places, sets, strict=True):
            args[place] = _encode(each).decode()
        return args


def derive(query: Any) -> sa.sql.ClauseElement | None:
    """The statement for many sets; None where there is none.

    A write must name its row by the whole key: a statement changes a row once, so whoever sends sets must see whether
    two mean the same one. These stay alone: a read that puts its rows in an order or begins with WITH, which would
    stand before the sets, and an insert whose ON CONFLICT has a bind, which stands behind them and sees nothing but the
    row that was there and EXCLUDED.
    """
    binds = required(query)
    known = all(isinstance(bind.type, tuple(kind for kind, _ in _TYPES)) for bind in binds.values())
    if not binds or not known or not isinstance(query, sa.Select | sa.Insert | sa.Update):
        return None
    given = _given(binds)

    if isinstance(query, sa.Select):
        if query._order_by_clauses or any(isinstance(part, sa.CTE) for part in visitors.iterate(query)):
            return None
        each = _filled(query, given)
        # OFFSET keeps it a look-up for each set, whatever the planner thinks of the tables' sizes.
        found = each.correlate(given).offset(sa.literal_column("0")).lateral("found")
        return sa.select(*found.c, given.c[ORDINAL]).select_from(given.join(found, sa.true()))
    if None in rows(query) or (isinstance(query, sa.Insert) and (query._returning or _binds_a_conflict(query))):
        return None
    if isinstance(query, sa.Update):
        return _filled(query, given).returning(given.c[ORDINAL])  # type: ignore[no-any-return]
    # Whose row was there already is told by the keys of those that were not.
    return _insert(query, given).returning(*query.table.primary_key)  # type: ignore[no-any-return]


def together(queries: Sequence[Any]) -> sa.sql.ClauseElement:
    """Several plain inserts, each of many sets, as one statement. Foreign keys are checked at its end."""
    *others, last = [
        _insert(query, _given(required(query), f"{_GIVEN}{number}")) for number, query in enumerate(queries)
    ]
    return last.add_cte(*(other.cte(f"added_{number}") for number, other in enumerate(others)))  # type: ignore[no-any-return]


def is_plain(query: Any) -> bool:
    """Whether it is an insert that adds its one row, whose key a caller gives, or fails."""
    if not isinstance(query, sa.Insert) or query._returning or query._post_values_clause is not None:
        return False
    return None not in rows(query)


def _binds_a_conflict(query: Any) -> bool:
    clause = query._post_values_clause
    return clause is not None and bool(required(clause))


def _insert(query: Any, given: Any) -> Any:
    values = [_filled(value, given) for value in query._values.values()]
    many: Any = sa.dialects.postgresql.insert(query.table).from_select(
        [_name(column) for column in query._values], sa.select(*values).order_by(given.c[ORDINAL])
    )
    many._post_values_clause = query._post_values_clause
    return many


def required(query: Any) -> dict[str, sa.BindParameter[Any]]:
    """The binds a caller gives, by name."""
    binds = (part for part in visitors.iterate(query) if isinstance(part, sa.BindParameter))
    return {bind.key: bind for bind in binds if bind.required}


def rows(query: Any) -> list[str | None]:
    """The binds that say which row a write takes, in the order of its table's key; None for a column without one."""
    if isinstance(query, sa.Insert):
        found = {_name(column): value for column, value in query._values.items()}  # type: ignore[union-attr]
    else:
        found = {}
        where = query.whereclause
        both = isinstance(where, sa.BooleanClauseList) and where.operator is sa.sql.operators.and_
        for part in where.clauses if both else [where]:
            if isinstance(part, sa.BinaryExpression) and part.operator is sa.sql.operators.eq:
                found[_name(part.left)] = part.right
    binds = [found.get(column.name) for column in query.table.primary_key]
    return [bind.key if isinstance(bind, sa.BindParameter) and bind.required else None for bind in binds]


def _name(column: Any) -> str:
    return str(getattr(column, "name", column))


def _given(binds: Mapping[str, sa.BindParameter[Any]], name: str = _GIVEN) -> Any:
    columns = [sa.column(name, _plain(bind.type, for_json=True)) for name, bind in binds.items()]
    return (
        sa.func.json_to_recordset(sa.bindparam(name, type_=JSON))
        .table_valued(*columns, sa.column(ORDINAL, sa.BigInteger))
        .render_derived(name.rstrip("_"), with_types=True)
    )


def _filled(query: visitors.ExternallyTraversible, given: Any) -> Any:
    """The query, or a part of one, with the columns of ``given`` in place of its binds."""

    def in_place(element: Any, **_: Any) -> Any:
        return _value(given, element) if isinstance(element, sa.BindParameter) and element.required else None

    return visitors.replacement_traverse(query, {}, in_place)


def _value(given: Any, bind: Any) -> Any:
    """What stands for a bind: bytes are base64 in JSON."""
    column = given.c[bind.key]
    kind = _plain(bind.type)
    return sa.func.decode(column, sa.literal_column("'base64'"), type_=kind) if _is_bytes(kind) else column


def _plain(kind: Any, *, for_json: bool = False) -> Any:
    plain = next(plain for known, plain in _TYPES if isinstance(kind, known))
    return sa.Text() if for_json and _is_bytes(plain) else plain


def _is_bytes(kind: Any) -> bool:
    return isinstance(kind, sa.LargeBinary)


def compiled(sql: str, names: Sequence[str], constants: Mapping[str, Any], query: Any = None) -> Bulk:
    """A derived statement, ready to be sent. query: the one it was derived from, where rows are to come home.

    Raises UnfilledBind: deriving left a bind behind that no set would fill.
    """
    if unfilled := [name for name in names if name not in constants and not name.startswith(_GIVEN)]:
        raise UnfilledBind(f"{', '.join(unfilled)} in the statement for many: {sql}")
    keys = [key for key in rows(query) if key] if isinstance(query, sa.Insert) else None
    places = {name: place for place, name in enumerate(names) if name.startswith(_GIVEN)}
    values = [constants.get(name) for name in names]
    in_order = [places[name] for name in sorted(places, key=lambda name: int(name.removeprefix(_GIVEN) or 0))]
    return Bulk(sql, values, in_order, _picks(keys) if keys else None)


def _picks(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    return lambda values: tuple(values[name] for name in names)
