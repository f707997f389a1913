"""Every type of payment details the contract names, as a payment: what is asked, what is shown. Source: contract 4."""

from typing import Any

import httpx
import pytest
import yaml

from azukari import worker
from azukari.payment_types import METHODS
from azukari.processors.methods import CASH, OFFSITE, PASSWORD, PREPAID
from azukari.vault import CARDS
from tests.compat.contract import ROOT
from tests.house import Api, House, card
from tests.replies import refused

SCHEMAS = yaml.safe_load((ROOT / "contract/openapi.yaml").read_text(encoding="utf-8"))["components"]["schemas"]
#: Named in the contract's text, without a shape in its description (4.3, 4.6).
TEXT_ONLY = {"steam_prepaid_card", "zgold", "apple_pay"}
KANA = {
    "email": "taro@example.com", "phone": "0300000000", "given_name_kana": "タロウ", "family_name_kana": "ヤマダ",
}  # fmt: skip
STRIPE = "4111111111111111=99122011234567890"
#: Amount authorised, and in the place of a stripe what the chip says of its card.
CHIP = "9F02060000000010005712" + "4111111111111111D99122011234567890FF"[:36]
TERMINAL = {"type": "credit_card_terminal", "sequence_number": "001", "posDataCode": "51010151314C"}

#: What each needs beside its type; whatever is not here needs nothing.
NEEDED: dict[str, dict[str, Any]] = {
    "credit_card": card(),
    "credit_card_brazil": card() | {"cpf_or_cnpj": "123.456.789-09", "customer_ip": "203.0.113.7"},
    "credit_card_korea": card() | {"corporate_card": "false", "social_id": "900101", "first_two_digits_of_pin": "12"},
    "credit_card_terminal": {"track2": STRIPE},
    "konbini": {"store": "lawson", "email": "taro@example.com"},
    "bank_transfer": KANA, "pay_easy": KANA,
    **{type: {"prepaid_number": "abcd1234efgh5678"} for type in PREPAID},
    "pix": {"cpf": "123.456.789-09"},
    "paidy": {"customer_name": "Taro Yamada", "customer_age": 41, "capture": True},
    "japan_mobile": {"brand": "docomo"},
    "culture_voucher": {"culture_id": "taro", "culture_password": "open sesame"},
    "happy_money": {"happy_money_id": "taro", "happy_money_password": "open sesame"},
    "dospara": {"user_no": "7", "user_password": "open sesame"},
}  # fmt: skip
#: Members an answer must have beside its type; the rest of the off-site ones have ``redirect_url``.
CARD = {"email", "brand", "last_four_digits", "month", "year"}
SHOWN: dict[str, set[str]] = {
    "credit_card": CARD, "credit_card_korea": CARD,
    "credit_card_brazil": CARD | {"remote_payment_id"},
    "credit_card_terminal": CARD | {"cardnet_status", "approval_number"},
    "konbini": {"store", "email", "confirmation_code", "receipt", "instructions_url"},
    "bank_transfer": {
        "email", "order_id", "bank_name", "bank_number", "account_branch_name", "account_number", "account_type",
        "account_name", "payment_deadline", "instructions_url",
    },
    "pay_easy": {
        "email", "bank_id", "customer_id", "confirmation_id", "instructions_url", "payment_url", "cvs_code",
    },
    **{type: {"email", "short_amount", "prepaid_cards"} for type in PREPAID},
    "paypay": {"redirect_url", "external_payment_id", "email"},
    "rakutenpay": {"redirect_url", "charge_key"},
    "epospay": {"offsite_url", "merchant_id", "shop_id", "deal_id", "token", "prd_list", "amount", "return_url"},
    **{type: {"pay_info_no", "provider_order_number", "redirect_url"} for type in ("docomo", "softbank", "au")},
    "wechatpay": {"trade_type", "qr_code_url", "mweb_url", "redirect_url"},
    "toss": {"toss_pay_token", "qr_code", "redirect_url"},
    "naverpay": {"mode", "client_id", "callback_url", "redirect", "digital_content_only"},
    "payco": {"order_sheet_url", "redirect_url"},
    "cvs": {"redirect_url", "bardcode"},
    "sofortbanking": {"redirect_url", "transaction_key"},
    "ideal": {"redirect_url", "transacion_key"},
    "pix": {"transaction_code", "pix_payment_code", "qr_code_url", "redirect_url"},
    **{type: set() for type in PASSWORD},
}  # fmt: skip


