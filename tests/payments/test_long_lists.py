"""Lists of thousands: the same pages and the same total, whatever of them has been counted in advance."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from azukari.core.clock import DAY, HOUR, LATEST, MINUTE, SECOND, iso
from azukari.core.ids import RandomIds
from azukari.customers import store as customers
from azukari.customers.store import Customer
from azukari.db import Owner, Slice, Tx
from azukari.db.lists import SIZE
from azukari.events import numbering
from azukari.events.long_lists import LATE, LongLists
from azukari.payments import store
from azukari.payments.store import Payment
from tests.faults.sites import Rows
from tests.house import House, card
from tests.postgres import rows_read

COUNT = 2 * SIZE + 350
#: Between two payments.
STEP = 10 * MINUTE


class Walking:
    """A clock that is set by hand."""

    def __init__(self, now: int) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


@dataclass
class Shop:
    """A merchant with a long list of payments. rows: as they were written, oldest first."""

    house: House
    owner: Owner
    rows: list[Payment]
    rows_stored: Rows

    def expected(self, keep: Callable[[Payment], bool]) -> list[str]:
        return [row.id for row in sorted(self.rows, key=lambda row: row.id, reverse=True) if keep(row)]

    async def stretches(self) -> int:
        found = await self.rows_stored.column("SELECT count(*) FROM stretches WHERE id LIKE 'payments/%'")
        return int(found[0])

    async def write_down(self) -> None:
        await LongLists(self.house.services).write_down(self.owner)


async def save_all(tx: Tx, rows: Sequence[Payment]) -> None:
    for row in rows:
        await store.save(tx, row)


async def save_customers(tx: Tx, rows: Sequence[Customer]) -> None:
    for row in rows:
        await customers.save(tx, row)


def walk(house: House, count: int, *, jumps: bool = True) -> list[tuple[str, int]]:
    """Ids and times of what came about in steps until now.

    A request is a little older than the id of what it makes, and the next one may be faster. jumps: for a while the
    merchant's clock was far from the machine's.
    """
    drawn = random.Random(7)
    clock = Walking(house.clock.now() - LATE - count * STEP)
    ids = RandomIds(clock)
    made = []
    for number in range(count):
        clock.time += STEP
        ahead = 400 * DAY if 300 <= number < 340 else -200 * DAY if 900 <= number < 960 else 0
        made.append((ids.new(), clock.time + ahead * jumps - drawn.randrange(2 * STEP)))
    return made


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Shop]:
    async with keeping_shop(house) as shop:
        yield shop


@asynccontextmanager
async def keeping_shop(house: House, *, jumps: bool = True) -> AsyncIterator[Shop]:
    api = house.api
    made = await api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": card()})
    owner = (await house.services.api_keys.resolve(api.key, None)).owner
    like = await house.services.db.read(store.get, owner, made.json()["id"])
    statuses = ["captured"] * 12 + ["failed", "pending", "refunded"]
    rows = [
        msgspec.structs.replace(
            like,
            id=id,
            created_at=at,
            currency="USD" if number % 9 == 0 else "JPY",
            status=statuses[number % len(statuses)],
            external_order_num=None if number % 100 else f"order {number}",
        )
        for number, (id, at) in enumerate(walk(house, COUNT, jumps=jumps))
    ]
    for first in range(0, COUNT, 500):
        await house.services.db.write(save_all, rows[first : first + 500])
    stored = Rows(house.services.settings)
    yield Shop(house, owner, [*rows, like], stored)
    await stored.close()


async def hold_against(api: Any, path: str, query: dict[str, Any], expected: list[str]) -> None:
    """The total, and several pages."""
    per_page = 7
    last = -(-len(expected) // per_page)
    for page in sorted({1, 2, max(1, last // 3), max(1, last // 2), max(1, last), last + 1}):
        reply = await api.get(path, params={**query, "page": page, "per_page": per_page})
        said = reply.json()
        wanted = expected[(page - 1) * per_page : page * per_page]
        assert (said["total"], said["last_page"], said["page"]) == (len(expected), last, page), query
        assert [row["id"] for row in said["data"]] == wanted, (query, page)


def windows(rows: list[Payment]) -> list[tuple[int | None, int | None]]:
    """In whole seconds: an hour, days, long ones, old and new, open ones, and some with nothing in them."""
    first, last = rows[0].created_at // SECOND * SECOND, rows[-1].created_at // SECOND * SECOND
    middle = (first + last) // 2 // SECOND * SECOND
    return [
        (middle, middle + HOUR),
        (middle, middle + DAY),
        (first, first + DAY),
        (last - DAY, last),
        (first + DAY, last - DAY),
        (middle, None),
        (None, middle),
        (last - HOUR, None),
        (first - DAY, last + DAY),
        (None, first - 300 * DAY),
        (last + 300 * DAY, None),
        (middle + 390 * DAY, middle + 410 * DAY),
        (middle, middle),
        (rows[5].created_at // SECOND * SECOND, rows[5].created_at // SECOND * SECOND),
    ]


def query_of(start: int | None, end: int | None) -> dict[str, str]:
    return {name: iso(at) for name, at in (("start_time", start), ("end_time", end)) if at is not None}


def inside(start: int | None, end: int | None) -> Callable[[Payment], bool]:
    """Both ends included, to the second."""
    return lambda row: (start or 0) <= row.created_at and (end is None or row.created_at < end + SECOND)


@pytest.mark.parametrize("counted", ["not at all", "as far as can be", "in part"])
async def test_pages_and_totals_are_those_of_the_rows(shop: Shop, counted: str) -> None:
    api = shop.house.api
    if counted == "as far as can be":
        await shop.write_down()
        assert await shop.stretches() == 2
    elif counted == "in part":
        services, listing = shop.house.services, store._LIST
        stretch = await services.db.read(listing.next_stretch, shop.owner, "~")
        assert stretch is not None
        await services.db.write(listing.write_down, shop.owner, stretch)
        assert await shop.stretches() == 1

    await hold_against(api, "/payments", {}, shop.expected(lambda row: True))
    for start, end in windows(shop.rows):
        await hold_against(api, "/payments", query_of(start, end), shop.expected(inside(start, end)))
    whole = shop.expected(lambda row: True)
    for page in (1, 11, 24, 25):
        said = (await api.get("/payments", params={"page": page, "per_page": 100})).json()
        assert [row["id"] for row in said["data"]] == whole[(page - 1) * 100 : page * 100]


@pytest.mark.parametrize("counted", [False, True])
async def test_filters_of_a_long_list_are_those_of_the_rows(shop: Shop, counted: bool) -> None:
    api = shop.house.api
    if counted:
        await shop.write_down()
    middle = shop.rows[COUNT // 2].created_at // SECOND * SECOND
    for start, end in ((None, None), (middle, middle + DAY), (None, middle)):
        times, within = query_of(start, end), inside(start, end)
        for query, keep in (
            ({"currency": "USD"}, lambda row: row.currency == "USD"),
            ({"status": "captured"}, lambda row: row.status == "captured"),
            ({"status": "failed"}, lambda row: row.status == "failed"),
            ({"status": "failed,pending"}, lambda row: row.status in ("failed", "pending")),
            ({"status": "refunded,captured"}, lambda row: row.status in ("refunded", "captured")),
            ({"status": "cancelled"}, lambda row: row.status == "cancelled"),
            ({"status": "failed", "currency": "USD"}, lambda row: (row.status, row.currency) == ("failed", "USD")),
            ({"external_order_num": "order 1500"}, lambda row: row.external_order_num == "order 1500"),
            (
                {"external_order_num": "order 1500", "status": "captured"},
                lambda row: (row.external_order_num, row.status) == ("order 1500", "captured"),
            ),
        ):
            expected = shop.expected(lambda row, keep=keep, within=within: keep(row) and within(row))
            await hold_against(api, "/payments", {**times, **query}, expected)


async def test_what_is_new_is_counted_at_once_and_a_stretch_is_written_once(shop: Shop) -> None:
    api = shop.house.api
    await asyncio.gather(*(shop.write_down() for _ in range(3)))
    assert await shop.stretches() == 2

    total = (await api.get("/payments")).json()["total"]
    assert (await api.charge(await api.customer())).status_code == 200
    assert (await api.get("/payments")).json()["total"] == total + 1 == COUNT + 2

    stored = await shop.rows_stored.all("SELECT * FROM stretches WHERE id LIKE 'payments/%' ORDER BY id")
    ids = sorted(row.id for row in shop.rows)
    assert [(row["first_id"], row["last_id"], row["size"]) for row in stored] == [
        (ids[0], ids[SIZE - 1], SIZE),
        (ids[SIZE], ids[2 * SIZE - 1], SIZE),
    ]


async def test_rows_that_may_not_be_alone_of_their_time_are_in_no_stretch(shop: Shop) -> None:
    """Another process may have made a smaller id, and not have written its row yet."""
    like = shop.rows[-1]
    young = [msgspec.structs.replace(like, id=shop.house.services.ids.new()) for _ in range(SIZE)]
    await shop.house.services.db.write(save_all, young)
    await shop.write_down()
    assert await shop.stretches() == 2

    late = msgspec.structs.replace(like, id=RandomIds(Walking(shop.house.clock.now() - MINUTE)).new())
    await shop.house.services.db.write(save_all, [late])
    shop.house.clock.advance(LATE)
    await shop.write_down()

    assert await shop.stretches() == 3
    assert (await shop.house.api.get("/payments")).json()["total"] == COUNT + 1 + SIZE + 1


async def test_the_worker_finds_long_lists_by_their_events(shop: Shop) -> None:
    services = shop.house.services
    lists = LongLists(services)
    await numbering.number_all(services)
    await lists.keep_up()
    assert await shop.stretches() == 0

    await shop.rows_stored.change(f"UPDATE event_counters SET last = {SIZE} WHERE id = 'events'")
    assert await shop.rows_stored.column("SELECT count(*) FROM event_counters") == [1]
    await lists.keep_up()
    assert await shop.stretches() == 2

    await shop.rows_stored.change("DELETE FROM stretches")
    await lists.keep_up()
    assert await shop.stretches() == 0, "nothing has happened since"
    await LongLists(services).keep_up()
    assert await shop.stretches() == 2


async def test_deleted_customers_are_in_no_total_and_on_no_page(house: House) -> None:
    api, services = house.api, house.services
    owner = (await services.api_keys.resolve(api.key, None)).owner
    like = await services.db.read(customers.get, owner, (await api.post("/customers", json={})).json()["id"])
    made = walk(house, COUNT)
    await services.db.write(save_customers, [msgspec.structs.replace(like, id=id, created_at=at) for id, at in made])
    gone = {id for id, _ in made[::50]}
    before = [id for number, id in enumerate(sorted(gone)) if number % 2]
    for id in before:
        assert (await api.delete(f"/customers/{id}")).status_code == 200
    await LongLists(services).write_down(owner)
    for id in gone.difference(before):
        assert (await api.delete(f"/customers/{id}")).status_code == 200

    left = {**dict(made), like.id: like.created_at}
    expected = sorted(set(left) - gone, reverse=True)
    await hold_against(api, "/customers", {}, expected)
    middle = made[COUNT // 2][1] // SECOND * SECOND
    for start, end in ((middle, middle + DAY), (middle, None), (None, middle)):
        upto = middle * 9 if end is None else end + SECOND
        await hold_against(
            api, "/customers", query_of(start, end), [id for id in expected if (start or 0) <= left[id] < upto]
        )


@pytest.mark.parametrize("engine", ["postgres"])
async def test_a_page_of_a_long_list_reads_few_rows_whatever_the_database_knows_of_its_tables(house: House) -> None:
    """Also where it has made no statistics."""
    read = rows_read("payments")

    async def reading(tx: Tx, owner: Owner, page: int, start: int, end: int, **filters: Any) -> int:
        before = await tx.one(read, None, table="payments") or 0
        plain: dict[str, Any] = {"currency": None, "external_order_num": None, "status": (), **filters}
        await store.page(tx, owner, Slice(page, 10, start, end), **plain)
        return (await tx.one(read, None, table="payments") or 0) - before

    async with keeping_shop(house, jumps=False) as shop:
        await shop.write_down()
        start, young, whole = shop.rows[1_200].created_at, len(shop.rows) - 2 * SIZE, (0, LATEST)

        async def reads(page: int, start: int, end: int, **filters: Any) -> int:
            return await house.services.db.write(reading, shop.owner, page, start, end, **filters)

        assert await reads(1, *whole) <= young + 10
        assert await reads(120, *whole) <= young + SIZE
        # One stretch has the whole day: it is read to count, to find where the page begins, and up to there.
        assert await reads(1, start, start + DAY) <= young + 3 * SIZE
        assert await reads(1, *whole, external_order_num="order 1500") <= 4
        assert await reads(1, *whole, status=("pending",)) <= 2 * COUNT // 15 + 10
