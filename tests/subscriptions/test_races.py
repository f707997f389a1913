"""Two things that happen to one subscription at one moment: it is charged once at most, and the books balance."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from azukari import worker
from azukari.core.clock import DAY, MINUTE
from tests.faults.sites import Rows
from tests.faults.truth import hold_against_book
from tests.house import Api, House
from tests.subscriptions.subscriptions import MONTH, statuses, subscribe

ROUNDS = 5


@pytest.fixture
async def api(house: House) -> AsyncIterator[Api]:
    """The API; whatever was raced for, the books balance when all is settled."""
    yield house.api
    house.clock.advance(MINUTE)
    await worker.reconcile_attempts(house.services)
    rows = Rows(house.services.settings)
    await hold_against_book(rows, house.services.settings.data)
    open_ones = await rows.all("SELECT id FROM subscriptions WHERE status = 'deleted' AND due_at IS NOT NULL")
    await rows.close()
    assert open_ones == []


async def test_several_workers_and_an_end(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        made = (await subscribe(api, await api.customer())).json()["id"]
        house.clock.advance(MONTH)
        *_, ended = await asyncio.gather(
            *(worker.renew_subscriptions(house.services) for _ in range(3)), api.delete(f"/subscriptions/{made}")
        )
        assert ended.status_code == 200
        assert (await api.get(f"/subscriptions/{made}")).json()["status"] == "deleted"
        assert await statuses(api, made) in (["captured"], ["captured"] * 2)
        assert (await api.events()).count("subscription.deleted") <= ROUNDS


async def test_a_worker_and_the_end_of_the_customer(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        customer = await api.customer()
        made = (await subscribe(api, customer, "weekly")).json()["id"]
        house.clock.advance(7 * DAY)
        _, gone = await asyncio.gather(worker.renew_subscriptions(house.services), api.delete(f"/customers/{customer}"))
        assert gone.status_code == 200
        assert (await api.get(f"/subscriptions/{made}")).json()["status"] == "deleted"
        # A charge whose card was shredded before the call is a failed one.
        assert (await statuses(api, made))[0] == "captured"
        assert len(await statuses(api, made)) <= 2


async def test_a_first_charge_and_the_end_of_the_customer(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        customer = await api.customer()
        made, gone = await asyncio.gather(subscribe(api, customer), api.delete(f"/customers/{customer}"))
        assert gone.status_code == 200
        if made.status_code == 200:
            found = (await api.get(f"/subscriptions/{made.json()['id']}")).json()
            house.clock.advance(MONTH)
            await worker.renew_subscriptions(house.services)
            found = (await api.get(f"/subscriptions/{made.json()['id']}")).json()
            assert found["status"] == "deleted"
        else:
            assert made.status_code in (404, 422, 504), made.text


async def test_one_key_twice_at_once(api: Api) -> None:
    customer = await api.customer()
    key = {"X-KOMOJU-IDEMPOTENCY": "a"}
    replies = await asyncio.gather(*(subscribe(api, customer, headers=key) for _ in range(4)))
    assert {reply.status_code for reply in replies} <= {200, 409}
    assert (await api.get("/subscriptions")).json()["total"] == 1
    assert (await api.get("/payments")).json()["total"] == 1
