"""What looks bad and is not. Source: ``docs/security.md`` 9; contract 1.1, 1.2."""

import base64
from typing import Any

import pytest

from tests.cards import KONBINI
from tests.house import Api, House, card
from tests.web.bad_input import FORM, JSON, authorized, outcome


@pytest.mark.parametrize("content_type", [None, "", JSON, FORM, "multipart/form-data", "text/plain", "zq7mark"])
async def test_an_empty_body_is_fine_with_any_content_type(api: Api, content_type: str | None) -> None:
    customer = await api.customer()
    headers = {} if content_type is None else {"Content-Type": content_type}
    held, other = await authorized(api, customer), await authorized(api, customer)

    replies = [
        await api.post(f"/payments/{held}/capture", headers=headers),
        await api.post(f"/payments/{held}/refund", headers=headers),
        await api.post(f"/payments/{other}/cancel", headers=headers),
        await api.post("/customers", headers=headers),
        await api.get(f"/payments/{held}", headers=headers),
        await api.get("/payments", headers=headers),
        await api.delete(f"/customers/{customer}", headers=headers),
    ]

    assert [reply.status_code for reply in replies] == [200] * len(replies)
    assert [reply.json()["status"] for reply in replies[:3]] == ["captured", "refunded", "cancelled"]


async def test_an_empty_list_is_php_s_empty_body(api: Api) -> None:
    customer = await api.customer()
    held, other = await authorized(api, customer), await authorized(api, customer)

    replies = [
        await api.post(path, json=[])
        for path in (f"/payments/{held}/capture", f"/payments/{held}/refund", f"/payments/{other}/cancel")
    ]

    assert [reply.json().get("status") for reply in replies] == ["captured", "refunded", "cancelled"]


async def test_a_form_that_is_only_the_id_refunds_and_cancels(api: Api) -> None:
    customer = await api.customer()
    taken, held = (await api.charge(customer)).json()["id"], await authorized(api, customer)
    headers = {"Content-Type": FORM}

    refunded = await api.post(f"/payments/{taken}/refund", content=taken.encode(), headers=headers)
    cancelled = await api.post(f"/payments/{held}/cancel", content=held.encode(), headers=headers)

    assert [refunded.json()["status"], cancelled.json()["status"]] == ["refunded", "cancelled"]


async def test_parameters_that_do_not_belong_there_are_ignored(api: Api) -> None:
    customer = await api.customer()
    taken, held = (await api.charge(customer)).json()["id"], await authorized(api, customer)
    empty = {"customer_email": "", "customer_ip": "", "browser_language": ""}
    more = {"fraud_details": empty, "customer_email": "", "zq7mark": [{"a": None}], "amount_refunded": "no"}
    form = {"fraud_details[customer_email]": "", "fraud_details[customer_ip]": "", "amount": "", "zq7mark[][a]": "1"}

    replies = [
        await api.charge(customer),
        await api.post("/payments", json={"amount": 1, "currency": "JPY", "customer": customer, **more}),
        await api.post(f"/payments/{taken}/refund", json=more),
        await api.post(f"/payments/{held}/cancel", json={**more, "amount": "not read"}),
        await api.post("/customers", json=more),
        await api.patch(f"/customers/{customer}", json=more),
        await api.patch(f"/payments/{taken}", json=more),
        await api.post("/tokens", json={"payment_details": card(zq7mark=[1]), **more}),
        await api.post(f"/payments/{await authorized(api, customer)}/cancel", data=form),
        await api.get("/payments?zq7mark=1&fraud_details[a]=b"),
    ]

    assert [reply.status_code for reply in replies] == [200] * len(replies)


#: The phone has as many digits as a short card number, and passes for one.
LOOSE_DETAILS = {"name": 7, "phone": 4222222222222, "given_name": 8}


async def test_numbers_stand_for_text_wherever_text_is_meant(api: Api) -> None:
    customer = await api.customer()
    order = {"amount": 1000, "currency": "JPY"}
    texts = {"description": 1, "external_order_num": 2, "mcc": 5734, "metadata": {"a": 1, "b": 2.50, "c": False},
             "statement_descriptor": {"statement_city": 3, "contact_phone": 312345678}}  # fmt: skip

    paid = await api.post("/payments", json={**order, **texts, "payment_details": card(**LOOSE_DETAILS)})
    assert paid.status_code == 200, paid.text
    shown = paid.json()
    assert [shown[name] for name in ("description", "external_order_num", "mcc")] == ["1", "2", "5734"]
    assert shown["metadata"] == {"a": "1", "b": "2.5", "c": "false"}
    assert shown["statement_descriptor"]["contact_phone"] == "312345678"
    replies = [
        await api.post("/payments", json={**order, "payment_details": {**KONBINI, **LOOSE_DETAILS}}),
        await api.post("/tokens", json={"payment_details": card(**LOOSE_DETAILS)}),
        await api.post("/customers", json={"payment_details": card(**LOOSE_DETAILS)}),
        await api.patch(f"/customers/{customer}", json={"metadata": {"a": True}}),
        await api.patch(f"/payments/{shown['id']}", json={"description": 1.5}),
        await api.post(f"/payments/{shown['id']}/refund", json={"amount": 1, "description": 2}),
        await api.post("/sessions", json={
            **order, "external_customer_id": 2,
            "payment_data": {"external_order_num": 3, "name": 4, "name_kana": 5, "billing_address": {"zipcode": 5}},
            "line_items": [{"amount": 1000, "description": 6, "external_product_num": 7}],
        }),
    ]  # fmt: skip
    assert [reply.status_code for reply in replies] == [200] * len(replies), [reply.text for reply in replies]
    assert replies[-1].json()["payment_data"]["external_order_num"] == "3"


