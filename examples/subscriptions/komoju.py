"""The four calls this shop makes. They are KOMOJU's, so any server that speaks its API will do."""

from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Result:
    """What became of a charge.

    status: "captured", "pending" (its end comes later), "failed" (the bank said no), or "unknown" (ask again tomorrow).
    """

    status: str
    payment: str | None = None
    reason: str = ""


class Komoju:
    """client: with the secret key, and the API's address as its base."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def card_page(self, email: str, return_url: str, customer: str | None = None) -> tuple[str, str]:
        """Where the shopper's browser goes to enter a card, and the customer who will have it.

        customer: who gets another card; None for a new customer.
        """
        order = {"mode": "customer", "currency": "JPY", "email": email, "return_url": return_url}
        reply = self.client.post("/sessions", json=order | ({"customer_id": customer} if customer else {}))
        reply.raise_for_status()
        session = reply.json()
        return session["session_url"], session["customer_id"]

    def customer_with_card(self, session: str) -> str | None:
        """The customer of a card page; None while no card is stored."""
        reply = self.client.get(f"/sessions/{session}")
        if reply.status_code != 200 or reply.json()["status"] != "completed":
            return None
        return str(reply.json()["customer_id"])

    def charge(self, customer: str, amount: int, order: str, key: str) -> Result:
        """Charge the card of a customer.

        order: our number for what is paid. The server takes each only once, unless its payment failed.
        key: of this try. The same try sent twice is made once, and answered alike.
        """
        body = {"amount": amount, "currency": "JPY", "customer": customer, "external_order_num": order}
        try:
            reply = self.client.post("/payments", json=body, headers={"X-KOMOJU-IDEMPOTENCY": key})
        except httpx.TransportError:
            return Result("unknown")
        if reply.status_code in (200, 202):
            return _result(reply.json())
        error = _error(reply)
        if error.get("param") == "external_order_num":
            # It was charged before, and we died, or lost the connection, before we knew.
            return self.find(order)
        if reply.status_code in (402, 404, 422, 502) and error:
            return Result("failed", reason=error["code"])
        return Result("unknown")

    def find(self, order: str) -> Result:
        """The payment of an order that may have been charged."""
        reply = self.client.get("/payments", params={"external_order_num": order})
        found = reply.json()["data"] if reply.status_code == 200 else []
        return _result(found[0]) if found else Result("unknown")


def _result(payment: dict[str, Any]) -> Result:
    ends = {
        "captured": "captured",
        "refunded": "captured",
        "failed": "failed",
        "expired": "failed",
        "cancelled": "failed",
    }
    return Result(ends.get(payment["status"], "pending"), payment["id"])


def _error(reply: httpx.Response) -> dict[str, str]:
    """Empty where the answer is not the API's own, a proxy's page for one."""
    try:
        found: dict[str, str] = reply.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found
