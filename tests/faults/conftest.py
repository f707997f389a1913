"""Installations whose servers are killed."""

from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from azukari.core.config import Settings
from azukari.setup import FIRST_PAIR
from tests.faults.sites import Launcher, Rows, Site, launching
from tests.house import House, forget_memory
from tests.webhooks.receiver import receiving


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """Starts servers, one for each test process."""
    with launching() as launcher:
        yield launcher


@pytest.fixture
async def site(settings: Settings, launcher: Launcher) -> AsyncIterator[Site]:
    """A fresh installation without a server."""
    pair = msgspec.json.decode((settings.data / FIRST_PAIR).read_bytes())
    rows = Rows(settings)
    async with receiving() as receiver:
        yield Site(settings, launcher, pair["secret_key"], rows, receiver)
    await rows.close()
    forget_memory(settings.data)


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()
