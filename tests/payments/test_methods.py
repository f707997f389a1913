"""Payments with anything but a card: what is asked, what is shown, and every way such a payment can end."""

from typing import Any

import httpx
import pytest

from azukari import worker
from azukari.core.clock import DAY, HOUR, iso, parse_iso
from azukari.merchants import settings
from azukari.merchants import store as merchants
from azukari.payment_methods import offer
from tests.cards import BANK_TRANSFER, PAYPAY, WEB_MONEY
from tests.house import Api, House
from tests.payments.methods import ACCOUNT, KONBINI, OTHER_CARD, begun, pay, shown, simulate, waiting
from tests.replies import refused

# Cash


async def test_a_konbini_payment_waits_with_its_numbers_until_it_is_paid(house: House, api: Api) -> None:
    payment = await begun(api, KONBINI)

    details = payment["payment_details"]
    base = house.services.settings.base_url
    assert (payment["status"], payment["payment_method_fee"], payment["total"]) == ("authorized", 190, 1190)
    assert payment["payment_deadline"].endswith("T14:59:59Z")
    assert details["instructions_url"] == f"{base}/ja/instructions/{payment['id']}"
    assert details["barcode_url"] == f"{base}/api/v1/barcodes/{payment['id']}"
    assert details["confirmation_code"].isdigit()
    assert details["receipt"].isdigit()
    assert (details["store"], details["email"]) == ("family-mart", "taro@example.com")

    paid = await simulate(api, payment, "paid")

    assert (paid["status"], paid["total"]) == ("captured", 1190)
    assert paid["captured_at"]
    assert paid["payment_details"] == details
    assert await api.events() == ["payment.authorized", "payment.captured"]
    refused(await api.post(f"/payments/{payment['id']}/refund"), 422, "not_refundable")


@pytest.mark.parametrize(
    ("store", "code", "receipt", "barcode"),
    [
        ("seven-eleven", None, 13, True), ("lawson", 6, 11, False), ("family-mart", 5, 12, True),
        ("ministop", 6, 11, False), ("seicomart", 6, 11, False), ("daily-yamazaki", None, 11, False),
    ],
)  # fmt: skip
async def test_each_store_has_numbers_of_its_own(
    api: Api, store: str, code: int | None, receipt: int, barcode: bool
) -> None:
    details = (await begun(api, KONBINI | {"store": store}))["payment_details"]

    assert (details["confirmation_code"] and len(details["confirmation_code"])) == code
    assert len(details["receipt"]) == receipt
    assert ("barcode_url" in details) == barcode


async def test_a_bank_transfer_names_an_account_and_its_payers_name_comes_back(api: Api) -> None:
    payment = await begun(api, BANK_TRANSFER)

    details = payment["payment_details"]
    assert {
        "email",
        "order_id",
        "bank_name",
        "bank_number",
        "account_branch_name",
        "account_number",
        "account_type",
        "account_name",
        "payment_deadline",
        "instructions_url",
    } <= details.keys()
    assert details["payment_deadline"] == payment["payment_deadline"]
    assert (payment["customer_family_name"], payment["customer_given_name"]) == ("山田", "太郎")
    assert payment["payment_method_fee"] == 0


async def test_a_pay_easy_payment_has_three_numbers(api: Api) -> None:
    details = (await begun(api, BANK_TRANSFER | {"type": "pay_easy"}))["payment_details"]

    assert details["payment_url"] == details["instructions_url"]
    assert [len(details[name]) for name in ("bank_id", "customer_id", "confirmation_id")] == [5, 11, 6]
    assert details["cvs_code"] is None


