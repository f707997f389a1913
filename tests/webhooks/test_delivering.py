"""Events reach merchants' servers: what is sent, and what their answers mean."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from azukari.core.clock import DAY, HOUR, MINUTE, SECOND, Moment, iso
from azukari.core.ids import RandomIds, earliest
from azukari.db import Tx
from azukari.events import store as events
from azukari.merchants import keys
from azukari.merchants import service as merchants
from azukari.webhooks import deliveries, fanout, sending
from azukari.webhooks import service as webhooks
from azukari.webhooks.deliveries import LEASE, Delivery, DeliveryAttempt
from azukari.webhooks.sending import WAITS, Sender
from tests.faults.sites import Rows
from tests.house import House
from tests.postgres import rows_read
from tests.webhooks.receiver import SECRET, Got, Receiver, receiving
from tests.webhooks.work import Work, endpoint, owner_of


async def replayed(house: House, made: dict[str, Any], **order: Any) -> int:
    """How many events are sent again."""
    reply = await house.api.post(f"/webhook_endpoints/{made['id']}/replay", json=order)
    assert reply.status_code == 200, reply.text
    assert reply.json()["webhook_endpoint"] == made["id"]
    return int(reply.json()["sent_again"])


async def log_of(house: House, made: dict[str, Any]) -> list[DeliveryAttempt]:
    owner = await owner_of(house)
    found = await house.services.db.read(deliveries.log, owner, made["id"], page=1, per_page=1_000, start=0, end=2**62)
    return found.rows


async def test_a_new_endpoint_gets_a_ping_and_then_what_happens(house: House, receiver: Receiver, work: Work) -> None:
    before = await house.api.customer()
    await endpoint(house, receiver)
    await work.deliver()
    assert receiver.types == ["ping"]

    payment = (await house.api.charge(before)).json()
    await work.deliver()

    assert receiver.types == ["ping", "payment.captured"]
    got = receiver.got[1]
    assert got.path == "/hooks?shop=7"
    assert got.event["data"] == payment
    assert got.body == (await house.api.get(f"/events/{got.id}")).content
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["user-agent"] == "Komoju-Webhook"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-komoju-event"] == "payment.captured"
    assert len({each.headers["x-komoju-id"] for each in receiver.got}) == 2
    assert all(each.signed_with(SECRET) for each in receiver.got)
    assert not got.signed_with("another secret of mine")


async def test_nothing_is_sent_twice_that_was_taken(house: House, receiver: Receiver, work: Work) -> None:
    await endpoint(house, receiver)
    await house.api.customer()
    for _ in range(3):
        await work.deliver()
        await fanout.look(house.services, thorough=True)
    await work.give_up(2)

    assert sorted(receiver.types) == ["customer.created", "ping"]


async def test_an_endpoint_is_told_of_what_it_wants_alone(house: House, receiver: Receiver, work: Work) -> None:
    await endpoint(house, receiver, events=["customer.deleted", "payment.captured"])
    customer = await house.api.customer()
    await house.api.delete(f"/customers/{customer}")
    await work.deliver()

    assert sorted(receiver.types) == ["customer.deleted", "ping"]


async def test_an_event_committed_late_is_found(house: House, receiver: Receiver, work: Work) -> None:
    await endpoint(house, receiver)
    early = house.services.ids.new()
    await house.api.customer()
    await work.deliver()
    house.clock.advance(5 * MINUTE)
    await work.deliver()

    owner = await owner_of(house)
    await house.services.db.write(events.record, owner, id=early, type="customer.updated", data=b"{}", now=1)
    await work.deliver()
    assert "customer.updated" not in receiver.types
    await fanout.look(house.services, thorough=True)
    await fanout.look(house.services, thorough=True)
    await work.send()

    assert receiver.types.count("customer.updated") == 1


async def test_what_happened_while_no_worker_ran_is_found(house: House, receiver: Receiver, work: Work) -> None:
    await endpoint(house, receiver)
    await house.api.customer()
    house.clock.advance(20 * DAY)
    await work.deliver()
    assert receiver.types == ["ping"]

    await fanout.look(house.services, thorough=True)
    await work.send()

    assert receiver.types == ["ping", "customer.created"]


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


async def test_two_workers_send_each_once_and_four_at_a_time(house: House, receiver: Receiver, work: Work) -> None:
    await endpoint(house, receiver)
    for _ in range(20):
        await house.api.customer()
    another = Sender(house.services)
    await asyncio.gather(fanout.look(house.services), fanout.look(house.services))
    async with asyncio.timeout(60):
        while len(receiver.got) < 21:
            await asyncio.gather(work.send(), another.begin())
            await another.finish()
    await another.close()

    assert len({got.id for got in receiver.got}) == len(receiver.got) == 21
    assert receiver.most <= 4


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_taking_a_few_costs_the_same_among_many(house: House, receiver: Receiver) -> None:
    made, owner, services = await endpoint(house, receiver), await owner_of(house), house.services
    for _ in range(300):
        await services.db.write(
            events.record, owner, id=services.ids.new(), type="customer.updated", data=b"{}", now=services.clock.now()
        )
    await fanout.look(services)
    read = rows_read("webhook_deliveries")

    async def cost(tx: Tx, at: Moment) -> int:
        _, claimed = await deliveries.claim(tx, owner, made["id"], at, 4) or (None, [])
        assert len(claimed) == 4
        return await tx.one(read, None) or 0

    assert await services.db.write(cost, await services.moment_of(owner)) < 50


async def test_what_a_dead_worker_had_taken_is_sent_when_its_lease_is_over(
    house: House, receiver: Receiver, work: Work
) -> None:
    made = await endpoint(house, receiver)
    at = await house.services.moment_of(await owner_of(house))
    taken = await house.services.db.write(deliveries.claim, await owner_of(house), made["id"], at, 4)
    assert taken is not None
    await work.send()
    assert receiver.got == []

    house.clock.advance(LEASE + SECOND)
    await work.send()
    assert receiver.types == ["ping"]

    late = deliveries.Outcome(deliveries.DEAD, None, 500, None, 1)
    delivery: Delivery = taken[1][0].delivery
    assert not await house.services.db.write(deliveries.finish, delivery, late, house.services.ids.new(), at)
    assert [each.state for each in await log_of(house, made)] == ["delivered"]


async def test_an_ordered_endpoint_gets_one_after_the_other(house: House, receiver: Receiver, work: Work) -> None:
    seen: dict[str, int] = {}

    def every_other(got: Got) -> int:
        seen[got.id] = seen.get(got.id, 0) + 1
        return 200 if seen[got.id] == 2 else 500

    made = await endpoint(house, receiver, ordered=True, events=["customer.created"])
    await work.deliver()
    receiver.got.clear()
    receiver.answer = every_other
    for _ in range(6):
        await house.api.customer()
    await work.deliver()
    for _ in range(6):
        house.clock.advance(2 * MINUTE)
        await work.send()

    ids = [got.id for got in receiver.got]
    assert ids == sorted(ids)
    assert [seen[id] for id in dict.fromkeys(ids)] == [2] * 6
    assert receiver.most == 1
    assert {each.state for each in await log_of(house, made)} == {"delivered"}


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


async def test_events_are_sent_again_one_some_and_all_that_were_given_up(
    house: House, receiver: Receiver, work: Work
) -> None:
    made = await endpoint(house, receiver, events=["customer.created"])
    start = house.clock.now()
    house.clock.advance(SECOND)
    customer = await house.api.customer()
    await house.api.delete(f"/customers/{customer}")
    await work.deliver()
    assert sorted(receiver.types) == ["customer.created", "ping"]
    created = next(got for got in receiver.got if got.event["type"] == "customer.created")
    listed = (await house.api.get("/events", params={"per_page": 100})).json()["data"]
    deleted = next(event["id"] for event in listed if event["type"] == "customer.deleted")
    receiver.got.clear()

    # One, also where the endpoint does not want its kind.
    assert await replayed(house, made, event=deleted) == 1
    assert await replayed(house, made, event=created.id) == 1
    assert await replayed(house, made, event=created.id) == 0
    await work.send()
    assert sorted(receiver.types) == ["customer.created", "customer.deleted"]
    again = next(got for got in receiver.got if got.event["type"] == "customer.created")
    assert again.headers["x-komoju-id"] == created.headers["x-komoju-id"]
    assert again.body == created.body
    assert again.signed_with(SECRET)

    # What happened in a time, and is wanted.
    receiver.got.clear()
    assert await replayed(house, made, start_time=iso(start), end_time=iso(house.clock.now() + HOUR)) == 1
    await work.send()
    assert receiver.types == ["customer.created"]

    # What was given up.
    receiver.got.clear()
    receiver.answer = lambda _: 500
    await house.api.customer()
    await work.deliver()
    await work.give_up()
    receiver.got.clear()
    receiver.answer = lambda _: 200
    assert await replayed(house, made, dead=True) == 1
    assert await replayed(house, made, dead=True) == 0
    await work.send()
    assert receiver.types == ["customer.created"]


async def test_the_next_delivery_of_an_owner_and_sending_all_that_is_due(
    house: House, receiver: Receiver, work: Work
) -> None:
    owner = await owner_of(house)
    assert await house.services.db.read(deliveries.next_due, owner) is None
    await sending.deliver_due(house.services, owner)
    receiver.answer = lambda _: 500
    await endpoint(house, receiver, ordered=True, events=["customer.created"])
    await house.api.customer()
    await house.api.customer()
    await sending.deliver_due(house.services, owner)
    # The ping, and the first of two that come one after the other.
    assert receiver.types == ["ping", "customer.created"]
    for count in (3, 4):
        due = await house.services.db.read(deliveries.next_due, owner)
        assert due is not None
        assert due > house.clock.now()
        house.clock.advance(due - house.clock.now() + 1)
        await sending.deliver_due(house.services, owner)
        assert len(receiver.got) >= count
    receiver.answer = lambda _: 200
    for _ in range(4):
        house.clock.advance(HOUR)
        await sending.deliver_due(house.services, owner)
    assert await house.services.db.read(deliveries.next_due, owner) is None
    assert len({got.id for got in receiver.got}) == 3


async def test_a_ping_that_fails_holds_no_event_up(house: House, receiver: Receiver, work: Work) -> None:
    receiver.answer = lambda got: 500 if got.event["type"] == "ping" else 200
    await endpoint(house, receiver, ordered=True)
    await house.api.customer()
    await house.api.customer()
    await work.deliver()
    assert receiver.types == ["ping", "customer.created", "customer.created"]


async def test_what_was_under_way_when_an_endpoint_was_made_is_not_for_it(
    house: House, receiver: Receiver, work: Work
) -> None:
    before = house.services.ids.new()
    await endpoint(house, receiver)
    await house.services.db.write(
        events.record, await owner_of(house), id=before, type="customer.updated", data=b"{}", now=house.clock.now()
    )
    await work.deliver()
    assert receiver.types == ["ping"]


async def test_a_deleted_endpoint_gets_nothing_any_more(house: House, receiver: Receiver, work: Work) -> None:
    made = await endpoint(house, receiver)
    await work.deliver()
    await house.api.customer()
    await fanout.look(house.services)
    assert (await house.api.delete(f"/webhook_endpoints/{made['id']}")).status_code == 200
    await work.deliver()
    await work.give_up(2)

    assert receiver.types == ["ping"]


async def test_a_rolled_secret_signs_for_one_more_day(house: House, receiver: Receiver, work: Work) -> None:
    made = await endpoint(house, receiver)
    rolled = (await house.api.post(f"/webhook_endpoints/{made['id']}/roll")).json()
    assert rolled["secret"] not in (None, SECRET)
    assert rolled["previous_secret_until"] is not None
    await work.deliver()
    got = receiver.got[0]
    assert got.signed_with(rolled["secret"])
    assert not got.first_signature(SECRET)
    stamp, *both = got.headers["x-komoju-signature-v2"].split(",")
    assert stamp.startswith("t=")
    assert len(both) == 2

    house.clock.advance(DAY + SECOND)
    assert await webhooks.end_old_secrets(house.services, 10) == 1
    assert await webhooks.end_old_secrets(house.services, 10) == 0
    await house.api.customer()
    await work.deliver()
    assert receiver.got[1].signed_with(rolled["secret"])
    assert len(receiver.got[1].headers["x-komoju-signature-v2"].split(",")) == 2
    shown = (await house.api.get(f"/webhook_endpoints/{made['id']}")).json()
    assert shown["previous_secret_until"] is None


async def test_old_deliveries_are_forgotten_and_not_sent_again(house: House, receiver: Receiver, work: Work) -> None:
    made = await endpoint(house, receiver)
    await work.deliver()
    house.clock.advance(31 * DAY)
    await fanout.look(house.services, thorough=True)
    assert await house.services.db.write(deliveries.forget, house.clock.now() - 30 * DAY, 10) == 1
    assert await log_of(house, made) == []
    await work.deliver()
    assert receiver.types == ["ping"]


def test_an_earliest_id_sorts_between_ids_of_two_moments() -> None:
    class At:
        moment = 1_700_000_000_000

        def now(self) -> int:
            return self.moment

    clock = At()
    before = RandomIds(clock).new()
    clock.moment += 1
    assert before < earliest(clock.moment) < RandomIds(clock).new()


async def test_the_sample_in_the_guide_tells_genuine_from_not(house: House, receiver: Receiver, work: Work) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    sample: dict[str, Any] = {}
    exec(guide.partition("```python\n")[2].partition("```")[0], sample)
    made = await endpoint(house, receiver)
    rolled = (await house.api.post(f"/webhook_endpoints/{made['id']}/roll")).json()
    await work.deliver()
    got = receiver.got[0]
    names = ("X-Komoju-ID", "X-Komoju-Signature-V2")
    headers = {name: got.headers[name.lower()] for name in names}

    # The test's clock may be ahead of the machine's by the second an ordered endpoint waits.
    for secret in (SECRET, rolled["secret"]):
        assert sample["is_genuine"](secret, headers, got.body)
    assert not sample["is_genuine"](SECRET, headers, got.body + b" ")
    assert not sample["is_genuine"](SECRET, headers | {"X-Komoju-ID": "another"}, got.body)
    assert not sample["is_genuine"](SECRET + "x", headers, got.body)
    assert not sample["is_genuine"](SECRET, headers, got.body, window_seconds=-1)


@pytest.mark.parametrize("spoilt", [0, 1])
@pytest.mark.parametrize("of_payments", [False, True], ids=["endpoints", "payments' own"])
async def test_an_endpoint_that_cannot_be_read_holds_up_no_other(
    house: House, receiver: Receiver, work: Work, spoilt: int, of_payments: bool
) -> None:
    rows = Rows(house.services.settings)
    merchant = await merchants.create(house.services.db, "Another shop", house.services.clock, house.services.ids)
    other = (await house.services.keyring.make_pair(merchant.id, keys.TEST)).secret.reveal()
    shops = [house.api, house.api.as_key(other)]
    wanted = {"url": receiver.url, "secret": SECRET, "events": ["payment.captured"]}
    payments = []
    for shop in shops:
        if not of_payments:
            await shop.post("/webhook_endpoints", json=wanted)
        more = {"webhooks": wanted} if of_payments else {}
        order = {"amount": 1000, "currency": "JPY", "customer": await shop.customer(), **more}
        payments.append((await shop.post("/payments", json=order)).json()["id"])
    owner = (await house.services.keyring.resolve(shops[spoilt].key, None)).owner
    await rows.change(f"UPDATE webhook_endpoints SET events = '{{' WHERE merchant_id = '{owner.merchant_id}'")
    await rows.close()

    await work.deliver()

    told = [got.event["data"]["id"] for got in receiver.got if got.event["type"] == "payment.captured"]
    assert told == [payments[1 - spoilt]]
