"""What is there and empty, in other letters or in the wrong place is no absence, where absence means a lot.

Without ``amount`` a refund is of everything, without ``capture`` the money is taken: so that has to be meant.
"""

from typing import Any

import pytest

from tests.house import Api, card

JSON_BLANKS: list[Any] = ["", None, "undefined", "null", " ", [], {}]
FORM_BLANKS = ["", "undefined", "null", " "]


async def captured(api: Api) -> str:
    return str((await api.charge(await api.customer())).json()["id"])


async def held(api: Api) -> str:
    order = {"amount": 1000, "currency": "JPY", "customer": await api.customer(), "capture": False}
    return str((await api.post("/payments", json=order)).json()["id"])


async def refusals(api: Api, method: str, path: str, order: dict[str, Any], param: str) -> list[tuple[Any, Any]]:
    """What was not refused with 422 about the parameter, of all ways to leave it empty."""
    found = []
    for blank in JSON_BLANKS:
        reply = await api.request(method, path, json={**order, param: blank})
        if (reply.status_code, reply.json().get("error", {}).get("param")) != (422, param):
            found.append((blank, reply.text))
    for word in FORM_BLANKS:
        reply = await api.request(method, path, data={**order, param: word})
        if (reply.status_code, reply.json().get("error", {}).get("param")) != (422, param):
            found.append((f"form {word}", reply.text))
    return found


@pytest.mark.parametrize("param", ["amount"])
async def test_a_refund_with_an_empty_amount_is_refused_and_does_nothing(api: Api, param: str) -> None:
    payment = await captured(api)

    assert await refusals(api, "POST", f"/payments/{payment}/refund", {"description": "a"}, param) == []

    assert (await api.get(f"/payments/{payment}")).json()["amount_refunded"] == 0
    assert (await api.post(f"/payments/{payment}/refund", json={})).json()["amount_refunded"] == 1000


@pytest.mark.parametrize("param", ["amount", "tax"])
async def test_a_capture_with_an_empty_member_is_refused_and_does_nothing(api: Api, param: str) -> None:
    payment = await held(api)

    assert await refusals(api, "POST", f"/payments/{payment}/capture", {"x": "a"}, param) == []

    assert (await api.get(f"/payments/{payment}")).json()["status"] == "authorized"
    assert (await api.post(f"/payments/{payment}/capture", json={})).json()["status"] == "captured"


async def test_a_payment_with_an_empty_capture_takes_no_money(api: Api) -> None:
    order = {"amount": "1000", "currency": "JPY", "customer": await api.customer()}

    assert await refusals(api, "POST", "/payments", order, "capture") == []

    assert (await api.get("/payments")).json()["total"] == 0


async def test_a_session_with_an_empty_capture_is_refused(api: Api) -> None:
    for blank in JSON_BLANKS:
        order = {"amount": 1000, "currency": "JPY", "payment_data": {"capture": blank}}
        reply = await api.post("/sessions", json=order)
        assert (reply.status_code, reply.json()["error"]["param"]) == (422, "payment_data[capture]"), blank


@pytest.mark.parametrize("blank", ["", "undefined", "null"])
async def test_a_customer_with_empty_details_is_refused(api: Api, blank: str) -> None:
    customer = await api.customer()
    for method, path in (("POST", "/customers"), ("PATCH", f"/customers/{customer}")):
        replies = [await api.request(method, path, data={"payment_details": blank, "email": "taro@shop.example"})]
        if not blank:
            replies.append(await api.request(method, path, json={"payment_details": blank}))
        for reply in replies:
            assert (reply.status_code, reply.json()["error"]["param"]) == (422, "payment_details")
    assert (await api.get("/customers")).json()["total"] == 1
    assert (await api.get(f"/customers/{customer}")).json()["email"] is None


async def test_an_empty_customer_is_none_beside_details(api: Api) -> None:
    order = {"amount": 1000, "currency": "JPY", "payment_details": card(), "customer": ""}

    refused = await api.post("/payments", json=order)
    taken = await api.post("/payments", json={**order, "customer": None})

    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "customer")
    assert taken.json()["status"] == "captured"


@pytest.mark.parametrize("param", ["events", "active", "ordered", "url"])
async def test_an_endpoint_is_not_changed_by_what_is_empty(api: Api, param: str) -> None:
    order = {"url": "https://1.1.1.1/hook", "events": ["payment.captured"]}
    made = (await api.post("/webhook_endpoints", json=order)).json()
    path = f"/webhook_endpoints/{made['id']}"

    assert await refusals(api, "PATCH", path, {}, param) == []
    if param != "url":
        assert await refusals(api, "POST", "/webhook_endpoints", {"url": order["url"]}, param) == []

    shown = (await api.get(path)).json()
    assert {**shown, "secret": made["secret"]} == made
    assert (await api.get("/webhook_endpoints")).json()["total"] == 1


@pytest.mark.parametrize("param", ["start_time", "end_time", "dead"])
async def test_nothing_is_sent_again_where_what_says_which_is_empty(api: Api, param: str) -> None:
    made = (await api.post("/webhook_endpoints", json={"url": "https://1.1.1.1/hook"})).json()
    order = {"start_time": "2020-01-01T00:00:00Z"} if param == "end_time" else {}

    assert await refusals(api, "POST", f"/webhook_endpoints/{made['id']}/replay", order, param) == []


