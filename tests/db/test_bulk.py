"""Statements for many sets of parameters, derived from those for one."""

import re

import pytest
import sqlalchemy as sa

from azukari.db import Statement, add, bind
from azukari.db.postgres.bulk import UnfilledBind, compiled, derive, is_plain, rows
from tests.db.everything import everything_is_imported  # noqa: F401 - a fixture
from tests.db.shop import PUT_WHERE_FEW, _by, items, orders


def test_what_binds_its_owner_for_one_binds_it_for_each():
    """Reads and updates: wherever a statement compares with the owner, its derived one compares with each set's."""
    seen = 0
    for statement in Statement.every:
        if statement.bulk is None or isinstance(statement.query, sa.Insert):
            continue
        for name in ("merchant_id", "mode"):
            owned = len(re.findall(rf"\b{name} = \$\d", statement.postgres.sql))
            assert len(re.findall(rf"\b{name} = given\.{name}\b", statement.bulk.sql)) == owned, statement.bulk.sql
            seen += owned
    assert seen > 50


def test_an_insert_for_many_takes_every_column_from_its_set():
    for statement in Statement.every:
        if statement.bulk is not None and isinstance(statement.query, sa.Insert):
            for name in ("merchant_id", "mode", "id"):
                if name in statement.query.table.primary_key:
                    assert f"given.{name}" in statement.bulk.sql


def test_only_a_write_that_names_its_row_whole_is_for_many():
    by = _by(items)
    named = sa.update(items).values(stock=0)

    assert rows(named.where(*by)) == ["merchant_id", "mode", "id"]
    assert derive(named.where(*by)) is not None
    for condition in (sa.and_(*by[:2]), sa.or_(*by), sa.and_(*by[:2], items.c.id != bind(items.c.id))):
        assert derive(named.where(condition)) is None, condition
    assert derive(named) is None
    assert derive(sa.delete(items).where(*by)) is None
    assert derive(add(items).returning(items.c.stock)) is None
    assert derive(add(items, id="apple")) is None


def test_every_statement_for_many_has_its_binds_filled_from_the_sets():
    """Compiling it is the test: a bind that no set fills is an error."""
    seen = 0
    for statement in Statement.every:
        bulk = statement.bulk
        if bulk is not None:
            places = {int(place) for place in re.findall(r"\$(\d+)", bulk.sql)}
            assert places == set(range(1, len(bulk.constants) + 1)), bulk.sql
            assert len(bulk.places) == 1, bulk.sql
            seen += 1
    assert seen > 100


def test_a_bind_that_no_set_fills_is_an_error_when_it_is_compiled():
    with pytest.raises(UnfilledBind, match="forgotten"):
        compiled("SELECT $1, $2, $3", ["given_", "known", "forgotten"], {"known": 1})


def test_an_insert_whose_conflict_has_a_bind_stays_alone():
    put = add(items)
    keys = ["merchant_id", "mode", "id"]
    taken = put.on_conflict_do_update(index_elements=keys, set_={"stock": put.excluded.stock})

    assert derive(taken) is not None
    assert derive(PUT_WHERE_FEW.query) is None
    assert derive(put.on_conflict_do_update(index_elements=keys, set_={"stock": bind(items.c.stock, "other")})) is None


def test_a_claim_of_a_key_travels_with_others():
    """It stands on the way of every charge with an idempotency key."""
    assert [statement for statement in Statement.every if "idempotency_keys" in str(statement.query)]
    for statement in Statement.every:
        if isinstance(statement.query, sa.Insert) and statement.query.table.name == "idempotency_keys":
            assert statement.bulk is not None


def test_a_list_in_an_order_stays_alone():
    query = sa.select(orders.c.id).where(*_by(orders, "item"))

    assert derive(query) is not None
    assert derive(query.order_by(orders.c.id)) is None


def test_only_an_insert_that_fails_or_adds_is_plain():
    assert is_plain(add(items))
    assert not is_plain(add(items).on_conflict_do_nothing())
    assert not is_plain(add(items).returning(items.c.stock))
    assert not is_plain(sa.update(items).where(*_by(items)).values(stock=0))
