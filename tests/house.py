"""A whole Azukari in this process, and a client that holds every answer against the API description."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from azukari.app import asgi
from azukari.core.clock import SystemClock
from azukari.core.config import Settings
from azukari.core.secret import Secret
from azukari.db import Announce, quiet
from azukari.db.open import SqliteFiles
from azukari.merchants import settings as merchants
from azukari.setup import FIRST_PAIR, Installation, init
from azukari.vault import Transport, Vault
from azukari.wiring import Services
from tests.compat.contract import Contract

BASE = "http://azukari.test/api/v1"


class TestClock:
    """Real time, until it is pushed on."""

    __test__ = False

    def __init__(self) -> None:
        self._system = SystemClock()
        self._ahead = 0

    def now(self) -> int:
        return self._system.now() + self._ahead

    def advance(self, milliseconds: int) -> None:
        self._ahead += milliseconds


def card(number: str = "4111111111111111", **more: Any) -> dict[str, Any]:
    """Payment details of a published test card; the code is left out unless given."""
    return {"type": "credit_card", "number": number, "month": "12", "year": "2099", "name": "Taro Yamada", **more}


class Api(httpx.AsyncClient):
    """``await api.post("/payments", json=...)`` with a key; every answer is held against the description."""

    def __init__(self, transport: httpx.AsyncBaseTransport, key: str, base: str = BASE) -> None:
        super().__init__(transport=transport, base_url=base, auth=(key, ""), timeout=60)
        self.event_hooks = {"response": [_hold_against_description]}
        self.key = key

    def as_key(self, key: str) -> "Api":
        """The same server, called with another key."""
        return Api(self._transport, key, str(self.base_url))

    async def customer(self, number: str = "4111111111111111", **more: Any) -> str:
        """The id of a new customer with a saved card."""
        reply = await self.post("/customers", json={"payment_details": card(number)}, **more)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    async def token(self, number: str = "4111111111111111", **more: Any) -> str:
        """The id of a new token."""
        reply = await self.post("/tokens", json={"payment_details": card(number, **more)})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    async def secure_token(self, number: str = "4100000000000100", amount: int = 1000, **more: Any) -> dict[str, Any]:
        """A new secure token for a payment in yen; by its number a card passes, is challenged, or fails."""
        order = {"amount": amount, "currency": "JPY", "return_url": "https://shop.example/back?order=7#top"}
        details = {} if "customer" in more else {"payment_details": card(number, verification_value="123")}
        reply = await self.post("/secure_tokens", json=order | details | more)
        assert reply.status_code == 200, reply.text
        made: dict[str, Any] = reply.json()
        return made

    async def session(self, **more: Any) -> str:
        """The id of a new session for a payment of 1000 yen."""
        order = {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example/thanks"}
        reply = await self.post("/sessions", json={**order, **more})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    async def charge(self, customer: str, amount: int = 1000, **more: Any) -> httpx.Response:
        """A payment on a customer's saved card, in yen."""
        return await self.post("/payments", json={"amount": amount, "currency": "JPY", "customer": customer}, **more)

    async def events(self) -> list[str]:
        """The types of the latest events, oldest first."""
        reply = await self.get("/events", params={"per_page": 100})
        return [event["type"] for event in reversed(reply.json()["data"])]


async def _hold_against_description(reply: httpx.Response) -> None:
    await reply.aread()
    request = reply.request
    known = request.url.path.startswith("/api/v1/")
    if known and reply.status_code not in (404, 405) and request.method not in ("OPTIONS", "HEAD"):
        path = request.url.raw_path.decode()  # an escaped slash is not one
        Contract.load().check(request.method, path, reply.status_code, reply.content)
    elif known and reply.content:
        Contract.load().check_error(reply.content)


@dataclass
class House:
    """A running installation. ``api`` calls it with the first secret test key."""

    services: Services
    api: Api
    installation: Installation
    clock: TestClock

    @property
    def publishable(self) -> Api:
        """The API with the first publishable key."""
        return self.api.as_key(self.installation.publishable_key.reveal())

    async def choose(self, **settings: Any) -> None:
        """Set what the merchant of the first keys chooses, known to this server at once."""
        owner = (await self.services.api_keys.resolve(self.api.key, None)).owner
        await merchants.change(self.services.db, owner.merchant_id, settings, (), lambda _: None)
        self.clock.advance(1_000)


@asynccontextmanager
async def running(settings: Settings, announce: Announce = quiet) -> AsyncIterator[House]:
    """Open an installation; its worker stands still, tests run its rounds themselves."""
    clock = TestClock()
    installation = await init(settings)
    services = await Services.assemble(settings, announce, clock)
    transport = httpx.ASGITransport(asgi(services), raise_app_exceptions=False, client=("203.0.113.7", 40_000))
    try:
        async with Api(transport, installation.secret_key.reveal()) as api:
            yield House(services, api, installation, clock)
    finally:
        await services.close()
        forget_memory(settings.data)


async def make_template(data: Path, database_url: str | None) -> None:
    """A fresh installation to copy."""
    await init(settings_for(data, database_url))
    forget_memory(data)


def settings_for(data: Path, database_url: str | None, **more: Any) -> Settings:
    """Settings of a test's installation. Receivers of webhooks are on this machine."""
    url = Secret(database_url) if database_url else None
    return Settings(data=data, database_url=url, **{"loopback_webhooks": True, **more})


def reroute(vault: Vault, host: str, transport: Transport) -> None:
    """From now on a transport of the test's own carries the orders for a host, though hosts are fixed at the start."""
    vault._relay._transports[host] = transport


def copy_template(template: Path, data: Path) -> None:
    """A test's own data directory."""
    shutil.copytree(template, data)
    assert (data / FIRST_PAIR).exists()


#: Takes back what migrations after 0013 have made.
BACK_TO_0013 = (
    "ALTER TABLE payments DROP COLUMN account_id",
    *(f"ALTER TABLE attempts DROP COLUMN {name}" for name in ("account_id", "raw_code", "network_code", "advice")),
    "DROP TABLE processor_accounts",
    "ALTER TABLE api_keys DROP COLUMN binding",
    "DROP TABLE clear_text_leases",
    *(
        f"DROP INDEX ix_{name}"
        for name in (
            "payments_test_deadline", "sessions_test_open_until", "tokens_test_expires_at", "tokens_test_open_until",
            "subscriptions_test_due_at", "webhook_endpoints_test_created_at", "idempotency_keys_test_created_at",
        )
    ),
    "UPDATE alembic_version SET version_num = '0013'",
)  # fmt: skip


def forget_memory(data: Path) -> None:
    """Remove what an installation keeps on the memory file system."""
    path = SqliteFiles.of(data).sad.path
    if path is not None and path.parent.exists():
        shutil.rmtree(path.parent)


ON_BOTH = os.environ.get("AZUKARI_TEST_ENGINES", "sqlite,postgres").split(",")
