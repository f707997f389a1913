"""Columns, tables, and the two conditions that keep merchants apart.

Only text, integers and bytes cross this boundary: statements are run on the driver itself, past SQLAlchemy's bind and
result processors. Times are integers (milliseconds, UTC), money is an integer, JSON is text.
"""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert, insert

#: Constraint names are fixed, so that migrations can name them on both databases.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: Text compared byte by byte on both databases, so ids sort by the time in them.
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Integer = sa.BigInteger()
Time = Integer
Money = Integer
Json = Text


class Bytes(sa.LargeBinary):
    """Bytes as the driver gives them."""

    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> None:
        return None

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> None:
        return None


#: Wrapped data keys, in their own store: SQLite's ``keys.db``, PostgreSQL's schema of this name.
KEYS_SCHEMA = "azukari_keys"
#: Verification values: SQLite's ``sad.db`` on a memory file system, unlogged tables on PostgreSQL. Never their keys.
SAD_SCHEMA = "azukari_sad"


def owned_table(
    name: str, *items: sa.schema.SchemaItem, schema: str | None = None, turns: str | None = None
) -> sa.Table:
    """A table of a merchant's data: it starts with merchant_id and mode, and its key is (merchant_id, mode, id).

    turns: a column that is 0 or 1; on PostgreSQL the rows of each are a table of their own, ``name_0`` and ``name_1``.
    """
    return sa.Table(
        name,
        metadata,
        sa.Column("merchant_id", Text, primary_key=True),
        sa.Column("mode", Text, primary_key=True),
        sa.Column("id", Text, primary_key=True),
        *items,
        schema=schema,
        info={"owned": True},
        postgresql_partition_by=f"LIST ({turns})" if turns else None,
    )


def owned(table: sa.FromClause) -> Sequence[sa.ColumnElement[bool]]:
    """The two conditions every statement on a merchant's table carries; the engine binds them from the Owner."""
    return (
        table.c.merchant_id == sa.bindparam("merchant_id", type_=Text),
        table.c.mode == sa.bindparam("mode", type_=Text),
    )


def owned_reference(column: str, target: str) -> sa.ForeignKeyConstraint:
    """A foreign key to another table of the same owner."""
    return sa.ForeignKeyConstraint(
        ["merchant_id", "mode", column], [f"{target}.merchant_id", f"{target}.mode", f"{target}.id"]
    )


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    """An index of some rows.

    Of any index the first column is one that tells rows apart, never the owner's: PostgreSQL without statistics takes
    an index that begins like the primary key for as good as it, and reads all of a merchant's rows.
    """
    return sa.Index(name, *columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def bind(column: sa.ColumnElement[Any], name: str | None = None) -> sa.BindParameter[Any]:
    """A parameter of a column's type, named as the column unless told otherwise."""
    return sa.bindparam(name or column.key, type_=column.type)


def add(table: sa.Table, *, without: Collection[str] = (), **fixed: Any) -> Insert:
    """An insert of one row that binds every column by its name, ``fixed`` ones to a constant of the code.

    without: columns that are empty at first.

    PostgreSQL's Insert, because it knows ON CONFLICT; SQLite's compiler writes it just as well.
    """
    bound: dict[str, Any] = {column.name: bind(column) for column in table.c if column.name not in without}
    return insert(table).values({**bound, **fixed})


def add_unless_there(table: sa.Table, **fixed: Any) -> Insert:
    """:func:`add` that changes nothing, and counts 0 rows, where a unique key is taken."""
    return add(table, **fixed).on_conflict_do_nothing()
