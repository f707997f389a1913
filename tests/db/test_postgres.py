"""What is PostgreSQL's alone: lock step, deadlocks, lost connections."""

import asyncio
import gc
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

from azukari.db import DatabaseDown, Statement, Tx, UnitMisuse, batched
from azukari.db.jobs import Job
from azukari.db.postgres import connection as connections
from azukari.db.postgres import database as postgres
from azukari.db.postgres.database import PostgresDatabase
from azukari.db.postgres.lockstep import lock_step
from tests.db.shop import (
    OWNER,
    TAKE,
    SoldOut,
    add_item,
    count_orders,
    hot_add,
    hot_order,
    hot_order_and_look,
    hot_order_then_fail,
    hot_picture,
    hot_picture_then_fail,
    hot_take,
    metadata,
    order,
    orders_of,
    picture,
    picture_there,
    stock_of,
)
from tests.db.together import all_of
from tests.postgres import create_database, create_tables, drop_database

TERMINATE_SELF = Statement(
    int, sa.select(sa.literal_column("pg_terminate_backend(pg_backend_pid())::int")), ownerless="a test"
)
SETTINGS = Statement(
    lambda *values: values,
    sa.text("SELECT current_setting('synchronous_commit') AS a, current_setting('transaction_isolation') AS b").columns(
        sa.column("a", sa.Text), sa.column("b", sa.Text)
    ),
    ownerless="a test",
)
for statement in (TERMINATE_SELF, SETTINGS):
    Statement.every.remove(statement)

TERMINATE_OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted"


