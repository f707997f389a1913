"""What one merchant's names and receivers do not answer holds up no other's webhooks (SEC-15, REL-17)."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import MINUTE
from azukari.db import Owner
from azukari.merchants.store import Merchant
from azukari.webhooks import deliveries, fanout, names, sending
from azukari.webhooks.names import Names
from azukari.webhooks.sending import Sender
from tests.house import Api, House
from tests.webhooks.receiver import SECRET, Receiver, receiving
from tests.webhooks.work import Work, endpoint

#: For what must come while nobody else is answered, on a machine that is busy with other things.
SOON = 30
#: The system's own, of a server that is not stood in for.
ASK = socket.getaddrinfo


class NameServer:
    """Stands in for the one that a merchant's names are looked up at: it answers each name once, and then no more."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.silent = threading.Event()
        self.over = threading.Event()

    def getaddrinfo(self, host: str, *more: Any, **named: Any) -> Any:
        if not host.endswith(".silent.example"):
            return ASK(host, *more, **named)
        self.asked.append(host)
        if self.silent.is_set():
            self.over.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return ASK("1.1.1.1", *more, **named)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    # What another test has asked for is no business of this one.
    monkeypatch.setattr(sending, "_names", Names(sending.NAME_SECONDS))
    yield server
    server.over.set()


async def other_merchants_api(house: House) -> Api:
    """The API with a secret test key of another merchant."""
    services = house.services
    pair = services.api_keys.new_pair("test")
    await services.api_keys.enrol(pair, Merchant(services.ids.new(), "Other shop", house.clock.now()))
    return house.api.as_key(pair.secret.reveal())


@contextlib.asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """Its worker, as it runs in a server."""
    stop = asyncio.Event()
    work = asyncio.ensure_future(worker.run(house.services, stop))
    try:
        yield
    finally:
        stop.set()
        await work


async def pay(api: Api, customer: str, hooks: list[dict[str, Any]]) -> None:
    order = {"amount": 1000, "currency": "JPY", "customer": customer, "webhooks": hooks}
    reply = await api.post("/payments", json=order)
    assert reply.status_code == 200, reply.text


async def until(receiver: Receiver, count: int) -> None:
    async with asyncio.timeout(SOON):
        while len(receiver.got) < count:
            await asyncio.sleep(0.01)


async def test_names_that_are_not_answered_hold_up_no_other_merchants_webhooks(
    house: House, receiver: Receiver, name_server: NameServer
) -> None:
    for number in range(40):
        url = f"https://shop-{number}.silent.example/hooks"
        assert (await house.api.post("/webhook_endpoints", json={"url": url})).status_code == 200
    other = await other_merchants_api(house)
    name_server.silent.set()
    async with working(house):
        # All that can be asked is asked, and none of it is answered before this test is over.
        async with asyncio.timeout(SOON):
            while len(name_server.asked) < 40 + names.SHARE:
                await asyncio.sleep(0.01)
        for host in ("localhost", "127.0.0.1"):
            for _ in range(3):
                await house.api.customer()
            order = {"url": f"http://{host}:{receiver.port}/hooks", "secret": SECRET}
            made = await asyncio.wait_for(other.post("/webhook_endpoints", json=order), SOON)
            assert made.status_code == 200
            before = len(receiver.got)
            await other.customer()
            await until(receiver, before + 2)
        assert len(name_server.asked) == 40 + names.SHARE


