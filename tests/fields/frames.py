"""The frame in a shop's page, without its script."""

import json
from typing import Any

import httpx

from tests.house import House

ORIGIN = "http://127.0.0.1:8420"
SHOP = "https://shop.example"


async def get(house: House, path: str, **more: Any) -> httpx.Response:
    return await house.api.get(f"http://azukari.test{path}", auth=None, **more)


async def session(house: House, **more: Any) -> str:
    order = {"amount": 5_000, "currency": "JPY", "return_url": f"{SHOP}/thanks"} | more
    reply = await house.api.post("/sessions", json=order)
    assert reply.status_code == 200, reply.text
    found: str = reply.json()["id"]
    return found


async def register(house: House, *shops: str) -> None:
    """The merchant's origins, known to this server at once."""
    await house.choose(origins=list(shops))


class Frame:
    """What the frame's script would send."""

    def __init__(self, house: House, id: str) -> None:
        self.id = id
        self._house = house

    async def pay(self, details: Any, *, key: str | None = None, **more: Any) -> httpx.Response:
        body = {"session": self.id, "nonce": "one", "payment_details": details, "locale": "en"} | more
        return await self.send(json.dumps(body).encode(), key=key)

    async def send(self, body: bytes, *, key: str | None = None, **headers: str) -> httpx.Response:
        own = {"Origin": ORIGIN, "Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        auth = (key or self._house.publishable.key, "")
        return await self._house.api.post("http://azukari.test/fields/pay", content=body, headers=own, auth=auth)
