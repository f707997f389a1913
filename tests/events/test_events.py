"""Events: facts, written with the change they report. Source: contract section 13."""

import pytest

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
        "customer.created", "payment.authorized", "payment.authorized", "payment.captured", "payment.updated",
        "payment.refund.created", "payment.refund.created", "payment.refunded", "payment.cancelled", "payment.failed",
    ]  # fmt: skip
    shown = {event["type"]: event["data"] for event in (await api.get("/events?per_page=100")).json()["data"]}
    for type, answer in answers.items():
        if type in shown:
            assert shown[type] == answer, type
    assert shown["payment.failed"]["status"] == "failed"


async def test_what_came_to_nothing_leaves_no_event(api: Api) -> None:
    customer = await api.customer()
    payment = (await api.charge(customer)).json()["id"]
    for method, path in (
        ("POST", f"/payments/{payment}/capture"), ("POST", f"/payments/{payment}/cancel"), ("POST", "/payments"),
        ("PATCH", "/customers/none"), ("DELETE", "/customers/none"), ("POST", "/payments/none/refund"),
    ):  # fmt: skip
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
