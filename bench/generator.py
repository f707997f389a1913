"""The load generator: a process of its own that sends requests built beforehand and looks only for their ends.

It must cost next to nothing, for it shares two cores with what it measures: plain sockets under ``epoll``, no HTTP
library, nothing parsed but the status and ``Content-Length``. Everybody is measured with this one.

Run as ``python -m bench.generator``: the orders come as JSON on standard input; ``begin`` and ``end`` are printed at
the edges of the measured window, then the result as JSON.
"""

import json
import re
import resource
import select
import socket
import sys
import time
from collections import deque
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection:
    """A kept-alive connection with at most one request under way. since: when that one was due."""

    __slots__ = ("_missing", "since", "sock", "status")

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since = 0.0
        self.status = 0
        self._missing = -1

    def send(self, request: bytes, since: float) -> None:
        self.since = since
        self._missing = -1
        self.sock.sendall(request)

    def receive(self) -> bool:
        """Read what there is; whether the answer is complete."""
        data = self.sock.recv(65_536)
        if not data:
            raise ConnectionError("the server closed the connection")
        if self._missing < 0:
            # An answer's head fits in its first packet, from every server we measure.
            head = data.index(b"\r\n\r\n")
            length = _LENGTH.search(data, 0, head)
            self.status = int(data[9:12])
            self._missing = head + 4 + (int(length[1]) if length else 0)
        self._missing -= len(data)
        return self._missing <= 0


class Window:
    """What was answered between its two edges."""

    def __init__(self, warm_up: float, seconds: float) -> None:
        self.start = time.perf_counter() + warm_up
        self.end = self.start + seconds
        self.took: list[float] = []
        self.errors: dict[int, int] = {}
        self._begun = False
        self._cpu = 0.0

    def look(self, now: float) -> bool:
        """Whether it is still open; says so when it begins."""
        if not self._begun and now >= self.start:
            self._begun = True
            self._cpu = time.process_time()
            print("begin", flush=True)
        return now < self.end

    def count(self, connection: Connection, now: float) -> None:
        if self._begun:
            if connection.status == 200:
                self.took.append(now - connection.since)
            else:
                self.errors[connection.status] = self.errors.get(connection.status, 0) + 1

    def result(self) -> dict[str, Any]:
        print("end", flush=True)
        self.took.sort()
        return {
            "answers": len(self.took),
            "seconds": self.end - self.start,
            "errors": self.errors,
            "p50_ms": self._quantile(0.5),
            "p99_ms": self._quantile(0.99),
            "p999_ms": self._quantile(0.999),
            "generator_cpu": time.process_time() - self._cpu,
        }

    def _quantile(self, share: float) -> float | None:
        return 1e3 * self.took[min(len(self.took) - 1, int(share * len(self.took)))] if self.took else None


def closed_loop(connections: list[Connection], requests: list[bytes], window: Window) -> None:
    """Each connection sends its next request when it has its answer."""
    poll, following, sent = _poll(connections), _endless(requests), time.perf_counter
    by_number = {connection.sock.fileno(): connection for connection in connections}
    for connection in connections:
        connection.send(next(following), sent())
    while window.look(time.perf_counter()):
        for number, _ in poll.poll(0.2):
            connection = by_number[number]
            if connection.receive():
                now = time.perf_counter()
                window.count(connection, now)
                connection.send(next(following), now)


def open_loop(connections: list[Connection], requests: list[bytes], window: Window, rate: float) -> None:
    """Requests are due at fixed times, whatever became of those before; latency counts from when a request was due.

    ``select`` instead of ``epoll``: its time-out is not rounded up to whole milliseconds.
    """
    following, free, busy = _endless(requests), deque(connections), {}
    began, number = time.perf_counter(), 0
    while window.look(now := time.perf_counter()):
        while free and (due := began + number / rate) <= now:
            connection = free.popleft()
            connection.send(next(following), due)
            busy[connection.sock] = connection
            number += 1
        # Without a free connection the next answer is all there is to wait for, and what is due grows older.
        wait = max(0.0, began + number / rate - time.perf_counter()) if free else 0.2
        for sock in select.select(list(busy), (), (), wait)[0]:
            connection = busy[sock]
            if connection.receive():
                window.count(connection, time.perf_counter())
                free.append(busy.pop(sock))


def _poll(connections: list[Connection]) -> select.epoll:
    poll = select.epoll()
    for connection in connections:
        poll.register(connection.sock.fileno(), select.EPOLLIN)
    return poll


def _endless(requests: list[bytes]) -> Any:
    while True:
        yield from requests


def main() -> None:
    orders = json.load(sys.stdin)
    head = orders["head"].encode("latin-1")
    requests = [head + each.encode("latin-1") for each in orders["tails"]]
    # Connections beyond the usual 1,024 files; the soft limit is ours to raise.
    resource.setrlimit(resource.RLIMIT_NOFILE, (4_096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    connections = [Connection(tuple(orders["address"])) for _ in range(orders["connections"])]
    window = Window(orders["warm_up"], orders["seconds"])
    if orders.get("rate"):
        open_loop(connections, requests, window, orders["rate"])
    else:
        closed_loop(connections, requests, window)
    print(json.dumps(window.result()), flush=True)


if __name__ == "__main__":
    main()
