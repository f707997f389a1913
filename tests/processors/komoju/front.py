"""A live key in front of a merchant's account at KOMOJU, which a second Azukari in test mode stands in for."""

import dataclasses
from typing import Any

from azukari.db import Owner
from azukari.testing.handle import Azukari
from tests.house import Api, House, card
from tests.processors.komoju.far import Road


@dataclasses.dataclass
class Front:
    """The installation in front, its API with a live key, and the far side."""

    house: House
    api: Api
    far: Azukari
    road: Road
    owner: Owner

    async def pay(self, **more: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of a payment of 1000 yen."""
        order = {"amount": 1000, "currency": "JPY", **more}
        if "customer" not in more:
            order.setdefault("payment_details", card(verification_value="123"))
        reply = await self.api.post("/payments", json=order)
        return reply.status_code, reply.json()

    def book(self) -> list[tuple[str, int, int]]:
        """Status, amount and amount refunded of all that the far side has, oldest first."""
        listed = self.far.client.get("/payments", params={"per_page": 100}).json()["data"]
        return [(each["status"], each["amount"], each["amount_refunded"]) for each in reversed(listed)]
