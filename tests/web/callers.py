"""Callers of a house: by their address, by their key, and by neither."""

import base64

import httpx

from azukari.app import asgi
from azukari.core.errors import TooManyRequests
from azukari.core.ids import RandomIds
from azukari.db import Owner
from azukari.merchants import keys
from azukari.merchants.keys import ApiKey
from azukari.secure_tokens.pages import PATH as CHALLENGE
from azukari.web.limits import Limiter
from tests.house import Api, House, TestClock

ROOT = "http://azukari.test"
HERE, ELSEWHERE = "198.51.100.1", "198.51.100.2"
#: Each is 20 characters, as ids are.
NOTHING = "0" * 20
#: Of people's pages, of scripts, of the API, and none at all: each needs no key.
PAGES = (f"/sessions/{NOTHING}", "/fields/frame", "/fields/return", f"/return/{NOTHING}", f"{CHALLENGE}?a=1",
         f"/offsite/{NOTHING}", f"/ja/instructions/{NOTHING}")  # fmt: skip
SCRIPTS = (f"/sessions/{NOTHING}/state", f"/sessions/{NOTHING}/words", "/fields/words", "/accent/112233.css")
IN_API = (f"/api/v1/barcodes/{NOTHING}", "/api/v1/payments", "/api/v1/nothing", "/api/v9/payments")
OTHERS = ("/", "/reference", "/openapi.yaml", "/nothing", "/api")
FREE = ("/health", "/ready", "/fields.js", "/static/dom.js", "/payment_methods/credit_card.svg")


def at(house: House, address: str | None, key: str | None = None) -> Api:
    """The API, called from an address."""
    client = None if address is None else (address, 40_000)
    transport = httpx.ASGITransport(asgi(house.services), raise_app_exceptions=False, client=client)  # type: ignore[arg-type]
    return Api(transport, key or house.api.key)


def visitor(house: House, address: str) -> httpx.AsyncClient:
    """Somebody without a key."""
    transport = httpx.ASGITransport(asgi(house.services), raise_app_exceptions=False, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url=ROOT)


async def statuses(client: httpx.AsyncClient, *paths: str, **more: str) -> list[int]:
    return [(await client.get(path, headers=more)).status_code for path in paths]


def wrong_key() -> str:
    """As good as a guess gets."""
    return keys.make("sk", "test", RandomIds(TestClock()))


def header(key: str) -> str:
    return f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"


def api_key(id: str, merchant: str, kind: str = "sk", mode: str = "test") -> ApiKey:
    return ApiKey(id, Owner(merchant, mode), kind, "2025-01-28", "")


def admitted(limiter: Limiter, key: ApiKey, tries: int, client: str | None = None) -> int:
    allowed = 0
    for _ in range(tries):
        try:
            limiter.count(key, client)
        except TooManyRequests:
            continue
        allowed += 1
    return allowed
