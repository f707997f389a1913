"""Endpoints: made, shown, changed, deleted; their secrets are shown once and kept by the vault alone."""

from typing import Any

import pytest

from azukari.core.clock import DAY, HOUR
from azukari.db import DatabaseDown
from azukari.webhooks import deliveries, service
from tests.house import House
from tests.leaks.places import rows_of
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


@pytest.mark.parametrize("secret", ["8letters", "a" * 15, "!#$%&'()"])
async def test_a_short_secret_is_taken_with_a_warning(
    house: House, receiver: Receiver, work: Work, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    key = {"X-KOMOJU-IDEMPOTENCY": "short"}
    order = {"url": receiver.url, "secret": secret}
    made, again = [await house.api.post("/webhook_endpoints", json=order, headers=key) for _ in range(2)]
    path = f"/webhook_endpoints/{made.json()['id']}"

    (warning,) = made.json()["warnings"]
    assert "shorter than 16 characters" in warning
    assert secret not in warning
    assert (made.json()["secret"], again.json()) == (secret, {**made.json(), "secret": None})
    told = capsys.readouterr()
    assert (told.out + told.err).count("webhook.short_secret") == 1
    assert secret not in told.out + told.err
    # It signs as any other does, and is told of once.
    await work.deliver()
    assert [got.signed_with(secret) for got in receiver.got] == [True]
    assert "warnings" not in (await house.api.get(path)).json()
    rolled = await house.api.post(f"{path}/roll", json={"secret": secret[::-1]})
    assert rolled.json()["warnings"] == [warning]
    assert "warnings" not in (await house.api.post(f"{path}/roll")).json()


async def test_a_secret_of_sixteen_characters_needs_no_warning(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    for secret in ("a" * 16, "b" * 255, None):
        made = await house.api.post("/webhook_endpoints", json={"url": URL, "secret": secret})
        assert (made.status_code, "warnings" in made.json()) == (200, False)
    told = capsys.readouterr()
    assert "webhook.short_secret" not in told.out + told.err


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
        ("url", None), ("url", []), ("secret", "7 signs"), ("secret", "1234567"),
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
        await house.api.get(path),
        await house.api.patch(path, json={}),
        await house.api.delete(path),
        await house.api.post(f"{path}/ping"),
        await house.api.post(f"{path}/roll"),
    ]
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
        "sign",
        "webhook.create",
    ]


async def test_the_log_of_an_endpoint_shows_each_try_in_pages(house: House, receiver: Receiver, work: Work) -> None:
    receiver.answer = lambda _: 500
    made = await endpoint(house, receiver, events=["ping"])
    other = await endpoint(house, receiver)
    for _ in range(3):
        await work.deliver()
        house.clock.advance(HOUR)
    receiver.answer = lambda _: 204
    await work.send()

    path = f"/webhook_endpoints/{made['id']}/deliveries"
    pages = [(await house.api.get(path, params={"page": page, "per_page": 3})).json() for page in (1, 2, 3)]
    assert [page["total"] for page in pages] == [4, 4, 4]
    tries = [each for page in pages for each in page["data"]]
    assert [(each["attempt"], each["code"], each["failure"]) for each in tries] == [
        (4, 204, None),
        (3, 500, None),
        (2, 500, None),
        (1, 500, None),
    ]
    sent = {got.headers["x-komoju-id"]: got.id for got in receiver.got}
    assert {each["delivery"]: each["event"] for each in tries}.items() <= sent.items()
    assert {(each["event_type"], each["state"], each["next_attempt_at"]) for each in tries} == {
        ("ping", "delivered", None)
    }
    since = (await house.api.get(path, params={"start_time": tries[1]["created_at"]})).json()
    assert since["data"] == tries[:2]
    theirs = (await house.api.get(f"/webhook_endpoints/{other['id']}/deliveries")).json()["data"]
    assert {each["delivery"] for each in theirs}.isdisjoint(each["delivery"] for each in tries)


