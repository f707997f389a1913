"""Deliveries that fail: what counts as a failure, when it is tried again, and that it holds nothing else up."""

import asyncio

import pytest

from azukari.core.clock import DAY, MINUTE, SECOND
from azukari.merchants import keys
from azukari.merchants import service as merchants
from azukari.webhooks import deliveries, fanout
from azukari.webhooks.sending import WAITS, Sender
from tests.faults.sites import Rows
from tests.house import House
from tests.webhooks.receiver import SECRET, Got, Receiver, receiving
from tests.webhooks.work import Work, endpoint, log_of


async def test_a_failure_is_tried_again_by_the_schedule_and_then_given_up(
    house: House, receiver: Receiver, work: Work
) -> None:
    receiver.answer = lambda _: 500
    made = await endpoint(house, receiver)
    await work.deliver()
    for number, wait in enumerate(WAITS, 1):
        assert len(receiver.got) == number
        house.clock.advance(wait - 20 * SECOND)
        await work.send()
        assert len(receiver.got) == number
        house.clock.advance(30 * SECOND)
        await work.send()
    await work.give_up(2)

    assert len(receiver.got) == len(WAITS) + 1 == 10
    assert len({got.headers["x-komoju-id"] for got in receiver.got}) == 1
    tried = await log_of(house, made)
    assert [each.number for each in tried] == list(range(10, 0, -1))
    assert {(each.code, each.state) for each in tried} == {(500, "dead")}


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.8), (1.0, 1.2)])
async def test_a_wait_is_a_fifth_shorter_or_longer(
    house: House, receiver: Receiver, chance: float, factor: float
) -> None:
    receiver.answer = lambda _: 503
    await endpoint(house, receiver)
    work = Work(house, Sender(house.services, chance=lambda: chance))
    await work.deliver()
    house.clock.advance(int(MINUTE * factor) - 10 * SECOND)
    await work.send()
    assert len(receiver.got) == 1
    house.clock.advance(20 * SECOND)
    await work.send()

    assert len(receiver.got) == 2
    await work.sender.close()


async def test_whoever_is_gone_is_not_told_again(house: House, receiver: Receiver, work: Work) -> None:
    receiver.answer = lambda _: 410
    made = await endpoint(house, receiver)
    await work.deliver()
    await house.api.customer()
    await work.deliver()
    await work.give_up(2)

    assert len(receiver.got) == 1
    shown = (await house.api.get(f"/webhook_endpoints/{made['id']}")).json()
    assert (shown["active"], shown["disabled_reason"]) == (False, "gone")

    receiver.answer = lambda _: 204
    shown = (await house.api.patch(f"/webhook_endpoints/{made['id']}", json={"active": True})).json()
    assert (shown["active"], shown["disabled_reason"]) == (True, None)
    await house.api.customer()
    await work.deliver()
    assert receiver.types == ["ping", "customer.created"]


async def test_a_redirect_is_a_failure_and_is_not_followed(house: House, receiver: Receiver, work: Work) -> None:
    async with receiving() as elsewhere:
        receiver.answer = lambda _: f"HTTP/1.1 307 X\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode()
        made = await endpoint(house, receiver)
        await work.deliver()

        assert elsewhere.got == []
    assert [(each.code, each.state) for each in await log_of(house, made)] == [(307, "pending")]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(b"", "broken"), (b"nonsense\r\n\r\n", "broken"), (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000, "broken")],
)
async def test_an_answer_nobody_can_read_is_a_failure(
    house: House, receiver: Receiver, work: Work, answer: bytes, failure: str
) -> None:
    receiver.answer = lambda _: answer
    made = await endpoint(house, receiver)
    await work.deliver()

    assert [(each.code, each.failure) for each in await log_of(house, made)] == [(None, failure)]


async def test_a_long_answer_is_not_read_to_its_end(house: House, receiver: Receiver, work: Work) -> None:
    receiver.answer = lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"a" * 200_000
    made = await endpoint(house, receiver)
    await work.deliver()

    assert [(each.code, each.state) for each in await log_of(house, made)] == [(200, "delivered")]


