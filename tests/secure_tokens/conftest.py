"""What the tests of 3-D Secure ask for."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.sites import Rows
from tests.house import House


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()