async def test_the_deadline_is_the_end_of_a_day_in_japan(house: House, api: Api) -> None:
    today = iso(house.clock.now() + 9 * DAY // 24)[:10]

    payment = await begun(api, KONBINI | {"expiry_days": "0"})

    assert payment["payment_deadline"] == f"{today}T14:59:59Z"


async def test_waiting_cash_can_not_be_captured_and_can_be_cancelled(api: Api) -> None:
    payment = await begun(api, KONBINI)

    refused(await api.post(f"/payments/{payment['id']}/capture"), 422, "not_capturable")
    cancelled = await api.post(f"/payments/{payment['id']}/cancel")

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    refused(
        await api.post(f"/test/payments/{payment['id']}/simulate", json={"outcome": "paid"}),
        422,
        "unprocessable_entity",
    )
    assert (await shown(api, payment))["status"] == "cancelled"
    assert await api.events() == ["payment.authorized", "payment.cancelled"]


@pytest.mark.parametrize(("outcome", "status"), [("expired", "expired"), ("failed", "failed"), ("paid", "captured")])
@pytest.mark.parametrize("details", [KONBINI, BANK_TRANSFER, PAYPAY], ids=lambda details: details["type"])
async def test_a_waiting_payment_ends_as_it_is_told(
    api: Api, details: dict[str, Any], outcome: str, status: str
) -> None:
    payment = await begun(api, details)

    assert (await simulate(api, payment, outcome))["status"] == status
    assert (await api.events())[-1] == f"payment.{status}"


async def test_cash_that_was_paid_a_moment_ago_is_not_cancelled(house: House, api: Api) -> None:
    payment = await begun(api, KONBINI)
    attempt = await waiting(house, payment)
    house.services.processors.simulator.decide(attempt, "paid")

    refused(await api.post(f"/payments/{payment['id']}/cancel"), 422, "not_cancellable")

    assert (await shown(api, payment))["status"] == "captured"


async def test_cash_goes_back_to_a_bank_account(api: Api) -> None:
    payment = await simulate(api, await begun(api, KONBINI), "paid")
    path = f"/payments/{payment['id']}/refund_request"

    reply = await api.post(path, json=ACCOUNT)

    assert reply.status_code == 200
    [request] = reply.json()["refund_requests"]
    assert {name: request[name] for name in ACCOUNT} == ACCOUNT
    assert (request["status"], request["payment"], request["bank_code"]) == ("pending", payment["id"], None)
    assert await shown(api, payment) == reply.json()
    assert (await api.events())[-1] == "payment.updated"
    # What is asked for cannot be asked for again, and the fee is not part of it.
    refused(await api.post(path, json=ACCOUNT | {"amount": 501}), 422, "not_refundable", "amount")
    assert (await api.post(path, json=ACCOUNT)).status_code == 200
    refused(await api.post(path, json=ACCOUNT | {"amount": 190}), 422, "not_refundable", "amount")
    everything = ACCOUNT | {"amount": 190, "include_payment_method_fee": True}
    assert len((await api.post(path, json=everything)).json()["refund_requests"]) == 3


async def test_only_paid_cash_is_given_back_so(api: Api) -> None:
    card = await begun(api, {"type": "credit_card", "number": "4111111111111111", "month": 12, "year": 2099})
    for payment in (card, await begun(api, KONBINI), await simulate(api, await begun(api, PAYPAY), "paid")):
        reply = await api.post(f"/payments/{payment['id']}/refund_request", json=ACCOUNT)
        refused(reply, 422, "not_refundable")
    for name, value in (("account_number", "12345678"), ("branch_number", "12"), ("bank_code", "abcd")):
        reply = await api.post(f"/payments/{payment['id']}/refund_request", json=ACCOUNT | {name: value})
        refused(reply, 422, "invalid_parameter", name)


async def transfer(api: Api, request: dict[str, Any], outcome: str) -> httpx.Response:
    return await api.post(f"/test/refund_requests/{request['id']}/simulate", json={"outcome": outcome})


async def test_money_that_was_transferred_is_a_refund(api: Api) -> None:
    payment = await simulate(api, await begun(api, KONBINI), "paid")
    path = f"/payments/{payment['id']}/refund_request"
    part = ACCOUNT | {"description": "one broken cup"}
    rest = ACCOUNT | {"amount": 690, "include_payment_method_fee": "true"}
    requests = [(await api.post(path, json=body)).json()["refund_requests"][-1] for body in (part, rest)]

    once = (await transfer(api, requests[0], "completed")).json()

    assert (once["status"], once["amount_refunded"]) == ("captured", 500)
    assert [each["status"] for each in once["refund_requests"]] == ["completed", "pending"]
    [refund] = once["refunds"]
    assert (refund["amount"], refund["description"], refund["chargeback"]) == (500, "one broken cup", False)
    assert (await api.events())[-1] == "payment.refund.created"
    # Asked again it says the same; it does not turn back.
    assert (await transfer(api, requests[0], "completed")).json() == once
    refused(await transfer(api, requests[0], "rejected"), 422, "unprocessable_entity")
    assert len(await api.events()) == 5

    all_of_it = (await transfer(api, requests[1], "completed")).json()

    assert (all_of_it["status"], all_of_it["amount_refunded"]) == ("refunded", 1190)
    assert [each["amount"] for each in all_of_it["refunds"]] == [500, 690]
    assert await shown(api, payment) == all_of_it
    assert (await api.events())[-2:] == ["payment.refund.created", "payment.refunded"]


async def test_what_nobody_transfers_can_be_asked_for_again(house: House, api: Api) -> None:
    payment = await simulate(api, await begun(api, KONBINI), "paid")
    path = f"/payments/{payment['id']}/refund_request"
    [request] = (await api.post(path, json=ACCOUNT | {"amount": 1000})).json()["refund_requests"]
    refused(await api.post(path, json=ACCOUNT), 422, "not_refundable", "amount")

    left = (await transfer(api, request, "rejected")).json()

    assert (left["status"], left["amount_refunded"], left["refunds"]) == ("captured", 0, [])
    assert [each["status"] for each in left["refund_requests"]] == ["rejected"]
    assert (await api.events())[-1] == "payment.updated"
    assert len((await api.post(path, json=ACCOUNT)).json()["refund_requests"]) == 2
    for body in ({}, {"outcome": "pending"}):
        assert (await api.post(f"/test/refund_requests/{request['id']}/simulate", json=body)).status_code == 422
    nobodys = await api.post(f"/test/refund_requests/{'0' * 25}/simulate", json={"outcome": "completed"})
    assert nobodys.status_code == 404


# What the merchant has chosen


async def test_what_the_merchant_has_not_chosen_is_refused(house: House, api: Api) -> None:
    token = await api.token()
    customer = await api.customer()
    card = {"type": "credit_card", "number": "4111111111111111", "month": 12, "year": 2099}
    assert (await pay(api, KONBINI)).status_code == 200
    merchant = (await house.services.db.read(merchants.list_merchants))[0].id
    chosen = {"payment_types": {"JPY": ["konbini", "credit_card_terminal"]}}
    await settings.change(house.services.db, merchant, chosen, (), offer.check)
    house.clock.advance(1_000)

    assert (await pay(api, KONBINI)).status_code == 200
    for details in (PAYPAY, card, token):
        reply = await api.post("/payments", json={"amount": 1, "currency": "JPY", "payment_details": details})
        refused(reply, 422, "invalid_payment_type", "payment_details[type]")
    message = reply.json()["error"]["message"]
    assert message == "Payment method was invalid. credit_card is not one of konbini, credit_card_terminal."
    # In another currency nothing was chosen; what a customer has saved was agreed to before.
    assert (await pay(api, card, currency="USD")).status_code == 200
    assert (await api.charge(customer)).status_code == 200
    assert (await api.post("/sessions", json={"amount": 1, "currency": "JPY"})).json()["payment_methods"][0][
        "type"
    ] == "konbini"


# The deadline


@pytest.mark.parametrize("after", [HOUR, 2 * DAY], ids=["before the far side knows", "the far side knows"])
async def test_who_has_not_paid_by_the_deadline_pays_no_more(house: House, api: Api, after: int) -> None:
    payment = await begun(api, KONBINI)
    ref = await waiting(house, payment)
    house.clock.advance(parse_iso(payment["payment_deadline"]) + after - house.clock.now())

    await worker.end_holds(house.services)

    assert (await shown(api, payment))["status"] == "expired"
    assert await api.events() == ["payment.authorized", "payment.expired"]
    # The far side is told, so that nobody can pay it there any more.
    house.clock.advance(60_000)
    await worker.reconcile_attempts(house.services)
    house.services.processors.simulator.decide(ref, "paid")
    house.clock.advance(60_000)
    await worker.reconcile_attempts(house.services)
    assert (await shown(api, payment))["status"] == "expired"


async def test_who_paid_at_the_last_minute_has_paid(house: House, api: Api) -> None:
    payment = await begun(api, KONBINI)
    house.services.processors.simulator.decide(await waiting(house, payment), "paid")
    house.clock.advance(5 * DAY)

    await worker.end_holds(house.services)

    assert (await shown(api, payment))["status"] == "captured"


@pytest.mark.parametrize(("details", "status"), [(KONBINI, "authorized"), (PAYPAY, "pending"), (WEB_MONEY, "captured")],
                         ids=["cash", "wallet", "prepaid"])  # fmt: skip
async def test_an_order_whose_reply_was_lost_is_found_again(
    house: House, api: Api, details: dict[str, Any], status: str
) -> None:
    reply = await pay(api, details, headers={"Azukari-Fault": "lost_reply", "X-KOMOJU-IDEMPOTENCY": "a"})
    assert (reply.status_code, reply.json()["status"]) == (202, "pending")

    house.clock.advance(10_000)
    await worker.reconcile_attempts(house.services)

    found = await shown(api, reply.json())
    assert found["status"] == status
    assert ("redirect_url" in found["payment_details"]) == (details is PAYPAY)
    if status != "captured":
        assert (await simulate(api, found, "paid"))["status"] == "captured"


async def test_an_order_that_did_not_arrive_is_a_failed_payment(house: House, api: Api) -> None:
    refused(await pay(api, KONBINI, headers={"Azukari-Fault": "processor_down"}), 504, "gateway_timeout")
    reply = await pay(api, PAYPAY, headers={"Azukari-Fault": "lost_request"})
    assert reply.status_code == 202

    house.clock.advance(10_000)
    await worker.reconcile_attempts(house.services)

    assert {each["status"] for each in (await api.get("/payments")).json()["data"]} == {"failed"}


async def test_the_same_key_gets_the_same_numbers(api: Api) -> None:
    key = {"X-KOMOJU-IDEMPOTENCY": "order-1"}
    first, again = await pay(api, KONBINI, headers=key), await pay(api, KONBINI, headers=key)
    assert (again.content, again.headers["X-Idempotent-Replayed"]) == (first.content, "true")
    assert (await api.get("/payments")).json()["total"] == 1


async def test_a_scenario_fails_any_method(api: Api) -> None:
    for details in (KONBINI, PAYPAY, WEB_MONEY):
        reply = await pay(api, details, headers={"Komoju-Scenario": "restricted_account"})
        refused(reply, 502, "restricted_account")
    assert await api.events() == ["payment.failed"] * 3


@pytest.mark.parametrize(("details", "amount", "status"), [
    (KONBINI, 1000, "authorized"), (PAYPAY, 1000, "pending"), (WEB_MONEY, 1000, "captured"),
    (WEB_MONEY, 2500, "pending"),
], ids=["cash", "wallet", "prepaid", "short"])  # fmt: skip
async def test_a_reply_that_comes_twice_is_one(
    api: Api, details: dict[str, Any], amount: int, status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = await pay(api, details, amount, headers={"Azukari-Fault": "duplicate_reply", "X-KOMOJU-IDEMPOTENCY": "a"})

    assert (reply.status_code, reply.json()["status"]) == (200, status)
    assert await api.events() == ([] if status == "pending" else [f"payment.{status}"])
    again = await pay(api, details, amount, headers={"Azukari-Fault": "duplicate_reply", "X-KOMOJU-IDEMPOTENCY": "a"})
    assert again.content == reply.content
    assert "not_written" not in capsys.readouterr().err


async def test_the_resolver_hears_of_it_by_itself(house: House, api: Api) -> None:
    payment = await begun(api, PAYPAY)
    house.services.processors.simulator.decide(await waiting(house, payment), "approved")

    house.clock.advance(20_000)
    await worker.reconcile_attempts(house.services)

    assert (await shown(api, payment))["status"] == "captured"


# Off-site


async def test_a_wallet_sends_the_shopper_to_its_page(house: House, api: Api) -> None:
    payment = await begun(api, PAYPAY, return_url="https://shop.example/back?order=1")

    address = payment["payment_details"]["redirect_url"]
    assert payment["status"] == "pending"
    assert await api.events() == []
    ref = address.rpartition("/")[2]
    order = house.services.processors.simulator.order_of(ref)
    assert order is not None
    assert (order.type, order.amount, order.currency, order.state) == ("paypay", 1000, "JPY", "waiting")
    assert order.return_url == f"{house.services.settings.base_url}/return/{ref}"

    house.services.processors.simulator.decide(ref, "insufficient")
    assert (await simulate(api, payment, "paid"))["status"] == "failed"


async def test_a_wallet_can_be_held_and_captured_later(api: Api) -> None:
    payment = await begun(api, PAYPAY, capture=False)
    assert (await simulate(api, payment, "paid"))["status"] == "authorized"

    captured = await api.post(f"/payments/{payment['id']}/capture")

    assert captured.json()["status"] == "captured"
    refund = await api.post(f"/payments/{payment['id']}/refund", json={"amount": 300})
    assert refund.json()["amount_refunded"] == 300


async def test_a_method_is_paid_in_its_own_currencies(api: Api) -> None:
    refused(await pay(api, PAYPAY, currency="USD"), 422, "invalid_currency", "currency")
    assert (await pay(api, {"type": "ideal"}, currency="EUR")).json()["status"] == "pending"


# Prepaid


async def test_a_prepaid_card_with_enough_on_it_pays_at_once(api: Api) -> None:
    payment = await begun(api, WEB_MONEY, 1500)

    assert payment["status"] == "captured"
    assert payment["payment_details"] == {
        "type": "web_money",
        "email": None,
        "short_amount": 0,
        "prepaid_cards": [{"last_four_digits": "1111", "points": 1500}],
    }


async def test_a_prepaid_card_that_is_short_waits_for_another(api: Api) -> None:
    payment = await begun(api, WEB_MONEY, 2500)
    assert (payment["status"], payment["payment_details"]["short_amount"]) == ("pending", 500)

    added = await api.patch(f"/payments/{payment['id']}", json={"payment_details": OTHER_CARD})

    assert (added.status_code, added.json()["status"]) == (200, "captured")
    assert added.json()["payment_details"]["prepaid_cards"] == [
        {"last_four_digits": "1111", "points": 2000},
        {"last_four_digits": "5678", "points": 500},
    ]
    assert added.json()["payment_details"]["short_amount"] == 0
    assert await api.events() == ["payment.captured"]
    # The published number is full again for the next payment.
    assert (await begun(api, WEB_MONEY, 2000))["status"] == "captured"


async def test_a_bad_second_card_leaves_the_payment_short(api: Api) -> None:
    payment = await begun(api, WEB_MONEY, 2500)

    for number, code in (("2", "invalid_number"), ("3", "used_number"), ("4", "other_error")):
        card = {"type": "web_money", "prepaid_number": "e11111111111111" + number}
        refused(await api.patch(f"/payments/{payment['id']}", json={"payment_details": card}), 502, code)
        refused(await pay(api, card), 502, code)

    assert (await shown(api, payment))["payment_details"]["short_amount"] == 500
    other = {"type": "nanaco", "prepaid_number": "abcd1234efgh5678"}
    refused(
        await api.patch(f"/payments/{payment['id']}", json={"payment_details": other}),
        422,
        "invalid_parameter",
        "payment_details[type]",
    )


async def test_nothing_is_missing_of_a_short_payment_that_was_paid_at_last(api: Api) -> None:
    payment = await begun(api, WEB_MONEY, 2500)

    details = (await simulate(api, payment, "paid"))["payment_details"]

    assert (details["short_amount"], details["prepaid_cards"]) == (0, payment["payment_details"]["prepaid_cards"])


async def test_a_cancelled_short_payment_gives_its_card_back(api: Api) -> None:
    payment = await begun(api, WEB_MONEY, 2500)
    assert (await api.post(f"/payments/{payment['id']}/cancel")).json()["status"] == "cancelled"

    assert (await begun(api, WEB_MONEY, 2000))["status"] == "captured"


async def test_an_account_with_a_password_pays_at_once(api: Api) -> None:
    voucher = {"type": "culture_voucher", "culture_id": "taro", "culture_password": "open sesame"}

    paid = await pay(api, voucher, currency="KRW")

    assert (paid.json()["status"], paid.json()["payment_details"]) == ("captured", {"type": "culture_voucher"})
    refused(await pay(api, voucher | {"culture_password": "wrong"}, currency="KRW"), 502, "invalid_password")


# What nobody knows for a while


@pytest.mark.parametrize("fault", ["lost_reply", "lost_request", "duplicate_reply", "processor_down"])
async def test_one_more_card_with_a_fault_on_its_way(house: House, api: Api, fault: str) -> None:
    payment = await begun(api, WEB_MONEY, 2500)

    reply = await api.patch(
        f"/payments/{payment['id']}", json={"payment_details": OTHER_CARD}, headers={"Azukari-Fault": fault}
    )

    assert reply.status_code == {"duplicate_reply": 200, "processor_down": 504}.get(fault, 202)
    house.clock.advance(10_000)
    await worker.reconcile_attempts(house.services)
    done = fault in ("lost_reply", "duplicate_reply")
    assert (await shown(api, payment))["status"] == ("captured" if done else "pending")
    if not done:
        again = await api.patch(f"/payments/{payment['id']}", json={"payment_details": OTHER_CARD})
        assert again.json()["status"] == "captured"


@pytest.mark.parametrize("fault", ["lost_reply", "lost_request", "duplicate_reply", "processor_down"])
async def test_a_cancellation_with_a_fault_on_its_way(house: House, api: Api, fault: str) -> None:
    payment = await begun(api, KONBINI)

    reply = await api.post(f"/payments/{payment['id']}/cancel", headers={"Azukari-Fault": fault})

    assert reply.status_code == {"duplicate_reply": 200, "processor_down": 504}.get(fault, 202)
    house.clock.advance(10_000)
    await worker.reconcile_attempts(house.services)
    done = fault in ("lost_reply", "duplicate_reply")
    assert (await shown(api, payment))["status"] == ("cancelled" if done else "authorized")
    house.clock.advance(60_000)
    await worker.reconcile_attempts(house.services)
    if not done:
        assert (await simulate(api, payment, "paid"))["status"] == "captured"
