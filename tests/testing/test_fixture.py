"""The fixture, used as a merchant's tests use it."""

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from azukari.testing import Azukari, Webhook
from tests.house import card
from tests.webhooks.receiver import Got

GUIDE = Path(__file__).parents[2] / "docs/testing.md"


def customer(azukari: Azukari) -> str:
    reply = azukari.client.post("/customers", json={"payment_details": card()})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


def charge(azukari: Azukari, customer: str, amount: int = 1000) -> dict[str, Any]:
    reply = azukari.client.post("/payments", json={"amount": amount, "currency": "JPY", "customer": customer})
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


def types(webhooks: list[Webhook]) -> list[str]:
    return [webhook.type for webhook in webhooks]


def test_a_charge_and_its_webhook(azukari: Azukari) -> None:
    payment = charge(azukari, customer(azukari))

    webhook = azukari.webhooks.wait("payment.captured")

    assert webhook.data == payment
    assert webhook.headers["X-Komoju-Event"] == webhook.headers["x-komoju-event"] == "payment.captured"
    assert Got("/", dict(webhook.headers), webhook.body).signed_with(azukari.webhooks.secret)
    assert azukari.client.get(f"/events/{webhook.id}").content == webhook.body


def test_each_webhook_is_waited_for_once(azukari: Azukari) -> None:
    buyer = customer(azukari)
    first, second, third = (charge(azukari, buyer, amount)["id"] for amount in (100, 200, 300))

    assert azukari.webhooks.wait("payment.captured", id=second).data["amount"] == 200
    assert azukari.webhooks.wait("payment.captured", amount=300).data["id"] == third
    assert azukari.webhooks.wait("payment.captured").data["id"] == first
    with pytest.raises(
        TimeoutError, match=r"No webhook payment\.captured in 0 s.*customer\.created, payment\.captured"
    ):
        azukari.webhooks.wait("payment.captured", timeout=0)


def test_all_of_them_are_there_and_in_order(azukari: Azukari) -> None:
    buyer = customer(azukari)
    for _ in range(7):
        charge(azukari, buyer)
    azukari.client.delete(f"/customers/{buyer}")

    assert types(azukari.webhooks.all()) == ["customer.created", *["payment.captured"] * 7, "customer.deleted"]
    assert types(azukari.webhooks.all()) == ["customer.created", *["payment.captured"] * 7, "customer.deleted"]


def test_what_does_not_come_is_named(azukari: Azukari) -> None:
    (endpoint,) = azukari.client.get("/webhook_endpoints").json()["data"]
    azukari.client.patch(f"/webhook_endpoints/{endpoint['id']}", json={"active": False})
    customer(azukari)

    with pytest.raises(TimeoutError, match=r"have not come in 0\.1 s: customer\.created"):
        azukari.webhooks.all(timeout=0.1)


def test_a_ping_that_is_asked_for_comes(azukari: Azukari) -> None:
    (endpoint,) = azukari.client.get("/webhook_endpoints").json()["data"]
    azukari.client.post(f"/webhook_endpoints/{endpoint['id']}/ping")

    assert azukari.webhooks.wait("ping").type == "ping"
    assert types(azukari.webhooks.all()) == ["ping"]


def test_a_forged_webhook_is_refused_and_fails_the_test(azukari: Azukari) -> None:
    (endpoint,) = azukari.client.get("/webhook_endpoints").json()["data"]
    customer(azukari)
    system_now = azukari.webhooks.wait("customer.created")
    signed = {name: value for name, value in system_now.headers.items() if name.startswith("x-komoju")}
    forged = httpx.post(endpoint["url"], content=system_now.body + b" ", headers=signed)
    assert forged.status_code == 401

    with pytest.raises(AssertionError, match="signature"):
        azukari.webhooks.all()


def test_nothing_is_left_after_a_reset(azukari: Azukari) -> None:
    old, old_webhooks = httpx.Client(base_url=f"{azukari.url}/api/v1", auth=(azukari.secret_key, "")), azukari.webhooks
    keys = {azukari.secret_key, azukari.publishable_key}
    buyer = customer(azukari)

    azukari.reset()

    assert keys.isdisjoint({azukari.secret_key, azukari.publishable_key})
    for path in ("/customers", "/payments", "/sessions"):
        assert azukari.client.get(path).json().get("data", []) == []
    assert [event["type"] for event in azukari.client.get("/events").json()["data"]] == ["ping"]
    assert azukari.client.get(f"/customers/{buyer}").status_code == 404
    # What the merchant before does late reaches nobody.
    with old:
        assert old.delete(f"/customers/{buyer}").status_code == 200
    customer(azukari)
    assert types(azukari.webhooks.all()) == ["customer.created"]
    with pytest.raises(RuntimeError, match="over"):
        old_webhooks.all()


def test_the_publishable_key_is_the_merchants_too(azukari: Azukari) -> None:
    session = azukari.client.post("/sessions", json={"mode": "customer", "return_url": "https://shop.example/"}).json()
    shown = httpx.get(f"{azukari.url}/api/v1/sessions/{session['id']}", auth=(azukari.publishable_key, ""))

    assert shown.json()["id"] == session["id"]
    assert session["session_url"].startswith(azukari.url)


async def test_a_loop_of_the_tests_own_may_wait_and_go_on(azukari: Azukari) -> None:
    async with httpx.AsyncClient(base_url=f"{azukari.url}/api/v1", auth=(azukari.secret_key, "")) as client:
        waiting = asyncio.create_task(asyncio.to_thread(azukari.webhooks.wait, "customer.created"))
        made = await client.post("/customers", json={"payment_details": card()})

        assert (await waiting).data["id"] == made.json()["id"]


def test_threads_wait_at_the_same_time(azukari: Azukari) -> None:
    came: dict[str, str] = {}

    def wait(kind: str) -> None:
        came[kind] = azukari.webhooks.wait(kind).data["id"]

    kinds = ("customer.created", "payment.captured", "customer.deleted")
    waiting = [threading.Thread(target=wait, args=(kind,)) for kind in kinds]
    for each in waiting:
        each.start()
    buyer = customer(azukari)
    payment = charge(azukari, buyer)["id"]
    azukari.client.delete(f"/customers/{buyer}")
    for each in waiting:
        each.join()

    assert came == {"customer.created": buyer, "payment.captured": payment, "customer.deleted": buyer}


def test_the_guides_example(azukari: Azukari) -> None:
    (example,) = re.findall(r"```python\n(def test_a_customer.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    known: dict[str, Any] = {}
    exec(example, known)

    known["test_a_customer_is_charged"](azukari)
