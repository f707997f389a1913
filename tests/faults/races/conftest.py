"""The API of a house whose books must balance in the end."""

from collections.abc import AsyncIterator

import pytest

from azukari import worker
from azukari.core.clock import MINUTE
from tests.faults.sites import Rows
from tests.faults.truth import hold_against_book
from tests.house import Api, House


@pytest.fixture
async def api(house: House, rows: Rows) -> AsyncIterator[Api]:
    """The API; whatever was raced for, the books balance when all is settled."""
    yield house.api
    house.clock.advance(MINUTE)
    await worker.reconcile_attempts(house.services)
    await hold_against_book(rows, house.services.settings.data)


@pytest.fixture
async def customer(api: Api) -> str:
    return await api.customer()
