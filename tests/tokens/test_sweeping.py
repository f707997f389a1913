"""The sweep and a customer, both after one token's details: only one of them gets them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from azukari import worker
from azukari.core.clock import DAY, HOUR, MINUTE
from azukari.db import Owner
from azukari.merchants import store as merchants
from azukari.processors.base import Outcome, ProcessorRequest
from azukari.tokens import service, store
from tests.faults.sites import Rows
from tests.house import House

KEY = {"X-KOMOJU-IDEMPOTENCY": "key-1"}
#: Cards that could be opened.
READABLE = "SELECT e.id FROM vault_entries e JOIN azukari_keys.deks d ON d.id = e.id WHERE e.shredded_at IS NULL"


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


def during_the_check(house: House, happens: Callable[[], Awaitable[None]]) -> None:
    """Something happens after the token is spent and before its card is with a customer."""
    simulator: Any = house.services.processors.named("simulator")
    perform = simulator.perform

    async def interrupted(order: ProcessorRequest) -> Outcome:
        simulator.perform = perform
        await happens()
        outcome: Outcome = await perform(order)
        return outcome

    simulator.perform = interrupted


async def keep(house: House, customer: str | None, token: str) -> httpx.Response:
    """Give the token's card to a new customer, or to one that has another card."""
    if customer is None:
        return await house.api.post("/customers", json={"payment_details": token}, headers=KEY)
    return await house.api.patch(f"/customers/{customer}", json={"payment_details": token})


@pytest.mark.parametrize("value", [{}, {"verification_value": "123"}], ids=["without a code", "with a code"])
@pytest.mark.parametrize("new", [True, False], ids=["new customer", "new card"])
async def test_a_token_spent_at_the_last_moment_is_not_swept_while_its_card_is_checked(
    house: House, rows: Rows, new: bool, value: dict[str, str]
) -> None:
    customer = None if new else await house.api.customer()
    token = await house.api.token("5555555555554444", **value)
    house.clock.advance(DAY - MINUTE)

    async def time_passes() -> None:
        house.clock.advance(2 * MINUTE)
        await service.sweep(house.services, house.clock.now())
        await house.services.vault.sweep(house.clock.now())

    during_the_check(house, time_passes)
    kept = await keep(house, customer, token)

    assert kept.status_code == 200, kept.text
    paid = await house.api.charge(kept.json()["id"])
    assert (paid.status_code, paid.json()["payment_details"]["brand"]) == (200, "master")
    house.clock.advance(2 * HOUR)
    await worker.forget_tokens(house.services)
    await worker.sweep_vault(house.services)
    assert await rows.all("SELECT id FROM tokens") == []
    assert (await house.api.charge(kept.json()["id"])).status_code == 200


@pytest.mark.parametrize("whole", [True, False], ids=["swept", "given up"])
@pytest.mark.parametrize("new", [True, False], ids=["new customer", "new card"])
async def test_a_token_given_up_to_the_sweep_is_nobodys_card(house: House, rows: Rows, new: bool, whole: bool) -> None:
    customer = None if new else await house.api.customer()
    before = await rows.all("SELECT * FROM customers")
    token = await house.api.token("5555555555554444")
    (merchant,) = await house.services.db.read(merchants.list_merchants)

    async def the_sweep_comes() -> None:
        if whole:
            house.clock.advance(2 * DAY)
            assert await service.sweep(house.services, house.clock.now()) == 1
        else:
            owner = Owner(merchant.id, "test")
            assert await house.services.db.write(store.release_to_sweep, owner, token, house.clock.now())

    during_the_check(house, the_sweep_comes)
    refused = await keep(house, customer, token)

    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_token")
    assert await rows.all("SELECT * FROM customers") == before
    house.clock.advance(2 * DAY)
    await worker.reconcile_attempts(house.services)
    await worker.forget_tokens(house.services)
    await worker.sweep_vault(house.services)
    assert len(await rows.all(READABLE)) == len(before)
    if customer is not None:
        assert (await house.api.charge(customer)).json()["payment_details"]["brand"] == "visa"


async def test_a_card_that_a_customer_has_is_never_given_up(house: House) -> None:
    token = await house.api.token()
    customer = (await keep(house, None, token)).json()["id"]
    (merchant,) = await house.services.db.read(merchants.list_merchants)

    given_up = await house.services.db.write(
        store.release_to_sweep, Owner(merchant.id, "test"), token, house.clock.now() + 2 * DAY
    )

    assert given_up is False
    assert (await house.api.charge(customer)).status_code == 200
