"""Real servers that can be told at which point to die.

``python -m tests.faults.crashing_server`` reads orders, one line of JSON each, starts a server for each of them and
answers with a line: its process id and its port. Everything is imported once, and what is made at the first use of it
has been used; a server is a fork, and so starts fast.
"""

import asyncio
import gc
import mmap
import os
import signal
import socket
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import NoReturn

import asyncpg  # noqa: F401 - the server loads it when it first opens PostgreSQL
import httpx
import msgspec

from azukari import worker
from azukari.app import App, asgi
from azukari.core import log
from azukari.core.clock import SystemClock
from azukari.core.config import Settings
from azukari.core.secret import Secret
from azukari.db import Statement
from azukari.db.postgres import database as _postgres  # noqa: F401
from azukari.setup import init
from azukari.web import server
from azukari.wiring import Services
from tests.house import card, forget_memory


class Death(msgspec.Struct, frozen=True):
    """Where a server dies: at the ``nth`` time it comes to ``point``."""

    point: str
    nth: int


class Order(msgspec.Struct, kw_only=True):
    """A server to start.

    ahead: milliseconds its clock is ahead of ours. leaps: a file that says how much further it is, at any moment, eight
    bytes. worker: whether the worker runs inside, and looks for webhooks all the time where there are leaps. delay: of
    every call to the bank, milliseconds. trace: the file that gets a line for each point.
    """

    data: str
    database_url: str | None = None
    ahead: int = 0
    leaps: str | None = None
    worker: bool = False
    delay: int = 0
    death: Death | None = None
    trace: str | None = None

    @property
    def settings(self) -> Settings:
        url = None if self.database_url is None else Secret(self.database_url)
        return Settings(
            data=Path(self.data),
            database_url=url,
            worker_inside=self.worker,
            simulator_delay=self.delay,
            loopback_webhooks=True,
        )


class Started(msgspec.Struct):
    """A server that runs, and listens."""

    pid: int
    port: int


class ShiftedClock:
    """Our clock, and a while more."""

    def __init__(self, ahead: int) -> None:
        self._system = SystemClock()
        self._ahead = ahead

    def now(self) -> int:
        return self._system.now() + self._ahead


class LeapingClock(ShiftedClock):
    """One that somebody else pushes on while it runs: :func:`leap`."""

    def __init__(self, ahead: int, path: str) -> None:
        super().__init__(ahead)
        with Path(path).open("rb") as file:
            self._leaps = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

    def now(self) -> int:
        return super().now() + int.from_bytes(self._leaps[:8], "little")


def leap(path: Path, ahead: int) -> None:
    """Say how much further a server's clock is."""
    with path.open("r+b") as file:
        file.write(ahead.to_bytes(8, "little"))


class Points:
    """Told of each point; writes it down, and ends the process at the one it waits for."""

    def __init__(self, death: Death | None, trace: str | None) -> None:
        self._death = death
        self._trace = None if trace is None else os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, announced: str) -> None:
        with self._lock:
            for point in split(announced):
                self._seen[point] += 1
                if self._trace is not None:
                    os.write(self._trace, point.encode() + b"\n")
                if self._death == Death(point, self._seen[point]):
                    os.kill(os.getpid(), signal.SIGKILL)
                    signal.pause()


#: Units of a timer beside the requests: counts told to other machines come at no certain place of a flow.
TIMED = {"db.telling._tell", "db.telling.forget"}


def split(announced: str) -> list[str]:
    """A commit that several units share is a point of each of them."""
    what, when, names = announced.split(":", 2)
    return [f"{what}:{when}:{name}" for name in names.split(",") if name not in TIMED]


def main() -> None:
    """Start servers until the orders end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever died is gone at once
    for statement in Statement.every:
        assert statement.sqlite.sql
        assert statement.postgres.sql
    log.setup("error")
    asyncio.run(_live_once())
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()  # the collector of a new server need not go through all of this again
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        pid = os.fork()
        if pid == 0:
            _serve(order, listening)
        sys.stdout.buffer.write(msgspec.json.encode(Started(pid, listening.getsockname()[1])) + b"\n")
        sys.stdout.buffer.flush()
        listening.close()


async def _live_once() -> None:
    """The life of a server, without a socket. Nothing of it is left but what any server of this code loads."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder) / "data")
        keys = await init(settings)
        config = server.config(App(settings))
        config.load()
        config.get_loop_factory()
        services = await Services.assemble(settings)
        transport = httpx.ASGITransport(asgi(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://azukari.test/api/v1") as client:
            order = {"amount": 1000, "currency": "JPY", "payment_details": card(verification_value="123")}
            paid = await client.post("/payments", json=order, auth=(keys.secret_key.reveal(), ""))
            assert paid.status_code == 200
        await services.close()
        forget_memory(settings.data)


def _serve(order: Order, listening: socket.socket) -> NoReturn:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        clock = ShiftedClock(order.ahead)
        if order.leaps is not None:
            clock = LeapingClock(order.ahead, order.leaps)
            worker.PATIENCE = 0.01
        app = App(order.settings, Points(order.death, order.trace), clock)
        server.serve(server.config(app), [listening])
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
