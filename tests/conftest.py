"""What every test may ask for. Each test runs on a copy of a migrated installation, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from azukari.core.config import Settings
from tests import postgres
from tests.house import ON_BOTH, Api, House, copy_template, make_template, running, settings_for

# How long an example takes says how busy the machine is, nothing else.
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first: at the end of a run nobody shall wait for one of them."""
    items.sort(key=lambda item: "faults" not in item.path.parts)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server, one for each test process."""
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised data directory with its SQLite database."""
    data = tmp_path_factory.mktemp("sqlite") / "template"
    asyncio.run(make_template(data, None))
    return data


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> tuple[Path, str]:
    """An initialised data directory and the URL of its database."""
    data = tmp_path_factory.mktemp("postgres") / "template"
    url = asyncio.run(postgres.create_database(postgres_url))
    asyncio.run(make_template(data, url))
    return data, url


@pytest.fixture(params=ON_BOTH)
def engine(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on."""
    return str(request.param)


@pytest.fixture
def template(engine: str, request: pytest.FixtureRequest) -> tuple[Path, str | None]:
    """What the test's installation is copied from."""
    if engine == "sqlite":
        return request.getfixturevalue("sqlite_template"), None
    found: tuple[Path, str] = request.getfixturevalue("postgres_template")
    return found


@pytest.fixture
async def settings(template: tuple[Path, str | None], tmp_path: Path) -> AsyncIterator[Settings]:
    """A fresh installation of the test's own."""
    source, template_url = template
    data = tmp_path / "data"
    copy_template(source, data)
    if template_url is None:
        yield settings_for(data, None)
        return
    url = await postgres.create_database(template_url, template_url)
    yield settings_for(data, url)
    await postgres.drop_database(url)


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    """A running installation."""
    async with running(settings) as house:
        yield house


@pytest.fixture
async def api(house: House) -> Api:
    """The API, called with a secret test key."""
    return house.api
