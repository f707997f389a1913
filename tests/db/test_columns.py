"""Statements run on the drivers themselves, past SQLAlchemy: its types must have nothing to do there."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from azukari.db import Statement, metadata
from tests.db.everything import everything_is_imported  # noqa: F401 - a fixture

DIALECTS: dict[str, Any] = {"sqlite": sqlite.dialect(), "postgres": asyncpg_dialect()}


@pytest.mark.parametrize("engine", DIALECTS)
def test_no_column_has_values_that_sqlalchemy_would_convert(engine: str):
    dialect = DIALECTS[engine]
    columns = [column for table in metadata.sorted_tables for column in table.columns]

    assert columns
    for column in columns:
        kind: sa.types.TypeEngine[Any] = column.type.dialect_impl(dialect)
        assert kind.bind_processor(dialect) is None, column
        assert kind.result_processor(dialect, None) is None, column


def test_every_statement_compiles_for_both_databases():
    assert Statement.every
    for statement in Statement.every:
        many = [statement.bulk.sql] if statement.bulk else []
        for sql in (statement.sqlite.sql, statement.postgres.sql, statement.postgres.batch_sql, *many):
            assert sql
            assert "POSTCOMPILE" not in sql, sql
