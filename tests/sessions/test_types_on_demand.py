"""In test mode a session is paid with whatever type it names, at fixed rates. Source: contract 6.4, 15.7."""

from typing import Any

import pytest

from azukari.core.money import CURRENCIES
from azukari.merchants import settings as merchants
from azukari.payment_methods.offer import check
from azukari.payment_types import METHODS, NOT_OF_SESSIONS
from tests.house import Api, House, card
from tests.sessions.sessions import make, pay, refused, shown

SEVEN = ["credit_card", "bank_transfer", "konbini", "paypay", "aupay", "alipay", "giropay"]
KANA = {
    "email": "taro@example.com", "phone": "0312345678", "family_name_kana": "ヤマダ", "given_name_kana": "タロウ",
}  # fmt: skip
DETAILS: dict[str, dict[str, Any]] = {
    "credit_card": card(verification_value="123"),
    "bank_transfer": {"type": "bank_transfer", **KANA},
    "konbini": {"type": "konbini", "store": "lawson", "email": "taro@example.com"},
    "paypay": {"type": "paypay"},
    "aupay": {"type": "aupay"},
    "alipay": {"type": "alipay", "name": "Taro"},
    "giropay": {"type": "giropay", "name": "Taro"},
}


async def entries(api: Api, **more: Any) -> dict[str, dict[str, Any]]:
    """What a session offers, by type."""
    return {entry["type"]: entry for entry in (await make(api, **more))["payment_methods"]}


async def choose(house: House, **chosen: Any) -> None:
    """What the merchant has chosen."""
    shop = (await house.services.db.read(merchants.store.list_merchants))[0]
    await merchants.change(house.services.db, shop.id, chosen, (), check)
    house.clock.advance(1_000)


async def test_sixty_dollars_can_be_paid_all_seven_ways(api: Api) -> None:
    """What the browser tests of KOMOJU's own element ask for."""
    found = await entries(api, amount=6000, currency="USD", payment_types=SEVEN)

    assert list(found) == SEVEN
    said = {type: (entry["amount"], entry["currency"], entry["exchange_rate"]) for type, entry in found.items()}
    yen = (9000, "JPY", 150)
    assert said == {**dict.fromkeys(SEVEN, yen), "credit_card": (6000, "USD", 1), "giropay": (5625, "EUR", 0.9375)}
    assert found["konbini"]["customer_fee"] == 190
    assert (found["alipay"]["additional_fields"], found["paypay"]["additional_fields"]) == (["name"], [])


async def test_yen_are_paid_by_a_type_that_was_only_asked_for(api: Api) -> None:
    found = await entries(api, payment_types=["alipay"])

    assert (found["alipay"]["amount"], found["alipay"]["currency"], found["alipay"]["exchange_rate"]) == (
        1000,
        "JPY",
        1,
    )
    # What is offered when nothing is asked for stays what it was.
    assert "alipay" not in await entries(api)
    assert list(await entries(api, amount=6000, currency="USD")) == ["credit_card"]
    listed = (await api.get("/payment_methods")).json()
    assert "alipay" not in {each["type_slug"] for each in listed if each["currency"] == "JPY"}


@pytest.mark.parametrize("currency", ["JPY", "USD", "KRW", "BRL", "VND"])
async def test_every_type_of_a_session_is_offered_when_it_is_asked_for(api: Api, currency: str) -> None:
    every = [slug for slug in METHODS if slug not in NOT_OF_SESSIONS]

    found = await entries(api, amount=100_000, currency=currency, payment_types=every)

    assert set(found) == set(every)
    for type, entry in found.items():
        assert METHODS[type].takes(entry["currency"])
        assert entry["amount"] > 0


@pytest.mark.parametrize("type", SEVEN)
async def test_what_the_entry_says_is_what_is_charged_and_given_back(house: House, type: str) -> None:
    api = house.api
    session = await make(api, amount=6000, currency="USD", payment_types=SEVEN)
    entry = {each["type"]: each for each in session["payment_methods"]}[type]

    paid = await pay(house.publishable, session, DETAILS[type])

    assert paid.status_code == 200, paid.text
    payment = paid.json()["payment"]
    total = entry["amount"] + entry["customer_fee"]
    assert (payment["amount"], payment["total"], payment["currency"]) == (entry["amount"], total, entry["currency"])
    if payment["status"] != "captured":
        done = await api.post(f"/test/payments/{payment['id']}/simulate", json={"outcome": "paid"})
        assert done.json()["status"] == "captured"
    assert (await shown(api, session))["status"] == "completed"
    if type in ("konbini", "bank_transfer"):
        return
    part = await api.post(f"/payments/{payment['id']}/refund", json={"amount": 1000})
    assert (part.json()["refunds"][0]["amount"], part.json()["refunds"][0]["currency"]) == (1000, entry["currency"])
    rest = await api.post(f"/payments/{payment['id']}/refund")
    assert (rest.json()["status"], rest.json()["amount_refunded"]) == ("refunded", total)


