"""Refunds side by side: each answer and event shows a payment and its refunds as they were at one moment."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest

from tests.house import Api

ROUNDS = 12
SLOW, QUICK = 111, 222


async def refund(api: Api, payment: str, amount: int, delay: int) -> httpx.Response:
    headers = {"Azukari-Delay": str(delay)}
    return await api.post(f"/payments/{payment}/refund", json={"amount": amount}, headers=headers)


def agrees(payment: dict[str, Any]) -> bool:
    """Whether the payment's refunds are all that it says was given back."""
    return payment["amount_refunded"] == sum(refund["amount"] for refund in payment["refunds"])


async def all_of(*requests: Coroutine[Any, Any, httpx.Response]) -> list[httpx.Response]:
    replies = await asyncio.gather(*requests)
    assert [reply.status_code for reply in replies] == [200] * len(replies)
    return replies


async def paid(api: Api, customer: str) -> str:
    return str((await api.charge(customer, 100_000)).json()["id"])


@pytest.mark.parametrize("delay", [0, 1, 20])
async def test_each_of_two_refunds_side_by_side_is_the_last_one_of_its_own_answer(api: Api, delay: int) -> None:
    payment = await paid(api, await api.customer())

    for number in range(1, ROUNDS + 1):
        slow, quick = await all_of(refund(api, payment, SLOW, delay), refund(api, payment, QUICK, 0))

        for reply, amount in ((slow, SLOW), (quick, QUICK)):
            assert reply.json()["refunds"][-1]["amount"] == amount
            assert agrees(reply.json())
        shown = (await api.get(f"/payments/{payment}")).json()
        assert shown["amount_refunded"] == number * (SLOW + QUICK)
        assert agrees(shown)


async def test_refunds_of_many_payments_at_once_keep_their_order(api: Api) -> None:
    customer = await api.customer()
    payments = [await paid(api, customer) for _ in range(6)]

    for _ in range(ROUNDS // 2):
        amounts = [(payment, amount) for payment in payments for amount in range(1, 5)]
        replies = await all_of(*(refund(api, payment, amount, 12 - 4 * (amount % 4)) for payment, amount in amounts))

        for reply, (_, amount) in zip(replies, amounts, strict=True):
            assert reply.json()["refunds"][-1]["amount"] == amount
            assert agrees(reply.json())


async def test_a_change_of_words_shows_a_refund_and_its_amount_or_neither(api: Api) -> None:
    payment = await paid(api, await api.customer())
    changed = 0

    for number in range(ROUNDS):
        *refunds, one, other = await asyncio.gather(
            *(refund(api, payment, amount, amount % 3) for amount in range(1, 5)),
            *(api.patch(f"/payments/{payment}", json={"description": f"{number}.{change}"}) for change in range(2)),
        )
        assert [reply.status_code for reply in refunds] == [200] * 4
        done = [reply.json() for reply in (one, other) if reply.status_code != 423]  # who always loses is told so
        changed += len(done)
        assert [shown for shown in done if not agrees(shown)] == []

    events = (await api.get("/events", params={"per_page": 100})).json()["data"]
    assert sum(event["type"] == "payment.updated" for event in events) == changed > 0
    assert sum(event["type"] == "payment.refund.created" for event in events) == 4 * ROUNDS
    assert [event for event in events if event["type"].startswith("payment.") and not agrees(event["data"])] == []
