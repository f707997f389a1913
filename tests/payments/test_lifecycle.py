"""A payment from its making to its end. Source: contract sections 3, 5, 16.1."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from azukari.core.clock import DAY, MINUTE, parse_iso
from azukari.merchants import store as merchants
from azukari.payments import expiry
from tests.house import Api, House, card
from tests.replies import refusal

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
        made,
        stored,
        (await api.get(f"/payments/{made['id']}")).json(),
        (await api.get("/payments")).json()["data"][0],
        (await api.post(f"/payments/{held}/capture")).json(),
        (await api.get("/events")).json()["data"][0]["data"],
    ):
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
        sources = (
            {"payment_details": card(number, verification_value="1234")},
            {"payment_details": await api.token(number)},
            {"customer": await api.customer(number)},
        )
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


# More of each


OLD, NEW = {"X-KOMOJU-API-VERSION": "2024-07-15"}, {"X-KOMOJU-API-VERSION": "2025-01-28"}


async def test_a_platforms_payment_shows_its_parts_and_no_other_has_that_member(api: Api) -> None:
    services = {
        "submerchants": [{"submerchant_id": "s1", "amount": 600, "platform_fee": 30}], "processing_merchant_id": "m1",
    }  # fmt: skip
    made = await pay(api, platform_details=services)
    assert list(made) == [*MEMBERS, "platform_details"]
    assert made["platform_details"] == services
    assert (await api.get(f"/payments/{made['id']}")).json() == made
    await refused(api, "/payments", "invalid_parameter", "mcc", **ORDER, payment_details=card(), mcc="58")


async def test_a_form_orders_a_hold(api: Api) -> None:
    details = {f"payment_details[{name}]": value for name, value in card().items()}
    order = {**ORDER, "capture": "false", "metadata[a]": "1", **details}

    reply = await api.post("/payments", data=order)

    assert (reply.json()["status"], reply.json()["metadata"]) == ("authorized", {"a": "1"})
    for yes in ("true", "1"):
        assert (await api.post("/payments", data={**order, "capture": yes})).json()["status"] == "captured"
    assert (await api.post("/payments", data={**order, "capture": "0"})).json()["status"] == "authorized"
    assert refusal(await api.post("/payments", data={**order, "capture": "no"})) == (
        422,
        "invalid_parameter",
        "capture",
    )


async def test_amounts_may_be_integral_decimals_and_nothing_else(api: Api) -> None:
    async def made(amount: str, tax: str) -> tuple[Any, ...]:
        # Written by hand: a JSON library would choose another form of the number.
        details = '{"type":"credit_card","number":"4111111111111111","month":"12","year":"2099"}'
        body = f'{{"amount":{amount},"tax":{tax},"currency":"JPY","payment_details":{details}}}'
        reply = await api.post("/payments", content=body, headers={"Content-Type": "application/json"})
        if reply.status_code != 200:
            return refusal(reply)
        payment = reply.json()
        return payment["amount"], payment["tax"], payment["total"]

    assert await made('"1000.00"', '"10.0"') == (1000, 10, 1010)
    assert await made("920.0", "80.0") == (920, 80, 1000)
    assert await made("1000.0000", "0") == (1000, 0, 1000)
    assert await made("1000", "null") == (1000, 0, 1000)
    assert await made("1000", '""') == (1000, 0, 1000)
    for wrong in ("1000.5", '"1000.50"', "-1", "0", "1e3", "true", '"1,000"', '"¥1000"', "1000000000001"):
        assert await made(wrong, "0") == (422, "invalid_parameter", "amount"), wrong
    for wrong in ("0.5", "-1", '"AUTO"', "[]"):
        assert await made("1000", wrong) == (422, "invalid_parameter", "tax"), wrong


async def test_an_order_lacks_nothing(api: Api) -> None:
    customer = await api.customer()
    for body, answer in [
        (ORDER, ("missing_parameter", "payment_details")),
        ({**ORDER, "payment_details": None, "customer": None}, ("missing_parameter", "payment_details")),
        ({"currency": "JPY", "customer": customer}, ("missing_parameter", "amount")),
        ({"amount": 1000, "customer": customer}, ("missing_parameter", "currency")),
        ({**ORDER, "customer": customer, "currency": "XXX"}, ("invalid_currency", "currency")),
        ({**ORDER, "customer": customer, "locale": ["fr"]}, ("invalid_parameter", "locale")),
        ({**ORDER, "customer": customer, "external_order_num": "a" * 256}, ("invalid_parameter", "external_order_num")),
    ]:
        assert refusal(await api.post("/payments", json=body)) == (422, *answer), body
    assert (await api.get("/payments")).json()["total"] == 0


async def test_members_that_do_not_belong_there_are_ignored(api: Api) -> None:
    fraud = {"fraud_details": {"customer_ip": "", "customer_email": ""}, "customer_email": "", "anything": [1]}
    made, held = await pay(api, **fraud), await hold(api, **fraud)
    assert (await api.post(f"/payments/{made['id']}/refund", json={"amount": 1, **fraud})).status_code == 200
    assert (await api.post(f"/payments/{held}/cancel", json=fraud)).json()["status"] == "cancelled"


async def test_bodies_that_say_nothing_mean_the_whole(api: Api) -> None:
    for content, type in (
        (b"", "application/json"),
        (b"", None),
        (b"id=0", "application/x-www-form-urlencoded"),
        (b"null", "application/json"),
    ):
        headers = {"Content-Type": type} if type else {}
        for payment, call, status in (
            ((await pay(api))["id"], "refund", "refunded"),
            (await hold(api), "capture", "captured"),
            (await hold(api), "cancel", "cancelled"),
        ):
            reply = await api.post(f"/payments/{payment}/{call}", content=content, headers=headers)
            assert (reply.status_code, reply.json()["status"]) == (200, status)


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


async def test_an_unknown_payment_is_not_found(api: Api) -> None:
    for unknown in ("0" * 25, "x", await api.customer()):
        path = f"/payments/{unknown}"
        replies = [await api.get(path), await api.patch(path, json={"description": "a"})]
        replies += [await api.post(f"{path}/{word}") for word in ("capture", "refund", "cancel")]
        assert {refusal(reply) for reply in replies} == {(404, "not_found", None)}


async def test_an_order_number_of_a_payment_under_way_is_taken_and_an_empty_one_is_none(api: Api) -> None:
    order = {**ORDER, "external_order_num": "7", "payment_details": card()}
    pending = await api.post("/payments", json=order, headers={"Azukari-Fault": "lost_reply"})
    assert (pending.status_code, pending.json()["status"]) == (202, "pending")
    await refused(api, "/payments", "invalid_parameter", "external_order_num", **order)
    for nothing in ("", "", None):
        assert (await pay(api, external_order_num=nothing))["external_order_num"] is None


async def test_a_list_is_of_ones_own_and_of_known_words(house: House) -> None:
    merchant = (await house.services.db.read(merchants.list_merchants))[0].id
    made = await pay(house.api)

    own = (await house.api.get("/payments", params={"merchant_id": merchant, "status": "captured"})).json()
    assert (own["data"], own["total"]) == ([made], 1)
    other = (await house.api.get("/payments", params={"merchant_id": "0" * 25})).json()
    assert (other["data"], other["total"], other["last_page"]) == ([], 0, 0)
    for name, wrong, code in (
        ("status", "done", "invalid_parameter"),
        ("status", "captured,done", "invalid_parameter"),
        ("currency", "YEN", "invalid_currency"),
    ):
        assert refusal(await house.api.get("/payments", params={name: wrong})) == (422, code, name)


@pytest.mark.parametrize("way", ["json", "data"])
async def test_a_list_is_filtered_by_the_body_of_the_request_too(api: Api, way: str) -> None:
    ordered = await pay(api, external_order_num="A-1")
    await pay(api, external_order_num="A-2")

    async def listed(filters: dict[str, Any], query: str = "") -> Any:
        return await api.request("GET", f"/payments{query}", **{way: filters})  # type: ignore[arg-type]

    assert (await listed({"external_order_num": "A-1", "per_page": 1})).json()["data"] == [ordered]
    assert (await listed({"external_order_num": "A-1"}, "?status=captured")).json()["total"] == 1
    assert (await listed({"status": "failed"}, "?external_order_num=A-1")).json()["total"] == 0
    assert refusal(await listed({"status": "done"})) == (422, "invalid_parameter", "status")


async def test_payments_are_listed_by_pages_and_by_when_they_were_made(house: House) -> None:
    made = []
    for _ in range(3):
        made.append(await pay(house.api))
        house.clock.advance(DAY)
    middle = made[1]["created_at"]

    async def listed(**query: Any) -> list[Any]:
        found = (await house.api.get("/payments", params=query)).json()
        return list(found["data"])

    assert await listed() == made[::-1]
    assert await listed(per_page=2) == made[:0:-1]
    assert await listed(per_page=2, page=2) == [made[0]]
    assert await listed(per_page=2, page=3) == []
    assert await listed(start_time=middle) == made[:0:-1]
    assert await listed(end_time=middle) == made[1::-1]
    assert await listed(start_time=middle, end_time=middle, status="captured", currency="JPY") == [made[1]]


async def test_an_unknown_version_of_the_api_is_refused(api: Api) -> None:
    customer = await api.customer()
    for version in ("2020-01-01", "latest", "2025-01-28x"):
        headers = {"X-KOMOJU-API-VERSION": version}
        for reply in (await api.get("/payments", headers=headers), await api.charge(customer, headers=headers)):
            assert refusal(reply) == (400, "bad_request", "X-KOMOJU-API-VERSION")
    assert (await api.get("/payments")).json()["total"] == 0


async def test_a_capture_that_names_only_the_tax_takes_the_amount_with_that_tax(api: Api) -> None:
    old = {"X-KOMOJU-API-VERSION": "2024-07-15"}
    order = {"amount": 1000, "tax": 100, "currency": "JPY", "payment_details": card(), "capture": False}
    held = (await api.post("/payments", json=order)).json()

    captured = await api.post(f"/payments/{held['id']}/capture", json={"tax": 0}, headers=old)

    assert captured.json()["amount_refunded"] == 100
