"""``POST /sessions``: every parameter, and what is wrong with it."""

import re
from typing import Any

import pytest

from azukari.core.clock import DAY, HOUR, SECOND
from azukari.merchants import settings as merchants
from azukari.payment_methods.offer import check
from tests.house import Api, House, card
from tests.sessions.sessions import ORDER, make, pay, shown

JAPANESE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+09:00")


async def test_a_session_for_a_payment(api: Api, house: House) -> None:
    made = await make(api, metadata={"woocommerce_order_id": "17"})

    assert (made["mode"], made["amount"], made["currency"]) == ("payment", 1000, "JPY")
    assert made["session_url"] == f"{house.services.settings.base_url}/sessions/{made['id']}"
    assert (made["status"], made["expired"], made["payment"], made["secure_token"]) == ("pending", False, None, None)
    assert (made["return_url"], made["default_locale"]) == ("https://shop.example/thanks", "ja")
    assert made["metadata"] == {"woocommerce_order_id": "17"}
    assert made["merchant"] == {"name": "Test shop"}
    assert JAPANESE.fullmatch(made["created_at"])
    assert "customer_id" not in made
    assert await shown(api, made) == made
    assert await api.events() == []


async def test_everything_that_can_be_given_comes_back(api: Api) -> None:
    items = [
        {"amount": 500, "description": "Tea", "quantity": 2, "image": "https://shop.example/tea.png",
         "external_product_num": "T-1"},
        {"description": "Gift"},
    ]  # fmt: skip
    made = await make(
        api,
        email="taro@example.com",
        default_locale="en",
        line_items=items,
        expires_in_seconds=60,
        payment_types=["konbini", "credit_card"],
        payment_data={
            "capture": "manual",
            "external_order_num": "A-1",
            "name": "Taro",
            "name_kana": "タロウ",
            "platform_details": {"processing_merchant_id": "p1"},
            "shipping_address": None,
            "billing_address": {"country": "Japan", "street_address2": ""},
        },
    )

    assert (made["email"], made["default_locale"]) == ("taro@example.com", "en")
    assert made["line_items"] == [items[0], {**items[1], "quantity": 1}]
    assert made["payment_data"] == {
        "capture": "manual",
        "external_order_num": "A-1",
        "name": "Taro",
        "name_kana": "タロウ",
        "platform_details": {"processing_merchant_id": "p1"},
    }
    assert [entry["type"] for entry in made["payment_methods"]] == ["konbini", "credit_card"]


async def test_amount_and_currency_may_stand_in_payment_data(api: Api) -> None:
    reply = await api.post("/sessions", json={"payment_data": {"amount": "1000.00", "currency": "JPY"}})

    assert (reply.json()["amount"], reply.json()["currency"]) == (1000, "JPY")


def _item(amount: Any, **more: Any) -> dict[str, Any]:
    return {"amount": amount, **more}


SUMS: list[tuple[list[dict[str, Any]], int]] = [
    ([_item(500, quantity=2), _item(300)], 1300),
    ([_item("500.00", quantity="2")], 1000),
    ([_item(1500), _item(-500, description="Coupon")], 1000),
    ([_item(-250, quantity=2), _item(1500)], 1000),
    ([_item(1000), {"description": "Gift"}], 1000),
    ([_item(1000, quantity=None), _item(None), _item("")], 1000),
    ([_item(1000), _item(9000, quantity=0)], 1000),
    ([_item(1), _item(10**12 - 1)], 10**12),
]


@pytest.mark.parametrize(("items", "amount"), SUMS)
async def test_without_an_amount_it_is_what_the_line_items_sum_to(
    api: Api, items: list[dict[str, Any]], amount: int
) -> None:
    for without in ({}, {"amount": None}, {"amount": ""}, {"payment_data": {"capture": "auto"}}):
        reply = await api.post("/sessions", json={"currency": "JPY", "line_items": items, **without})

        assert reply.status_code == 200, reply.text
        assert reply.json()["amount"] == amount
    assert (await pay(api, reply.json())).json()["payment"]["amount"] == amount


async def test_an_amount_that_is_given_stands_whatever_the_items_sum_to(api: Api) -> None:
    items = [_item(500, quantity=2)]
    assert (await make(api, amount=700, line_items=items))["amount"] == 700
    in_data = {"currency": "JPY", "line_items": items, "payment_data": {"amount": 700}}
    assert (await api.post("/sessions", json=in_data)).json()["amount"] == 700
    # Nothing is paid here, whatever is bought.
    assert (await make(api, amount=None, mode="customer", line_items=items))["amount"] == 0
    assert (await make(api, amount=None, mode="customer_payment", line_items=items))["amount"] == 1000


