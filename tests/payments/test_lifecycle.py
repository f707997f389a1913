"""A payment from its making to its end. Source: contract sections 3, 5, 16.1."""

from typing import Any

from tests.house import Api, card
from tests.payments.by_card import MEMBERS, ORDER, hold, pay, refused
from tests.replies import refusal


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


# Orders, words


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


async def test_an_unknown_version_of_the_api_is_refused(api: Api) -> None:
    customer = await api.customer()
    for version in ("2020-01-01", "latest", "2025-01-28x"):
        headers = {"X-KOMOJU-API-VERSION": version}
        for reply in (await api.get("/payments", headers=headers), await api.charge(customer, headers=headers)):
            assert refusal(reply) == (400, "bad_request", "X-KOMOJU-API-VERSION")
    assert (await api.get("/payments")).json()["total"] == 0
