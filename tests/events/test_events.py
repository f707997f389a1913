"""Events: facts, written with the change they report. Source: contract section 13."""

from collections.abc import Awaitable
from typing import Any

import httpx
import pytest

from azukari.core.clock import DAY
from azukari.payments import expiry
from tests.house import Api, House, card


async def test_an_event_shows_the_resource_as_it_was(api: Api) -> None:
    customer = (await api.post("/customers", json={"email": "a@example.com"})).json()
    await api.patch(f"/customers/{customer['id']}", json={"email": "b@example.com"})

    events = (await api.get("/events")).json()["data"]

    assert [event["type"] for event in events] == ["customer.updated", "customer.created"]
    for event in events:
        assert list(event) == ["id", "type", "resource", "data", "created_at", "reason"]
        assert (event["resource"], event["reason"], len(event["id"])) == ("event", None, 25)
        assert (await api.get(f"/events/{event['id']}")).json() == event
    assert events[1]["data"] == customer
    assert events[0]["data"] == {**customer, "email": "b@example.com"}


async def test_every_change_of_a_payment_is_an_event(api: Api) -> None:
    customer = await api.customer()
    held = {"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    first, second = [(await api.post("/payments", json=held)).json()["id"] for _ in range(2)]
    answers = {
        "payment.captured": (await api.post(f"/payments/{first}/capture")).json(),
        "payment.updated": (await api.patch(f"/payments/{first}", json={"description": "a"})).json(),
        "partial": (await api.post(f"/payments/{first}/refund", json={"amount": 400})).json(),
        "payment.refunded": (await api.post(f"/payments/{first}/refund")).json(),
        "payment.cancelled": (await api.post(f"/payments/{second}/cancel")).json(),
    }
    await api.post("/payments", json={**held, "customer": None, "payment_details": card("4123111111111059")})

    assert await api.events() == [
        "customer.created",
        "payment.authorized",
        "payment.authorized",
        "payment.captured",
        "payment.updated",
        "payment.refund.created",
        "payment.refund.created",
        "payment.refunded",
        "payment.cancelled",
        "payment.failed",
    ]
    shown = {event["type"]: event["data"] for event in (await api.get("/events?per_page=100")).json()["data"]}
    for type, answer in answers.items():
        if type in shown:
            assert shown[type] == answer, type
    assert shown["payment.failed"]["status"] == "failed"


async def test_what_came_to_nothing_leaves_no_event(api: Api) -> None:
    customer = await api.customer()
    payment = (await api.charge(customer)).json()["id"]
    for method, path in (
        ("POST", f"/payments/{payment}/capture"),
        ("POST", f"/payments/{payment}/cancel"),
        ("POST", "/payments"),
        ("PATCH", "/customers/none"),
        ("DELETE", "/customers/none"),
        ("POST", "/payments/none/refund"),
    ):
        assert (await api.request(method, path)).status_code in (404, 422)
    assert await api.events() == ["customer.created", "payment.captured"]


async def test_a_repeated_request_leaves_one_event(api: Api) -> None:
    key = {"X-KOMOJU-IDEMPOTENCY": "a"}
    for _ in range(3):
        await api.post("/customers", json={"payment_details": card()}, headers=key)
    assert await api.events() == ["customer.created"]


async def test_an_answer_that_comes_twice_leaves_one_event(api: Api) -> None:
    customer = await api.customer()
    await api.charge(customer, headers={"Azukari-Fault": "duplicate_reply"})
    assert await api.events() == ["customer.created", "payment.captured"]


async def test_events_come_in_pages_newest_first(house: House) -> None:
    api = house.api
    assert (await api.get("/events")).json()["last_page"] == 0
    made = []
    for _ in range(12):
        made.append((await api.post("/customers")).json()["id"])
        house.clock.advance(1_000)
    pages = [(await api.get("/events", params={"page": page, "per_page": 5})).json() for page in (1, 2, 3)]
    assert [event["data"]["id"] for page in pages for event in page["data"]] == made[::-1]
    fourth = (await api.get("/events?page=3&per_page=5")).json()["data"][-1]["created_at"]
    bounded = (await api.get("/events", params={"end_time": fourth})).json()
    assert [event["data"]["id"] for event in bounded["data"]] == made[:1]


@pytest.mark.parametrize("event_id", ["none", "0" * 25, "日本"])
async def test_an_unknown_event_is_404(api: Api, event_id: str) -> None:
    assert (await api.get(f"/events/{event_id}")).status_code == 404


async def test_each_change_has_its_event_and_no_other_has_one(house: House) -> None:
    api = house.api
    expected: list[tuple[str, Any]] = []

    async def told() -> list[tuple[str, Any]]:
        events = (await api.get("/events", params={"per_page": 100})).json()["data"]
        return [(event["type"], event["data"]) for event in reversed(events)]

    async def after(call: Awaitable[httpx.Response], *types: str) -> str:
        """The id of what an answer shows; its events are the only new ones, and show the same."""
        reply = await call
        shown = reply.json()
        expected.extend((type, shown) for type in types)
        assert await told() == expected
        newest = (await api.get("/events", params={"per_page": 1})).content
        assert b'"data":' + reply.content + b',"created_at"' in newest
        return str(shown["id"])

    customer = await after(api.post("/customers", json={"payment_details": card()}), "customer.created")
    path = f"/customers/{customer}"
    await after(api.patch(path, json={"email": "a@example.com"}), "customer.updated")
    await after(api.patch(path, json={"payment_details": card("5555555555554444")}), "customer.updated")
    paid = f"/payments/{await after(api.charge(customer), 'payment.captured')}"
    await after(api.patch(paid, json={"description": "Tea", "metadata": {"a": "1"}}), "payment.updated")
    await after(api.post(f"{paid}/refund", json={"amount": 300}), "payment.refund.created")
    await after(api.post(f"{paid}/refund"), "payment.refund.created", "payment.refunded")
    held = {"amount": 500, "currency": "JPY", "customer": customer, "capture": False}
    holds = [f"/payments/{await after(api.post('/payments', json=held), 'payment.authorized')}" for _ in range(3)]
    await after(api.post(f"{holds[0]}/capture", json={"amount": 200}), "payment.captured")
    await after(api.post(f"{holds[1]}/cancel"), "payment.cancelled")

    house.clock.advance(32 * DAY)
    await expiry.expire(house.services)
    expected.append(("payment.expired", (await api.get(holds[2])).json()))
    assert await told() == expected
    await api.charge(customer, headers={"Komoju-Scenario": "card_declined"})
    expected.append(("payment.failed", (await api.get("/payments")).json()["data"][0]))
    assert await told() == expected
    deleted = (await api.delete(path)).json()
    # The last one says who is gone, not who that was.
    expected.append(("customer.deleted", {**deleted, "email": None, "metadata": {}, "source": None}))
    assert await told() == expected


async def test_an_event_is_told_in_the_version_of_the_call(api: Api) -> None:
    for version in ("2024-07-15", "2025-01-28"):
        headers = {"X-KOMOJU-API-VERSION": version}
        order = {"amount": 1000, "currency": "JPY", "payment_details": card(), "capture": False}
        payment = (await api.post("/payments", json=order, headers=headers)).json()["id"]
        captured = await api.post(f"/payments/{payment}/capture", json={"amount": 400}, headers=headers)

        newest = (await api.get("/events", params={"per_page": 1})).content

        assert b'"data":' + captured.content + b',"created_at"' in newest


async def test_events_are_listed_by_when_they_happened(house: House) -> None:
    api = house.api
    for _ in range(3):
        await api.post("/customers")
        house.clock.advance(DAY)
    events = (await api.get("/events")).json()["data"]
    middle = events[1]["created_at"]

    async def listed(**query: str) -> list[Any]:
        return list((await api.get("/events", params=query)).json()["data"])

    assert await listed(start_time=middle) == events[:2]
    assert await listed(end_time=middle) == events[1:]
    assert await listed(start_time=middle, end_time=middle) == [events[1]]


async def test_what_is_refused_by_the_bank_leaves_no_event_but_of_a_new_payment(api: Api) -> None:
    customer = await api.customer()
    payment = (await api.charge(customer)).json()["id"]
    before = await api.events()

    bad = {"payment_details": card("4123111111111059")}
    assert (await api.post("/customers", json=bad)).status_code == 502
    assert (await api.patch(f"/customers/{customer}", json=bad)).status_code == 502
    refund = await api.post(f"/payments/{payment}/refund", headers={"Azukari-Fault": "processor_down"})
    assert refund.status_code == 504
    await api.token()

    assert await api.events() == before
    await api.post("/payments", json={"amount": 1, "currency": "JPY", **bad})
    assert await api.events() == [*before, "payment.failed"]
