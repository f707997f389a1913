"""``webhooks`` of a payment: its events alone go there, signed, and nobody else's."""

from typing import Any

import pytest

from azukari.core.clock import DAY
from azukari.webhooks import of_payments, store
from tests.house import House
from tests.leaks.places import rows_of
from tests.webhooks.receiver import SECRET, Receiver, receiving
from tests.webhooks.work import Work, endpoint

OWN_SECRET = "a secret of this payment's own"


async def pay(house: House, webhooks: Any, **more: Any) -> dict[str, Any]:
    customer = more.pop("customer", None) or await house.api.customer()
    order = {"amount": 1000, "currency": "JPY", "customer": customer, "webhooks": webhooks, **more}
    reply = await house.api.post("/payments", json=order)
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def rows(house: House) -> list[tuple[Any, ...]]:
    found = await rows_of(house)
    return next(rows for name, rows in found.items() if name.endswith("webhook_endpoints"))


async def test_a_payments_events_go_where_it_says_and_no_others_do(
    house: House, receiver: Receiver, work: Work
) -> None:
    hook = {"url": receiver.url, "secret": OWN_SECRET}
    payment = await pay(house, hook, capture=False)
    await pay(house, None)
    await work.deliver()
    await house.api.post(f"/payments/{payment['id']}/capture")
    await house.api.post(f"/payments/{payment['id']}/refund")
    await work.deliver()

    assert sorted(receiver.types) == sorted(
        ["payment.authorized", "payment.captured", "payment.refund.created", "payment.refunded"]
    )
    assert {got.event["data"]["id"] for got in receiver.got} == {payment["id"]}
    assert all(got.signed_with(OWN_SECRET) for got in receiver.got)
    for got in receiver.got:
        assert got.body == (await house.api.get(f"/events/{got.id}")).content


