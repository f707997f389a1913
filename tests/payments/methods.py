"""Payments with anything but a card, as tests make them."""

import json
from typing import Any

import httpx

from tests.house import Api, House

KONBINI = {"type": "konbini", "store": "family-mart", "email": "taro@example.com"}
OTHER_CARD = {"type": "web_money", "prepaid_number": "abcd1234efgh5678"}


async def pay(api: Api, details: dict[str, Any], amount: int = 1000, **more: Any) -> httpx.Response:
    headers = more.pop("headers", None)
    currency = more.pop("currency", "JPY")
    return await api.post(
        "/payments", json={"amount": amount, "currency": currency, "payment_details": details, **more}, headers=headers
    )


async def begun(api: Api, details: dict[str, Any], amount: int = 1000, **more: Any) -> dict[str, Any]:
    reply = await pay(api, details, amount, **more)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def simulate(api: Api, payment: dict[str, Any], outcome: str) -> dict[str, Any]:
    reply = await api.post(f"/test/payments/{payment['id']}/simulate", json={"outcome": outcome})
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def shown(api: Api, payment: dict[str, Any]) -> dict[str, Any]:
    return dict((await api.get(f"/payments/{payment['id']}")).json())


async def waiting(house: House, payment: dict[str, Any]) -> str:
    """The ref of the attempt a payment waits with."""
    for line in (house.services.settings.data / "simulator-desk.jsonl").read_text().splitlines():
        order = json.loads(line)
        if order["kind"] in ("sale", "authorize"):
            ref = str(order["ref"])
    return ref


ACCOUNT = {
    "amount": 500, "customer_name": "ヤマダ タロウ", "bank_name": "テスト銀行", "branch_number": "001",
    "account_type": "normal", "account_number": "0234567", "include_payment_method_fee": False,
}  # fmt: skip
