"""A shopper's browser on our own page, without its script."""

import json
import re
from typing import Any

import httpx

from tests.house import House

ORIGIN = "http://127.0.0.1:8420"
SHOP = "https://shop.example/back?x=1"


class Shopper:
    """A browser on one session's page."""

    def __init__(self, house: House, session: dict[str, Any]) -> None:
        self.session = session
        self.path = self.home = f"/sessions/{session['id']}"
        self._house = house
        self._nonces = 0
        self.csrf = ""

    async def get(self, path: str = "", **more: Any) -> httpx.Response:
        return await get(self._house, self.path + path, **more)

    async def open(self, path: str = "") -> str:
        reply = await self.get(path)
        found = re.search(r'"csrf":"(\w+)"', reply.text)
        self.csrf = found[1] if found else self.csrf
        return reply.text

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        sent = {"Origin": ORIGIN, "Content-Type": "application/json"} | headers
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self._house.api.post(
            f"http://azukari.test{self.path}{path}", content=content, headers=sent, auth=None
        )

    async def pay(self, details: dict[str, Any], **more: Any) -> httpx.Response:
        self._nonces += 1
        body = {"csrf": self.csrf, "nonce": f"n{self._nonces}", "locale": "ja", "payment_details": details} | more
        return await self.post("/pay", body)


async def get(house: House, path: str, **more: Any) -> httpx.Response:
    return await house.api.get(f"http://azukari.test{path}", auth=None, **more)


async def shopper(house: House, **more: Any) -> Shopper:
    asked = {"amount": 5000, "currency": "JPY", "return_url": SHOP} | more
    if more.get("mode") == "customer":
        asked.pop("amount")
    reply = await house.api.post("/sessions", json=asked)
    assert reply.status_code == 200, reply.text
    found = Shopper(house, reply.json())
    await found.open()
    return found
