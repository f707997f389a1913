"""Two requests for a payment that is in a shopper's hands (REL-5)."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import DAY, MINUTE
from tests.cards import KONBINI
from tests.faults.races.racing import ROUNDS, begun, held_up, on_postgres, prepaid, race, refused, shown, sort
from tests.house import Api, House
from tests.payments.methods import ACCOUNT


@pytest.mark.parametrize("details", [KONBINI, {"type": "paypay"}], ids=["cash", "wallet"])
async def test_a_shopper_pays_and_the_shop_cancels(api: Api, details: dict[str, Any]) -> None:
    for _ in range(ROUNDS):
        waiting = await begun(api, details)

        paid, cancelled = await race(
            api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"}),
            api.post(f"/payments/{waiting}/cancel"),
        )

        status = (await shown(api, waiting))["status"]
        if cancelled.status_code == 200:
            assert status == "cancelled"
        else:
            refused(cancelled, "not_cancellable")
            assert status == "captured"
        # Who asked while the other was at work saw the payment as it was, or was told that it waits no more.
        assert paid.status_code in (200, 422), paid.text


async def test_a_shopper_pays_at_the_last_minute(house: House, api: Api) -> None:
    for _ in range(5):
        waiting = await begun(api, KONBINI)
        house.clock.advance(4 * DAY)

        await asyncio.gather(
            api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"}), worker.end_holds(house.services)
        )

        house.clock.advance(MINUTE)
        await worker.reconcile_attempts(house.services)
        assert (await shown(api, waiting))["status"] in ("captured", "expired")


async def test_a_shopper_decides_twice(api: Api) -> None:
    for _ in range(ROUNDS):
        waiting = await begun(api, {"type": "paypay"})

        await race(
            *(
                api.post(f"/test/payments/{waiting}/simulate", json={"outcome": outcome})
                for outcome in ("paid", "failed", "expired", "paid")
            )
        )

        await api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"})
        assert (await shown(api, waiting))["status"] in ("captured", "failed", "expired")
    assert Counter(await api.events()).total() == ROUNDS


async def test_cash_is_given_back_or_it_is_not(api: Api) -> None:
    for turn in range(ROUNDS):
        payment = await begun(api, KONBINI)
        await api.post(f"/test/payments/{payment}/simulate", json={"outcome": "paid"})
        asked = await api.post(f"/payments/{payment}/refund_request", json=ACCOUNT | {"amount": 1000})
        path = f"/test/refund_requests/{asked.json()['refund_requests'][0]['id']}/simulate"
        outcomes = ["completed", "rejected"] if turn % 2 else ["rejected", "completed"]

        done, lost = sort(await race(*(api.post(path, json={"outcome": each}) for each in outcomes)))

        assert (len(done), len(lost)) == (1, 1)
        after = await shown(api, payment)
        [request] = after["refund_requests"]
        assert after["amount_refunded"] == {"completed": 1000, "rejected": 0}[request["status"]]


async def test_everybody_asks_at_once(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        waiting = await begun(api, KONBINI)

        await asyncio.gather(
            api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"}),
            worker.reconcile_attempts(house.services),
            worker.reconcile_attempts(house.services),
            api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"}),
        )

        house.clock.advance(MINUTE)
        await worker.reconcile_attempts(house.services)
        assert (await shown(api, waiting))["status"] == "captured"
    assert Counter(await api.events())["payment.captured"] == ROUNDS


async def test_two_more_prepaid_cards(api: Api) -> None:
    for number in range(ROUNDS):
        short = await begun(api, prepaid(f"first{number}"), 150_000)

        winners, losers = sort(
            await race(
                *(
                    api.patch(f"/payments/{short}", json={"payment_details": prepaid(f"{name}{number}")})
                    for name in ("second", "third")
                )
            )
        )

        assert len(winners) == 1
        for loser in losers:
            refused(loser, "unprocessable_entity")
        assert (await shown(api, short))["status"] == "captured"


async def test_one_more_prepaid_card_and_a_cancellation(api: Api) -> None:
    for number in range(ROUNDS):
        short = await begun(api, prepaid(f"fourth{number}"), 150_000)

        added, cancelled = await race(
            api.patch(f"/payments/{short}", json={"payment_details": prepaid(f"fifth{number}")}),
            api.post(f"/payments/{short}/cancel"),
        )

        (winner,), (loser,) = sort([added, cancelled])
        refused(loser, "unprocessable_entity", "not_cancellable")
        assert (await shown(api, short))["status"] == ("captured" if winner is added else "cancelled")


@on_postgres
async def test_a_further_prepaid_card_that_is_held_up_while_another_is_taken(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = await begun(api, prepaid("seventh"), 250_000)
    with held_up(monkeypatch, "UPDATE payments SET active_attempt=") as (stopped, go_on):
        more = {"payment_details": prepaid("eighth")}
        slow = asyncio.ensure_future(api.patch(f"/payments/{short}", json=more))
        await asyncio.wait_for(stopped.wait(), 30)
        added = await api.patch(f"/payments/{short}", json={"payment_details": prepaid("ninth")})
        go_on.set()
        late = await slow

    assert added.json()["payment_details"]["short_amount"] == 50_000
    assert (late.status_code, late.json()["error"]["code"]) == (423, "locked")
    assert (await api.patch(f"/payments/{short}", json=more)).json()["status"] == "captured"


async def test_one_prepaid_card_pays_twice(api: Api) -> None:
    for number in range(ROUNDS):
        order = {"amount": 60_000, "currency": "JPY", "payment_details": prepaid(f"sixth{number}")}

        replies = await race(*(api.post("/payments", json=order) for _ in range(3)))

        # ¥100,000 are on it: one is paid, one is short, and for the last nothing is left.
        assert sorted(reply.status_code for reply in replies) == [200, 200, 502]
        statuses = sorted(reply.json()["status"] for reply in replies if reply.status_code == 200)
        assert statuses == ["captured", "pending"]
