"""The first start dies half way, or is not alone, or finds no database: the next one finishes it."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
import pytest

from azukari import setup
from azukari.core.config import Settings
from azukari.db import DatabaseDown, migrate
from azukari.merchants import store
from azukari.merchants.service import ApiKeys
from azukari.setup import FIRST_PAIR, Installation
from azukari.wiring import Services
from tests import postgres
from tests.commands import azukari
from tests.house import forget_memory, running, settings_for

_OPEN = """
import asyncio, json, os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from azukari import setup
from azukari.core.config import Settings
from azukari.core.secret import Secret

def settings(data, url):
    return Settings(data=Path(data), database_url=Secret(url) if url else None)
"""
#: Dies at the nth CREATE of its migrations.
DYING = (
    _OPEN
    + """
data, url, left = sys.argv[1], sys.argv[2], int(sys.argv[3])

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def count(connection, cursor, statement, *rest):
    global left
    left -= statement.lstrip().startswith("CREATE")
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(setup.init(settings(data, url)))
"""
)
#: Initialises what each line names, and says which keys it shows.
INITIALISING = (
    _OPEN
    + """
print(flush=True)
for line in sys.stdin:
    made = asyncio.run(setup.init(settings(*json.loads(line))))
    print(json.dumps([made.secret_key.reveal(), made.publishable_key.reveal()]), flush=True)
"""
)


@pytest.fixture
async def empty(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Settings]:
    """An installation that nobody has initialised."""
    data = tmp_path / "data"
    url = None
    if engine == "postgres":
        url = await postgres.create_database(request.getfixturevalue("postgres_url"))
    yield settings_for(data, url)
    forget_memory(data)
    if url is not None:
        await postgres.drop_database(url)


def url_of(settings: Settings) -> str:
    return "" if settings.database_url is None else settings.database_url.reveal()


async def works(settings: Settings) -> None:
    """It has one merchant, whose keys are good."""
    async with running(settings) as house:
        assert len(await house.services.db.read(store.list_merchants)) == 1
        assert (await house.api.charge(await house.api.customer())).status_code == 200
        assert (await house.publishable.token()).startswith("tok_")


def shown(made: Installation) -> tuple[str, str]:
    return made.secret_key.reveal(), made.publishable_key.reveal()


# Dying


@pytest.mark.parametrize("nth", [2, 10, 25])
@pytest.mark.parametrize("start", [setup.init, setup.ensure])
async def test_a_first_migration_that_died_between_two_tables_is_done_by_the_next_start(
    empty: Settings, nth: int, start: Any
) -> None:
    died = subprocess.run([sys.executable, "-c", DYING, empty.data, url_of(empty), str(nth)], timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert await migrate.current(empty) is None

    made = await start(empty)

    assert made is not None
    assert await migrate.is_current(empty)
    await works(empty)


class Died(BaseException):
    """As a process does: nothing that is meant for errors catches it."""


async def test_a_crash_before_the_first_keys_are_enrolled_is_mended_by_the_next_start(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(ApiKeys, "enrol", die)
        with pytest.raises(Died):
            await setup.init(empty)
    kept = msgspec.json.decode((empty.data / FIRST_PAIR).read_bytes())
    assert kept["enrolled"] is False

    made = await setup.ensure(empty)

    assert made is not None
    assert shown(made) == (kept["secret_key"], kept["publishable_key"])
    await works(empty)


async def test_a_crash_after_the_first_keys_are_enrolled_enrols_nobody_twice(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol = ApiKeys.enrol

    async def enrol_and_die(*args: Any) -> None:
        await enrol(*args)
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(ApiKeys, "enrol", enrol_and_die)
        with pytest.raises(Died):
            await setup.init(empty)
    kept = msgspec.json.decode((empty.data / FIRST_PAIR).read_bytes())

    for _ in range(2):
        made = await setup.ensure(empty)
        assert made is not None
        assert shown(made) == (kept["secret_key"], kept["publishable_key"])
    assert msgspec.json.decode((empty.data / FIRST_PAIR).read_bytes()) == {**kept, "enrolled": True}
    await works(empty)


async def test_a_merchant_that_is_there_gets_no_keys_it_did_not_ask_for(empty: Settings) -> None:
    made = await setup.init(empty)
    (empty.data / FIRST_PAIR).unlink()

    assert await setup.ensure(empty) is None

    services = await Services.assemble(empty)
    try:
        assert len(await services.db.read(store.list_merchants)) == 1
        assert await services.api_keys.resolve(made.secret_key.reveal(), None)
    finally:
        await services.close()


# Not alone


@contextmanager
def initialising() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", INITIALISING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("round", range(3))
async def test_two_that_initialise_one_empty_directory_at_once_show_the_same_keys(empty: Settings, round: int) -> None:
    with initialising() as one, initialising() as other:
        for process in (one, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "\n"  # all is imported: now they start together
        for process in (one, other):
            assert process.stdin is not None
            process.stdin.write(json.dumps([str(empty.data), url_of(empty)]) + "\n")
            process.stdin.flush()
        said = [process.stdout and process.stdout.readline() for process in (one, other)]

    assert [one.returncode, other.returncode] == [0, 0]
    assert said[0] == said[1] != ""
    assert json.loads(said[0] or "") == list(shown(await setup.init(empty)))
    await works(empty)


async def test_two_that_find_the_schema_and_no_keys_make_one_pair(empty: Settings) -> None:
    empty.data.mkdir()
    await migrate.migrate(empty)

    one, other = await asyncio.gather(setup.init(empty), setup.init(empty))

    assert shown(one) == shown(other)
    await works(empty)


# Without a database


def nowhere(url: str) -> str:
    return "postgresql://azukari:secret-word@127.0.0.1:1/azukari"


def no_such_database(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path="/no_such_database"))


def no_such_role(url: str) -> str:
    split = urlsplit(url)
    return urlunsplit(split._replace(netloc="nobody_here:secret-word@" + split.netloc.rpartition("@")[2]))


AWAY = pytest.mark.parametrize("away", [nowhere, no_such_database, no_such_role], ids=lambda away: away.__name__)


@AWAY
async def test_a_database_that_cannot_be_reached_is_an_outage(postgres_url: str, tmp_path: Path, away: Any) -> None:
    settings = settings_for(tmp_path / "data", away(postgres_url))
    for ask in (setup.init, setup.ensure, setup.has_live_keys, migrate.current, migrate.migrate):
        with pytest.raises(DatabaseDown):
            await ask(settings)


@AWAY
def test_init_says_in_a_sentence_that_the_database_cannot_be_used(postgres_url: str, tmp_path: Path, away: Any) -> None:
    ended = azukari("init", "--data", tmp_path / "data", AZUKARI_DATABASE_URL=away(postgres_url))

    assert ended.returncode == 1
    assert ended.stderr.startswith("The database cannot be used")
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""
    assert "secret-word" not in ended.stderr
