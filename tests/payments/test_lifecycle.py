"""A payment from its making to its end. Source: contract sections 3, 5, 16.1."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from azukari.core.clock import DAY, MINUTE, parse_iso
from azukari.payments import deadlines
from tests.house import Api, House, card

ORDER: dict[str, Any] = {"amount": 1000, "currency": "JPY"}
MEMBERS = [
    "id", "resource", "status", "amount", "tax", "customer", "payment_deadline", "payment_details",
    "payment_method_fee", "total", "currency", "description", "captured_at", "external_order_num", "metadata",
    "created_at", "amount_refunded", "locale", "session", "customer_family_name", "customer_given_name", "mcc",
    "statement_descriptor", "refunds", "refund_requests",
]  # fmt: skip


async def pay(api: Api, **more: Any) -> dict[str, Any]:
    """A payment by card."""
    reply = await api.post("/payments", json={**ORDER, "payment_details": card(), **more})
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def hold(api: Api, **more: Any) -> str:
    """The id of an authorisation."""
    made = await pay(api, capture=False, **more)
    assert (made["status"], made["captured_at"]) == ("authorized", None)
    return str(made["id"])


async def refused(api: Api, path: str, code: str, param: str | None = None, **body: Any) -> None:
    """A call that is to be 422 and to change nothing."""
    before = await api.events()
    reply = await api.post(path, json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (422, code, param), path
    assert await api.events() == before


async def test_a_payment_has_the_25_members_of_the_wire_in_their_order(api: Api) -> None:
    customer = await api.customer()
    made = await pay(api)
    stored = (await api.charge(customer)).json()
    held = await hold(api)
    for payment in (
        made, stored, (await api.get(f"/payments/{made['id']}")).json(), (await api.get("/payments")).json()["data"][0],
        (await api.post(f"/payments/{held}/capture")).json(), (await api.get("/events")).json()["data"][0]["data"],
    ):  # fmt: skip
        assert list(payment) == MEMBERS
    assert len(MEMBERS) == 25
    assert made["customer"] is None
    assert stored["customer"] == customer
    assert (made["locale"], made["session"], made["refunds"], made["refund_requests"]) == ("ja", None, [], [])


async def test_what_is_given_comes_back(api: Api) -> None:
    given = {
        "description": "a b", "external_order_num": "order-1", "locale": "en", "mcc": "5734", "metadata": {"a": "1"},
        "statement_descriptor": {"statement_descriptor_kana": "アズカリ", "contact_phone": "0312345678"},
    }  # fmt: skip
    details = card(given_name="Taro", family_name="Yamada", email="a@example.com")
    made = await pay(api, **given, payment_details=details, tax=80, currency="USD")
    for name in ("description", "external_order_num", "locale", "mcc", "metadata"):
        assert made[name] == given[name]
    shown = {name: value for name, value in made["statement_descriptor"].items() if value is not None}
    assert shown == given["statement_descriptor"]
    assert (made["customer_given_name"], made["customer_family_name"]) == ("Taro", "Yamada")
    assert (made["total"], made["currency"], made["payment_details"]["email"]) == (1080, "USD", "a@example.com")
    assert (await api.get(f"/payments/{made['id']}")).json() == made


# Cards. Source: contract 16.1.

GOOD = {
    "4111111111111111": "visa", "5555555555554444": "master", "3530111333300000": "jcb",
    "378282246310005": "american_express", "30569309025904": "diners_club", "4242424242424242": "visa",
}  # fmt: skip
BAD = {
    "4123111111111000": (502, "insufficient_funds"), "4123111111111018": (502, "exceeds_limit"),
    "4123111111111034": (502, "bad_verification_value"), "4123111111111042": (502, "card_expired"),
    "4123111111111059": (502, "card_declined"), "4123111111111067": (502, "other_invalid"),
    "4123111111111075": (502, "other_invalid"), "4123111111111083": (422, "fraudulent"),
}  # fmt: skip


async def test_every_good_test_card_pays_every_way_and_shows_its_brand(api: Api) -> None:
    for number, brand in GOOD.items():
        sources = ({"payment_details": card(number, verification_value="1234")},
                   {"payment_details": await api.token(number)}, {"customer": await api.customer(number)})  # fmt: skip
        for source in sources:
            reply = await api.post("/payments", json={**ORDER, **source})
            made = reply.json()
            assert (reply.status_code, made["status"]) == (200, "captured")
            shown = made["payment_details"]
            assert (shown["brand"], shown["last_four_digits"]) == (brand, number[-4:])


async def test_every_bad_test_card_fails_with_its_code_and_is_listed_as_failed(api: Api) -> None:
    for capture in (True, False):
        for number, (status, code) in BAD.items():
            for details in (card(number), await api.token(number)):
                order = {**ORDER, "capture": capture, "payment_details": details}
                reply = await api.post("/payments", json=order)
                error = reply.json()["error"]
                assert (reply.status_code, error["code"]) == (status, code)
                assert number not in reply.text
    listed = (await api.get("/payments", params={"status": "failed", "per_page": 100})).json()
    assert listed["total"] == 4 * len(BAD)
    assert set(await api.events()) == {"payment.failed"}


async def test_a_scenario_ends_a_payment_as_ordered(api: Api) -> None:
    customer = await api.customer()
    for code, status in {
        "insufficient_funds": 502,
        "request_failed": 402,
        "fraudulent": 422,
        "bad_gateway": 502,
    }.items():
        reply = await api.charge(customer, headers={"Komoju-Scenario": code})
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


async def test_a_processor_that_was_not_reached_charges_nothing(api: Api) -> None:
    reply = await api.charge(await api.customer(), headers={"Azukari-Fault": "processor_down"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "gateway_timeout")
    assert (await api.get("/payments")).json()["data"][0]["status"] == "failed"


# Capture and cancel


async def test_a_hold_is_captured_whole(api: Api) -> None:
    for body in ({}, {"amount": 1000}, {"amount": "1000.00"}, {"amount": 1000, "tax": 80}, {"amount": None}):
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
    await deadlines.expire(house.parts)
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
    await deadlines.expire(house.parts)
    assert (await api.get(f"/payments/{held}")).json()["status"] == "authorized"

    house.clock.advance(2 * MINUTE)
    for _ in range(2):
        await deadlines.expire(house.parts)
    assert (await api.get(f"/payments/{held}")).json()["status"] == "expired"
    assert await api.events() == ["payment.authorized", "payment.expired"]


# Refunds


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


async def test_a_refund_that_fails_can_be_tried_again(api: Api) -> None:
    payment = (await pay(api))["id"]
    for headers, code in (({"Komoju-Scenario": "other_error"}, "other_error"),
                          ({"Azukari-Fault": "processor_down"}, "gateway_timeout")):  # fmt: skip
        reply = await api.post(f"/payments/{payment}/refund", headers=headers)
        assert reply.json()["error"]["code"] == code
    shown = (await api.get(f"/payments/{payment}")).json()
    assert (shown["status"], shown["amount_refunded"], shown["refunds"]) == ("captured", 0, [])
    assert (await api.post(f"/payments/{payment}/refund")).json()["status"] == "refunded"


# Orders, lists, words


async def test_an_order_number_is_used_once(api: Api) -> None:
    await pay(api, external_order_num="1")
    held = await hold(api, external_order_num="2")
    await api.post(f"/payments/{held}/cancel")
    for number in ("1", "2"):
        body = {**ORDER, "payment_details": card(), "external_order_num": number}
        await refused(api, "/payments", "invalid_parameter", "external_order_num", **body)
    await pay(api, external_order_num="3")


async def test_an_order_number_is_free_again_after_a_failed_payment(api: Api) -> None:
    order = {**ORDER, "external_order_num": "1"}
    for _ in range(2):
        reply = await api.post("/payments", json={**order, "payment_details": card("4123111111111059")})
        assert reply.json()["error"]["code"] == "card_declined"
    made = await pay(api, external_order_num="1")
    found = (await api.get("/payments", params={"external_order_num": "1"})).json()
    assert [payment["status"] for payment in found["data"]] == ["captured", "failed", "failed"]
    assert found["data"][0] == made


async def test_tax_is_given_or_worked_out(api: Api) -> None:
    for amount, tax, expected in ((1000, 80, 80), (1000, "auto", 100), (1999, "auto", 199), (9, "auto", 0), (5, 0, 0)):
        made = await pay(api, amount=amount, tax=tax)
        assert (made["amount"], made["tax"], made["total"]) == (amount, expected, amount + expected)


async def test_a_list_is_filtered_by_each_of_its_words(api: Api) -> None:
    captured = (await pay(api, external_order_num="1"))["id"]
    dollars = (await pay(api, currency="USD"))["id"]
    held, cancelled = await hold(api), await hold(api)
    await api.post(f"/payments/{cancelled}/cancel")

    async def ids(**query: str) -> list[str]:
        listed = (await api.get("/payments", params=query)).json()
        assert listed["total"] == len(listed["data"])
        return [payment["id"] for payment in listed["data"]]

    assert await ids() == [cancelled, held, dollars, captured]
    assert await ids(currency="USD") == [dollars]
    assert await ids(currency="EUR") == []
    assert await ids(external_order_num="1") == [captured]
    assert await ids(external_order_num="2") == []
    assert await ids(status="authorized") == [held]
    assert await ids(status="authorized,cancelled") == [cancelled, held]
    assert await ids(status="captured,authorized,cancelled,failed,expired,pending,refunded") == await ids()
    assert await ids(status="captured", currency="JPY", external_order_num="1") == [captured]
    assert await ids(status="refunded") == []
    assert await ids(merchant_id="somebody") == []
    assert await ids(currency="", status="", external_order_num="") == await ids()


async def test_only_words_are_changed_by_a_patch(api: Api) -> None:
    made = await pay(api, description="a", metadata={"a": "1", "b": "2"})
    path = f"/payments/{made['id']}"
    body = {"description": "b", "metadata": {"b": "", "c": 3}, "amount": 1, "status": "refunded", "currency": "USD"}
    changed = (await api.patch(path, json=body)).json()
    assert changed == {**made, "description": "b", "metadata": {"a": "1", "c": "3"}}
    assert (await api.patch(path, json={})).json() == changed
    assert (await api.patch(path, json={"description": ""})).json() == changed
    assert (await api.patch(path, json={"description": None})).json()["description"] is None
    assert (await api.patch("/payments/none", json={"description": "b"})).status_code == 404


async def test_a_customer_and_details_together_are_refused(api: Api) -> None:
    body = {**ORDER, "customer": await api.customer(), "payment_details": card()}
    await refused(api, "/payments", "invalid_parameter", "customer", **body)


async def test_another_customer_is_404(api: Api) -> None:
    for customer in ("0" * 25, "none", await api.token()):
        reply = await api.charge(customer)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")
