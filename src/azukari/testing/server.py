"""What the tests' server process runs: ``python -m azukari.testing DATA PARENT``.

It is the server as ``azukari serve`` runs it, the same app with the same settings of uvicorn, and beside it, in the
same loop, what no merchant may ask for: another merchant, and what its webhooks told.
"""

import asyncio
import os
import select
import shutil
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import uvicorn

from azukari.app import App
from azukari.core import log
from azukari.core.clock import EARLIEST, LATEST
from azukari.core.config import Settings
from azukari.core.errors import Locked, NotFound
from azukari.db import Owner, Slice
from azukari.db.open import memory_of
from azukari.events import store as events
from azukari.events.store import Event
from azukari.merchants.keys import TEST
from azukari.merchants.service import API_VERSIONS
from azukari.merchants.store import Merchant
from azukari.testing import schema
from azukari.testing.inbox import Got, Inbox, Postroom
from azukari.web import server as web
from azukari.webhooks import service as webhooks
from azukari.webhooks.schemas import EndpointCreate, EndpointUpdate
from azukari.wiring import Services

#: Who does what a test asks for, in audit lines.
_WHO = "tests"
_PAGE = 1_000
_LONGEST_QUESTION = 1024 * 1024


class Question(msgspec.Struct):
    """A line on the control socket. inbox: as a reset named it. type, data: of a webhook that is waited for."""

    ask: Literal["reset", "wait", "all"]
    wait_seconds: float
    inbox: str = ""
    type: str = ""
    data: dict[str, object] = {}


class Shop(NamedTuple):
    """A test's merchant, and the endpoint that its webhooks go to."""

    owner: Owner
    endpoint_id: str
    inbox: Inbox


class Control:
    """Answers what tests ask beside the API."""

    def __init__(self, services: Services, postroom: Postroom) -> None:
        self._services = services
        self._postroom = postroom
        self._shops: dict[str, Shop] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question, one answer; none where there is a bug, which the log has."""
        try:
            question = msgspec.json.decode(await reader.readline(), type=Question)
            writer.write(msgspec.json.encode(await self._answer(question)))
            await writer.drain()
        except Exception as error:
            log.bug("no answer for a test", error)
        finally:
            writer.close()

    async def _answer(self, question: Question) -> dict[str, Any]:
        if question.ask == "reset":
            return await self._reset()
        shop = self._shops.get(question.inbox)
        if shop is None:
            return {"error": "These webhooks are of a test that is over."}
        if question.ask == "wait":
            return await _wait(shop.inbox, question)
        return await self._all(shop, question.wait_seconds)

    async def _reset(self) -> dict[str, Any]:
        """A new merchant with test keys and an endpoint. Those before it are told nothing any more."""
        services, now = self._services, self._services.clock.now()
        name, owner = services.ids.base62(22), Owner(services.ids.new(), TEST)
        pair = services.api_keys.new_pair(TEST)
        await services.api_keys.enrol(pair, Merchant(owner.merchant_id, "Test shop", now))
        for old in self._shops.values():
            closing = asyncio.ensure_future(self._close(old))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._shops.clear()
        self._postroom.inboxes.clear()
        order = EndpointCreate(url=self._postroom.address(name))
        done = await webhooks.create(webhooks.Caller(services, owner, _WHO, now), order, API_VERSIONS[-1])
        secret = str(done.view.secret)
        inbox = self._postroom.inboxes[name] = Inbox(secret)
        self._shops[name] = Shop(owner, done.view.id, inbox)
        return {
            "secret_key": pair.secret.reveal(),
            "publishable_key": pair.publishable.reveal(),
            "inbox": name,
            "webhook_secret": secret,
        }

    async def _close(self, shop: Shop) -> None:
        """So that the worker need not look after endpoints of tests that are over."""
        asking = webhooks.Caller(self._services, shop.owner, _WHO, self._services.clock.now())
        with suppress(NotFound, Locked):  # the test has deleted it, or is gone in this moment
            await webhooks.update(asking, shop.endpoint_id, EndpointUpdate(active=False))

    async def _all(self, shop: Shop, seconds: float) -> dict[str, Any]:
        happened = {each.id: each.type for each in await self._happened(shop.owner)}
        # The first of all is the ping, which came with the endpoint.
        told = sorted(happened)[1:]
        await shop.inbox.until(lambda: not shop.inbox.missing(told), seconds)
        return {
            "found": shop.inbox.in_order(),
            "forged": shop.inbox.forged,
            "missing": [happened[event_id] for event_id in shop.inbox.missing(told)],
        }

    async def _happened(self, owner: Owner) -> list[Event]:
        found: list[Event] = []
        while True:
            asked = Slice(1 + len(found) // _PAGE, _PAGE, EARLIEST, LATEST)
            page = await self._services.db.read(events.page, owner, asked)
            found += page.rows
            if len(page.rows) < _PAGE:
                return found


async def _wait(inbox: Inbox, question: Question) -> dict[str, Any]:
    def found() -> list[Got]:
        return [got for got in inbox.in_order() if not got.taken and got.fits(question.type, question.data)][:1]

    await inbox.until(lambda: bool(found()), question.wait_seconds)
    first = found()
    for got in first:
        got.taken = True
    return {"found": first, "forged": inbox.forged, "came": [got.told.type for got in inbox.in_order()]}


class Server(uvicorn.Server):
    """uvicorn, and the control socket as soon as it serves."""

    def __init__(self, config: uvicorn.Config, app: App, data: Path) -> None:
        super().__init__(config)
        self._app = app
        self._data = data

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        postroom = Postroom()
        await postroom.open()
        control = Control(self._app.services, postroom)
        await asyncio.start_unix_server(control.serve, self._data / "control", limit=_LONGEST_QUESTION)
        sys.stdout.write(f"http://127.0.0.1:{self.config.port}\n")
        sys.stdout.flush()


def _watch(parent: int, data: Path) -> None:
    """End with the tests, however they end: their end of the pipe closes, and should a process that they forked hold
    it open, we have another parent."""
    while os.getppid() == parent and not select.select([sys.stdin], [], [], 0.5)[0]:
        continue
    for folder in filter(None, (data, memory_of(data))):
        shutil.rmtree(folder, ignore_errors=True)
    # Nobody is left to answer, and nothing to keep.
    os._exit(0)


def main() -> None:
    """Serve until the tests are over."""
    data, parent = Path(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=_watch, args=(parent, data), daemon=True).start()
    log.setup("info")
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    settings = Settings(data=data, port=listening.getsockname()[1], loopback_webhooks=True)
    app = App(settings)
    config = web.config(app, port=settings.port)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(schema.lay(settings))
        runner.run(Server(config, app, data).serve([listening]))


if __name__ == "__main__":
    main()
