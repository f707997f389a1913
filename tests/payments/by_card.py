"""Payments by card, paid and held, and calls that are refused."""

from typing import Any

from tests.house import Api, card

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


OLD, NEW = {"X-KOMOJU-API-VERSION": "2024-07-15"}, {"X-KOMOJU-API-VERSION": "2025-01-28"}