class Listening:
    """An asyncpg connection that writes down what is sent over it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.sent: list[tuple[str, int]] = []

    async def execute(self, sql: str) -> Any:
        self.sent.append((sql.split()[0], 1))
        return await self._connection.execute(sql)

    async def fetch(self, sql: str, *args: Any) -> Any:
        self.sent.append((sql.split()[0], sum(len(sets) for sets in many(args))))
        return await self._connection.fetch(sql, *args)

    async def fetchmany(self, sql: str, args: list[Any]) -> Any:
        self.sent.append((sql.split()[0], len(args)))
        return await self._connection.fetchmany(sql, args)


@pytest.fixture
async def listening(postgres_url: str) -> AsyncIterator[Listening]:
    connection = await asyncpg.connect(postgres_url)
    yield Listening(connection)
    await connection.close()


def many(args: tuple[Any, ...]) -> Iterator[list[dict[str, Any]]]:
    """The sets of parameters among the values of a statement for many."""
    return (json.loads(value) for value in args if isinstance(value, str) and value.startswith("[{"))


def waiting(unit: Any, *args: Any) -> Job:
    return Job(unit, args, {}, asyncio.get_running_loop().create_future())


async def commit(end: Callable[[], Awaitable[str]], ended_well: list[Job]) -> None:
    await end()


async def test_equal_steps_travel_together(postgres_database: PostgresDatabase, listening: Listening):
    await postgres_database.write(add_item, "apple", 64)

    outcomes = await lock_step(listening, [waiting(hot_order, "apple", f"{number:02}") for number in range(64)], commit)

    assert listening.sent == [("SELECT", 64), ("BEGIN", 1), ("UPDATE", 64), ("INSERT", 64), ("COMMIT", 1)]
    assert [value for _, value, _ in outcomes] == [f"{number:02}" for number in range(64)]
    assert await postgres_database.read(stock_of, "apple") == 0


async def test_a_unit_that_leaves_is_not_asked_again(postgres_database: PostgresDatabase, listening: Listening):
    await postgres_database.write(add_item, "apple", 1)

    batch = [waiting(hot_order, item, item) for item in ("apple", "pear", "plum")]
    outcomes = await lock_step(listening, batch, commit)

    assert listening.sent == [("SELECT", 3), ("BEGIN", 1), ("UPDATE", 1), ("INSERT", 1), ("COMMIT", 1)]
    assert [type(error) for _, _, error in outcomes] == [type(None), LookupError, LookupError]


async def test_writes_go_in_the_order_of_their_keys(postgres_database: PostgresDatabase, listening: Listening):
    taken: list[str] = []

    async def fetch(sql: str, *args: Any) -> Any:
        if sql.startswith("UPDATE"):
            taken.extend(each["id"] for sets in many(args) for each in sets)
        return await Listening.fetch(listening, sql, *args)

    listening.fetch = fetch  # type: ignore[method-assign]
    for item in ("plum", "apple", "pear"):
        await postgres_database.write(add_item, item, 5)

    await lock_step(listening, [waiting(hot_order, item, item) for item in ("plum", "apple", "pear")], commit)

    assert taken == ["apple", "pear", "plum"]


async def test_rows_of_one_statement_for_many_come_home(postgres_database: PostgresDatabase, listening: Listening):
    stocks = {"apple": 3, "pear": 0, "plum": 7}
    for item, stock in stocks.items():
        await postgres_database.write(add_item, item, stock)

    outcomes = await lock_step(
        listening, [waiting(hot_take, item) for item in ("plum", "pear", "fig", "apple")], commit
    )

    assert listening.sent == [("BEGIN", 1), ("UPDATE", 4), ("COMMIT", 1)]
    assert [value for _, value, _ in outcomes] == [6, None, None, 2]


async def test_one_statement_for_many_tells_whose_row_was_there(
    postgres_database: PostgresDatabase, listening: Listening
):
    await postgres_database.write(add_item, "pear", 1)

    outcomes = await lock_step(listening, [waiting(hot_add, item) for item in ("plum", "pear", "apple")], commit)
    again = await lock_step(listening, [waiting(hot_add, item) for item in ("fig", "kiwi", "fig")], commit)

    assert [value for _, value, _ in outcomes] == [1, 0, 1]
    assert [value for _, value, _ in again] == [1, 1, 0]
    assert listening.sent == 2 * [("BEGIN", 1), ("INSERT", 3), ("COMMIT", 1)]


ODD = [b"", b"\x00\xff'\\", b"{}"]
MESSAGES = [None, 'it\'s "quoted" \\ \n \u2028', "\U0001f600"]


async def test_plain_inserts_of_a_batch_are_one_statement_and_its_own_transaction(
    postgres_database: PostgresDatabase, listening: Listening
):
    batch = [waiting(hot_picture, str(number), ODD[number], MESSAGES[number]) for number in range(3)]

    await lock_step(listening, [*batch, waiting(hot_picture_then_fail, "4", b"", None)], commit)

    assert listening.sent == [("WITH", 6)]
    for number in range(3):
        assert await postgres_database.read(picture, str(number)) == (ODD[number], MESSAGES[number])
        assert await postgres_database.read(orders_of, str(number)) == [str(number)]
    assert await postgres_database.read(picture, "4") is None
    assert await postgres_database.read(count_orders) == 3


async def test_plain_inserts_that_fail_leave_nothing_of_the_others(postgres_database: PostgresDatabase):
    await postgres_database.write(picture_there, "1")

    answers = await all_of(*(postgres_database.write(hot_picture, str(number), b"", None) for number in range(3)))

    assert [type(answer) for answer in answers] == [type(None), asyncpg.UniqueViolationError, type(None)]
    assert await postgres_database.read(count_orders) == 2


async def test_a_unit_sees_what_it_has_added(postgres_database: PostgresDatabase, listening: Listening):
    outcomes = await lock_step(listening, [waiting(hot_order_and_look, item) for item in ("apple", "pear")], commit)

    assert [value for _, value, _ in outcomes] == [["apple"], ["pear"]]
    assert listening.sent == [("BEGIN", 1), ("INSERT", 2), ("SELECT", 2), ("COMMIT", 1)]


async def test_plans_are_made_anew(postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "PLANS_SECONDS", -1.0)
    database = await PostgresDatabase.open(postgres_url)
    await database.write(add_item, "apple", 100)

    for turn in range(2):
        await all_of(*(database.write(hot_order, "apple", f"{turn} {number}") for number in range(3)))

    assert await database.read(count_orders) == 6
    await database.close()


async def test_a_connection_whose_units_another_took_does_nothing(postgres_database: PostgresDatabase):
    failed: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))

    assert await all_of(*(postgres_database.write(hot_add, item) for item in ("plum", "pear"))) == [1, 1]
    await postgres_database.close()

    gc.collect()
    assert failed == []


async def test_who_spoiled_a_batch_runs_alone_and_the_others_together_again(postgres_url: str):
    points: list[str] = []
    database = await PostgresDatabase.open(postgres_url, points.append)
    await database.write(add_item, "apple", 100)
    points.clear()

    answers = await all_of(
        *(
            database.write(hot_order_then_fail if number == 7 else hot_order, "apple", str(number))
            for number in range(16)
        )
    )

    assert isinstance(answers.pop(7), SoldOut)
    assert all(isinstance(answer, str) for answer in answers)
    assert points == ["commit:before:tests.db.shop.hot_order", "commit:after:tests.db.shop.hot_order"]
    assert await database.read(count_orders) == 15
    await database.close()


@batched
async def take_both(tx: Tx, first: str, second: str) -> int:
    return await tx.run(TAKE, OWNER, id=first) + await tx.run(TAKE, OWNER, id=second)


async def take_both_alone(tx: Tx, first: str, second: str) -> int:
    return await take_both(tx, first, second)


@pytest.mark.parametrize(("unit", "each"), [(take_both, 40), (take_both_alone, 2)], ids=["hot", "plain"])
async def test_two_processes_with_opposite_orders_both_come_through(postgres_url: str, unit: Any, each: int):
    one, other = [await PostgresDatabase.open(postgres_url) for _ in range(2)]
    for item in ("apple", "pear"):
        await one.write(add_item, item, 100)

    answers = await all_of(
        *(one.write(unit, "apple", "pear") for _ in range(each)),
        *(other.write(unit, "pear", "apple") for _ in range(each)),
    )

    assert answers == [2] * 2 * each
    assert [await one.read(stock_of, item) for item in ("apple", "pear")] == [100 - 2 * each] * 2
    await one.close()
    await other.close()


async def test_a_deadlock_is_tried_again(postgres_database: PostgresDatabase, postgres_url: str):
    """Made certain: each of the two holds a row before it asks for the other's."""
    for item in ("apple", "pear"):
        await postgres_database.write(add_item, item, 10)
    connection = await asyncpg.connect(postgres_url)
    outside = connection.transaction()
    await outside.start()
    await connection.execute("UPDATE items SET stock = stock - 1 WHERE id = 'pear'")
    # The unit takes the apple, then waits for our pear; we ask for its apple: one of the two is given up.
    unit = asyncio.ensure_future(postgres_database.write(take_both_alone, "apple", "pear"))
    watching = await asyncpg.connect(postgres_url)
    while not await watching.fetchval(BLOCKED):
        await asyncio.sleep(0)
    ours_lost = False
    try:
        await connection.execute("UPDATE items SET stock = stock - 1 WHERE id = 'apple'")
        await outside.commit()
    except asyncpg.DeadlockDetectedError:
        ours_lost = True
        await outside.rollback()

    assert await unit == 2
    expected = 9 if ours_lost else 8
    assert [await postgres_database.read(stock_of, item) for item in ("apple", "pear")] == [expected] * 2
    await connection.close()
    await watching.close()


