"""``GET /sessions/{id}`` and ``POST /sessions/{id}/cancel``."""

import json
from typing import Any

import pytest

from tests.house import Api, House, card
from tests.sessions.sessions import CODE, ORDER, POOR, make, pay, refused, shown

#: All that a publishable key may read of a session (SEC-10). A new member joins it only when shoppers need it.
FOR_BROWSERS = {
    "id", "resource", "mode", "amount", "currency", "session_url", "return_url", "default_locale", "payment_methods",
    "created_at", "cancelled_at", "completed_at", "status", "expired", "metadata", "merchant", "payment",
}  # fmt: skip
FOR_THE_MERCHANT = {"payment_data", "secure_token", "line_items", "email", "merchant_id"}
ALL = {
    "email": "taro@example.com", "metadata": {"order": "secret-1"}, "line_items": [{"description": "secret-2"}],
    "payment_data": {"external_order_num": "secret-3", "name": "secret-4"}, "external_customer_id": "secret-5",
}  # fmt: skip


@pytest.mark.parametrize("mode", ["payment", "customer", "customer_payment"])
async def test_a_publishable_key_reads_what_shoppers_need_and_nothing_else(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode, **ALL)
    with_customer = set() if mode == "payment" else {"customer_id"}
    for paid in (False, True):
        whole = await shown(house.api, made)
        reply = await house.publishable.get(f"/sessions/{made['id']}")
        part = reply.json()

        assert set(whole) == FOR_BROWSERS | FOR_THE_MERCHANT | with_customer
        assert set(part) == FOR_BROWSERS
        assert (part["metadata"], part["merchant"]) == ({}, {"name": "Test shop"})
        same = FOR_BROWSERS - {"metadata", "payment"}
        assert {name: part[name] for name in same} == {name: whole[name] for name in same}
        for secret in ("secret-", "taro@", "customer_id"):
            assert secret not in reply.text.replace('"external_order_num":"secret-3"', ""), secret
        if not paid:
            assert (await pay(house.publishable, made)).status_code == 200


async def test_a_publishable_key_sees_the_payment_without_what_the_merchant_wrote(house: House) -> None:
    made = await make(house.api, mode="customer_payment", **ALL)
    answer = (await pay(house.publishable, made)).json()
    part = (await house.publishable.get(f"/sessions/{made['id']}")).json()["payment"]
    whole = (await shown(house.api, made))["payment"]

    assert (part["metadata"], part["description"], part["customer"]) == ({}, None, None)
    assert (whole["metadata"], whole["customer"]) == ({"order": "secret-1"}, made["customer_id"])
    assert answer["payment"] == part
    assert answer["customer"]["email"] is None
    assert part["status"] == "captured"


#: All that it sees of a payment; the other members are there, and say nothing.
OF_A_PAYMENT = {
    "id", "resource", "status", "amount", "tax", "payment_method_fee", "total", "currency", "locale", "session",
    "payment_deadline", "captured_at", "created_at", "amount_refunded", "payment_details",
    "external_order_num",
}  # fmt: skip
NOTHING: tuple[object, ...] = (None, "", 0, {}, [], "0000", "hidden@shop.invalid")
DETAILS = {
    "credit_card": card(verification_value=CODE, email="taro@example.com", given_name="Taro", family_name="Yamada"),
    "konbini": {
        "type": "konbini", "store": "lawson", "email": "taro@example.com", "name": "Taro", "phone": "09011112222",
    },
    "bank_transfer": {
        "type": "bank_transfer", "email": "taro@example.com", "phone": "09011112222", "given_name_kana": "タロウ",
        "family_name_kana": "ヤマダ", "given_name": "Taro", "family_name": "Yamada",
    },
    "paypay": {"type": "paypay", "email": "taro@example.com"},
    "web_money": {"type": "web_money", "email": "taro@example.com", "prepaid_number": "a" * 12 + "4321"},
    "japan_mobile": {"type": "japan_mobile", "brand": "docomo"},
}  # fmt: skip
OF_THE_SHOPPER = ("taro@", "Taro", "Yamada", "タロウ", "0901111", "visa", '"1111"', ":2099", '"4321"', "docomo")


def says(payment: dict[str, Any]) -> dict[str, Any]:
    """The members that say something."""
    return {name: value for name, value in payment.items() if value not in NOTHING}


