"""Accounts with processors that are not there."""

from collections.abc import AsyncIterator

import pytest

from azukari.accounts.service import Accounts
from azukari.db import Owner
from azukari.merchants import store as merchants
from tests.accounts.acme import Acme, Bare, LiveAlone, Silent
from tests.faults.sites import Rows
from tests.house import House


@pytest.fixture
def acme() -> Acme:
    """The processor most accounts are with."""
    return Acme()


@pytest.fixture
def accounts(house: House, acme: Acme) -> Accounts:
    """The house's accounts, beside processors of the test's own."""
    services = house.services
    loaded = {each.name: each for each in (acme, LiveAlone(), Silent(), Bare())}
    return Accounts(services.db, services.vault, loaded.get, services.clock, services.ids)


@pytest.fixture
async def owner(house: House) -> Owner:
    """The first merchant, in test mode."""
    (first,) = await house.services.db.read(merchants.list_merchants)
    return Owner(first.id, "test")


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()
