"""An installation on which test mode is switched off: test keys are none, and the simulator's books stay closed."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from azukari import hooks, worker
from azukari.app import asgi
from azukari.core import log
from azukari.core.clock import DAY
from azukari.core.config import Settings
from azukari.merchants import store
from azukari.wiring import KEK_NAME, Services
from tests.house import Api, House, card
from tests.time_travel.clocks import jump

BOOKS = ("simulator.jsonl", "simulator-desk.jsonl", "issuer.jsonl")


@pytest.fixture
async def off(house: House) -> AsyncIterator[Services]:
    """The house's installation, opened by a process without test mode."""
    services = await Services.assemble(replace(house.services.settings, test_mode=False), clock=house.clock)
    hooks.connect(services)
    yield services
    await services.close()


def api_of(services: Services, key: str) -> Api:
    return Api(httpx.ASGITransport(asgi(services), raise_app_exceptions=False), key)


def books(settings: Settings) -> dict[str, bytes]:
    return {name: (settings.data / name).read_bytes() for name in BOOKS if (settings.data / name).exists()}


async def test_test_keys_are_none(house: House, off: Services) -> None:
    for key in (house.api.key, house.installation.publishable_key.reveal()):
        api = api_of(off, key)
        replies = [
            await api.get("/payments"),
            await api.post("/tokens", json={"payment_details": card()}),
            await api.get("/test/clock"),
        ]
        assert [(each.status_code, each.json()["error"]["code"]) for each in replies] == [(401, "unauthorized")] * 3


async def test_pages_of_test_mode_are_not_shown(house: House, off: Services) -> None:
    session = await house.api.session()
    token = await house.api.secure_token("4100000000005000")
    address = token["authentication_url"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi(off)), base_url="http://azukari.test") as shopper:
        shown = [await shopper.get(f"/sessions/{session}"), await shopper.get(f"/sessions/{session}/state")]
        challenge = await shopper.get(address.partition("127.0.0.1:8420")[2])

    assert [reply.status_code for reply in shown] == [404, 404]
    assert challenge.status_code == 404


async def test_live_keys_are_let_in(house: House, off: Services, tmp_path: Path) -> None:
    kek = (house.services.settings.data / KEK_NAME).rename(tmp_path / KEK_NAME)
    services = await Services.assemble(replace(off.settings, kek_file=kek))
    merchant = (await services.db.read(store.list_merchants))[0]
    pair = await services.api_keys.make_pair(merchant.id, "live")

    assert (await api_of(services, pair.secret.reveal()).get("/payments")).status_code == 200
    await services.close()
    kek.rename(house.services.settings.data / KEK_NAME)


async def test_what_is_due_in_test_mode_rests_and_no_book_is_opened(
    house: House, off: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await house.api.customer()
    monthly = {"customer": customer, "amount": 1000, "currency": "JPY", "period": "monthly"}
    subscription = (await house.api.post("/subscriptions", json=monthly)).json()["id"]
    order = {"amount": 1000, "currency": "JPY", "capture": False, "payment_details": card()}
    assert (await house.api.post("/payments", json=order)).status_code == 200
    charged = (await house.api.get("/payments")).json()["total"]
    await jump(house, 40 * DAY)
    for name in BOOKS:
        (house.services.settings.data / name).unlink(missing_ok=True)
    written = io.StringIO()
    monkeypatch.setattr(log._sink, "stream", written)
    monkeypatch.setattr(log._sink, "human", False)

    for work, _ in worker.ROUNDS:
        await work(off)

    assert books(house.services.settings) == {}
    assert '"level":"error"' not in written.getvalue()
    assert (await house.api.get("/payments")).json()["total"] == charged
    house.clock.advance(DAY)
    await worker.renew_subscriptions(house.services)
    assert (await house.api.get("/payments")).json()["total"] == charged + 1
    assert (await house.api.get(f"/subscriptions/{subscription}")).json()["status"] == "active"
