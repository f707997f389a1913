"""``azukari listen``: the real command between a real server and a real receiver."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from azukari.tools.listen import read_since, read_target, read_types
from azukari.tools.server import ToolError
from azukari.tools.state import FOLDER, State
from tests.commands import free_port
from tests.house import card
from tests.tools.conftest import Installation, Tool, said
from tests.webhooks.receiver import Receiver, receiving


async def until(it: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not it():
            await asyncio.sleep(0.02)


async def started(tool: Tool) -> str:
    """Wait until it listens; its secret."""
    await until(lambda: bool(tool.lines))
    return str(tool.lines[0]["secret"])


async def test_an_event_arrives_as_a_real_webhook_does(shared: Installation) -> None:
    async with receiving(lambda got: 500 if b'"amount":2000' in got.body else 204) as mine, receiving() as system_now:
        with shared.api as api:
            endpoint = api.post("/webhook_endpoints", json={"url": system_now.url}).json()
        with shared.tool("listen", "--forward-to", mine.url, "--events", "payment.*", "--print-json") as listener:
            secret = await started(listener)
            assert (0, f"{secret}\n", "") == said("listen", "--print-secret", *shared.options)
            with shared.api as api:
                api.post("/customers", json={"email": "taro@example.com", "payment_details": card()})
            paid = [shared.charge(amount) for amount in (1000, 2000, 3000)]
            await until(lambda: len(mine.got) == 3 and len(system_now.got) == 5)
            await until(lambda: len(listener.lines) == 4)
            assert listener.end() == 0
        with shared.api as api:
            shown = [api.get(f"/events/{got.id}").content for got in mine.got]
            api.delete(f"/webhook_endpoints/{endpoint['id']}")

    assert [got.event["data"]["id"] for got in mine.got] == paid
    assert [got.body for got in mine.got] == shown
    assert {got.body for got in mine.got} < {got.body for got in system_now.got}
    assert mine.got[0].path == system_now.got[0].path
    assert list(mine.got[0].headers) == list(system_now.got[0].headers)
    fixed = ("content-type", "user-agent", "x-komoju-event", "connection")
    theirs = next(got for got in system_now.got if got.id == mine.got[0].id)
    assert [mine.got[0].headers[name] for name in fixed] == [theirs.headers[name] for name in fixed]
    assert all(got.signed_with(secret) and len(got.headers["x-komoju-id"]) == 25 for got in mine.got)
    # Whatever a receiver that is up answers is its answer.
    assert [line["answer"] for line in listener.lines[1:]] == [204, 500, 204]
    assert [line["event"]["id"] for line in listener.lines[1:]] == [got.id for got in mine.got]
    assert listener.errors.read_text() == ""


async def test_nothing_is_lost_when_listener_server_or_receiver_go_away(shared: Installation) -> None:
    receiver = Receiver(free_port())
    command = ("listen", "--forward-to", receiver.url, "--json")
    shared.charge()
    async with up(receiver):
        with shared.tool(*command) as listener:
            await started(listener)
            begun = listener.lines[0]["after"]
            paid = [shared.charge()]
            await until(lambda: len(listener.lines) == 2)
            with pytest.raises(ToolError, match="forwards this server's events there already"):
                State(shared.data / FOLDER).cursor(shared.place, receiver.url)
            listener.end(signal.SIGKILL)
        paid += [shared.charge(), shared.charge()]

    with shared.tool(*command) as listener:
        async with up(receiver):
            await until(lambda: len(receiver.got) == 3)
            shared.kill()
            await until(listener.noticed("The server does not answer"))
            shared.start()
            paid.append(shared.charge())
            await until(lambda: len(receiver.got) == 4)
            await until(lambda: len(listener.lines) == 4)
        paid += [shared.charge(), shared.charge()]
        await until(listener.noticed("No answer to payment.captured (connect)"))
        async with up(receiver):
            await until(lambda: len(listener.lines) == 6)
        assert listener.end(signal.SIGTERM) == 0
    assert "Traceback" not in listener.errors.read_text()
    assert [got.event["data"]["id"] for got in receiver.got] == paid
    deliveries = {got.id: got.headers["x-komoju-id"] for got in receiver.got}
    assert len(set(deliveries.values())) == len(paid)

    # All of it once more, and nothing but a 2xx will do: the same deliveries again.
    receiver.got.clear()
    answers = iter((500, 404))
    receiver.answer = lambda _: next(answers, 200)
    async with up(receiver):
        with shared.tool(*command, "--since", str(begun), "--retry") as listener:
            await until(lambda: len(listener.lines) == 1 + len(paid))
    assert [got.event["data"]["id"] for got in receiver.got] == [paid[0], paid[0], *paid]
    assert {got.id: got.headers["x-komoju-id"] for got in receiver.got} == deliveries


@asynccontextmanager
async def up(receiver: Receiver) -> AsyncIterator[None]:
    """The receiver's port is open for as long."""
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port)
    try:
        yield
    finally:
        server.close()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:3000/webhooks?shop=7", "http://localhost:3000/webhooks?shop=7"),
        ("localhost:3000/hooks", "http://localhost:3000/hooks"),
        ("https://shop.test", "https://shop.test/"),
        ("http://[::1]:3000", "http://[::1]:3000/"),
        ("http://192.168.1.5/a", "http://192.168.1.5/a"),
    ],
)
def test_a_receiver_may_stand_anywhere(text: str, url: str) -> None:
    assert read_target(text).url == url


@pytest.mark.parametrize("text", ["", "ftp://localhost/", "http://", "http://a:b@localhost/", "http://localhost:x/"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ToolError, match="--forward-to must be"):
        read_target(text)


def test_types_and_places_to_begin_are_read() -> None:
    assert read_types(None) == ["*"]
    assert read_types("payment.captured, customer.*") == ["payment.captured", "customer.*"]
    assert (read_since("start"), read_since("41")) == (0, 41)
    for text in ("", "-1", "latest"):
        with pytest.raises(ToolError, match="--since must be"):
            read_since(text)
    for text in (",", "Payment", "payment captured"):
        with pytest.raises(ToolError, match="--events must be"):
            read_types(text)


def test_what_cannot_be_gets_a_sentence(shared: Installation) -> None:
    here = ("--data", str(shared.data))
    for words, sentence in (
        (("--forward-to", "localhost:3000", *here, "--url", "http://127.0.0.1:1"), "Start it with `azukari serve`"),
        (("--forward-to", "localhost:3000", "--key", f"sk_live_{'a' * 36}"), "Live keys are refused"),
        (("--forward-to", "localhost:3000", *shared.options, "--key", f"sk_test_{'a' * 36}"), "does not know the key"),
        (("--forward-to", "localhost:3000", "--data", str(shared.folder / "none")), "No test key is kept"),
        (here, "Say where to: --forward-to"),
    ):
        status, output, errors = said("listen", *words)
        assert (status, output) == (1, ""), words
        assert sentence in errors