@batched
async def hot_shot(tx: Tx) -> None:
    await tx.one(TERMINATE_SELF, None)


async def shot(tx: Tx) -> None:
    await hot_shot(tx)


async def test_a_lost_connection_is_an_outage_and_passes(postgres_database: PostgresDatabase):
    await postgres_database.write(add_item, "apple", 10)

    for run in (postgres_database.read, postgres_database.write):
        with pytest.raises(DatabaseDown):
            await run(shot)
        assert await postgres_database.write(order, "apple", f"after {run.__name__}")
        assert await postgres_database.read(stock_of, "apple") is not None

    answers = await all_of(
        *(postgres_database.write(hot_order, "apple", str(number)) for number in range(5)),
        postgres_database.write(hot_shot),
    )
    assert all(isinstance(answer, DatabaseDown) for answer in answers)
    assert len(await postgres_database.read(orders_of, "apple")) == 2
    assert await postgres_database.write(hot_order, "apple", "after all") == "after all"


async def test_connections_that_broke_while_idle_are_made_anew(postgres_database: PostgresDatabase, postgres_url: str):
    await postgres_database.write(add_item, "apple", 10)
    await all_of(*(postgres_database.write(order, "apple", str(number)) for number in range(5)))
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(TERMINATE_OTHERS)
    await connection.close()

    # A connection may or may not have heard of its end yet; it is a 503 at worst, once per connection.
    answers = [(await all_of(postgres_database.write(stock_of, "apple")))[0] for _ in range(20)]

    assert set(map(type, answers)) <= {int, DatabaseDown}
    assert answers[-1] == 5


