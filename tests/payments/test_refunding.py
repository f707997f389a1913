"""Refunds of all and of parts. Source: contract sections 3, 5."""

import asyncio

from tests.house import Api
from tests.payments.by_card import pay, refused


async def test_a_refund_is_of_all_that_is_left_unless_told(api: Api) -> None:
    payment = (await pay(api, tax=80))["id"]
    partial = (await api.post(f"/payments/{payment}/refund", json={"amount": 300, "description": "a"})).json()
    assert (partial["status"], partial["amount_refunded"]) == ("captured", 300)
    (first,) = partial["refunds"]
    assert (first["resource"], first["amount"], first["currency"]) == ("refund", 300, "JPY")
    assert (first["payment"], first["description"], first["chargeback"]) == (payment, "a", False)

    whole = (await api.post(f"/payments/{payment}/refund")).json()
    assert (whole["status"], whole["amount_refunded"], whole["total"]) == ("refunded", 1080, 1080)
    assert [refund["amount"] for refund in whole["refunds"]] == [300, 780]
    assert whole["refunds"][0] == first
    assert (await api.get(f"/payments/{payment}")).json() == whole


async def test_refunds_never_add_up_to_more_than_was_paid(api: Api) -> None:
    payment = (await pay(api))["id"]
    await refused(api, f"/payments/{payment}/refund", "not_refundable", "amount", amount=1001)
    for amount in (999, 1):
        assert (await api.post(f"/payments/{payment}/refund", json={"amount": amount})).status_code == 200
    await refused(api, f"/payments/{payment}/refund", "not_refundable", amount=1)


async def test_refunds_side_by_side_never_give_back_more_than_was_paid(api: Api) -> None:
    payment = (await pay(api))["id"]
    replies = await asyncio.gather(
        *(
            api.post(f"/payments/{payment}/refund", json={"amount": 400}, headers={"Azukari-Delay": "50"})
            for _ in range(6)
        )
    )
    assert sorted(reply.status_code for reply in replies) == [200, 200, 422, 422, 422, 422]
    shown = (await api.get(f"/payments/{payment}")).json()
    assert (shown["amount_refunded"], len(shown["refunds"])) == (800, 2)


async def test_a_refund_that_fails_can_be_tried_again(api: Api) -> None:
    payment = (await pay(api))["id"]
    for headers, code in (
        ({"Komoju-Scenario": "other_error"}, "other_error"),
        ({"Azukari-Fault": "processor_down"}, "gateway_timeout"),
    ):
        reply = await api.post(f"/payments/{payment}/refund", headers=headers)
        assert reply.json()["error"]["code"] == code
    shown = (await api.get(f"/payments/{payment}")).json()
    assert (shown["status"], shown["amount_refunded"], shown["refunds"]) == ("captured", 0, [])
    assert (await api.post(f"/payments/{payment}/refund")).json()["status"] == "refunded"
