"""What a unit of work may rely on, whichever engine runs it."""

import asyncio
import random
from typing import Any

import pytest

from azukari.db import Database, DatabaseDown, Owner, Statement, Tx, UnitMisuse, batched
from azukari.db.sqlite import drive
from tests.db.conftest import Open
from tests.db.shop import (
    ADD_ITEM,
    ADD_ITEM_ONCE,
    EITHER,
    ORDERS,
    OWNER,
    STOCK,
    TAKE,
    TAKE_AND_TELL,
    SoldOut,
    add_item,
    count_orders,
    hot_order,
    hot_order_then_fail,
    hot_put_where_few,
    hot_read,
    order,
    order_then_fail,
    orders_of,
    stock_of,
)
from tests.db.together import all_of

BOTH_KINDS = pytest.mark.parametrize("unit", [order, hot_order], ids=["plain", "hot"])


async def test_an_answered_write_is_there_for_everyone(database: Database, open_database: Open):
    assert await database.write(add_item, "apple", 3) == 1

    assert await (await open_database()).read(stock_of, "apple") == 3


async def test_each_of_many_that_meet_rows_which_are_there_is_held_against_its_own_bound(database: Database):
    for number in range(10):
        await database.write(add_item, str(number), number)

    puts = [database.write(hot_put_where_few, str(number), 100, 4 + number % 2) for number in range(10)]

    assert await all_of(*puts) == [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert [await database.read(stock_of, str(number)) for number in (0, 5, 6)] == [100, 100, 6]


@BOTH_KINDS
async def test_two_hundred_at_once_take_exactly_what_is_in_stock(database: Database, unit: Any):
    await database.write(add_item, "apple", 50)

    answers = await all_of(*(database.write(unit, "apple", f"{number:03}") for number in range(200)))

    sold = [answer for answer in answers if isinstance(answer, str)]
    assert len(sold) == 50
    assert all(isinstance(answer, SoldOut) for answer in answers if answer not in sold)
    assert await database.read(stock_of, "apple") == 0
    assert await database.read(orders_of, "apple") == sorted(sold)


@pytest.mark.parametrize(
    ("good", "bad"), [(order, order_then_fail), (hot_order, hot_order_then_fail)], ids=["plain", "hot"]
)
async def test_a_unit_that_fails_after_it_wrote_takes_nobody_along(database: Database, good: Any, bad: Any):
    await database.write(add_item, "apple", 100)

    answers = await all_of(
        *(database.write(bad if number % 10 == 3 else good, "apple", f"{number:02}") for number in range(40))
    )

    failed = [number for number, answer in enumerate(answers) if isinstance(answer, SoldOut)]
    assert failed == [3, 13, 23, 33]
    assert await database.read(stock_of, "apple") == 100 - 36
    assert await database.read(count_orders) == 36


async def test_a_unit_that_breaks_a_constraint_takes_nobody_along(database: Database):
    await database.write(add_item, "apple", 100)
    await database.write(hot_order, "apple", "taken")

    numbers = ["taken" if number == 5 else f"{number:02}" for number in range(20)]
    answers = await all_of(*(database.write(hot_order, "apple", number) for number in numbers))

    assert "unique" in str(answers[5]).lower()
    assert "taken" not in str(answers[5])  # no value of a row may come into a log
    assert [answer for answer in answers if isinstance(answer, str)] == [it for it in numbers if it != "taken"]
    assert await database.read(stock_of, "apple") == 100 - 20


async def test_what_is_not_found_does_not_disturb_the_others(database: Database):
    await database.write(add_item, "apple", 100)

    answers = await all_of(
        *(database.write(hot_order, "pear" if number % 2 else "apple", f"{number:02}") for number in range(30))
    )

    assert [isinstance(answer, LookupError) for answer in answers] == [bool(number % 2) for number in range(30)]
    assert await database.read(count_orders) == 15


async def test_many_rows_and_none_come_back_to_the_unit_that_asked(database: Database):
    for item, count in (("apple", 3), ("pear", 1), ("plum", 0)):
        await database.write(add_item, item, 9)
        for number in range(count):
            await database.write(order, item, f"{item}-{number}")

    items = ["apple", "plum", "pear", "nothing", "apple"]
    answers = await all_of(*(database.write(hot_read, item) for item in items))

    apples = ["apple-0", "apple-1", "apple-2"]
    assert answers == [apples, [], ["pear-0"], [], apples]


async def once(tx: Tx, name: str) -> int:
    return await tx.run(ADD_ITEM_ONCE, OWNER, id=name, stock=1)


hot_once = batched(lambda tx, name: once(tx, name))


@pytest.mark.parametrize("unit", [once, hot_once], ids=["plain", "hot"])
async def test_a_row_that_is_there_counts_as_no_change(database: Database, unit: Any):
    counts = await all_of(*(database.write(unit, f"item-{number % 4}") for number in range(40)))

    assert sorted(counts) == [0] * 36 + [1] * 4


@batched
async def hot_take(tx: Tx, name: str) -> int:
    return await tx.run(TAKE, OWNER, id=name)


async def test_changed_rows_are_counted_and_told(database: Database):
    async def take(tx: Tx) -> tuple[int, int | None, int | None, int]:
        counted = await tx.run(TAKE_AND_TELL, OWNER, id="apple")
        return (
            counted,
            await tx.one(TAKE_AND_TELL, OWNER, id="apple"),
            await tx.one(TAKE_AND_TELL, OWNER, id="apple"),
            await tx.run(TAKE_AND_TELL, OWNER, id="apple"),
        )

    await database.write(add_item, "apple", 2)

    assert await database.write(take) == (1, 0, None, 0)


async def test_a_list_the_code_wrote_is_part_of_the_statement(database: Database):
    async def either(tx: Tx) -> list[str]:
        return await tx.all(EITHER, OWNER)

    for name in ("pear", "plum", "apple"):
        await database.write(add_item, name, 1)

    assert await database.read(either) == ["apple", "pear"]
    assert await all_of(*(database.write(batched(lambda tx: either(tx))) for _ in range(3))) == [["apple", "pear"]] * 3


@pytest.mark.parametrize("marked", [False, True], ids=["plain", "hot"])
async def test_a_unit_that_waits_for_something_else_is_refused(database: Database, marked: bool):
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def sleeps(tx: Tx) -> None:
        await add_item(tx, "apple", 1)
        await asyncio.sleep(0)

    async def waits(tx: Tx) -> None:
        await add_item(tx, "pear", 1)
        await never

    async def minds_its_business(tx: Tx) -> int:
        return await add_item(tx, "plum", 1)

    units = [batched(unit) if marked else unit for unit in (sleeps, waits, minds_its_business)]
    answers = await all_of(*(database.write(unit) for unit in units))

    assert [type(answer) for answer in answers] == [UnitMisuse, UnitMisuse, int]
    assert "sleeps waited for something that is not its tx" in str(answers[0])
    assert await database.read(stock_of, "apple") is None
    assert await database.read(stock_of, "plum") == 1


async def test_a_statement_on_a_merchants_table_needs_its_owner(database: Database):
    async def careless(tx: Tx) -> int | None:
        return await tx.one(STOCK, None, id="apple")

    for run in (database.read, database.write):
        with pytest.raises(UnitMisuse, match="needs an owner"):
            await run(careless)


async def test_one_owner_never_sees_the_others_rows(database: Database):
    async def peek(tx: Tx, owner: Owner) -> int | None:
        return await tx.one(STOCK, owner, id="apple")

    await database.write(add_item, "apple", 1)

    assert [await database.read(peek, Owner(*owner)) for owner in (("mer_2", "test"), ("mer_1", "live"), OWNER)] == [
        None,
        None,
        1,
    ]


async def test_read_does_not_write(database: Database):
    async def look_and_touch(tx: Tx) -> None:
        await tx.one(STOCK, OWNER, id="apple")
        await tx.run(TAKE, OWNER, id="apple")

    await database.write(add_item, "apple", 1)

    for unit in (look_and_touch, look_and_touch):  # the second time, the engine may know the unit
        with pytest.raises(UnitMisuse, match="was run by read"):
            await database.read(unit)
    with pytest.raises(UnitMisuse, match="was run by read"):
        await database.read(add_item, "pear", 1)
    assert await database.read(stock_of, "apple") == 1


async def test_a_read_of_several_statements_sees_one_moment(database: Database):
    """The rows and the total of a page belong together."""

    async def look_twice(tx: Tx) -> tuple[int | None, int]:
        return await tx.one(STOCK, OWNER, id="apple"), len(await tx.all(ORDERS, OWNER, item="apple"))

    await database.write(add_item, "apple", 30)
    taking = asyncio.gather(*(database.write(order, "apple", f"{number:02}") for number in range(30)))
    seen = [await database.read(look_twice) for _ in range(20)]
    await taking

    assert all(stock is not None and stock + sold == 30 for stock, sold in seen)


async def test_wrong_arguments_and_missing_parameters_are_the_units_own_errors(database: Database):
    @batched
    async def forgets(tx: Tx) -> None:
        await tx.run(ADD_ITEM, OWNER, id="apple")

    await database.write(add_item, "plum", 1)
    answers = await all_of(
        database.write(forgets),
        database.write(hot_order, "plum"),  # type: ignore[call-arg]
        database.write(hot_order, "plum", "1"),
    )

    assert [isinstance(answer, Exception) for answer in answers] == [True, True, False]
    assert not any(isinstance(answer, DatabaseDown) for answer in answers)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_to_its_neighbours_every_answer_is_true(open_database: Open, seed: int):
    """Two processes, few items, every kind of failure at once."""
    chance = random.Random(seed)
    one, other = await open_database(), await open_database()
    items = ["apple", "pear", "plum"]
    for item in items:
        await one.write(add_item, item, 40)

    async def once(number: int) -> tuple[str, str, Any]:
        unit = chance.choices([hot_order, order, hot_order_then_fail], [6, 2, 1])[0]
        item = chance.choice([*items, "nothing"])
        name = f"twice-{number % 40}" if chance.random() < 0.1 else f"{number:03}"
        return item, name, (await all_of(chance.choice([one, other]).write(unit, item, name)))[0]

    done = await asyncio.gather(*(once(number) for number in range(300)))

    # Two failures after a write may turn a hot unit into several tries, but never into an outage.
    assert not [answer for _, _, answer in done if isinstance(answer, DatabaseDown)]
    for item in items:
        sold = await one.read(orders_of, item)
        assert sold == sorted(name for where, name, answer in done if where == item and answer == name)
        assert await other.read(stock_of, item) == 40 - len(sold)


async def test_a_caller_who_goes_away_disturbs_nobody(database: Database):
    await database.write(add_item, "apple", 100)
    callers = [asyncio.ensure_future(database.write(hot_order, "apple", f"{number:02}")) for number in range(20)]
    await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()

    answers = await all_of(*callers)

    assert answers[1::2] == [f"{number:02}" for number in range(1, 20, 2)]
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    assert await database.write(hot_order, "apple", "after") == "after"
    # Whether or not the others were written, stock and orders agree.
    assert await database.read(stock_of, "apple") == 100 - len(await database.read(orders_of, "apple"))


async def test_a_closed_database_finishes_what_it_took_and_takes_no_more(open_database: Open):
    database = await open_database()
    await database.write(add_item, "apple", 100)
    accepted = [asyncio.ensure_future(database.write(hot_order, "apple", f"{number:02}")) for number in range(10)]
    await asyncio.sleep(0)

    await database.close()

    assert await all_of(*accepted) == [f"{number:02}" for number in range(10)]
    with pytest.raises(DatabaseDown):
        await database.write(add_item, "pear", 1)
    with pytest.raises(DatabaseDown):
        await database.read(stock_of, "apple")


async def test_every_commit_of_writes_is_announced(open_database: Open):
    points: list[str] = []
    database = await open_database(points.append)

    await database.write(add_item, "apple", 10)
    await database.read(stock_of, "apple")
    assert points == ["commit:before:tests.db.shop.add_item", "commit:after:tests.db.shop.add_item"]

    points.clear()
    await all_of(*(database.write(hot_order, "apple", str(number)) for number in range(10)))
    assert len(points) < 20  # some shared a commit
    assert set(points) == {"commit:before:tests.db.shop.hot_order", "commit:after:tests.db.shop.hot_order"}
    assert len([point for point in points if ":before:" in point]) * 2 == len(points)


async def test_the_units_of_one_commit_are_announced_together(open_database: Open):
    points: list[str] = []
    database = await open_database(points.append)
    await database.write(add_item, "apple", 10)
    points.clear()

    await all_of(*(database.write(unit, "apple") for unit in (hot_take, hot_read) for _ in range(3)))

    both = "tests.db.shop.hot_read,tests.db.test_units.hot_take"
    assert points[-1].removeprefix("commit:after:") in (both, *both.split(","))
    assert any(point == f"commit:before:{both}" for point in points)


class FakeTx:
    """Answers from memory: how a unit is tested without a database."""

    def __init__(self, stock: int) -> None:
        self.stock = stock
        self.ran: list[Statement[Any]] = []

    async def one(self, statement: Statement[Any], owner: Owner | None, /, **params: Any) -> Any:
        return self.stock

    async def all(self, statement: Statement[Any], owner: Owner | None, /, **params: Any) -> list[Any]:
        return []

    async def run(self, statement: Statement[Any], owner: Owner | None, /, **params: Any) -> int:
        self.ran.append(statement)
        return 1 if self.stock else 0


def test_a_unit_runs_on_a_fake_tx_and_without_an_event_loop():
    tx = FakeTx(stock=1)

    assert drive(order(tx, "apple", "1")) == "1"
    assert len(tx.ran) == 2
    with pytest.raises(SoldOut):
        drive(order(FakeTx(stock=0), "apple", "1"))
