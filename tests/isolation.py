"""What the statements of the application are bound to."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

import azukari
from azukari.db import Listing, Statement
from azukari.merchants.due import Due

Column = tuple[sa.Table, str]


def report() -> None:
    """Print what the statements of the application do; run in a process of its own, where no test has added any."""
    named: dict[int, str] = {}
    for module in pkgutil.walk_packages(azukari.__path__, "azukari."):
        if module.name.startswith(("azukari.migrations", "azukari.__main__")):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Statement):
                named.setdefault(id(value), f"{module.name}:{name}")
            elif isinstance(value, Listing | Due):
                named |= {id(statement): f"{module.name}:{name}" for statement in value.statements}
            elif isinstance(value, dict):
                statements = {key: each for key, each in value.items() if isinstance(each, Statement)}
                named |= {id(statement): f"{module.name}:{name}[{key}]" for key, statement in statements.items()}
    found = []
    for statement in Statement.every:
        # The module that wrote it, not one that imports it.
        name = named.get(id(statement), str(statement.query))
        found.append({"name": name, "ownerless": statement.ownerless, "unbound": unbound(statement.query)})
    print(json.dumps(found))


def unbound(query: Any) -> list[str]:
    """The owned tables of a query that it does not bind to one merchant and mode."""
    tables = {part for part in visitors.iterate(query) if isinstance(part, sa.Table)}
    tables |= {query.table} if isinstance(query, sa.Insert | sa.Update | sa.Delete) else set()
    wanted = {(table, name) for table in tables if table.info.get("owned") for name in ("merchant_id", "mode")}
    bound, equal = _bindings(query)
    # A join that says "the same merchant" binds its other side too.
    while more := {other for pair in equal for other in pair if pair & bound} - bound:
        bound |= more
    return sorted(f"{table.name}.{name}" for table, name in wanted - bound)


def _bindings(query: Any) -> tuple[set[Column], list[set[Column]]]:
    """The columns that must equal the owner's bind of the same name, and those that must equal each other.

    Only what is joined by AND counts: in each WHERE, in the conditions of joins, and in VALUES.
    """
    bound: set[Column] = set()
    equal: list[set[Column]] = []
    parts = [query, *visitors.iterate(query)]
    joins = [source for part in parts if isinstance(part, sa.Select) for source in part.get_final_froms()]
    for part in [*parts, *(inner for join in joins for inner in visitors.iterate(join))]:
        clauses = []
        if isinstance(part, sa.Insert):
            values = part._values or {}
            named = {str(getattr(column, "key", column)): value for column, value in values.items()}
            bound |= {(part.table, name) for name, value in named.items() if _owners(name, value)}
        elif isinstance(part, sa.Select | sa.Update | sa.Delete) and part.whereclause is not None:
            clauses.append(part.whereclause)
        elif isinstance(part, sa.sql.selectable.Join) and not part.full:
            clauses.append(part.onclause)
        for condition in (condition for clause in clauses for condition in _conjuncts(clause)):
            if getattr(condition, "operator", None) is not sa.sql.operators.eq:
                continue
            left, right = condition.left, condition.right
            if isinstance(left, sa.sql.functions.coalesce):
                left = next(iter(left.clauses))  # compared all the same, past an index
            if isinstance(left, sa.Column) and _owners(left.name, right):
                bound.add((left.table, left.name))
            elif isinstance(left, sa.Column) and isinstance(right, sa.Column) and left.name == right.name:
                equal.append({(left.table, left.name), (right.table, right.name)})
    return bound, equal


def _owners(name: str, value: Any) -> bool:
    """Whether a column is compared with, or set to, the owner's own bind: a parameter, never a constant."""
    return (
        name in ("merchant_id", "mode") and isinstance(value, sa.BindParameter) and value.key == name and value.required
    )


def _conjuncts(clause: Any) -> Iterator[Any]:
    if isinstance(clause, sa.sql.elements.BooleanClauseList) and clause.operator is sa.sql.operators.and_:
        for part in clause.clauses:
            yield from _conjuncts(part)
    else:
        yield clause
