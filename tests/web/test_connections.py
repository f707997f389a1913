"""Callers that say nothing, or read nothing, keep nobody out and hold nothing for long."""

import base64
import contextlib
import io
import json
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from azukari.app import App
from azukari.core import log
from azukari.core.config import Settings
from azukari.setup import FIRST_PAIR
from azukari.web import connections
from azukari.web.connections import Connections, place_of
from azukari.web.server import Limits
from tests.house import card
from tests.web.raw import request, running, status_of, talk

GET = b"GET /static/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
#: For one that must come, on a machine that is busy with other things.
SOON = 60


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> io.StringIO:
    """What our own log was told, besides what libraries say in ``caplog``."""
    written = io.StringIO()
    monkeypatch.setattr(log._sink, "stream", written)
    monkeypatch.setattr(log._sink, "human", False)
    return written


def authorized(settings: Settings) -> bytes:
    key = json.loads((settings.data / FIRST_PAIR).read_text())["secret_key"]
    return b"Authorization: Basic " + base64.b64encode(f"{key}:".encode())


def charge_of(settings: Settings) -> bytes:
    order = json.dumps({"amount": 1, "currency": "JPY", "payment_details": card()}).encode()
    headers = (authorized(settings), b"Content-Type: application/json")
    return request(*headers, target=b"/api/v1/payments", body=order)


def errors_in(logged: io.StringIO) -> list[Any]:
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    return [line for line in lines if line["level"] == "error"]


def connect(port: int, *, buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(SOON)
    connection.connect(("127.0.0.1", port))
    return connection


def wait_for_end(connection: socket.socket) -> None:
    """Until the other side has cut the connection off, without reading a byte of what it has sent."""
    poll = select.poll()
    poll.register(connection, 0)
    assert poll.poll(SOON * 1_000), "it is still there"


def is_open(port: int) -> bool:
    return status_of(talk(port, b"GET /health HTTP/1.0\r\n\r\n")) == 200


def test_those_who_read_nothing_are_gone_soon_and_no_bug_is_logged(
    settings: Settings, logged: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    with running(App(settings), Limits(write_seconds=0.5)) as port, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(port, buffer=4_096)) for _ in range(60)]
        for each in slow:
            each.sendall(GET * 20)
        for each in slow:
            wait_for_end(each)
        assert is_open(port)

    assert errors_in(logged) == []
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


@pytest.mark.parametrize("last", [b"Connection: close\r\n\r\n", b"\r\n"], ids=["that is the last", "of many"])
def test_an_answer_that_nobody_reads_ends_whether_the_connection_goes_on_or_not(
    settings: Settings, logged: io.StringIO, last: bytes
) -> None:
    with running(App(settings), Limits(write_seconds=0.5)) as port, connect(port, buffer=4_096) as slow:
        slow.sendall(GET * 19 + GET[:-2] + last)
        wait_for_end(slow)

    assert errors_in(logged) == []


def test_one_who_reads_all_of_it_gets_all_of_it_however_small_his_sips(settings: Settings) -> None:
    with running(App(settings), Limits()) as port, connect(port, buffer=4_096) as slow:
        slow.sendall(GET * 5 + GET[:-2] + b"Connection: close\r\n\r\n")
        said = b""
        while part := slow.recv(1_024):
            said += part

    assert said.count(b"HTTP/1.1 200 OK") == 6
    assert len({answer.partition(b"\r\n\r\n")[2] for answer in said.split(b"HTTP/1.1 200 OK")[1:]}) == 1


def test_callers_that_hang_up_in_the_middle_are_no_bug(
    settings: Settings, logged: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    begun = [
        GET * 20,
        GET * 3 + GET[:-20],
        request(authorized(settings), target=b"/api/v1/customers", last=False) * 5,
        request(authorized(settings), b"Content-Length: 500", target=b"/api/v1/customers", last=False)[:-1],
        b"GET /api/v1/events?after=0&wait=30 HTTP/1.1\r\nHost: a\r\n" + authorized(settings) + b"\r\n\r\n",
        b"no request",
    ]
    with running(App(settings), Limits()) as port:
        for what in begun * 5:
            for reset in (True, False):
                with connect(port, buffer=4_096) as caller:
                    if reset:
                        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    caller.sendall(what)
        assert is_open(port)

    assert errors_in(logged) == []
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /health HT", request(b"Content-Length: 9", target=b"/api/v1/tokens", last=False), GET * 20, GET],
    ids=["silent", "half a head", "half a body", "reading nothing", "idle"],
)
def test_a_payment_is_answered_though_somebody_holds_all_connections(settings: Settings, begun: bytes) -> None:
    charge = charge_of(settings)
    with running(App(settings), Limits(connections=20)) as port, contextlib.ExitStack() as stack:
        for _ in range(5):
            for _ in range(20):
                held = stack.enter_context(connect(port, buffer=4_096))
                with contextlib.suppress(ConnectionError):
                    held.sendall(begun)
            assert status_of(talk(port, charge)) == 200