async def test_a_form_may_leave_the_amount_to_its_line_items(api: Api) -> None:
    reply = await api.post(
        "/sessions",
        content="currency=JPY&line_items[][amount]=500&line_items[][quantity]=2&line_items[][amount]=300",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert reply.json()["amount"] == 1300
    assert reply.json()["payment_methods"][0]["amount"] == 1300


NO_SUMS: list[tuple[Any, str]] = [
    ([], "missing_parameter"),
    (None, "missing_parameter"),
    ([{"description": "Tea", "quantity": 2}], "missing_parameter"),
    ([_item(0)], "invalid_parameter"),
    ([_item(500), _item(-500)], "invalid_parameter"),
    ([_item(500), _item(-501)], "invalid_parameter"),
    ([_item(10**12), _item(1)], "invalid_parameter"),
    ([_item(10**12, quantity=10**12)], "invalid_parameter"),
]


@pytest.mark.parametrize(("items", "code"), NO_SUMS)
async def test_line_items_that_sum_to_no_amount_are_none(api: Api, items: Any, code: str) -> None:
    reply = await api.post("/sessions", json={"currency": "JPY", "line_items": items})

    assert reply.status_code == 422
    assert (reply.json()["error"]["code"], reply.json()["error"]["param"]) == (code, "amount")


async def test_a_type_that_no_session_has_is_left_out(api: Api) -> None:
    made = await make(api, payment_types=["credit_card_terminal", "sepa_transfer", "credit_card"])
    assert [method["type"] for method in made["payment_methods"]] == ["credit_card"]


@pytest.mark.parametrize("amount", ["1000", "1000.00", 1000, 1000.0])
async def test_an_amount_may_be_written_in_several_ways(api: Api, amount: Any) -> None:
    assert (await make(api, amount=amount))["amount"] == 1000


async def test_a_form_makes_the_same_session(api: Api) -> None:
    reply = await api.post(
        "/sessions",
        data={
            "amount": "1000",
            "currency": "JPY",
            "payment_types[]": "credit_card",
            "metadata[order]": "A-1",
            "line_items[][amount]": "1000",
            "payment_data[capture]": "auto",
            "payment_data[name]": "undefined",
        },
    )

    made = reply.json()
    assert (made["amount"], made["metadata"], made["line_items"]) == (
        1000,
        {"order": "A-1"},
        [{"amount": 1000, "quantity": 1}],
    )
    assert [entry["type"] for entry in made["payment_methods"]] == ["credit_card"]
    assert (made["payment_data"]["capture"], made["payment_data"]["name"]) == ("auto", None)


async def test_nothing_is_what_empty_strings_and_nulls_mean(api: Api) -> None:
    empty = dict.fromkeys(
        (
            "email",
            "return_url",
            "payment_types",
            "default_locale",
            "expires_in_seconds",
            "external_customer_id",
            "customer_id",
            "line_items",
            "metadata",
            "payment_data",
            "fraud_details",
            "cancel_url",
            "mode",
        )
    )
    for nothing in (None, ""):
        made = (
            await api.post(
                "/sessions",
                json={
                    **dict.fromkeys(empty, nothing),
                    "metadata": None,
                    "amount": 1000,
                    "currency": "JPY",
                },
            )
        ).json()
        assert (made["email"], made["return_url"], made["mode"], made["default_locale"]) == (
            None,
            None,
            "payment",
            "ja",
        )
        assert (made["line_items"], made["metadata"], made["payment_data"]) == ([], {}, None)
    # PHP writes an empty object as an empty list.
    assert (await make(api, payment_data=[], metadata=[], fraud_details=[]))["metadata"] == {}
    item = {"image": "", "description": "Tea", "amount": None}
    assert (await make(api, line_items=[item]))["line_items"] == [{"description": "Tea", "quantity": 1}]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"amount": None}, "missing_parameter", "amount"),
    ({"amount": 0}, "invalid_parameter", "amount"),
    ({"amount": "1000.5"}, "invalid_parameter", "amount"),
    ({"amount": -1}, "invalid_parameter", "amount"),
    ({"amount": True}, "invalid_parameter", "amount"),
    ({"amount": "１０００"}, "invalid_parameter", "amount"),
    ({"amount": 10**12 + 1}, "invalid_parameter", "amount"),
    ({"currency": None}, "missing_parameter", "currency"),
    ({"currency": "JPN"}, "invalid_currency", "currency"),
    ({"currency": "jpy"}, "invalid_currency", "currency"),
    ({"mode": "subscription"}, "invalid_parameter", "mode"),
    ({"mode": 1}, "invalid_parameter", "mode"),
    ({"expires_in_seconds": 0}, "invalid_parameter", "expires_in_seconds"),
    ({"expires_in_seconds": 86401}, "invalid_parameter", "expires_in_seconds"),
    ({"expires_in_seconds": "1.5"}, "invalid_parameter", "expires_in_seconds"),
    ({"payment_types": ["credit_card", "cash"]}, "invalid_payment_type", "payment_types"),
    ({"payment_types": "credit_card"}, "invalid_parameter", "payment_types"),
    ({"payment_types": ["credit_card_terminal"]}, "invalid_payment_type", "payment_types"),
    ({"default_locale": 1}, "invalid_parameter", "default_locale"),
    ({"default_locale": ["ja"]}, "invalid_parameter", "default_locale"),
    ({"default_locale": True}, "invalid_parameter", "default_locale"),
    ({"default_locale": "ja" + "-" * 254}, "invalid_parameter", "default_locale"),
    ({"return_url": "shop.example"}, "invalid_parameter", "return_url"),
    ({"email": "4111 1111 1111 1111"}, "invalid_parameter", "email"),
    ({"metadata": {"a" * 31: "b"}}, "invalid_parameter", "metadata"),
    ({"metadata": {"a": "b" * 2001}}, "invalid_parameter", "metadata"),
    ({"line_items": {"amount": 1}}, "invalid_parameter", "line_items"),
    ({"line_items": ["tea"]}, "invalid_parameter", "line_items[0]"),
    ({"line_items": [{"amount": "many"}]}, "invalid_parameter", "line_items[0][amount]"),
    ({"payment_data": {"capture": True}}, "invalid_parameter", "payment_data[capture]"),
    ({"payment_data": {"mcc": "12"}}, "invalid_parameter", "payment_data[mcc]"),
    ({"payment_data": {"external_order_num": "a" * 256}}, "invalid_parameter", "payment_data[external_order_num]"),
    ({"mode": "customer", "customer_id": "0" * 25}, "invalid_parameter", "customer_id"),
    ({"mode": "customer_payment", "amount": None}, "missing_parameter", "amount"),
    ({"mode": "customer", "payment_types": ["konbini"]}, "invalid_payment_type", "payment_types"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "code", "param"), WRONG, ids=[str(more) for more, _, _ in WRONG])
