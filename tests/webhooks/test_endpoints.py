"""Endpoints: made, shown, changed, deleted; their secrets are shown once and kept by the vault alone."""

from typing import Any

import pytest

from azukari.webhooks import service
from tests.house import House
from tests.test_no_leaks import rows_of
from tests.webhooks.receiver import SECRET, Receiver
from tests.webhooks.work import Work, endpoint

URL = "https://1.1.1.1/hooks"


async def test_an_endpoint_is_shown_with_its_secret_once(house: House) -> None:
    api = house.api
    made = (await api.post("/webhook_endpoints", json={"url": URL})).json()
    assert made["secret"].startswith("whsec_")
    assert len(made["secret"]) == 38
    assert (made["events"], made["active"], made["ordered"]) == (["*"], True, False)
    assert made["api_version"] == "2025-01-28"

    shown = (await api.get(f"/webhook_endpoints/{made['id']}")).json()
    assert "secret" not in shown
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    listed = (await api.get("/webhook_endpoints")).json()
    assert listed["data"] == [shown]


async def test_an_endpoint_is_as_it_was_ordered(house: House) -> None:
    order = {
        "url": URL, "secret": SECRET, "events": ["payment.captured", "payment.captured", "ping"], "active": False,
        "api_version": "2024-07-15", "ordered": True,
    }  # fmt: skip
    made = (await house.api.post("/webhook_endpoints", json=order)).json()
    assert made["secret"] == SECRET
    assert made["events"] == ["payment.captured", "ping"]
    assert (made["active"], made["ordered"], made["api_version"]) == (False, True, "2024-07-15")

    form = {"url": URL, "events[]": ["payment.failed", "payment.captured"], "ordered": "1"}
    made = (await house.api.post("/webhook_endpoints", data=form)).json()
    assert made["events"] == ["payment.failed", "payment.captured"]
    assert made["ordered"]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("secret", "short"), ("secret", "a" * 256), ("secret", "ünïcode secret of mine"), ("secret", "a" * 20 + "\n"),
        ("secret", " " * 20), ("secret", 1234567890123456), ("secret", "4111111111111111"), ("events", []),
        ("events", "*"), ("events", ["Payment"]), ("events", ["payment.*"]), ("events", [1]), ("events", ["a"] * 101),
        ("active", "yes"), ("api_version", "2020-01-01"), ("api_version", 1), ("ordered", 2), ("url", 1),
        ("url", None), ("url", []),
    ],
)  # fmt: skip
async def test_what_an_endpoint_cannot_be_is_refused(house: House, member: str, value: Any) -> None:
    reply = await house.api.post("/webhook_endpoints", json={"url": URL, member: value})
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, member), reply.text
    assert (await house.api.get("/webhook_endpoints")).json()["total"] == 0


async def test_an_endpoint_is_changed(house: House) -> None:
    made = await endpoint(house, Receiver(port=8123))
    path = f"/webhook_endpoints/{made['id']}"
    changed = (await house.api.patch(path, json={"url": URL, "events": ["ping"], "ordered": True})).json()
    assert (changed["url"], changed["events"], changed["ordered"]) == (URL, ["ping"], True)
    assert changed["active"]
    assert (await house.api.patch(path, json={"url": "https://10.0.0.1/"})).status_code == 422
    off = (await house.api.patch(path, data={"active": "0"})).json()
    assert off["active"] is False
    assert (await house.api.get(path)).json() == off


async def test_a_deleted_endpoint_is_gone_and_so_is_its_secret(house: House) -> None:
    made = await endpoint(house, Receiver(port=8123))
    path = f"/webhook_endpoints/{made['id']}"
    await house.api.post(f"{path}/roll")
    assert (await house.api.delete(path)).json()["id"] == made["id"]

    replies = [
        await house.api.get(path), await house.api.patch(path, json={}), await house.api.delete(path),
        await house.api.post(f"{path}/ping"), await house.api.post(f"{path}/roll"),
    ]  # fmt: skip
    assert {reply.status_code for reply in replies} == {404}
    assert (await house.api.get("/webhook_endpoints")).json()["total"] == 0
    rows = await rows_of(house)
    assert [row for name, found in rows.items() if name.endswith("deks") for row in found] == []


async def test_the_same_request_again_makes_no_second_endpoint_and_shows_no_secret(house: House) -> None:
    key = {"X-KOMOJU-IDEMPOTENCY": "hook-1"}
    first, again = [await house.api.post("/webhook_endpoints", json={"url": URL}, headers=key) for _ in range(2)]
    assert again.headers["X-Idempotent-Replayed"] == "true"
    assert first.json() == {**again.json(), "secret": first.json()["secret"]}
    assert again.json()["secret"] is None
    path = f"/webhook_endpoints/{first.json()['id']}/roll"
    rolled, again = [await house.api.post(path, json={}, headers=key | {"X-KOMOJU-IDEMPOTENCY": "b"}) for _ in "ab"]
    assert rolled.json()["secret"] != first.json()["secret"]
    assert again.json()["secret"] is None


async def test_there_may_be_fifty(house: House) -> None:
    for _ in range(service.MOST_ENDPOINTS):
        assert (await house.api.post("/webhook_endpoints", json={"url": URL})).status_code == 200
    reply = await house.api.post("/webhook_endpoints", json={"url": URL})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "unprocessable_entity")


async def test_a_ping_is_sent_when_it_is_asked_for(house: House, receiver: Receiver, work: Work) -> None:
    made = await endpoint(house, receiver, events=["payment.captured"])
    other = await endpoint(house, receiver)
    await work.deliver()
    receiver.got.clear()
    reply = await house.api.post(f"/webhook_endpoints/{made['id']}/ping")
    assert reply.json()["id"] == made["id"] != other["id"]
    await work.deliver()

    assert receiver.types == ["ping"]
    assert receiver.got[0].event["data"] == {}
    assert receiver.got[0].body == (await house.api.get(f"/events/{receiver.got[0].id}")).content


async def test_each_opening_of_a_secret_leaves_an_audit_line(house: House, receiver: Receiver, work: Work) -> None:
    made = await endpoint(house, receiver)
    for _ in range(3):
        await house.api.customer()
        await work.deliver()
    rows = await rows_of(house)
    ours = [row for name, found in rows.items() if name.endswith("audit_lines") for row in found if made["id"] in row]
    assert sorted(word for row in ours for word in ("webhook.create", "sign") if word in row) == [
        "sign", "webhook.create"
    ]  # fmt: skip
