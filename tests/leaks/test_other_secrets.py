"""Prepaid numbers, passwords, agreements and secrets of webhooks leave no trace."""

import io
import json
import secrets
from pathlib import Path
from typing import Any

from azukari import worker
from azukari.attempts import store as attempts
from azukari.webhooks import fanout
from azukari.webhooks.sending import Sender
from tests.house import House
from tests.leaks.places import listening, places
from tests.leaks.scanner import spread, word_found_in
from tests.wallets import agree
from tests.webhooks.receiver import SECRET, receiving


async def test_prepaid_numbers_and_passwords_leave_no_trace(house: House, logged: io.StringIO, temporary: Path) -> None:
    api = house.api
    replies = listening(api)
    words = [secrets.token_hex(8) for _ in range(6)]
    order: dict[str, Any] = {"amount": 1000, "currency": "JPY"}
    paid = {"type": "web_money", "prepaid_number": words[0]}
    assert (await api.post("/payments", json={**order, "payment_details": paid})).json()["status"] == "captured"
    short = {"type": "net_cash", "prepaid_number": spread(words[1], " ")}
    waiting = (await api.post("/payments", json={**order, "amount": 150_000, "payment_details": short})).json()
    assert waiting["status"] == "pending"
    more = {"payment_details": {"type": "net_cash", "prepaid_number": words[2]}}
    assert (await api.patch(f"/payments/{waiting['id']}", json=more)).json()["status"] == "captured"
    await api.patch(f"/payments/{waiting['id']}", json=more)
    vouchers = [
        {"type": "culture_voucher", "culture_id": "taro", "culture_password": words[3]},
        {"type": "happy_money", "happy_money_id": "taro", "happy_money_password": words[4]},
    ]
    for details in vouchers:
        reply = await api.post("/payments", json={"amount": 1000, "currency": "KRW", "payment_details": details})
        assert reply.json()["status"] == "captured"
    dospara = {"type": "dospara", "user_no": "7", "user_password": words[5]}
    for details in (paid, short, more["payment_details"], *vouchers, dospara):
        form = {f"payment_details[{name}]": value for name, value in details.items()}
        for path in ("/payments", "/tokens", "/customers"):
            await api.post(path, json={**order, "payment_details": details})
            await api.post(path, data={**order, **form})
            await api.post(path, json={**order, "payment_details": [details]})
        for member in ("prepaid_number", "culture_password", "type", "email", "store"):
            secret = next(value for value in details.values() if value.replace(" ", "") in words)
            for value in ([secret], {secret: secret}, secret + "0" * 300):
                await api.post("/payments", json={**order, "payment_details": {**details, member: value}})
        for headers in (
            {"Komoju-Scenario": "used_number"},
            {"Azukari-Fault": "lost_reply"},
            {"Azukari-Fault": "lost_request"},
            {"Azukari-Fault": "processor_down"},
            {"Azukari-Fault": "duplicate_reply"},
            {"X-KOMOJU-IDEMPOTENCY": "a-key"},
            {"X-KOMOJU-IDEMPOTENCY": "a-key"},
        ):
            await api.post("/payments", json={**order, "payment_details": details}, headers=headers)
        await api.post("/payments", content=json.dumps({"payment_details": details}).encode()[:-1])
    house.clock.advance(10_000)
    await worker.reconcile_attempts(house.services)
    for path in ("/payments", "/events"):
        await api.get(path, params={"per_page": 100})

    hay = await places(house, replies, logged, temporary)
    assert [(place, how) for place, raw in hay.items() for word in words if (how := word_found_in(raw, word))] == []
    assert f'"last_four_digits":"{words[2][-4:]}"'.encode() in b"".join(hay.values())
    assert not [reply for reply in replies if reply.status_code == 500]


async def test_an_agreement_leaves_no_trace(house: House, logged: io.StringIO, temporary: Path) -> None:
    api = house.api
    owner = (await house.services.api_keys.resolve(api.key, None)).owner
    customer = (await api.post("/customers", json={})).json()["id"]
    replies = listening(api)
    await agree(house.services, owner, customer)
    offsite = house.services.processors.simulator.offsite
    lines = (house.services.settings.data / "simulator-desk.jsonl").read_bytes().splitlines()
    order = offsite.look_up(json.loads(lines[-1])["ref"])
    assert order is not None
    agreement = offsite.agreement_of(order)
    assert agreement is not None

    for fault in ({}, {"Azukari-Fault": "lost_reply"}, {"Azukari-Fault": "processor_down"}):
        await api.charge(customer, headers=fault)
    await api.post(f"/test/customers/{customer}/revoke")
    assert (await api.charge(customer)).json()["error"]["code"] == "invalid_account"
    await api.delete(f"/customers/{customer}")

    hay = await places(house, replies, logged, temporary)
    word = agreement.removeprefix("agr_")
    assert [(place, how) for place, raw in hay.items() if (how := word_found_in(raw, word))] == []
    assert await house.services.db.read(attempts.due, 0, 1) == []


async def test_what_webhooks_are_signed_with_leaves_no_trace(
    house: House, logged: io.StringIO, temporary: Path
) -> None:
    async with receiving(lambda _: 500) as receiver:
        order = {"url": receiver.url, "secret": SECRET}
        made = (await house.api.post("/webhook_endpoints", json=order)).json()
        path, key = f"/webhook_endpoints/{made['id']}", {"X-KOMOJU-IDEMPOTENCY": "a"}
        rolled = (await house.api.post(f"{path}/roll", headers=key)).json()
        replies = listening(house.api)
        sender = Sender(house.services)
        await house.api.customer()
        await fanout.look(house.services)
        await sender.begin()
        await sender.finish()
        await sender.close()
        assert len(receiver.got) == 2
    for request in (
        ("GET", path),
        ("GET", "/webhook_endpoints"),
        ("GET", "/events"),
        ("GET", "/events?after=0"),
        ("PATCH", path),
        ("GET", f"{path}/deliveries"),
        ("POST", f"{path}/replay"),
    ):
        await house.api.request(*request)
    await house.api.post(f"{path}/replay", json={"event": SECRET})
    await house.api.post(
        f"{path}/replay", json={"start_time": "2020-01-01"}, headers=key | {"X-KOMOJU-IDEMPOTENCY": "b"}
    )
    await house.api.post("/webhook_endpoints", json={**order, "secret": SECRET + "\n"})
    payment = {"amount": 1000, "currency": "JPY", "customer": await house.api.customer()}
    for webhooks in (order, {**order, "events": 7}, SECRET, [[SECRET]]):
        await house.api.post("/payments", json={**payment, "webhooks": webhooks}, headers=key)
        await house.api.post("/payments", json={**payment, "webhooks": webhooks})
    await house.api.post("/webhook_endpoints", json={**order, "url": [SECRET]})
    await house.api.post(f"{path}/roll", headers=key)
    await house.api.delete(path)

    hay = await places(house, replies, logged, temporary)
    for word in (SECRET, rolled["secret"].removeprefix("whsec_")):
        assert [(place, how) for place, raw in hay.items() if (how := word_found_in(raw, word))] == []
