"""Events reach merchants' servers: what is sent, to which endpoints, in which order."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from azukari.core.clock import DAY, HOUR, MINUTE, SECOND, Moment, iso
from azukari.core.ids import RandomIds, earliest
from azukari.db import Tx
from azukari.events import store as events
from azukari.webhooks import deliveries, fanout, sending
from azukari.webhooks import service as webhooks
from azukari.webhooks.deliveries import LEASE, Delivery
from azukari.webhooks.sending import Sender
from tests.house import House
from tests.postgres import rows_read
from tests.webhooks.receiver import SECRET, Got, Receiver
from tests.webhooks.work import Work, endpoint, log_of, owner_of


async def replayed(house: House, made: dict[str, Any], **order: Any) -> int:
    """How many events are sent again."""
    reply = await house.api.post(f"/webhook_endpoints/{made['id']}/replay", json=order)
    assert reply.status_code == 200, reply.text
    assert reply.json()["webhook_endpoint"] == made["id"]
    return int(reply.json()["sent_again"])


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
