"""A live key in front of KOMOJU: the merchant's account there, as a second Azukari in test mode keeps it."""

import pytest

from azukari import worker
from azukari.core.clock import MINUTE
from azukari.merchants import keys
from azukari.merchants import service as merchants
from tests.house import card
from tests.processors.komoju.front import Front


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


async def test_a_draining_account_takes_nothing_new_and_gives_back_what_it_took(front: Front) -> None:
    _, sold = await front.pay()
    await front.house.services.accounts.drain(front.owner, "main", "a test")

    status, refused = await front.pay()
    refunded = await front.api.post(f"/payments/{sold['id']}/refund")

    assert (status, refused["error"]["code"]) == (422, "unprocessable_entity")
    assert (refunded.status_code, refunded.json()["status"]) == (200, "refunded")
    assert front.book() == [("refunded", 1000, 1000)]


async def test_an_account_charges_for_no_other_merchant(front: Front) -> None:
    services = front.house.services
    other = await merchants.create(services.db, "Other shop", services.clock, services.ids)
    pair = await services.api_keys.make_pair(other.id, keys.LIVE)
    order = {"amount": 1000, "currency": "JPY", "payment_details": card()}

    reply = await front.house.api.as_key(pair.secret.reveal()).post("/payments", json=order)

    assert reply.status_code == 422
    assert front.road.asked == []