async def test_a_delivery_on_its_way_says_when_it_is_tried_again(house: House, receiver: Receiver, work: Work) -> None:
    receiver.answer = lambda _: b"nonsense\r\n\r\n"
    made = await endpoint(house, receiver)
    await work.deliver()
    (tried,) = (await house.api.get(f"/webhook_endpoints/{made['id']}/deliveries")).json()["data"]
    assert (tried["code"], tried["failure"], tried["state"]) == (None, "broken", "pending")
    assert tried["next_attempt_at"] > tried["created_at"]


@pytest.mark.parametrize(
    ("order", "code", "param"),
    [
        ({}, "missing_parameter", "event"), ({"dead": False}, "missing_parameter", "event"),
        ({"end_time": "2026-01-01"}, "missing_parameter", "start_time"),
        ({"event": "a", "dead": True}, "invalid_parameter", "dead"),
        ({"event": "a", "start_time": "2026-01-01"}, "invalid_parameter", "start_time"),
        ({"dead": True, "end_time": "2026-01-01"}, "invalid_parameter", "end_time"),
        ({"start_time": "yesterday"}, "invalid_parameter", "start_time"), ({"dead": 7}, "invalid_parameter", "dead"),
    ],
)  # fmt: skip
async def test_what_says_not_what_to_send_again_is_refused(
    house: House, order: dict[str, Any], code: str, param: str
) -> None:
    made = await endpoint(house, Receiver(port=8123))
    reply = await house.api.post(f"/webhook_endpoints/{made['id']}/replay", json=order)
    assert (reply.status_code, reply.json()["error"]["code"], reply.json()["error"]["param"]) == (422, code, param)


async def test_an_event_nobody_knows_cannot_be_sent_again(house: House) -> None:
    made = await endpoint(house, Receiver(port=8123))
    for path, event in ((made["id"], "0" * 25), ("0" * 25, made["id"])):
        reply = await house.api.post(f"/webhook_endpoints/{path}/replay", json={"event": event})
        assert reply.status_code == 404


async def test_many_events_are_sent_again_by_one_request_and_by_its_repeat_none(
    house: House, receiver: Receiver, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 3)
    for _ in range(8):
        await house.api.post("/customers")
    made = await endpoint(house, receiver)
    key = {"X-KOMOJU-IDEMPOTENCY": "again"}
    path, order = f"/webhook_endpoints/{made['id']}/replay", {"start_time": "2020-01-01"}
    first = await house.api.post(path, json=order, headers=key)
    assert first.json() == {"resource": "webhook_replay", "webhook_endpoint": made["id"], "sent_again": 8}
    await work.deliver()
    assert receiver.types.count("customer.created") == 8
    again = await house.api.post(path, json=order, headers=key)
    assert (again.content, again.headers["X-Idempotent-Replayed"]) == (first.content, "true")
    await work.deliver()
    assert receiver.types.count("customer.created") == 8


async def test_a_replay_that_died_on_the_way_is_not_said_to_have_sent_nothing(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 1)
    made = await endpoint(house, receiver)
    for _ in range(2):
        await house.api.post("/customers")
    replay, begun = deliveries.replay, []

    async def once(*given: Any) -> int:
        if begun:
            raise DatabaseDown
        begun.append(given)
        return await replay(*given)

    monkeypatch.setattr(deliveries, "replay", once)
    key = {"X-KOMOJU-IDEMPOTENCY": "again"}
    path, order = f"/webhook_endpoints/{made['id']}/replay", {"start_time": "2020-01-01"}
    assert (await house.api.post(path, json=order, headers=key)).status_code == 503
    monkeypatch.setattr(deliveries, "replay", replay)

    for passed, status in ((HOUR, 503), (DAY, 200)):
        house.clock.advance(passed)
        assert (await house.api.post(path, json=order, headers=key)).status_code == status