async def test_what_is_wrong_is_named(api: Api, more: dict[str, Any], code: str, param: str) -> None:
    reply = await api.post("/sessions", json={**ORDER, **more})

    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (422, code, param)
    assert await api.events() == []


async def test_a_discount_is_a_line_too(api: Api) -> None:
    items = [{"amount": 1500, "description": "Tea"}, {"amount": -500, "description": "Coupon"}]
    for amount in (-500, "-500", "-500.0", -500.0):
        made = await make(api, line_items=[items[0], items[1] | {"amount": amount}])
        assert [item["amount"] for item in made["line_items"]] == [1500, -500]
    for amount in ("--5", "-", "-0.5", -(10**13)):
        reply = await api.post("/sessions", json=ORDER | {"line_items": [{"amount": amount}]})
        assert reply.json()["error"]["param"] == "line_items[0][amount]"


async def test_unknown_members_are_ignored(api: Api) -> None:
    await make(api, cancel_url="javascript:alert(1)", fraud_details={"customer_ip": ""}, customer_email=1, other=[{}])


async def test_a_session_expires_when_it_was_told_to(house: House) -> None:
    short, usual = await make(house.api, expires_in_seconds=1), await make(house.api)

    house.clock.advance(SECOND)
    assert [(await shown(house.api, each))["expired"] for each in (short, usual)] == [True, False]
    house.clock.advance(DAY - 2 * SECOND)
    assert (await shown(house.api, usual))["expired"] is False
    house.clock.advance(2 * SECOND)
    late = await shown(house.api, usual)
    assert (late["expired"], late["status"]) == (True, "pending")


async def test_the_customer_of_a_session_is_there_from_the_beginning_and_has_no_details(api: Api) -> None:
    made = await make(api, mode="customer", amount=None, external_customer_id="u-1", email="taro@example.com")

    customer = (await api.get(f"/customers/{made['customer_id']}")).json()
    assert (customer["source"], customer["email"]) == (None, "taro@example.com")
    assert (made["amount"], made["currency"], made["payment_data"]) == (0, "JPY", None)
    assert await api.events() == ["customer.created"]
    charge = await api.charge(made["customer_id"])
    assert (charge.status_code, charge.json()["error"]["param"]) == (422, "customer")
    assert (await api.delete("/external_customers/u-1")).status_code == 200
    assert (await api.get(f"/customers/{made['customer_id']}")).status_code == 404


