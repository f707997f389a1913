"""A receiver, and a worker whose rounds a test runs itself."""

from collections.abc import AsyncIterator

import pytest

from azukari.webhooks.sending import Sender
from tests.house import House
from tests.webhooks.receiver import Receiver, receiving
from tests.webhooks.work import Work


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A merchant's server that answers 200."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def work(house: House) -> AsyncIterator[Work]:
    """Webhooks' part of the worker."""
    sender = Sender(house.services, chance=lambda: 0.5)
    yield Work(house, sender)
    await sender.close()
