"""What anybody may bring about who knows an address: a processor is asked now and then, and not each time."""

from typing import Any

import httpx
import pytest

from azukari.core.clock import SECOND
from tests.checkout.shoppers import ORIGIN, Shopper, get, shopper
from tests.house import House, card

CHALLENGED = "4100000000005000"
#: Questions in six seconds, and times an address is called.
FEW, MANY = 3, 60


@pytest.fixture
def asked(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each question that reaches the simulator: what became of it, and that a challenge was opened."""
    simulator: Any = house.services.processors.simulator
    lines: list[str] = []

    def counted(name: str) -> None:
        call = getattr(simulator, name)

        async def counting(*given: Any) -> Any:
            lines.append(name)
            return await call(*given)

        monkeypatch.setattr(simulator, name, counting)

    counted("lookup")
    counted("finish_authentication")
    return lines


async def way_back_of(house: House, away: str) -> tuple[str, Any]:
    """The address a wallet's page leads back to, and its order."""
    ref = httpx.URL(away).path.rpartition("/")[2]
    order: Any = house.services.processors.simulator.order_of(ref, house.clock.now())
    return order.return_url.removeprefix(ORIGIN), ref


async def in_a_session(house: House) -> str:
    buyer = await shopper(house)
    return str((await buyer.pay({"type": "paypay"})).json()["redirect_url"])


async def alone(house: House) -> str:
    order = {"amount": 1000, "currency": "JPY", "payment_details": {"type": "paypay"}}
    made = (await house.api.post("/payments", json=order | {"return_url": "https://shop.example"})).json()
    return str(made["payment_details"]["redirect_url"])


@pytest.mark.parametrize("pay", [in_a_session, alone])
async def test_a_way_back_that_is_called_again_and_again_asks_now_and_then(
    house: House, asked: list[str], pay: Any
) -> None:
    back, ref = await way_back_of(house, await pay(house))

    found = {(await get(house, back)).status_code for _ in range(MANY)}

    assert (found, asked) == ({303}, ["lookup"] * FEW)
    house.clock.advance(6 * SECOND)
    house.services.processors.simulator.decide(ref, "approved")
    assert (await get(house, back)).status_code == 303
    assert len(asked) == FEW + 1
    (payment,) = (await house.api.get("/payments")).json()["data"]
    assert payment["status"] == "captured"


async def test_who_comes_back_early_is_heard_when_she_has_paid(house: House, asked: list[str]) -> None:
    back, ref = await way_back_of(house, await in_a_session(house))
    await get(house, back)
    house.services.processors.simulator.decide(ref, "approved")

    await get(house, back)

    (payment,) = (await house.api.get("/payments")).json()["data"]
    assert (payment["status"], len(asked)) == ("captured", 2)


async def test_a_page_that_goes_on_again_and_again_asks_now_and_then(house: House, asked: list[str]) -> None:
    buyer = await shopper(house)
    await buyer.pay({"type": "paypay"})

    replies = [await buyer.post("/resume", {"csrf": buyer.csrf, "locale": "en"}) for _ in range(MANY)]

    assert {(reply.status_code, reply.json()["status"]) for reply in replies} == {(200, "pending")}
    assert len(asked) == FEW


async def test_a_challenge_that_is_opened_again_and_again_is_told_to_the_issuer_now_and_then(
    house: House, asked: list[str]
) -> None:
    buyer = await shopper(house)
    away = (await buyer.pay(card(CHALLENGED, verification_value="123"))).json()["redirect_url"]

    replies = [await get(house, away.removeprefix(ORIGIN)) for _ in range(MANY)]

    assert {reply.status_code for reply in replies} == {200}
    assert len(asked) == FEW
    await _pass(buyer, replies[-1], away)
    assert (await buyer.post("/resume", {"csrf": buyer.csrf, "locale": "en"})).json()["status"] == "completed"


async def _pass(buyer: Shopper, challenge: httpx.Response, away: str) -> None:
    found = httpx.URL(away).params
    home, buyer.path = buyer.path, "/three_d_secure_service/offsite"
    assert "<form" in challenge.text
    await buyer.post("", {"token": found["token"], "state": found["state"], "password": "123456"})
    buyer.path = home