async def test_a_server_that_is_not_there_is_an_outage():
    with pytest.raises(DatabaseDown):
        await PostgresDatabase.open("postgresql://nobody@127.0.0.1:1/nothing")


async def test_a_database_that_is_gone_answers_everyone_who_waits(postgres_server: str):
    url = await create_database(postgres_server)
    await create_tables(url, metadata)
    database = await PostgresDatabase.open(url)
    await database.write(add_item, "apple", 100)
    await drop_database(url)

    answers = await all_of(*(database.write(hot_order, "apple", str(number)) for number in range(100)))

    assert all(isinstance(answer, DatabaseDown) for answer in answers)
    with pytest.raises(DatabaseDown):
        await database.read(stock_of, "apple")
    await database.close()


async def test_it_runs_durably(postgres_database: PostgresDatabase):
    async def ask(tx: Tx) -> Any:
        return await tx.one(SETTINGS, None)

    assert await postgres_database.write(ask) == ("on", "read committed")
    assert await postgres_database.write(batched(lambda tx: ask(tx))) == ("on", "read committed")


@pytest.mark.parametrize("count", [1, 20])
async def test_a_commit_whose_answer_is_lost_is_not_tried_again(
    postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch, count: int
):
    """The units were stored, and nobody knows: running them again would store them twice."""
    await postgres_database.write(add_item, "apple", 100)
    execute = asyncpg.Connection.execute

    async def execute_and_break(self: Any, query: str, *args: Any, **options: Any) -> Any:
        answer = await execute(self, query, *args, **options)
        if query == "COMMIT":
            self.terminate()
            raise asyncpg.ConnectionDoesNotExistError
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "execute", execute_and_break)
        answers = await all_of(*(postgres_database.write(hot_order, "apple", str(number)) for number in range(count)))

    assert all(isinstance(answer, DatabaseDown) for answer in answers)
    assert await postgres_database.read(count_orders) == count
    assert await postgres_database.read(stock_of, "apple") == 100 - count


async def test_a_value_that_does_not_fit_is_not_told(postgres_database: PostgresDatabase):
    for stock in (2**80, "4111111111111111"):
        with pytest.raises(UnitMisuse) as told:
            await postgres_database.write(add_item, "apple", stock)  # type: ignore[arg-type]
        assert str(stock) not in "".join(traceback.format_exception(told.value))
    assert await postgres_database.write(add_item, "apple", 1) == 1


async def test_too_many_in_line_are_turned_away(postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres, "QUEUE_LIMIT", 30)
    await postgres_database.write(add_item, "apple", 100)

    answers = await all_of(*(postgres_database.write(hot_order, "apple", str(number)) for number in range(40)))

    assert [isinstance(answer, DatabaseDown) for answer in answers] == [False] * 30 + [True] * 10
    assert await postgres_database.read(count_orders) == 30


async def test_a_unit_that_catches_the_databases_error_is_not_stored(postgres_database: PostgresDatabase):
    async def stubborn(tx: Tx) -> str:
        await add_item(tx, "pear", 1)
        try:
            await add_item(tx, "apple", 1)
        except BaseException:
            await add_item(tx, "plum", 1)
        return "done"

    await postgres_database.write(add_item, "apple", 1)

    with pytest.raises(Exception, match="unique"):
        await postgres_database.write(stubborn)
    assert await postgres_database.read(stock_of, "pear") is None