@pytest.mark.parametrize("path", ["/payments", "/customers", "/events", "/subscriptions", "/webhook_endpoints"])
async def test_a_list_with_an_empty_bound_is_not_a_list_of_everything(api: Api, path: str) -> None:
    for param in ["start_time", "end_time", *(["after"] if path == "/events" else [])]:
        reply = await api.get(f"{path}?{param}=")
        assert (reply.status_code, reply.json()["error"]["param"]) == (422, param), param


MISPLACED: list[tuple[dict[str, Any], str]] = [
    ({"Amount": 300}, "amount"),
    ({"AMOUNT": "300"}, "amount"),
    ({"refund": {"amount": 300}}, "amount"),
    ({"capture": {"amount": 300}}, "amount"),
    ({"payment": {"Amount": 300, "description": "a"}}, "amount"),
    ({"data": {"amount": None}}, "amount"),
]


@pytest.mark.parametrize(("order", "param"), MISPLACED)
async def test_an_amount_where_none_is_read_is_not_passed_over(api: Api, order: dict[str, Any], param: str) -> None:
    taken, kept = await captured(api), await held(api)

    replies = [
        await api.post(f"/payments/{taken}/refund", json=order),
        await api.post(f"/payments/{kept}/capture", json=order),
    ]

    assert [(reply.status_code, reply.json()["error"]["param"]) for reply in replies] == [(422, param)] * 2
    assert (await api.get(f"/payments/{taken}")).json()["amount_refunded"] == 0
    assert (await api.get(f"/payments/{kept}")).json()["status"] == "authorized"


async def test_a_capture_flag_where_none_is_read_is_not_passed_over(api: Api) -> None:
    order = {"amount": 1000, "currency": "JPY", "customer": await api.customer()}
    for misplaced in ({"Capture": False}, {"payment_data": {"capture": "manual"}}, {"options": {"capture": False}}):
        reply = await api.post("/payments", json={**order, **misplaced})
        assert (reply.status_code, reply.json()["error"]["param"]) == (422, "capture"), misplaced
    assert (await api.get("/payments")).json()["total"] == 0


async def test_what_a_merchant_calls_amount_in_a_place_of_its_own_is_nobodys_business(api: Api) -> None:
    payment = await captured(api)
    order = {"amount": 300, "metadata": {"amount": "5"}, "line_items": [{"amount": 7}], "fraud_details": {"amount": 1}}

    partly = await api.post(f"/payments/{payment}/refund", json=order)
    rest = await api.post(
        f"/payments/{payment}/refund", json={"metadata": {"amount": "5"}, "line_items": [{"amount": 7}]}
    )

    assert (partly.status_code, partly.json()["amount_refunded"]) == (200, 300)
    assert (rest.status_code, rest.json()["amount_refunded"]) == (200, 1000)


async def test_flags_are_read_from_numbers_as_from_a_forms_words(api: Api) -> None:
    order = {"amount": 1000, "currency": "JPY", "customer": await api.customer()}

    replies = [await api.post("/payments", json={**order, "capture": flag}) for flag in (0, 1, "0", "1")]

    assert [reply.json()["status"] for reply in replies] == ["authorized", "captured"] * 2


SENTENCES: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/payments", {"json": {"amount": 1, "currency": "jpy", "customer": "a"}}, "JPY, USD, EUR"),
    ("POST", "/payments", {"json": {"amount": "1.5", "currency": "JPY", "customer": "a"}}, "whole number"),
    (
        "POST",
        "/payments",
        {"json": {"amount": 1, "currency": "JPY", "customer": "a", "capture": "no"}},
        "true or false",
    ),
    ("POST", "/tokens", {"json": {"payment_details": card(number=4111111111111111)}}, "number as text"),
    ("POST", "/sessions", {"data": {"amount": "1", "payment_types": "konbini"}}, "payment_types[]="),
    ("POST", "/sessions", {"content": b"payment_types=konbini&payment_types=paypay"}, "payment_types[]="),
    ("POST", "/customers", {"content": b'{"email": "taro@shop.example"}'}, "Content-Type: application/json"),
    ("POST", "/payments/?", {"json": {}}, "one slash too many"),
    ("GET", "//payments", {}, "one slash too many"),
    ("GET", "/customers//" + "0" * 25, {}, "one slash too many"),
    ("GET", "/payments/" + "0" * 25 + "/", {}, "one slash too many"),
    ("POST", "/customers?email=taro@shop.example", {}, "in its body"),
    ("DELETE", "/customers/a?reason=b", {}, "in its body"),
    ("GET", "/payments?start_time=yesterday", {}, "2026-03-01T09:00:00Z"),
    ("POST", "/customers", {"content": b"a", "headers": {"Content-Encoding": "gzip"}}, "Content-Encoding"),
]


@pytest.mark.parametrize(("method", "path", "sent", "says"), SENTENCES)
async def test_an_error_names_the_rule(api: Api, method: str, path: str, sent: dict[str, Any], says: str) -> None:
    if "content" in sent:
        sent = {**sent, "headers": {"Content-Type": "application/x-www-form-urlencoded", **sent.get("headers", {})}}
    base = str(api.base_url).rstrip("/")

    reply = await api.request(method, base + path.removesuffix("?"), **sent)

    assert 400 <= reply.status_code < 500
    assert says in reply.json()["error"]["message"]
    assert "4111" not in reply.text