async def test_a_server_that_is_not_there_is_a_failure(house: House, work: Work) -> None:
    async with receiving() as receiver:
        made = await endpoint(house, receiver)
    await work.deliver()

    assert [(each.code, each.failure) for each in await log_of(house, made)] == [(None, "connect")]


async def test_a_server_that_hangs_is_let_go(
    house: House, receiver: Receiver, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azukari.webhooks.post.TOTAL_SECONDS", 0.2)
    receiver.answer = lambda _: None
    made = await endpoint(house, receiver)
    await work.deliver()

    assert [(each.code, each.failure) for each in await log_of(house, made)] == [(None, "timeout")]


async def test_one_that_hangs_holds_up_nobody_else(house: House, receiver: Receiver, work: Work) -> None:
    async with receiving() as slow:
        slow.held.clear()
        await endpoint(house, slow)
        await endpoint(house, receiver)
        for _ in range(10):
            await house.api.customer()
        await fanout.look(house.services)
        await work.sender.begin()
        async with asyncio.timeout(30):
            while len(receiver.got) < 11:
                await asyncio.sleep(0.01)
        assert slow.most == 4
        slow.held.set()
        await work.sender.finish()

    assert len(slow.got) == 11
    assert slow.most <= 4
    assert receiver.most <= 4


async def test_half_of_all_tries_fail_and_all_arrive(house: House, receiver: Receiver, work: Work) -> None:
    count = 0

    def every_other(_: Got) -> int:
        nonlocal count
        count += 1
        return 200 if count % 2 else 500

    await endpoint(house, receiver)
    for _ in range(40):
        await house.api.customer()
    receiver.answer = every_other
    await work.deliver()
    await work.give_up()

    assert len({got.id for got in receiver.got}) == 41
    assert all(got.signed_with(SECRET) for got in receiver.got)
    left = await house.services.db.read(deliveries.waiting, house.clock.now() + 100 * DAY)
    assert left == []


async def test_a_ping_that_fails_holds_no_event_up(house: House, receiver: Receiver, work: Work) -> None:
    receiver.answer = lambda got: 500 if got.event["type"] == "ping" else 200
    await endpoint(house, receiver, ordered=True)
    await house.api.customer()
    await house.api.customer()
    await work.deliver()
    assert receiver.types == ["ping", "customer.created", "customer.created"]


@pytest.mark.parametrize("spoilt", [0, 1])
@pytest.mark.parametrize("of_payments", [False, True], ids=["endpoints", "payments' own"])
async def test_an_endpoint_that_cannot_be_read_holds_up_no_other(
    house: House, receiver: Receiver, work: Work, spoilt: int, of_payments: bool
) -> None:
    rows = Rows(house.services.settings)
    merchant = await merchants.create(house.services.db, "Another shop", house.services.clock, house.services.ids)
    other = (await house.services.api_keys.make_pair(merchant.id, keys.TEST)).secret.reveal()
    shops = [house.api, house.api.as_key(other)]
    wanted = {"url": receiver.url, "secret": SECRET, "events": ["payment.captured"]}
    payments = []
    for shop in shops:
        if not of_payments:
            await shop.post("/webhook_endpoints", json=wanted)
        more = {"webhooks": wanted} if of_payments else {}
        order = {"amount": 1000, "currency": "JPY", "customer": await shop.customer(), **more}
        payments.append((await shop.post("/payments", json=order)).json()["id"])
    owner = (await house.services.api_keys.resolve(shops[spoilt].key, None)).owner
    await rows.change(f"UPDATE webhook_endpoints SET events = '{{' WHERE merchant_id = '{owner.merchant_id}'")
    await rows.close()

    await work.deliver()

    told = [got.event["data"]["id"] for got in receiver.got if got.event["type"] == "payment.captured"]
    assert told == [payments[1 - spoilt]]