def currency_of(type: str) -> str:
    currencies = METHODS[type].currencies
    return "JPY" if currencies is None or "JPY" in currencies else currencies[0]


def status_of(type: str) -> str:
    if type in CASH:
        return "authorized"
    return "pending" if type in OFFSITE else "captured"


async def pay(api: Api, details: dict[str, Any], **more: Any) -> httpx.Response:
    order = {"amount": 1000, "currency": "JPY", "payment_details": details}
    return await api.post("/payments", json=order | more)


async def begun(api: Api, details: dict[str, Any], **more: Any) -> dict[str, Any]:
    reply = await pay(api, details, **more)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def test_the_list_is_complete() -> None:
    described = {part["$ref"].rpartition("/")[2] for part in SCHEMAS["PaymentDetails"]["oneOf"]}
    slugs = {SCHEMAS[name]["properties"]["type"]["const"] for name in described}
    assert slugs | TEXT_ONLY == set(METHODS)
    assert set(METHODS) == CASH | PREPAID | PASSWORD | OFFSITE | set(CARDS)


@pytest.mark.parametrize("form", [False, True], ids=["JSON", "form"])
async def test_every_type_is_a_payment_with_the_members_it_must_show(api: Api, form: bool) -> None:
    for type in METHODS:
        details = NEEDED.get(type, {}) | {"type": type}
        order: dict[str, Any] = {"amount": "1000", "currency": currency_of(type), "payment_details": details}
        if form:
            fields = {f"payment_details[{name}]": str(value) for name, value in details.items()}
            reply = await api.post("/payments", data={"amount": "1000", "currency": order["currency"], **fields})
        else:
            reply = await api.post("/payments", json=order)
        assert reply.status_code == 200, (type, reply.text)
        shown = reply.json()["payment_details"]
        assert (reply.json()["status"], shown["type"]) == (status_of(type), type)
        assert shown.keys() >= SHOWN.get(type, {"redirect_url"}), type
        given = [str(value) for name, value in details.items() if name in ("number", "prepaid_number", "track2")]
        assert not [value for value in given if value in reply.text], type


async def test_what_a_type_needs_is_asked_for(api: Api) -> None:
    for type, needed in NEEDED.items():
        for name in needed:
            reply = await pay(api, {"type": type, **needed, name: ""}, currency=currency_of(type))
            # Our page asks for what the API does not need.
            if name in ({*METHODS[type].required} | {"type", "track2"}) - {"cpf"}:
                refused(reply, 422, "missing_parameter", f"payment_details[{name}]")
            else:
                assert reply.status_code == 200, (type, name, reply.text)


@pytest.mark.parametrize(("type", "name", "values"), [
    ("credit_card_brazil", "cpf_or_cnpj", ["1", "abc", "4111 1111", ["12345678909"], {"a": 1}]),
    ("credit_card_korea", "first_two_digits_of_pin", ["1", "123", "ab", ["12"]]),
    ("credit_card_korea", "social_id", ["x", "9" * 40, ["900101"]]),
    ("credit_card_korea", "corporate_card", ["perhaps", [True]]),
    ("credit_card_terminal", "track2", ["4111111111111111", "4111111111111112=9912", "4111111111111111=2001", "x", 1]),
    ("credit_card_terminal", "flowType", ["3", "emv"]),
    ("credit_card_terminal", "posDataCode", ["4111111111111111", "a" * 256]),
    ("pix", "cpf", ["1", "4111111111111111", ["12345678909"]]),
    ("steam_prepaid_card", "prepaid_number", ["123", "a" * 21]),
    ("konbini", "store", ["seven_eleven"]), ("konbini", "expiry_days", [60, -1]),
    ("konbini", "email", ["taro", "a@b.com,", "a@b.com>", "a@b.com，"]),
    ("bank_transfer", "expiry_days", [13, 60]), ("japan_mobile", "brand", ["nobody"]),
    ("web_money", "prepaid_number", ["1" * 15, "1" * 17]), ("net_cash", "prepaid_number", ["1" * 21]),
    ("wechatpay", "trade_type", ["APP"]),
])  # fmt: skip
async def test_what_does_not_fit_is_refused_by_its_name(api: Api, type: str, name: str, values: list[Any]) -> None:
    for value in values:
        details = NEEDED.get(type, {}) | {"type": type, name: value}
        reply = await pay(api, details, currency=currency_of(type))
        refused(reply, 422, "invalid_parameter", f"payment_details[{name}]")