NOTHING_GIVEN = ("description", "external_order_num", "locale", "metadata", "mcc", "statement_descriptor",
                 "platform_details", "return_url", "cancel_url", "tax", "fraud_details")  # fmt: skip


async def test_empty_strings_and_nulls_in_optional_members_mean_not_given(api: Api) -> None:
    customer = await api.customer()
    plain = {**(await api.charge(customer)).json(), "id": "", "created_at": "", "captured_at": ""}
    for nothing in ("", None):
        order = {"amount": 1000, "currency": "JPY", "customer": customer, "payment_details": nothing}
        reply = await api.post("/payments", json={**order, **dict.fromkeys(NOTHING_GIVEN, nothing)})
        assert reply.status_code == 200, reply.text
        assert {**reply.json(), "id": "", "created_at": "", "captured_at": ""} == plain
        reply = await api.post(
            "/customers", json={"email": nothing, "metadata": nothing, "payment_details": None, "currency": nothing}
        )
        assert (reply.status_code, reply.json()["email"], reply.json()["metadata"]) == (200, None, {})
        details = card(email=nothing, phone=nothing, given_name=nothing, verification_value=nothing)
        assert (await api.post("/tokens", json={"payment_details": details})).status_code == 200
    assert (await api.get("/payments?currency=&status=&page=")).json()["total"] == 3


async def test_the_words_null_and_undefined_in_a_form_mean_not_given(api: Api) -> None:
    customer = await api.customer()
    for word in ("null", "undefined"):
        reply = await api.post(
            "/payments",
            data={
                "amount": "1000",
                "currency": "JPY",
                "customer": customer,
                **dict.fromkeys(NOTHING_GIVEN[1:3], word),
                "description": word,
                "tax": word,
                "payment_details": word,
                "billing_address[street_address2]": word,
                "metadata[kept]": word,
            },
        )
        assert reply.status_code == 200, reply.text
        shown = reply.json()
        assert (shown["description"], shown["external_order_num"], shown["tax"]) == (None, None, 0)
        assert shown["metadata"] == {"kept": word}


@pytest.mark.parametrize(
    ("amount", "tax", "total"),
    [(1000, 0, 1000), ("1000.00", "10.0", 1010), (920.0, 80.0, 1000), ("920.0", "80", 1000), ("1000.0000", None, 1000),
     ("01000", 1, 1001), (1, "auto", 1), (1999, "auto", 2198)],
)  # fmt: skip
async def test_integral_decimals_are_amounts(api: Api, amount: Any, tax: Any, total: int) -> None:
    customer = await api.customer()
    order = {"amount": amount, "tax": tax, "currency": "JPY", "customer": customer}

    replies = [await api.post("/payments", json=order), await api.post("/payments", data=order)]

    assert [reply.json()["total"] for reply in replies] == [total, total]
    assert [type(reply.json()["amount"]) for reply in replies] == [int, int]
    refund = await api.post(f"/payments/{replies[0].json()['id']}/refund", json={"amount": float(total)})
    assert refund.json()["status"] == "refunded"


def basic(text: bytes) -> bytes:
    return base64.b64encode(text)


async def test_every_way_clients_write_their_key_is_taken(house: House) -> None:
    key = house.installation.secret_key.reveal().encode()
    for header in (
        b"Basic " + basic(key + b":"),
        b"Basic " + basic(key),
        b"basic " + basic(key + b":"),
        b"BASIC " + basic(key),
        basic(key + b":"),
        basic(key),
        b"  Basic   " + basic(key + b":") + b" ",
    ):
        request = house.api.build_request("GET", "/payments", headers={b"Authorization": header})
        reply = await house.api.send(request, auth=None)
        assert reply.status_code == 200, header[:6]


async def test_any_other_way_is_401_and_not_repeated(house: House) -> None:
    key = house.installation.secret_key.reveal()
    for header in (
        "",
        "Basic",
        "Basic ",
        f"Bearer {key}",
        key,
        f"Basic {key}",
        f"Basic {basic(b':' + key.encode()).decode()}",
        f"Digest {basic(key.encode()).decode()}",
        f"Basic {basic(key.encode())[:-3].decode()}",
        f"Basic {basic((key + ':' + key).encode()).decode()}",
        f"Basic {basic((' ' + key).encode()).decode()}",
        f"Basic {basic(key.encode()).decode()} x",
        "Basic ====",
        "Basic 鍵",
        "Basic " + "A" * 20_000,
        f"Basic {basic((key[:-1] + chr(0)).encode()).decode()}",
    ):
        request = house.api.build_request("GET", "/payments", headers={b"Authorization": header.encode()})
        reply = await house.api.send(request, auth=None)
        assert outcome(reply, key) == (401, "unauthorized", None), header[:12]
        assert reply.headers["WWW-Authenticate"].startswith("Basic ")
        assert key[8:] not in reply.text