async def test_a_name_that_is_not_answered_is_refused_in_the_time_a_request_may_take(
    house: House, receiver: Receiver, name_server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azukari.webhooks.service._names", Names(seconds=3))
    other = await other_merchants_api(house)
    customer = await house.api.customer()
    name_server.silent.set()
    refused = [
        house.api.post("/webhook_endpoints", json={"url": f"https://shop-{number}.silent.example/"})
        for number in range(40)
    ]
    hooks = [{"url": f"https://pay-{number}.silent.example/", "secret": SECRET} for number in range(5)]
    order = {"amount": 1, "currency": "JPY", "customer": customer, "webhooks": hooks}
    hanging = asyncio.gather(*refused, house.api.post("/payments", json=order))
    made = await other.post("/webhook_endpoints", json={"url": f"http://localhost:{receiver.port}/", "secret": SECRET})
    assert made.status_code == 200
    replies = await asyncio.wait_for(hanging, SOON)

    assert {reply.status_code for reply in replies} == {422}
    assert all("cannot be found" in reply.json()["error"]["message"] for reply in replies)
    assert len(name_server.asked) == names.SHARE


async def test_receivers_that_hang_hold_up_no_other_merchants_webhooks(house: House, receiver: Receiver) -> None:
    """Of a payment's own, of which a merchant has as many as it likes, and of endpoints."""
    other = await other_merchants_api(house)
    customer, others = await house.api.customer(), await other.customer()
    async with receiving() as slow:
        slow.held.clear()
        order = {"url": receiver.url, "secret": SECRET, "events": ["payment.captured"]}
        assert (await other.post("/webhook_endpoints", json=order)).status_code == 200
        await endpoint(house, slow)
        hooks = [{"url": slow.url, "secret": SECRET}] * 5
        for _ in range(10):
            await asyncio.gather(*(pay(house.api, customer, hooks) for _ in range(40)))
        async with working(house):
            await until(slow, sending.LANES // 3)
            for own in ([], [{"url": receiver.url, "secret": SECRET}]):
                before = len(receiver.got)
                await pay(other, others, own)
                await until(receiver, before + 1 + len(own))
            # None of theirs has been answered by then, and few of two thousand have been tried.
            assert len(slow.got) <= sending.LANES
            assert slow.most <= sending.LANES // 2 + deliveries.IN_FLIGHT


async def test_lanes_are_shared_by_as_many_owners_as_there_are(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LANES", 12)
    sender = Sender(house.services)
    async with receiving() as slow:
        slow.held.clear()
        apis = [await other_merchants_api(house) for _ in range(3)]
        held: list[int] = []
        for api in apis:
            for _ in range(12):
                await api.post("/webhook_endpoints", json={"url": slow.url, "secret": SECRET})
            await sender.begin()
            held.append(len(sender._lanes))
        assert held == [6, 9, 11]
        await endpoint(house, receiver)
        work = Work(house, sender)
        await sender.begin()
        await until(receiver, 1)
        assert receiver.types == ["ping"]
        slow.held.set()
        await sender.finish()
        assert sender._held == {}
        for _ in range(12):
            await work.send()
        assert len(slow.got) == 36
    await sender.close()


async def test_each_owners_payments_are_found_beside_one_who_has_many(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_OF_PAYMENTS", 3)
    apis = [house.api, *[await other_merchants_api(house) for _ in range(3)]]
    for number, api in enumerate(apis):
        customer = await api.customer()
        for _ in range(5 - number):
            hooks = [{"url": receiver.url, "secret": SECRET}] * 2
            await pay(api, customer, hooks)
    await fanout.look(house.services)
    found = await house.services.db.read(deliveries.waiting, house.clock.now())
    counts: dict[Owner, int] = {}
    for each in found:
        counts[each.owner] = counts.get(each.owner, 0) + 1
    assert sorted(counts.values()) == [3, 3, 3, 3]
    for owner in counts:
        assert {each.owner for each in await house.services.db.read(deliveries.waiting, house.clock.now(), owner)} == {
            owner
        }


async def test_events_of_one_by_the_hundred_hold_up_no_others_on_the_way_to_their_deliveries(
    house: House, receiver: Receiver, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "BATCH", 2)
    other = await other_merchants_api(house)
    await endpoint(house, receiver)
    async with receiving() as others:
        await other.post("/webhook_endpoints", json={"url": others.url, "secret": SECRET})
        await work.deliver()
        for _ in range(10):
            await house.api.customer()
        await other.customer()
        assert await fanout.look_once(house.services)
        await work.send()
        assert others.types == ["ping", "customer.created"]
        assert len(receiver.got) == 3
        await work.deliver()
        assert len(receiver.got) == 11


# Looking names up


async def idle(looking: Names) -> None:
    async with asyncio.timeout(SOON):
        while looking._busy:
            await asyncio.sleep(0.01)


async def test_a_name_that_was_silent_is_not_asked_for_again_for_a_while(
    name_server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = Names(seconds=0.05)
    name_server.silent.set()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await looking.find("a", "shop.silent.example", 443)
    assert name_server.asked == ["shop.silent.example"]
    name_server.silent.clear()
    name_server.over.set()
    with pytest.raises(TimeoutError):
        await looking.find("a", "shop.silent.example", 443)
    looking._seconds = SOON
    assert await looking.find("b", "shop.silent.example", 443) == ["1.1.1.1"]

    monkeypatch.setattr(names, "REMEMBERED", 0)
    name_server.over.clear()
    name_server.silent.set()
    looking = Names(seconds=0.05)
    with pytest.raises(TimeoutError):
        await looking.find("a", "shop.silent.example", 443)
    name_server.silent.clear()
    name_server.over.set()
    await idle(looking)
    looking._seconds = SOON
    assert await looking.find("a", "shop.silent.example", 443) == ["1.1.1.1"]


async def test_who_asks_for_the_same_name_at_the_same_time_shares_an_answer(name_server: NameServer) -> None:
    looking = Names(seconds=SOON)
    found = await asyncio.gather(*(looking.find("a", "shop.silent.example", 443) for _ in range(50)))
    assert found == [["1.1.1.1"]] * 50
    assert len(name_server.asked) < 50


async def test_what_nobody_waits_for_any_more_is_not_asked(name_server: NameServer) -> None:
    looking = Names(seconds=0.05, share=1)
    name_server.silent.set()
    hosts = [f"shop-{number}.silent.example" for number in range(10)]
    failed = await asyncio.gather(*(looking.find("a", host, 443) for host in hosts), return_exceptions=True)
    assert [type(each) for each in failed] == [TimeoutError] * 10
    name_server.silent.clear()
    name_server.over.set()
    # The others were not silent: nobody has asked them.
    await idle(looking)
    looking._seconds = SOON
    assert await looking.find("a", hosts[9], 443) == ["1.1.1.1"]
    assert name_server.asked == [hosts[0], hosts[9]]


async def test_threads_are_for_those_who_have_fewest(name_server: NameServer) -> None:
    looking = Names(seconds=SOON, share=3, most=4)
    name_server.silent.set()
    waiting = [
        asyncio.ensure_future(looking.find(owner, f"{owner}-{number}.silent.example", 443))
        for owner in "abc"
        for number in range(3)
    ]
    await asyncio.sleep(0)
    async with asyncio.timeout(SOON):
        while len(name_server.asked) < 4:
            await asyncio.sleep(0.01)
    assert sorted(each[0] for each in name_server.asked) == ["a", "a", "a", "b"]
    name_server.over.set()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in failed} == {socket.gaierror}
    assert len(name_server.asked) == 9
    assert looking._busy == {}
    assert looking._questions == {}


async def test_a_system_without_a_thread_left_is_no_name_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looking = Names(seconds=SOON)

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        for _ in range(5):
            with pytest.raises(OSError, match="no thread"):
                await looking.find("a", "localhost", 443)
    assert set(await looking.find("a", "localhost", 443)) <= {"127.0.0.1", "::1"}


async def test_a_name_is_asked_for_again_when_a_delivery_is_tried_again() -> None:
    assert sending.WAITS[0] * (1 - sending.JITTER) > names.REMEMBERED * 1_000
    assert sending.WAITS[0] == MINUTE