@pytest.mark.parametrize("type", ["credit_card_brazil", "credit_card_korea", "credit_card_terminal"])
async def test_what_comes_beside_such_a_card_is_kept_nowhere(house: House, type: str) -> None:
    api, details = house.api, NEEDED[type] | {"type": type}

    refused(
        await api.post("/tokens", json={"payment_details": details}),
        422,
        "missing_parameter",
        "payment_details[number]",
    )
    refused(
        await api.post("/customers", json={"payment_details": details}),
        422,
        "invalid_payment_type",
        "payment_details[type]",
    )
    order = {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example", "payment_details": details}
    assert (await api.post("/secure_tokens", json=order)).status_code == 422
    session = await api.session()
    paid = await house.publishable.post(f"/sessions/{session}/pay", json={"payment_details": details})
    assert (paid.status_code, paid.json()["error"]["code"]) == (422, "invalid_payment_type")


@pytest.mark.parametrize("type", ["credit_card_brazil", "credit_card_korea", "credit_card_terminal"])
async def test_such_a_card_is_held_captured_refunded_and_declined_like_any_other(api: Api, type: str) -> None:
    details = NEEDED[type] | {"type": type}
    held = await begun(api, details, capture=False)
    assert held["status"] == "authorized"
    assert held["payment_details"].keys() >= SHOWN[type]
    captured = (await api.post(f"/payments/{held['id']}/capture")).json()
    assert captured["status"] == "captured"
    back = await api.post(f"/payments/{held['id']}/refund", json={"amount": 400})
    assert back.json()["amount_refunded"] == 400
    other = await begun(api, details, capture=False)
    assert (await api.post(f"/payments/{other['id']}/cancel")).json()["status"] == "cancelled"

    poor = details | (
        {"track2": STRIPE.replace("4111111111111111", "4123111111111000")}
        if "track2" in details
        else {"number": "4123111111111000"}
    )
    refused(await pay(api, poor), 502, "insufficient_funds")


# Terminals

FINAL = {"ac_type": "TC", "field55": CHIP, "track2": STRIPE}


@pytest.mark.parametrize(("details", "waits"), [
    ({"track2": STRIPE}, False), ({"track2": STRIPE, "flowType": "1"}, True), ({"field55": CHIP}, True),
    ({"field55": CHIP, "track2": STRIPE, "flowType": "2"}, False), (card() | {"flowType": "1"}, True),
    ({"field55": "5A0841111111111111115F2403991231"}, True),
])  # fmt: skip
async def test_a_chip_is_waited_for_and_a_stripe_is_not(api: Api, details: dict[str, Any], waits: bool) -> None:
    payment = await begun(api, details | TERMINAL)

    assert payment["status"] == ("pending" if waits else "captured")
    shown = payment["payment_details"]
    assert (shown["brand"], shown["last_four_digits"], shown["month"], shown["year"]) == ("visa", "1111", 12, 2099)
    reply = await api.post(f"/payments/{payment['id']}/finalize", json=FINAL)
    assert reply.status_code == (200 if waits else 422), reply.text
    assert (await api.get(f"/payments/{payment['id']}")).json()["status"] == "captured"


async def test_a_terminal_with_nothing_to_read_is_told_so(api: Api) -> None:
    refused(await pay(api, TERMINAL), 422, "missing_parameter", "payment_details[track2]")
    nothing = TERMINAL | {"field55": "9F0206000000001000"}
    refused(await pay(api, nothing), 422, "invalid_parameter", "payment_details[field55]")


@pytest.mark.parametrize(("made", "final", "status"), [
    ({}, {}, "captured"), ({}, {"capture": False}, "authorized"), ({"capture": False}, {}, "authorized"),
    ({"capture": False}, {"capture": "true"}, "captured"),
])  # fmt: skip
async def test_the_chip_ends_the_payment(api: Api, made: dict[str, Any], final: dict[str, Any], status: str) -> None:
    payment = await begun(api, TERMINAL | {"field55": CHIP}, metadata={"a": "1"}, **made)
    path = f"/payments/{payment['id']}"
    refused(await api.post(f"{path}/capture"), 422, "not_capturable")

    key = {"X-KOMOJU-IDEMPOTENCY": "final-1"}
    body = FINAL | final | {"metadata": {"b": "2"}}
    ended = await api.post(f"{path}/finalize", json=body, headers=key)

    assert (ended.status_code, ended.json()["status"]) == (200, status)
    assert ended.json()["metadata"] == {"a": "1", "b": "2"}
    assert await api.events() == [f"payment.{status}"]
    assert (await api.post(f"{path}/finalize", json=body, headers=key)).content == ended.content
    refused(await api.post(f"{path}/finalize", json=body), 422, "unprocessable_entity")
    if status == "authorized":
        assert (await api.post(f"{path}/capture")).json()["status"] == "captured"
    assert (await api.post(f"{path}/refund")).json()["status"] == "refunded"


@pytest.mark.parametrize(("said", "code"), [("AAC", "card_declined"), ("fault", "other_error")])
async def test_a_chip_that_refuses_fails_the_payment(api: Api, said: str, code: str) -> None:
    payment = await begun(api, TERMINAL | {"field55": CHIP})

    refused(await api.post(f"/payments/{payment['id']}/finalize", json=FINAL | {"ac_type": said}), 502, code)

    assert (await api.get(f"/payments/{payment['id']}")).json()["status"] == "failed"
    assert await api.events() == ["payment.failed"]


@pytest.mark.parametrize("fault", ["lost_reply", "lost_request", "duplicate_reply", "processor_down"])
@pytest.mark.parametrize(("said", "status"), [("TC", "captured"), ("AAC", "failed")])
async def test_a_chips_word_with_a_fault_on_its_way(house: House, api: Api, fault: str, said: str, status: str) -> None:
    payment = await begun(api, TERMINAL | {"field55": CHIP})
    path, body = f"/payments/{payment['id']}", FINAL | {"ac_type": said}

    reply = await api.post(f"{path}/finalize", json=body, headers={"Azukari-Fault": fault})

    ended = 200 if said == "TC" else 502
    assert reply.status_code == {"duplicate_reply": ended, "processor_down": 504}.get(fault, 202)
    for _ in range(2):
        house.clock.advance(60_000)
        await worker.reconcile_attempts(house.services)
    done = fault in ("lost_reply", "duplicate_reply")
    assert (await api.get(path)).json()["status"] == (status if done else "pending")
    if not done:
        assert (await api.post(f"{path}/finalize", json=body)).status_code == ended
    assert await api.events() == [f"payment.{status}"]


async def test_only_the_same_card_at_a_terminal_is_finished(api: Api) -> None:
    payment = await begun(api, TERMINAL | {"field55": CHIP})
    path = f"/payments/{payment['id']}/finalize"

    for name in FINAL:
        refused(await api.post(path, json={**FINAL, name: ""}), 422, "missing_parameter", name)
    other = FINAL | {"track2": "5555555555554444=99122011234567890"}
    refused(await api.post(path, json=other), 422, "invalid_parameter", "track2")
    refused(await api.post(path, json=FINAL | {"track2": "4111"}), 422, "invalid_parameter", "track2")
    assert (await api.get(f"/payments/{payment['id']}")).json()["status"] == "pending"
    paid = await begun(api, card())
    refused(await api.post(f"/payments/{paid['id']}/finalize", json=FINAL), 422, "unprocessable_entity")


async def test_a_terminals_payment_may_be_cancelled_while_its_chip_is_silent(api: Api) -> None:
    payment = await begun(api, TERMINAL | {"field55": CHIP})

    assert (await api.post(f"/payments/{payment['id']}/cancel")).json()["status"] == "cancelled"
    refused(await api.post(f"/payments/{payment['id']}/finalize", json=FINAL), 422, "unprocessable_entity")
