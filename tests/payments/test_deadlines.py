"""``payment_deadline`` of cards: two days on once captured, thirty while held. Source: contract 3.4, 3.5."""

from typing import Any

import pytest

from azukari.core.clock import DAY, end_of_japanese_day, iso, parse_iso
from azukari.payments import expiry
from tests.house import Api, House, card
from tests.sessions.sessions import make
from tests.sessions.sessions import pay as pay_session
from tests.time_travel.clocks import set_clock
from tests.webhooks.work import owner_of

ORDER: dict[str, Any] = {"amount": 1000, "currency": "JPY"}


async def pay(api: Api, **more: Any) -> dict[str, Any]:
    """A payment, by card unless told otherwise."""
    details = {} if "customer" in more else {"payment_details": card()}
    reply = await api.post("/payments", json={**ORDER, **details, **more})
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


def two_days_on(payment: dict[str, Any]) -> str:
    """The end of the day in Japan two days after a payment's creation."""
    return iso(end_of_japanese_day(parse_iso(payment["created_at"]), 2))


@pytest.mark.parametrize(
    ("now", "deadline"),
    [
        ("2031-05-05T03:00:00Z", "2031-05-07T14:59:59Z"),
        ("2031-05-05T14:59:59Z", "2031-05-07T14:59:59Z"),
        ("2031-05-05T15:00:00Z", "2031-05-08T14:59:59Z"),
        ("2031-12-30T23:00:00Z", "2032-01-02T14:59:59Z"),
        ("2032-02-27T00:00:00Z", "2032-02-29T14:59:59Z"),
    ],
)
async def test_a_captured_card_shows_the_end_of_the_second_day_in_japan(api: Api, now: str, deadline: str) -> None:
    await set_clock(api, freeze=True)
    await set_clock(api, now=now)

    payment = await pay(api)

    assert (payment["status"], payment["payment_deadline"]) == ("captured", deadline)
    assert (await api.get(f"/payments/{payment['id']}")).json() == payment
    assert (await api.get("/payments")).json()["data"] == [payment]
    assert (await api.get("/events")).json()["data"][0]["data"] == payment


async def test_every_way_a_card_is_captured_shows_it(house: House) -> None:
    api = house.api
    customer = await api.customer()
    session = await make(api)
    subscription = {"customer": customer, "amount": 1000, "currency": "JPY", "period": "monthly"}
    kept = await make(api, mode="customer_payment")
    secure = await api.secure_token()
    ways = [
        await pay(api),
        await pay(api, payment_details=await api.token()),
        await pay(api, payment_details=secure["id"]),
        await pay(api, customer=customer),
        (await pay_session(api, session)).json()["payment"],
        (await pay_session(api, kept)).json()["payment"],
        (await api.get(f"/sessions/{session['id']}")).json()["payment"],
        await of_subscription(api, subscription),
        await pay(
            api, payment_details=card(type="credit_card_brazil", cpf_or_cnpj="12345678909", customer_ip="203.0.113.7")
        ),
    ]

    for payment in ways:
        assert (payment["status"], payment["payment_deadline"]) == ("captured", two_days_on(payment))


async def of_subscription(api: Api, order: dict[str, Any]) -> dict[str, Any]:
    """The first payment of a new subscription."""
    made = (await api.post("/subscriptions", json=order)).json()
    found: dict[str, Any] = (await api.get(f"/payments/{made['payments'][0]}")).json()
    return found


async def test_a_hold_keeps_its_thirty_days_until_it_is_captured(house: House) -> None:
    held = await pay(house.api, capture=False)
    assert parse_iso(held["payment_deadline"]) == end_of_japanese_day(parse_iso(held["created_at"]), 30)
    house.clock.advance(10 * DAY)

    captured = (await house.api.post(f"/payments/{held['id']}/capture", json={"amount": 600})).json()

    # Counted from the payment's creation, as of any other card.
    assert (captured["status"], captured["payment_deadline"]) == ("captured", two_days_on(held))


async def test_the_deadline_of_a_captured_card_ends_nothing(house: House) -> None:
    """Nor is there anything for a sweep to look at, however many there are."""
    api = house.api
    payment = await pay(api)
    held = await pay(api, capture=False)
    await api.post(f"/payments/{held['id']}/capture")
    assert await house.services.db.read(expiry.next_due, await owner_of(house)) is None
    house.clock.advance(40 * DAY)

    assert await expiry.expire(house.services) == 0

    assert (await api.get(f"/payments/{payment['id']}")).json() == payment
    refunded = (await api.post(f"/payments/{payment['id']}/refund")).json()
    assert (refunded["status"], refunded["payment_deadline"]) == ("refunded", payment["payment_deadline"])


async def test_what_was_not_captured_or_is_no_card_shows_none(api: Api) -> None:
    held = await pay(api, capture=False)
    cancelled = (await api.post(f"/payments/{held['id']}/cancel")).json()
    declined = await api.post("/payments", json={**ORDER, "payment_details": card("4123111111111000")})
    failed = (await api.get("/payments", params={"status": "failed"})).json()["data"][0]
    till = await pay(api, payment_details={"type": "konbini", "store": "lawson", "email": "taro@example.com"})
    paid = (await api.post(f"/test/payments/{till['id']}/simulate", json={"outcome": "paid"})).json()

    assert declined.status_code == 502
    assert [each["payment_deadline"] for each in (cancelled, failed, paid)] == [None, None, None]
    assert till["payment_deadline"] is not None