@pytest.mark.parametrize("type", DETAILS)
async def test_of_a_payment_that_was_made_a_publishable_key_reads_how_it_stands(house: House, type: str) -> None:
    made = await make(house.api, payment_types=[type], payment_data={"external_order_num": "A-1", "mcc": "1234"})
    key = {"X-KOMOJU-IDEMPOTENCY": "pay-1"}
    first = await pay(house.publishable, made, DETAILS[type], headers=key)
    assert first.status_code == 200, first.text
    payment = first.json()["payment"]["id"]
    if first.json()["payment"]["status"] != "captured":
        await house.api.post(f"/test/payments/{payment}/simulate", json={"outcome": "paid"})
    await house.api.post(f"/payments/{payment}/refund", json={"amount": 10})

    reply = await house.publishable.get(f"/sessions/{made['id']}")
    again = await pay(house.publishable, made, DETAILS[type], headers=key)

    part, whole = reply.json()["payment"], (await shown(house.api, made))["payment"]
    assert (reply.json()["status"], part["status"], part["id"]) == ("completed", "captured", payment)
    assert set(part) == set(whole)
    assert set(says(part)) <= OF_A_PAYMENT
    assert set(says(part["payment_details"])) <= {"type", "instructions_url"}
    assert part["payment_details"]["type"] == type
    assert (part["amount"], part["currency"], part["total"]) == (1000, "JPY", whole["total"])
    # What it was answered at first is repeated, and says no more of the shopper.
    assert again.headers["X-Idempotent-Replayed"] == "true"
    for text in (reply.text, again.text):
        assert [word for word in OF_THE_SHOPPER if word in text.partition('"payment":')[2]] == []


@pytest.mark.parametrize("type", ["konbini", "bank_transfer", "paypay", "web_money"])
async def test_of_a_payment_that_waits_it_reads_what_the_shopper_has_to_do(house: House, type: str) -> None:
    made = await make(house.api, amount=150_000, payment_types=[type])
    answer = (await pay(house.publishable, made, DETAILS[type])).json()

    part, whole = [(await shown(api, made))["payment"] for api in (house.publishable, house.api)]

    assert answer["payment"] == part
    assert part["status"] == ("authorized" if type in ("konbini", "bank_transfer") else "pending")
    needed = {
        "konbini": {"store", "receipt", "confirmation_code", "instructions_url"},
        "bank_transfer": {"bank_name", "account_number", "account_name", "instructions_url"},
        "paypay": {"redirect_url"},
        "web_money": {"short_amount"},
    }[type]
    for name in needed:
        assert part["payment_details"][name] == whole["payment_details"][name] != ""
    text = json.dumps(part, ensure_ascii=False)
    assert [word for word in ("taro@", "Taro", "Yamada", "タロウ", "0901111", '"4321"') if word in text] == []


async def test_a_declined_card_is_no_more_readable_than_one_that_paid(house: House) -> None:
    made = await make(house.api)
    assert (await pay(house.publishable, made, card(POOR))).status_code == 502

    reply = await house.publishable.get(f"/sessions/{made['id']}")

    assert (reply.json()["status"], reply.json()["payment"]["status"]) == ("pending", "failed")
    assert reply.json()["payment"]["payment_details"] == {
        "type": "credit_card",
        "email": None,
        "brand": "",
        "last_four_digits": "0000",
        "month": 0,
        "year": 0,
    }


async def test_pages_without_a_key_forget_whose_a_finished_order_was(house: House) -> None:
    made = await make(house.api, **ALL)
    base = "http://azukari.test"
    paths = (
        f"/sessions/{made['id']}", f"/sessions/{made['id']}/words", f"/sessions/{made['id']}/state",
        f"/fields/frame?session={made['id']}&origin=http://localhost", f"/fields/words?session={made['id']}",
    )  # fmt: skip
    before = [(await house.api.get(base + path, auth=None)).text for path in paths]
    assert any("taro@" in text for text in before)
    assert any("secret-2" in text for text in before)
    assert (await pay(house.publishable, made)).status_code == 200

    for path in paths:
        reply = await house.api.get(base + path, auth=None)
        assert reply.status_code == 200
        assert [word for word in ("taro@", "secret-", "Taro", "visa 1111") if word in reply.text] == [], path