async def test_a_converted_payment_is_held_and_captured_in_its_own_currency(house: House) -> None:
    session = await make(
        house.api, amount=6000, currency="USD", payment_types=["paypay"], payment_data={"capture": "manual"}
    )
    payment = (await pay(house.api, session, DETAILS["paypay"])).json()["payment"]
    held = await house.api.post(f"/test/payments/{payment['id']}/simulate", json={"outcome": "paid"})
    assert held.json()["status"] == "authorized"

    captured = await house.api.post(f"/payments/{payment['id']}/capture", json={"amount": 4000})

    assert (captured.json()["status"], captured.json()["currency"]) == ("captured", "JPY")
    too_much = await house.api.post(f"/payments/{payment['id']}/refund", json={"amount": 4001})
    assert too_much.json()["error"]["code"] == "not_refundable"


@pytest.mark.parametrize("locked_to", [None, "USD", "JPY"])
async def test_a_token_pays_in_the_methods_currency(house: House, locked_to: str | None) -> None:
    body = {"payment_details": DETAILS["konbini"]} | ({"currency": locked_to} if locked_to else {})
    token = (await house.publishable.post("/tokens", json=body)).json()["id"]
    session = await make(house.api, amount=6000, currency="USD", payment_types=["konbini"])

    payment = (await pay(house.publishable, session, token)).json()["payment"]

    assert (payment["amount"], payment["currency"], payment["status"]) == (9000, "JPY", "authorized")


async def test_a_token_of_another_currency_pays_nothing(house: House) -> None:
    body = {"payment_details": DETAILS["konbini"], "currency": "EUR"}
    token = (await house.publishable.post("/tokens", json=body)).json()["id"]
    session = await make(house.api, amount=6000, currency="USD", payment_types=["konbini"])

    refused(await pay(house.publishable, session, token), 422, "invalid_currency")


async def test_details_are_kept_with_a_wallet_that_was_asked_for(house: House) -> None:
    for mode in ("customer", "customer_payment"):
        session = await make(
            house.api, mode=mode, amount=6000, currency="USD", payment_types=["paypay", "konbini", "giropay"]
        )
        assert [entry["type"] for entry in session["payment_methods"]] == ["paypay"]
        assert ("exchange_rate" in session["payment_methods"][0]) == (mode == "customer_payment")
        reply = await pay(house.publishable, session, DETAILS["paypay"])
        assert reply.status_code == 200, reply.text


async def test_what_the_merchant_has_chosen_still_holds(house: House) -> None:
    await choose(house, payment_types={"JPY": ["credit_card", "konbini"]}, rates={"USD": "149.5"})

    assert list(await entries(house.api, payment_types=["paypay", "konbini"])) == ["konbini"]
    reply = await house.api.post("/sessions", json={"amount": 1, "currency": "JPY", "payment_types": ["alipay"]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_payment_type")
    abroad = await entries(house.api, amount=6000, currency="USD", payment_types=["paypay", "konbini"])
    assert {type: (entry["amount"], entry["exchange_rate"]) for type, entry in abroad.items()} == {
        "konbini": (8970, 149.5)
    }


async def test_an_amount_that_is_too_much_in_a_types_own_currency_is_not_offered(api: Api) -> None:
    found = await entries(api, amount=10**12, currency="USD", payment_types=["konbini", "credit_card", "giropay"])
    assert list(found) == ["credit_card", "giropay"]
    for currency in CURRENCIES:
        dear = await api.post("/sessions", json={"amount": 10**12, "currency": currency, "payment_types": [*METHODS]})
        assert all(entry["amount"] <= 10**12 for entry in dear.json()["payment_methods"])


async def test_a_payment_of_its_own_stays_in_the_currency_it_names(api: Api) -> None:
    for type in ("alipay", "wechatpay", "unionpay"):
        reply = await api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": {"type": type}})
        assert (reply.json()["status"], reply.json()["currency"]) == ("pending", "JPY")
    reply = await api.post(
        "/payments",
        json={
            "amount": 6000,
            "currency": "USD",
            "payment_details": DETAILS["konbini"],
        },
    )
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_currency")


async def test_the_page_shows_what_it_has_a_form_for(house: House) -> None:
    session = await make(
        house.api, amount=6000, currency="USD", payment_types=[*SEVEN, "credit_card_brazil", "credit_card_korea"]
    )
    assert len(session["payment_methods"]) == len(SEVEN) + 2

    page = await house.api.get(session["session_url"])
    words = await house.api.get(session["session_url"] + "/words")

    assert page.status_code == 200
    assert "credit_card_brazil" not in page.text
    for amount in ("60.00", "9,190", "56.25"):
        assert amount in words.text
    # Named alone there is nothing else to show, and the page still opens.
    alone = await make(house.api, payment_types=["credit_card_brazil"])
    assert (await house.api.get(alone["session_url"])).status_code == 200


async def test_a_card_of_a_country_is_paid_through_the_api(house: House) -> None:
    session = await make(house.api, payment_types=["credit_card_brazil"])
    details = card(type="credit_card_brazil", cpf_or_cnpj="123.456.789-09", customer_ip="203.0.113.7")

    reply = await pay(house.api, session, details)

    assert (reply.status_code, reply.json()["status"]) == (200, "completed"), reply.text