async def test_a_short_secret_is_told_of_in_the_log_alone(
    house: House, receiver: Receiver, work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    payment = await pay(house, {"url": receiver.url, "secret": "8letters"})
    await work.deliver()

    told = capsys.readouterr()
    assert "webhook.short_secret" in told.out + told.err
    assert "8letters" not in told.out + told.err
    assert "warnings" not in payment
    assert [got.signed_with("8letters") for got in receiver.got] == [True]
    order = {"amount": 1, "currency": "JPY", "customer": await house.api.customer()}
    refused = await house.api.post("/payments", json={**order, "webhooks": {"url": receiver.url, "secret": "7 signs"}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_parameter")


async def test_without_a_secret_the_oldest_endpoint_signs(house: House, receiver: Receiver, work: Work) -> None:
    order = {"amount": 1, "currency": "JPY", "customer": await house.api.customer(), "webhooks": receiver.url}
    refused = await house.api.post("/payments", json=order)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "webhooks")
    async with receiving() as general:
        await endpoint(house, general, events=["ping"])
        await endpoint(house, general, events=["ping"], secret="another secret of sixteen")
        await pay(house, receiver.url)
        await work.deliver()
    assert receiver.types == ["payment.captured"]
    assert receiver.got[0].signed_with(SECRET)


async def test_what_nobody_can_sign_is_tried_and_given_up_like_any_other(
    house: House, receiver: Receiver, work: Work
) -> None:
    async with receiving() as general:
        first = await endpoint(house, general, events=["ping"])
        payment = await pay(house, receiver.url)
        await house.api.delete(f"/webhook_endpoints/{first['id']}")
        await work.deliver()
        assert (await house.api.post("/test/clock", json={"advance": "PT30S"})).status_code == 200
        assert receiver.got == []

        await endpoint(house, general, events=["ping"], secret=OWN_SECRET)
        await work.give_up(1)
        assert [got.signed_with(OWN_SECRET) for got in receiver.got] == [True]

        for each in (await house.api.get("/webhook_endpoints")).json()["data"]:
            await house.api.delete(f"/webhook_endpoints/{each['id']}")
        await house.api.post(f"/payments/{payment['id']}/refund")
        await work.deliver()
        await work.give_up()
        await endpoint(house, general, events=["ping"])
        await work.give_up()
    assert receiver.types == ["payment.captured"]


async def test_a_payment_has_several_and_each_gets_what_it_wants(house: House, receiver: Receiver, work: Work) -> None:
    async with receiving() as other:
        hooks = [
            {"url": receiver.url, "secret": OWN_SECRET, "events": ["payment.refunded"]},
            {"url": other.url, "secret": SECRET},
        ]
        payment = await pay(house, hooks)
        await house.api.post(f"/payments/{payment['id']}/refund")
        await work.deliver()
        assert receiver.types == ["payment.refunded"]
        assert len(other.got) == 3
        assert all(got.signed_with(SECRET) for got in other.got)


async def test_one_that_fails_is_tried_again_and_one_that_is_gone_is_not(
    house: House, receiver: Receiver, work: Work
) -> None:
    receiver.answer = lambda _: 500
    payment = await pay(house, {"url": receiver.url, "secret": OWN_SECRET})
    await work.deliver()
    await work.give_up(1)
    assert receiver.types == ["payment.captured"] * 2
    receiver.answer = lambda _: 410
    await work.give_up(1)
    assert len(receiver.got) == 3
    await house.api.post(f"/payments/{payment['id']}/refund")
    await work.deliver()
    await work.give_up(3)
    assert len(receiver.got) == 3


@pytest.mark.parametrize(
    ("webhooks", "param"),
    [
        ("http://1.1.1.1/", "webhooks"), ("https://10.0.0.1/", "webhooks"), ("nonsense", "webhooks"),
        ({"url": "https://1.1.1.1/", "secret": "short"}, "webhooks[0][secret]"),
        ([{"url": "https://1.1.1.1/", "secret": SECRET}, {"secret": SECRET}], "webhooks[1][url]"),
        ({"url": "https://1.1.1.1/", "secret": SECRET, "events": []}, "webhooks[0][events]"),
        ([{"url": "https://1.1.1.1/", "secret": SECRET}] * 6, "webhooks"), (7, "webhooks[0]"), ([["a"]], "webhooks[0]"),
    ],
)  # fmt: skip
async def test_what_is_no_webhook_is_refused_and_nothing_is_charged(house: House, webhooks: Any, param: str) -> None:
    order = {"amount": 1000, "currency": "JPY", "customer": await house.api.customer(), "webhooks": webhooks}
    reply = await house.api.post("/payments", json=order)
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, param), reply.text
    assert (await house.api.get("/payments")).json()["total"] == 0


@pytest.mark.parametrize("webhooks", [None, "", []])
async def test_none_is_none(house: House, work: Work, webhooks: Any) -> None:
    await pay(house, webhooks)
    assert await rows(house) == []


async def test_no_route_shows_them(house: House, receiver: Receiver, work: Work) -> None:
    await pay(house, {"url": receiver.url, "secret": OWN_SECRET})
    (row,) = await rows(house)
    assert (await house.api.get("/webhook_endpoints")).json()["total"] == 0
    for each in row:
        if isinstance(each, str) and len(each) == 25:
            assert (await house.api.get(f"/webhook_endpoints/{each}")).status_code == 404
            assert (await house.api.delete(f"/webhook_endpoints/{each}")).status_code == 404


async def test_a_charge_that_is_repeated_has_its_webhooks_once(house: House, receiver: Receiver, work: Work) -> None:
    order = {
        "amount": 1000, "currency": "JPY", "customer": await house.api.customer(),
        "webhooks": [{"url": receiver.url, "secret": OWN_SECRET}],
    }  # fmt: skip
    for _ in range(3):
        await house.api.post("/payments", json=order, headers={"X-KOMOJU-IDEMPOTENCY": "one"})
    await work.deliver()
    assert receiver.types == ["payment.captured"]


async def test_they_and_their_secrets_are_forgotten_half_a_year_later(
    house: House, receiver: Receiver, work: Work
) -> None:
    payment = await pay(house, {"url": receiver.url, "secret": OWN_SECRET})
    await work.deliver()
    house.clock.advance(store.LIFE_OF_PAYMENTS + DAY)
    assert await of_payments.forget_old(house.services, 10) == 1
    assert await of_payments.forget_old(house.services, 10) == 0
    await house.api.post(f"/payments/{payment['id']}/refund")
    await work.deliver()
    assert receiver.types == ["payment.captured"]