async def test_an_amount_in_customer_mode_does_not_count(api: Api) -> None:
    for amount in (0, 500, "0"):
        assert (await make(api, mode="customer", amount=amount))["amount"] == 0


async def test_in_customer_mode_entries_have_no_amount_and_only_what_can_be_stored_is_offered(api: Api) -> None:
    made = await make(api, mode="customer")

    assert [entry["type"] for entry in made["payment_methods"]] == ["credit_card", "paypay", "linepay", "aupay"]
    for entry in made["payment_methods"]:
        assert not {"amount", "currency", "exchange_rate", "customer_fee"} & entry.keys()
    assert made["payment_methods"][0]["brands"]


async def test_an_existing_customer_is_kept(api: Api) -> None:
    customer = await api.customer()

    made = await make(api, mode="customer_payment", customer_id=customer)

    assert made["customer_id"] == customer
    assert await api.events() == ["customer.created"]


async def test_what_is_offered_is_what_the_element_reads(house: House) -> None:
    methods = {entry["type"]: entry for entry in (await make(house.api))["payment_methods"]}

    card_entry, konbini, paypay = methods["credit_card"], methods["konbini"], methods["paypay"]
    assert {"visa", "master", "jcb"} <= set(card_entry["brands"])
    assert (card_entry["amount"], card_entry["currency"], card_entry["exchange_rate"]) == (1000, "JPY", 1)
    assert konbini["brands"]["family-mart"] == {"icon": "/assets/konbini/family-mart.svg"}
    assert konbini["customer_fee"] == 190
    assert (paypay["offsite"], paypay["additional_fields"]) == (True, [])
    assert next(iter(methods)) == "credit_card"


async def test_yen_only_methods_of_a_dollar_session_carry_yen_of_their_own(house: House) -> None:
    shop = (await house.services.db.read(merchants.store.list_merchants))[0]
    await merchants.change(house.services.db, shop.id, {"rates": {"USD": "150.2"}}, (), check)
    house.clock.advance(SECOND)

    made = await make(house.api, amount=1000, currency="USD", payment_types=["credit_card", "konbini"])

    cards, konbini = made["payment_methods"]
    assert (cards["amount"], cards["currency"], cards["exchange_rate"]) == (1000, "USD", 1)
    assert (konbini["amount"], konbini["currency"], konbini["exchange_rate"]) == (1502, "JPY", 150.2)


# Order numbers


async def _numbered(api: Api, number: str = "A-1", **more: Any) -> Any:
    return await api.post("/sessions", json={**ORDER, "payment_data": {"external_order_num": number}, **more})


def _taken(reply: Any) -> bool:
    if reply.status_code == 200:
        return False
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (422, "invalid_parameter")
    assert error["param"] == "payment_data[external_order_num]"
    return True


async def test_an_order_number_belongs_to_one_session(api: Api) -> None:
    first = await _numbered(api)
    assert not _taken(first)
    assert _taken(await _numbered(api))
    assert not _taken(await _numbered(api, "A-2"))

    assert (await pay(api, first.json())).status_code == 200
    assert _taken(await _numbered(api))


async def test_an_order_number_of_a_payment_is_taken(api: Api) -> None:
    order = {"amount": 1000, "currency": "JPY", "payment_details": card(), "external_order_num": "A-1"}
    assert (await api.post("/payments", json=order)).status_code == 200

    assert _taken(await _numbered(api))


async def test_an_order_number_is_free_again_once_nothing_can_come_of_its_session(house: House) -> None:
    api = house.api
    cancelled = (await _numbered(api)).json()
    assert (await api.post(f"/sessions/{cancelled['id']}/cancel")).status_code == 200
    short = await _numbered(api, expires_in_seconds=3600)
    assert not _taken(short)

    house.clock.advance(HOUR)

    last = await _numbered(api)
    assert not _taken(last)
    assert _taken(await _numbered(api))
    paid = await pay(api, last.json())
    assert paid.json()["payment"]["external_order_num"] == "A-1"
    assert (await shown(api, short.json()))["payment_data"]["external_order_num"] == "A-1"


async def test_the_same_key_makes_one_session(api: Api) -> None:
    key = {"X-KOMOJU-IDEMPOTENCY": "session-1"}
    order = {**ORDER, "mode": "customer", "payment_data": {"external_order_num": "A-1"}}

    replies = [await api.post("/sessions", json=order, headers=key) for _ in range(3)]

    assert len({reply.content for reply in replies}) == 1
    assert replies[0].status_code == 200
    assert (await api.get("/customers")).json()["total"] == 1
    other = await api.post("/sessions", json={**order, "amount": 2000}, headers=key)
    assert other.status_code == 422
