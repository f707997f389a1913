"""The shop, with a payments server that is real."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient

from azukari.testing import Azukari, Webhook
from subscriptions.app import Config, create_app
from subscriptions.engine import Engine
from subscriptions.komoju import Komoju
from subscriptions.store import Account, Store

CARD = {"type": "credit_card", "number": "4111111111111111", "month": "12", "year": "2099", "verification_value": "123"}


@dataclass
class Shop:
    """browser: of somebody who joins. mails: address, subject, text. today: as the shop sees it."""

    azukari: Azukari
    browser: FlaskClient
    database: Path
    client: httpx.Client
    mails: list[tuple[str, str, str]]
    today: date = date(2027, 1, 31)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(Store(self.database), Komoju(self.client), self.send)

    def send(self, address: str, subject: str, text: str) -> None:
        self.mails.append((address, subject, text))

    @property
    def subjects(self) -> list[str]:
        return [subject for _, subject, _ in self.mails]

    def card_page(self, email: str = "hanako@example.jp", plan: str = "starter") -> str:
        """Ask for a subscription; the session of the page that the shopper is sent to."""
        reply = self.browser.post("/join", data={"plan": plan, "email": email})
        assert reply.status_code == 303
        return reply.location.rpartition("/")[2]

    def enter_card(self, session: str) -> str:
        """What the page does when a shopper enters a card; where it sends the browser."""
        with httpx.Client(base_url=f"{self.azukari.url}/api/v1", auth=(self.azukari.publishable_key, "")) as page:
            reply = page.post(f"/sessions/{session}/pay", json={"payment_details": CARD})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["redirect_url"])

    def join(self, email: str = "hanako@example.jp", plan: str = "starter") -> Account:
        """From the plans to an account."""
        account = self.browser.get(self.enter_card(self.card_page(email, plan)))
        assert account.status_code == 303
        return self.account(account.location.rpartition("/")[2])

    def account(self, id: str) -> Account:
        found = self.engine.store.account(id)
        assert found is not None
        return found

    def live(self, until: date) -> None:
        """Let days pass, with a run on each."""
        while self.today < until:
            self.today += timedelta(1)
            self.engine.bill(self.today)

    def bank_says(self, code: str | None) -> None:
        """What becomes of the charges from now on; None: they succeed."""
        self.client.headers.pop("Komoju-Scenario", None)
        if code is not None:
            self.client.headers["Komoju-Scenario"] = code

    def deliver(self, webhook: Webhook) -> int:
        """Hand a webhook on to the shop; what it answers."""
        return self.browser.post("/webhooks", data=webhook.body, headers=webhook.headers).status_code

    def payments(self) -> list[dict[str, Any]]:
        """Every payment that took money, oldest first."""
        query = {"status": "captured", "per_page": "100"}
        found: list[dict[str, Any]] = self.azukari.client.get("/payments", params=query).json()["data"]
        return found[::-1]


@pytest.fixture
def shop(azukari: Azukari, tmp_path: Path) -> Iterator[Shop]:
    """An open shop."""
    mails: list[tuple[str, str, str]] = []
    config = Config(
        f"{azukari.url}/api/v1",
        azukari.secret_key,
        azukari.webhooks.secret,
        tmp_path / "shop.db",
        lambda *mail: mails.append(mail),
        lambda: opened.today,
    )
    app = create_app(config)
    client: httpx.Client = app.extensions["komoju"]
    opened = Shop(azukari, app.test_client(), config.database, client, mails)
    yield opened
    opened.engine.store.close()
    client.close()
