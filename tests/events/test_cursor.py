"""``GET /events?after=``: every event once, by its number, oldest first; and waiting for the next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from azukari.core.clock import DAY, HOUR
from azukari.core.ids import earliest
from azukari.db import Owner, Tx
from azukari.events import cursor, numbering
from azukari.events import store as events
from azukari.web.dispatch import Message
from azukari.wiring import Services
from tests.house import Api, House
from tests.postgres import rows_read
from tests.webhooks.work import owner_of


async def slice_after(api: Api, place: int | str, **more: Any) -> dict[str, Any]:
    reply = await api.get("/events", params={"after": place, **more})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def happen(services: Services, owner: Owner, id: str | None = None) -> str:
    """Something happens; the event's id."""
    id = id or services.ids.new()
    await services.db.write(events.record, owner, id=id, type="customer.updated", data=b"{}", now=services.clock.now())
    return id


@asynccontextmanager
async def another_process(house: House) -> AsyncIterator[Services]:
    """The same installation, opened once more."""
    services = await Services.assemble(house.services.settings, clock=house.clock)
    try:
        yield services
    finally:
        await services.close()


async def test_events_come_by_their_numbers_and_go_on_where_one_stopped(house: House) -> None:
    made = [(await house.api.post("/customers")).json()["id"] for _ in range(7)]
    found, place = [], 0
    for expected in (3, 3, 1):
        page = await slice_after(house.api, place, per_page=3)
        found += page["data"]
        assert len(page["data"]) == expected
        assert page["next"] == page["data"][-1]["sequence"]
        assert page["has_more"] == (page["next"] < 7)
        assert page["total"] == 7 - place
        place = page["next"]
    assert [event["data"]["id"] for event in found] == made
    assert [event["sequence"] for event in found] == [1, 2, 3, 4, 5, 6, 7]
    for event in found:
        shown = (await house.api.get(f"/events/{event['id']}")).json()
        assert event == {**shown, "sequence": event["sequence"]}
    ended = await slice_after(house.api, 7)
    assert (ended["data"], ended["next"], ended["has_more"]) == ([], 7, False)


async def test_the_latest_place_is_behind_all_that_has_happened(house: House) -> None:
    assert (await slice_after(house.api, "latest"))["next"] == 0
    await house.api.post("/customers")
    await house.api.post("/customers")
    page = await slice_after(house.api, "latest")
    assert (page["data"], page["next"]) == ([], 2)
    customer = (await house.api.post("/customers")).json()
    assert [event["data"] for event in (await slice_after(house.api, page["next"]))["data"]] == [customer]


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("after=-1", 422, "after"), ("after=first", 422, "after"), ("after=1.5", 422, "after"),
        ("after=99999999999999999999", 422, "after"), ("after=1", 404, None), ("after=0&wait=31", 422, "wait"),
        ("after=0&wait=-1", 422, "wait"), ("after=0&wait=soon", 422, "wait"), ("wait=1", 422, "wait"),
        ("after=0&per_page=101", 422, "per_page"), ("after=0&page=2", 422, "page"),
        ("after=0&start_time=2026-01-01", 422, "start_time"), ("after=0&end_time=2026-01-01", 422, "end_time"),
    ],
)  # fmt: skip
async def test_what_is_no_place_is_refused(api: Api, query: str, status: int, param: str | None) -> None:
    reply = await api.get(f"/events?{query}")
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)


async def test_a_late_commit_comes_after_what_was_seen_before_it(house: House) -> None:
    owner = await owner_of(house)
    early = house.services.ids.new()
    seen = [await happen(house.services, owner) for _ in range(3)]
    first = await slice_after(house.api, 0)
    await happen(house.services, owner, early)
    # It has happened so long ago that nobody looks for it quickly any more.
    house.clock.advance(HOUR)
    second = await slice_after(house.api, first["next"])
    assert [event["id"] for event in first["data"] + second["data"]] == [*seen, early]
    assert [event["id"] for event in (await slice_after(house.api, 0))["data"]] == [*seen, early]


async def test_the_worker_finds_what_was_committed_late_or_while_it_stood_still(house: House) -> None:
    owner = await owner_of(house)
    await happen(house.services, owner, earliest(house.clock.now() - 20 * DAY))
    await numbering.number_all(house.services, quick=True)
    assert await house.services.db.read(numbering.last, owner) == 0
    await numbering.number_all(house.services)
    assert await house.services.db.read(numbering.last, owner) == 1


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_a_number_costs_the_same_among_many(house: House) -> None:
    read = rows_read("events")

    async def cost(tx: Tx, owner: Owner, many: int) -> int:
        assert await numbering.number(tx, owner, "", numbering.BATCH) == many
        return await tx.one(read, None) or 0

    owner, url = await owner_of(house), house.services.settings.database_url
    assert url is not None
    connection = await asyncpg.connect(url.reveal())
    await connection.execute(
        "INSERT INTO events (merchant_id, mode, id, type, data, created_at, sequence)"
        f" SELECT '{owner.merchant_id}', '{owner.mode}', lpad(n::text, 25, '0'), 'ping', '', 0, 1000 + n"
        " FROM generate_series(1, 5000) n"
    )
    # From here on the planner expects hardly any without a number.
    await connection.execute("ANALYZE events")
    await connection.close()
    for _ in range(300):
        await happen(house.services, owner)
    assert await house.services.db.write(cost, owner, 300) < 10 * 300


