"""``/ready`` says whether requests can be served; and publishable keys' idempotency names, which are nobody else's."""

import asyncio
import dataclasses
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from azukari import wiring
from azukari.core.clock import DAY
from azukari.core.config import Settings
from azukari.db import DatabaseDown
from azukari.vault import FileKeyProvider, ProviderDown
from azukari.web.readiness import REMEMBERED
from tests.house import House, card, running
from tests.postgres import execute

ROOT = "http://azukari.test"
KEY = "X-KOMOJU-IDEMPOTENCY"


class NoTables:
    """A transaction in which no statement works."""

    async def one(self, *_: object, **__: object) -> None:
        raise DatabaseDown

    all = run = one


class Store:
    """A store that can be away: a transaction may still begin, but nothing can be read or written in it."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.away = False

    async def read(self, unit: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self.away:
            return await unit(NoTables(), *args, **kwargs)
        return await self._database.read(unit, *args, **kwargs)

    async def read_cached(self, unit: Any, owner: Any, /) -> Any:
        return await self.read(unit, owner) if self.away else await self._database.read_cached(unit, owner)

    async def write(self, unit: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self.away:
            return await unit(NoTables(), *args, **kwargs)
        return await self._database.write(unit, *args, **kwargs)

    async def close(self) -> None:
        await self._database.close()


@pytest.fixture
async def house(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """An installation each of whose stores can be away."""
    open_stores = wiring.open_stores

    async def opened(*args: Any) -> Any:
        stores = await open_stores(*args)
        return dataclasses.replace(stores, main=Store(stores.main), keys=Store(stores.keys), sad=Store(stores.sad))

    monkeypatch.setattr(wiring, "open_stores", opened)
    async with running(settings) as house:
        yield house


async def readiness(house: House) -> tuple[int, str]:
    """The status, and what is said with it."""
    reply = await house.api.get(f"{ROOT}/ready")
    body = reply.json()
    return reply.status_code, body["error"]["code"] if reply.is_error else body["status"]


READY = (200, "ready")
NOT_READY = (503, "service_unavailable")


@pytest.mark.parametrize("name", ["main", "keys", "sad"])
async def test_a_server_is_ready_while_each_store_answers(house: House, name: str) -> None:
    store: Any = getattr(house.services.stores, name)
    assert await readiness(house) == READY

    store.away = True
    assert await readiness(house) == NOT_READY
    assert (await house.api.get(f"{ROOT}/health")).status_code == 200

    store.away = False
    assert await readiness(house) == READY


async def test_a_server_is_ready_while_the_key_provider_answers(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise ProviderDown

    with monkeypatch.context() as patched:
        patched.setattr(FileKeyProvider, "health", down)
        assert await readiness(house) == NOT_READY
    assert await readiness(house) == READY


async def test_however_often_it_is_asked_the_key_provider_is_asked_once_in_two_seconds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    down: list[object] = []
    one_at_a_time = threading.Lock()

    def health(provider: FileKeyProvider) -> None:
        asked.append(provider)
        assert one_at_a_time.acquire(blocking=False)
        try:
            if down:
                raise ProviderDown
        finally:
            one_at_a_time.release()

    # As a service on the network is: each question takes a while, and is somebody's bill.
    monkeypatch.setattr(FileKeyProvider, "blocks", True)
    monkeypatch.setattr(FileKeyProvider, "health", health)

    async def questions(answer: tuple[int, str]) -> int:
        asked.clear()
        assert set(await asyncio.gather(*(readiness(house) for _ in range(20)))) == {answer}
        return len(asked)

    assert [await questions(READY), await questions(READY)] == [1, 0]
    house.clock.advance(REMEMBERED)
    assert [await questions(READY), await questions(READY)] == [1, 0]
    house.clock.advance(-DAY)
    assert await questions(READY) == 1

    down.append("the service")
    assert await questions(READY) == 0
    house.clock.advance(REMEMBERED)
    assert await questions(NOT_READY) >= 1
    down.clear()
    assert [await readiness(house), await questions(READY)] == [READY, 0]


@pytest.mark.parametrize("engine", ["postgres"])
async def test_a_server_whose_postgresql_lets_nobody_in_is_not_ready(house: House, settings: Settings) -> None:
    assert settings.database_url is not None
    url = settings.database_url.reveal()
    database = urlsplit(url).path.lstrip("/")
    assert await readiness(house) == READY
    others = await asyncpg.connect(url.replace(f"/{database}", "/postgres"))

    async def let_in(allowed: bool) -> None:
        await others.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS {allowed}')
        await others.execute(
            f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{database}'"
        )

    try:
        await let_in(False)
        assert await readiness(house) == NOT_READY
        await let_in(True)
    finally:
        await others.close()


# A full disk


@contextmanager
def no_file_may_grow(data: Path) -> Iterator[None]:
    """As on a full disk: what is written must find room in the files that are there."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = (data / "azukari.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (log + 4_096, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_server_whose_disk_is_full_is_not_ready_until_there_is_room(house: House, settings: Settings) -> None:
    customer = await house.api.customer()
    assert await readiness(house) == READY

    with no_file_may_grow(settings.data):
        house.clock.advance(REMEMBERED)
        assert await readiness(house) == NOT_READY
        assert [(await house.api.charge(customer)).status_code for _ in range(3)] == [503] * 3
        assert (await house.api.get(f"/customers/{customer}")).status_code == 200
        assert (await house.api.get(f"{ROOT}/health")).status_code == 200
        house.clock.advance(REMEMBERED)
        assert await readiness(house) == NOT_READY

    house.clock.advance(REMEMBERED)
    assert await readiness(house) == READY
    assert (await house.api.charge(customer)).status_code == 200


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
    LOOP EXECUTE format('CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON %s EXECUTE FUNCTION full_disk()', name);
    END LOOP;
END $$
"""
READ_ONLY = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {}', current_database()); END $$;
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid()
"""
REFUSALS = {
    "a full disk": (FULL, "DROP FUNCTION full_disk() CASCADE"),
    "a database that only reads": (
        READ_ONLY.format("on"),
        "SET TRANSACTION READ WRITE;" + READ_ONLY.format("off"),
    ),
}


@pytest.mark.parametrize("engine", ["postgres"])
@pytest.mark.parametrize("name", REFUSALS)
async def test_a_server_whose_postgresql_takes_no_writes_is_not_ready(
    house: House, settings: Settings, name: str
) -> None:
    assert settings.database_url is not None
    url = settings.database_url.reveal()
    refuse, allow = REFUSALS[name]
    customer = await house.api.customer()
    assert await readiness(house) == READY

    await execute(url, refuse)
    house.clock.advance(REMEMBERED)
    assert await readiness(house) == NOT_READY
    assert (await house.api.charge(customer)).status_code == 503
    assert (await house.api.get(f"/customers/{customer}")).status_code == 200
    assert (await house.api.get(f"{ROOT}/health")).status_code == 200

    await execute(url, allow)
    house.clock.advance(REMEMBERED)
    assert await readiness(house) == READY
    assert (await house.api.charge(customer)).status_code == 200


async def test_however_often_it_is_asked_a_server_tries_to_write_once_in_two_seconds(settings: Settings) -> None:
    points: list[str] = []
    async with running(settings, points.append) as house:

        async def probes() -> int:
            points.clear()
            assert set(await asyncio.gather(*(readiness(house) for _ in range(20)))) == {READY}
            return sum(point.startswith("commit:before") for point in points)

        assert [await probes(), await probes()] == [1, 0]
        house.clock.advance(REMEMBERED)
        assert [await probes(), await probes()] == [1, 0]
        house.clock.advance(-DAY)
        assert await probes() == 1


# Names of a publishable key


async def test_a_name_that_a_publishable_key_took_first_is_still_the_shops(house: House) -> None:
    order = {"amount": 1000, "currency": "JPY", "payment_details": card()}
    mine, theirs = {"payment_details": card()}, {"payment_details": card("5555555555554444")}
    taken = await house.publishable.post("/tokens", json=theirs, headers={KEY: "order-1"})

    paid = await house.api.post("/payments", json=order, headers={KEY: "order-1"})
    kept = await house.publishable.post("/tokens", json=mine, headers={KEY: "order-2"})
    token = await house.api.post("/tokens", json=mine, headers={KEY: "order-2"})

    assert [reply.status_code for reply in (taken, paid, kept, token)] == [200] * 4
    assert [reply.headers.get("X-Idempotent-Replayed") for reply in (paid, kept, token)] == [None] * 3
    assert kept.json()["id"] != token.json()["id"]


async def test_a_publishable_key_is_never_shown_the_shops_answers_and_repeats_its_own(house: House) -> None:
    order = {"payment_details": card()}
    shops = await house.api.post("/tokens", json=order, headers={KEY: "name"})

    first, again = [await house.publishable.post("/tokens", json=order, headers={KEY: "name"}) for _ in range(2)]

    assert first.status_code == 200
    assert first.json()["id"] != shops.json()["id"]
    assert (again.content, again.headers["X-Idempotent-Replayed"]) == (first.content, "true")
    assert (await house.api.post("/tokens", json=order, headers={KEY: "name"})).content == shops.content