def test_hundreds_of_connections_leave_files_for_payments(settings: Settings, tmp_path: Path) -> None:
    """The command itself, which may open few files."""
    charge = charge_of(settings)
    with _served(settings, tmp_path, files=200) as port, contextlib.ExitStack() as stack:
        for _ in range(4):
            for _ in range(100):
                stack.enter_context(connect(port))
            assert status_of(talk(port, charge)) == 200
    lines = [json.loads(line) for line in (tmp_path / "errors").read_text().splitlines()]
    assert [line for line in lines if line["level"] == "error"] == []
    assert sum(line["event"] == "connections.full" for line in lines) in range(1, 20)


@contextlib.contextmanager
def _served(settings: Settings, folder: Path, files: int) -> Iterator[int]:
    database = settings.database_url
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    where = ["--data", str(settings.data), *(["--database", database.reveal()] if database else [])]
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "azukari.cli", "serve", *where, "--port", str(port)],
            stderr=errors,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
        )
    try:
        while "server.ready" not in (folder / "errors").read_text() or not _listens(port):
            assert process.poll() is None
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(ConnectionError):
        return is_open(port)
    return False


# Who gives way


@dataclass(eq=False)
class Caller:
    """A connection, as those who count them see it."""

    place: str | None = None
    is_idle: bool = True
    waits: bool = True
    idle_since: float = 0
    dropped: bool = False

    def drop(self) -> None:
        self.dropped = True


def test_the_silent_give_way_first_then_the_longest_idle_then_those_in_the_middle_of_something() -> None:
    answered = Caller(is_idle=False, waits=False)
    middle, later = Caller(is_idle=False), Caller(is_idle=False)
    busy, long_idle, silent = Caller(idle_since=7), Caller(idle_since=3), Caller()
    everybody = Connections(6, 6)
    for each in (answered, middle, busy, later, long_idle, silent):
        assert everybody.admit(each)

    for gone in (silent, long_idle, busy, middle, later):
        assert everybody.admit(Caller(is_idle=False, waits=False))
        assert gone.dropped
    late = Caller()
    assert not everybody.admit(late)
    assert not answered.dropped
    everybody.remove(late)
    everybody.remove(answered)
    assert everybody.admit(late)


def test_one_address_has_its_share_and_the_others_theirs() -> None:
    everybody = Connections(100, 3)
    first = [Caller(place="1.1.1.1", waits=False, is_idle=False) for _ in range(3)]
    assert all(everybody.admit(each) for each in first)
    assert not everybody.admit(Caller(place="1.1.1.1"))
    assert everybody.admit(Caller(place="1.1.1.2"))
    assert all(everybody.admit(Caller()) for _ in range(50))

    first[1].waits = True
    assert everybody.admit(Caller(place="1.1.1.1"))
    assert [each.dropped for each in first] == [False, True, False]
    everybody.remove(first[0])
    assert everybody.admit(Caller(place="1.1.1.1"))


def test_no_address_has_more_than_half_of_all() -> None:
    everybody = Connections(10, 1_000)
    admitted = [everybody.admit(Caller(place="1.1.1.1", waits=False)) for _ in range(10)]
    assert sum(admitted) == 5


def test_there_are_never_more_than_half_of_the_files_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "files_allowed", lambda: 20)
    everybody = Connections(1_000, 1_000)
    assert sum(everybody.admit(Caller(waits=False)) for _ in range(50)) == 10


@pytest.mark.parametrize(
    ("peer", "place"),
    [
        ("203.0.113.7", "203.0.113.7"), ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"), ("2001:db8:1:3::4", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"), ("127.0.0.1", None), ("127.9.9.9", None), ("::1", None),
        ("::ffff:127.0.0.1", None), ("10.1.2.3", None), ("::ffff:10.1.2.3", None), ("fd00::7", None), (None, None),
        ("", None), ("socket", None),
    ],
)  # fmt: skip
def test_a_place_is_an_address_or_a_network_of_one_household(peer: str | None, place: str | None) -> None:
    assert place_of(peer, (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))) == place