async def test_a_publishable_key_sees_neither_the_notes_of_refunds_nor_bank_accounts(house: House) -> None:
    platform = {"submerchants": [{"submerchant_id": "secret-1", "platform_fee": 10}]}
    made = await make(house.api, payment_data={"platform_details": platform})
    paid = (await pay(house.publishable, made)).json()["payment"]["id"]
    await house.api.post(f"/payments/{paid}/refund", json={"amount": 10, "description": "secret-2"})
    cash = await make(house.api)
    konbini = {"type": "konbini", "store": "lawson", "email": "taro@example.com"}
    waiting = (await pay(house.publishable, cash, konbini)).json()["payment"]["id"]
    await house.api.post(f"/test/payments/{waiting}/simulate", json={"outcome": "paid"})
    account = {
        "amount": 10, "customer_name": "secret-3", "bank_name": "secret-4", "branch_number": "001",
        "account_type": "normal", "account_number": "0234567", "include_payment_method_fee": False,
    }  # fmt: skip
    await house.api.post(f"/payments/{waiting}/refund_request", json=account)

    for session, secrets in ((made, ("secret-1", "secret-2")), (cash, ("secret-3", "secret-4", "0234567"))):
        whole = await house.api.get(f"/sessions/{session['id']}")
        part = await house.publishable.get(f"/sessions/{session['id']}")
        assert [(secret in whole.text, secret in part.text) for secret in secrets] == [(True, False)] * len(secrets)
        assert part.json()["payment"]["amount_refunded"] == whole.json()["payment"]["amount_refunded"]


async def test_a_pending_session_is_cancelled_once(house: House) -> None:
    for body in ({}, {"json": {}}, {"data": "@"}, {"json": {"fraud_details": {}}}):
        made = await make(house.api)
        if body.get("data"):
            body = {"data": {"id": made["id"]}}
        reply = await house.api.post(f"/sessions/{made['id']}/cancel", **body)  # type: ignore[arg-type]

        cancelled = reply.json()
        assert (reply.status_code, cancelled["status"]) == (200, "cancelled")
        assert cancelled["cancelled_at"] is not None
        assert await shown(house.api, made) == cancelled
        again = await house.api.post(f"/sessions/{made['id']}/cancel")
        assert (again.status_code, again.json()["error"]["code"]) == (422, "not_cancellable")
        refused(await pay(house.publishable, made), 422, "session_cancelled")


async def test_a_completed_session_is_not_cancelled(api: Api) -> None:
    made = await make(api)
    await pay(api, made)

    reply = await api.post(f"/sessions/{made['id']}/cancel")

    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "not_cancellable")
    assert (await shown(api, made))["status"] == "completed"


async def test_an_expired_session_may_still_be_cancelled(house: House) -> None:
    made = await make(house.api, expires_in_seconds=1)
    house.clock.advance(2_000)

    reply = await house.api.post(f"/sessions/{made['id']}/cancel")

    assert (reply.status_code, reply.json()["status"], reply.json()["expired"]) == (200, "cancelled", False)


async def test_a_cancellation_is_repeated_by_its_key(api: Api) -> None:
    made = await make(api)
    key = {"X-KOMOJU-IDEMPOTENCY": "cancel-1"}

    replies = [await api.post(f"/sessions/{made['id']}/cancel", headers=key) for _ in range(2)]

    assert [reply.status_code for reply in replies] == [200, 200]
    assert replies[0].content == replies[1].content


async def test_a_cancellation_while_somebody_pays_has_to_wait(api: Api) -> None:
    made = await make(api)
    waiting = await pay(api, made, headers={"Azukari-Fault": "lost_reply"})
    assert waiting.status_code == 202

    reply = await api.post(f"/sessions/{made['id']}/cancel")

    assert (reply.status_code, reply.json()["error"]["code"]) == (423, "locked")


async def test_what_is_kept_of_a_merchants_own_text_is_noted(house: House) -> None:
    number = "4242 4242 4242 4242"
    for more in ({"metadata": {"a": number}}, {"line_items": [{"description": number}]}):
        await make(house.api, **more)
    reply = await house.api.post("/sessions", json={**ORDER, "email": number})
    assert reply.status_code == 422
    assert card()["number"] not in reply.text


async def test_an_unknown_session_is_not_found(house: House) -> None:
    for api in (house.api, house.publishable):
        for method, path in (("GET", ""), ("POST", "/pay")):
            reply = await api.request(method, f"/sessions/{'0' * 25}{path}", json={"payment_details": card()})
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")
