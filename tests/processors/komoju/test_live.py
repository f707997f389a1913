"""A live key in front of KOMOJU: the merchant's account there, as a second Azukari in test mode keeps it."""

import dataclasses
from collections.abc import AsyncIterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import MINUTE
from azukari.core.config import Settings
from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.merchants import keys, store
from azukari.processors.registry import GROUP
from azukari.testing.handle import Azukari
from azukari.vault import Filled, Reply
from azukari.wiring import KEK_NAME
from tests.house import Api, House, card, running
from tests.processors.komoju.far import Road
from tests.processors.planted import plant


@dataclasses.dataclass
class Front:
    """The installation in front, its API with a live key, and the far side."""

    house: House
    api: Api
    far: Azukari
    road: Road

    async def pay(self, **more: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of a payment of 1000 yen."""
        order = {"amount": 1000, "currency": "JPY", **more}
        if "customer" not in more:
            order.setdefault("payment_details", card(verification_value="123"))
        reply = await self.api.post("/payments", json=order)
        return reply.status_code, reply.json()

    def book(self) -> list[tuple[str, int, int]]:
        """Status, amount and amount refunded of all that the far side has, oldest first."""
        listed = self.far.client.get("/payments", params={"per_page": 100}).json()["data"]
        return [(each["status"], each["amount"], each["amount_refunded"]) for each in reversed(listed)]


@pytest.fixture
async def front(
    settings: Settings, azukari: Azukari, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Front]:
    """KOMOJU is named and has an account of the merchant's; requests to its host arrive at the far side."""
    road = Road(azukari.url)

    async def send(_: object, request: Filled) -> Reply:
        assert request.url.startswith("https://komoju.com/")
        return await road.send(request)

    monkeypatch.setattr("azukari.vault.inside.http.HttpTransport.send", send)
    if "komoju" not in entry_points(group=GROUP).names:  # this repository was installed before it had one
        (tmp_path / "site").mkdir()
        plant(tmp_path / "site", "komoju", target="azukari.processors.komoju:build")
        monkeypatch.syspath_prepend(tmp_path / "site")
    kek = tmp_path / "elsewhere.key"
    (settings.data / KEK_NAME).rename(kek)
    async with running(dataclasses.replace(settings, kek_file=kek, processors=("komoju",))) as house:
        services = house.services
        merchant = (await services.db.read(store.list_merchants))[0].id
        pair = await services.api_keys.make_pair(merchant, keys.LIVE)
        secrets = {"secret_key": Secret(azukari.secret_key)}
        await services.accounts.add(Owner(merchant, keys.LIVE), "main", "komoju", secrets, {}, "a test")
        yield Front(house, house.api.as_key(pair.secret.reveal()), azukari, road)


async def test_a_live_card_is_charged_captured_and_given_back(front: Front) -> None:
    status, sold = await front.pay()
    assert (status, sold["status"]) == (200, "captured")
    status, held = await front.pay(capture=False)
    assert (status, held["status"]) == (200, "authorized")
    status, dropped = await front.pay(capture=False)
    for path, body in (
        (f"{held['id']}/capture", {"amount": 700}),
        (f"{held['id']}/refund", {"amount": 300}),
        (f"{sold['id']}/refund", {"amount": 400}),
        (f"{sold['id']}/refund", {}),
        (f"{dropped['id']}/cancel", {}),
    ):
        reply = await front.api.post(f"/payments/{path}", json=body)
        assert reply.status_code == 200, reply.text

    (first, second, third) = front.book()
    assert first == ("refunded", 1000, 1000)
    assert second[0] == "captured"
    assert third[0] == "cancelled"


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [("4123111111111000", 502, "insufficient_funds"), ("4123111111111083", 422, "fraudulent")],
)
async def test_a_live_decline_reads_as_in_test_mode(front: Front, number: str, status: int, code: str) -> None:
    answered, body = await front.pay(payment_details=card(number, verification_value="123"))
    assert (answered, body["error"]["code"]) == (status, code)


async def test_a_lost_reply_is_found_out_and_nothing_is_charged_twice(front: Front) -> None:
    front.road.fault = "lost_reply"
    status, begun = await front.pay()
    assert (status, begun["status"]) == (202, "pending")
    front.road.fault = None

    front.house.clock.advance(2 * MINUTE)
    await worker.reconcile_attempts(front.house.services)

    assert (await front.api.get(f"/payments/{begun['id']}")).json()["status"] == "captured"
    assert front.book() == [("captured", 1000, 0)]


async def test_a_lost_request_ends_as_nothing(front: Front) -> None:
    front.road.fault = "lost_request"
    status, begun = await front.pay()
    assert (status, begun["status"]) == (202, "pending")

    front.house.clock.advance(2 * MINUTE)
    await worker.reconcile_attempts(front.house.services)

    assert (await front.api.get(f"/payments/{begun['id']}")).json()["status"] == "failed"
    assert front.book() == []


@pytest.mark.parametrize("fault", ["down", "busy", "locked_out"])
async def test_what_was_refused_is_said_to_have_charged_nothing(front: Front, fault: str) -> None:
    front.road.fault = fault
    status, body = await front.pay()
    assert (status, body["error"]["code"]) == (504, "gateway_timeout")
    assert front.book() == []


async def test_a_stored_customer_is_charged_again_and_again(front: Front) -> None:
    reply = await front.api.post("/customers", json={"payment_details": card(verification_value="123")})
    assert reply.status_code == 200, reply.text
    for _ in range(3):
        status, paid = await front.pay(customer=reply.json()["id"])
        assert (status, paid["status"]) == (200, "captured")
    assert front.book() == [("captured", 1000, 0)] * 3