async def test_each_merchant_and_mode_counts_for_itself(house: House) -> None:
    test = await owner_of(house)
    live = Owner(test.merchant_id, "live")
    for owner in (test, live, Owner("somebody", "test"), test):
        await happen(house.services, owner)
    await numbering.number_all(house.services)
    for owner, count in ((test, 2), (live, 1), (Owner("somebody", "test"), 1)):
        found = await house.services.db.read(events.after, owner, 0, 10)
        assert [event.sequence for event in found] == list(range(1, count + 1))
    assert [event["sequence"] for event in (await slice_after(house.api, 0))["data"]] == [1, 2]


async def test_whoever_reads_while_others_write_and_number_sees_each_once_in_one_order(house: House) -> None:
    owner = await owner_of(house)
    writers, each = 4, 25

    async def write(services: Services) -> None:
        for _ in range(each):
            await happen(services, owner)

    async def read(services: Services, size: int) -> list[tuple[int | None, str]]:
        found: list[tuple[int | None, str]] = []
        place = 0
        while len(found) < writers * each:
            page = await cursor.after(services, owner, place, size, wait=30)
            found += [(event.sequence, event.id) for event in page.events]
            place = page.next
        return found

    async def number(services: Services) -> None:
        for _ in range(20):
            await numbering.number_all(services, quick=True)

    async with another_process(house) as other, asyncio.timeout(120):
        both = (house.services, other)
        *readers, _, _, _, _, _, _ = await asyncio.gather(
            read(house.services, 7),
            read(other, 100),
            read(other, 1),
            *(write(services) for services in both * 2),
            *(number(services) for services in both),
        )
    assert readers[0] == readers[1] == readers[2]
    assert [number for number, _ in readers[0]] == list(range(1, writers * each + 1))
    assert len({id for _, id in readers[0]}) == writers * each


async def test_a_wait_ends_with_the_next_event_of_this_process_without_a_look(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor, "PATIENCE", 3_600)
    monkeypatch.setattr(cursor, "MOST_SECONDS", 3_600)
    owner = await owner_of(house)
    async with asyncio.timeout(60):
        waiting = asyncio.ensure_future(cursor.after(house.services, owner, 0, 10, wait=3_600))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        customer = (await house.api.post("/customers")).json()
        found = await waiting
    assert [event.type for event in found.events] == ["customer.created"]
    assert found.events[0].data == (await house.api.get(f"/customers/{customer['id']}")).content


async def test_a_wait_ends_with_the_next_event_of_another_process(house: House) -> None:
    async with another_process(house) as other, asyncio.timeout(25):
        waiting = asyncio.ensure_future(slice_after(house.api, "latest", wait=30))
        await asyncio.sleep(0.05)
        id = await happen(other, await owner_of(house))
        found = await waiting
    assert [event["id"] for event in found["data"]] == [id]
    assert found["next"] == 1


async def test_a_wait_without_an_event_ends_in_time_and_says_where_to_go_on(house: House) -> None:
    await house.api.post("/customers")
    async with asyncio.timeout(20):
        found = await slice_after(house.api, 1, wait=1)
    assert (found["data"], found["next"], found["has_more"]) == ([], 1, False)


async def test_who_waits_holds_no_connection_to_the_database(house: House) -> None:
    """More wait than there are connections, and all else goes on."""
    owner = await owner_of(house)
    waiting = [asyncio.ensure_future(cursor.after(house.services, owner, 0, 10, wait=30)) for _ in range(100)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(25):
        customer = await house.api.customer()
        assert (await house.api.charge(customer)).status_code == 200
        found = await asyncio.gather(*waiting)
    assert {each.events[0].type for each in found} == {"customer.created"}


async def test_a_key_has_so_many_waits_and_no_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor, "MOST_WAITING", 2)
    waiting = [asyncio.ensure_future(slice_after(house.api, 0, wait=30)) for _ in range(2)]
    while house.services.news.waiters.total() < 2:
        await asyncio.sleep(0.01)
    reply = await house.api.get("/events?after=0&wait=30")
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "5")
    assert (await slice_after(house.api, 0))["data"] == []
    await house.api.post("/customers")
    assert [len(each["data"]) for each in await asyncio.gather(*waiting)] == [1, 1]
    assert not house.services.news.waiters


async def test_waits_end_with_the_server(house: House) -> None:
    waiting = [asyncio.ensure_future(slice_after(house.api, "latest", wait=30)) for _ in range(3)]
    while house.services.news.waiters.total() < 3:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(20):
        house.services.news.close()
        assert [each["next"] for each in await asyncio.gather(*waiting)] == [0, 0, 0]
        assert (await slice_after(house.api, "latest", wait=30))["data"] == []


async def test_a_wait_ends_when_its_caller_goes_away(house: House) -> None:
    answers: list[Message] = []
    left = asyncio.Event()

    async def receive() -> Message:
        if not left.is_set():
            await left.wait()
            return {"type": "http.disconnect"}
        raise AssertionError

    async def send(message: Message) -> None:
        answers.append(message)

    request = house.api.build_request("GET", "/events?after=latest&wait=30")
    request = next(house.api.auth.sync_auth_flow(request)) if house.api.auth else request
    scope = {
        "type": "http",
        "method": "GET",
        "path": request.url.path,
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("203.0.113.7", 1),
    }
    transport: Any = house.api._transport
    async with asyncio.timeout(20):
        asked = asyncio.ensure_future(transport.app(scope, receive, send))
        while not house.services.news.waiters:
            await asyncio.sleep(0.01)
        left.set()
        await asked
    assert not house.services.news.waiters
    assert [answer.get("status") for answer in answers] == [400, None]
