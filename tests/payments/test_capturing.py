"""A hold is captured, let go or ends. Source: contract sections 3, 5."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from azukari.core.clock import DAY, MINUTE, parse_iso
from azukari.payments import expiry
from tests.house import Api, House, card
from tests.payments.by_card import NEW, OLD, ORDER, hold, pay, refused
from tests.replies import refusal


async def test_a_hold_is_captured_whole(api: Api) -> None:
    for body in ({}, {"amount": 1000}, {"amount": "1000.00"}, {"amount": 1000, "tax": 80}):
        held = await hold(api, tax=80)
        taken = (await api.post(f"/payments/{held}/capture", json=body)).json()
        assert (taken["status"], taken["amount"], taken["total"]) == ("captured", 1000, 1080)
        assert (taken["amount_refunded"], taken["refunds"]) == (0, [])
        assert taken["captured_at"] is not None
        assert (await api.get(f"/payments/{held}")).json() == taken


@pytest.mark.parametrize("version", ["2024-07-15", "2025-01-28"])
async def test_what_was_not_captured_shows_as_a_refund_in_the_older_version_only(api: Api, version: str) -> None:
    headers = {"X-KOMOJU-API-VERSION": version}
    held = await hold(api)
    taken = (await api.post(f"/payments/{held}/capture", json={"amount": 400}, headers=headers)).json()
    shown = (await api.get(f"/payments/{held}", headers=headers)).json()
    listed = (await api.get("/payments", headers=headers)).json()["data"][0]

    assert taken == shown == listed
    assert (taken["status"], taken["total"]) == ("captured", 1000)
    if version == "2024-07-15":
        assert taken["amount_refunded"] == 600
        assert [(refund["amount"], refund["payment"]) for refund in taken["refunds"]] == [(600, held)]
    else:
        assert (taken["amount_refunded"], taken["refunds"]) == (0, [])
    # Only what was taken can be given back.
    await refused(api, f"/payments/{held}/refund", "not_refundable", "amount", amount=401)
    refund = (await api.post(f"/payments/{held}/refund", headers=headers)).json()
    assert (refund["status"], refund["refunds"][-1]["amount"]) == ("refunded", 400)


async def test_more_than_the_hold_cannot_be_captured(api: Api) -> None:
    held = await hold(api, tax=80)
    for body in ({"amount": 1081}, {"amount": 1000, "tax": 81}, {"amount": 10**12}):
        await refused(api, f"/payments/{held}/capture", "invalid_parameter", "amount", **body)
    assert (await api.get(f"/payments/{held}")).json()["status"] == "authorized"
    assert (await api.post(f"/payments/{held}/capture", json={"amount": 1080})).json()["status"] == "captured"


async def test_a_hold_is_let_go(api: Api) -> None:
    held = await hold(api)
    gone = (await api.post(f"/payments/{held}/cancel")).json()
    assert (gone["status"], gone["captured_at"], gone["payment_deadline"]) == ("cancelled", None, None)
    assert await api.events() == ["payment.authorized", "payment.cancelled"]


async def test_a_payment_can_only_do_what_its_status_allows(house: House) -> None:
    api = house.api
    captured, partly = (await pay(api))["id"], (await pay(api))["id"]
    refunded, cancelled, expired, held = (await pay(api))["id"], await hold(api), await hold(api), await hold(api)
    await api.post(f"/payments/{partly}/refund", json={"amount": 1})
    await api.post(f"/payments/{refunded}/refund")
    await api.post(f"/payments/{cancelled}/cancel")
    await api.post("/payments", json={**ORDER, "payment_details": card("4123111111111059")})
    failed = (await api.get("/payments", params={"status": "failed"})).json()["data"][0]["id"]
    for payment in (captured, partly, refunded, cancelled, failed):
        await refused(api, f"/payments/{payment}/capture", "not_capturable")
        await refused(api, f"/payments/{payment}/cancel", "not_cancellable")
    for payment in (refunded, cancelled, failed, held):
        await refused(api, f"/payments/{payment}/refund", "not_refundable")
    await api.post(f"/payments/{held}/cancel")
    house.clock.advance(40 * DAY)
    await expiry.expire(house.services)
    for call, code in {"capture": "not_capturable", "cancel": "not_cancellable", "refund": "not_refundable"}.items():
        await refused(api, f"/payments/{expired}/{call}", code)


async def test_a_hold_ends_by_itself_after_thirty_days(house: House) -> None:
    api = house.api
    held = await hold(api)
    shown = (await api.get(f"/payments/{held}")).json()
    created = datetime.fromisoformat(shown["created_at"]).astimezone(UTC)
    deadline = datetime.fromisoformat(shown["payment_deadline"])
    assert (deadline.hour, deadline.minute, deadline.second) == (14, 59, 59)
    assert timedelta(days=29) < deadline - created < timedelta(days=31)

    left = parse_iso(shown["payment_deadline"]) - house.clock.now()
    house.clock.advance(left - MINUTE)
    await expiry.expire(house.services)
    assert (await api.get(f"/payments/{held}")).json()["status"] == "authorized"

    house.clock.advance(2 * MINUTE)
    for _ in range(2):
        await expiry.expire(house.services)
    assert (await api.get(f"/payments/{held}")).json()["status"] == "expired"
    assert await api.events() == ["payment.authorized", "payment.expired"]


@pytest.mark.parametrize(
    ("order", "captured"),
    [
        ({"amount": 1000, "tax": 100}, 1100), ({"amount": 1000, "tax": 0}, 1000), ({"amount": 500, "tax": 50}, 550),
        ({"amount": 500}, 500), ({"amount": "500.00", "tax": "50.0"}, 550), ({"tax": "auto"}, 1100),
        ({"amount": 1000, "tax": "auto"}, 1100), ({"amount": 509, "tax": "auto"}, 559),
    ],
)  # fmt: skip
async def test_a_capture_takes_the_amount_and_its_tax(api: Api, order: dict[str, Any], captured: int) -> None:
    path = f"/payments/{await hold(api, tax=100)}"

    payment = (await api.post(f"{path}/capture", json=order, headers=OLD)).json()

    assert (payment["status"], payment["total"], payment["amount_refunded"]) == ("captured", 1100, 1100 - captured)
    back = (await api.post(f"{path}/refund", headers=NEW)).json()
    assert (back["status"], back["amount_refunded"]) == ("refunded", captured)


async def test_the_older_version_says_which_refund_was_never_captured(api: Api) -> None:
    path = f"/payments/{await hold(api)}"
    await api.post(f"{path}/capture", json={"amount": 400}, headers=NEW)
    (rest,) = (await api.get(path, headers=OLD)).json()["refunds"]
    assert {name: value for name, value in rest.items() if name not in ("id", "created_at")} == {
        "resource": "refund",
        "amount": 600,
        "currency": "JPY",
        "payment": path.rpartition("/")[2],
        "description": None,
        "chargeback": False,
        "refund_type": "partial_capture",
    }

    part = (await api.post(f"{path}/refund", json={"amount": 150}, headers=NEW)).json()
    assert (part["status"], part["amount_refunded"]) == ("captured", 150)
    await refused(api, f"{path}/refund", "not_refundable", "amount", amount=251)
    whole = (await api.post(f"{path}/refund", headers=NEW)).json()

    assert (whole["status"], whole["amount_refunded"]) == ("refunded", 400)
    assert [refund["amount"] for refund in whole["refunds"]] == [150, 250]
    old = (await api.get(path, headers=OLD)).json()
    assert (old["status"], old["amount_refunded"]) == ("refunded", 1000)
    assert [(refund["amount"], refund.get("refund_type")) for refund in old["refunds"]] == [
        (600, "partial_capture"),
        (150, None),
        (250, None),
    ]


async def test_amounts_that_are_none_are_refused_by_every_operation(api: Api) -> None:
    captured, held = (await pay(api))["id"], await hold(api)
    for path in (f"/payments/{captured}/refund", f"/payments/{held}/capture"):
        for wrong in (0, -1, "1.5", "x"):
            await refused(api, path, "invalid_parameter", "amount", amount=wrong)


async def test_a_capture_and_a_cancellation_that_fail_can_be_tried_again(api: Api) -> None:
    for call, status in (("capture", "captured"), ("cancel", "cancelled")):
        path = f"/payments/{await hold(api)}"
        before = (await api.get(path)).content
        declined = await api.post(f"{path}/{call}", headers={"Komoju-Scenario": "other_error"})
        down = await api.post(f"{path}/{call}", headers={"Azukari-Fault": "processor_down"})
        assert [refusal(declined), refusal(down)] == [(502, "other_error", None), (504, "gateway_timeout", None)]
        assert (await api.get(path)).content == before
        assert (await api.post(f"{path}/{call}")).json()["status"] == status


async def test_a_capture_that_names_only_the_tax_takes_the_amount_with_that_tax(api: Api) -> None:
    old = {"X-KOMOJU-API-VERSION": "2024-07-15"}
    order = {"amount": 1000, "tax": 100, "currency": "JPY", "payment_details": card(), "capture": False}
    held = (await api.post("/payments", json=order)).json()

    captured = await api.post(f"/payments/{held['id']}/capture", json={"tax": 0}, headers=old)

    assert captured.json()["amount_refunded"] == 100
