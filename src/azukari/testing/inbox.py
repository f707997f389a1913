"""A merchant's server that only listens: real HTTP on this machine, signatures checked as a receiver would."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress

import msgspec

_HEAD = 64 * 1024


class _Body(msgspec.Struct):
    """As much of an event as is looked at here."""

    id: str
    type: str
    data: dict[str, object]


class Got(msgspec.Struct):
    """A webhook that came. taken: somebody waited for it, and has it."""

    body: str
    headers: dict[str, str]
    told: _Body
    taken: bool = False

    def fits(self, type: str, data: dict[str, object]) -> bool:
        """Whether it is what somebody waits for."""
        there = self.told.data
        return self.told.type == type and all(name in there and there[name] == data[name] for name in data)


class Inbox:
    """What came for one merchant: each event once, however often it was delivered."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.forged = 0
        self._got: dict[str, Got] = {}
        # The first ping comes with the endpoint, and is no test's doing.
        self._ping: str | None = None
        self._changed = asyncio.Event()

    def take_in(self, headers: dict[str, str], body: bytes) -> bool:
        """Keep a webhook; whether its signatures are right."""
        if not _genuine(self.secret, headers, body):
            self.forged += 1
        else:
            told = msgspec.json.decode(body, type=_Body)
            if told.type == "ping" and self._ping in (None, told.id):
                self._ping = told.id
            else:
                self._got.setdefault(told.id, Got(body.decode(), headers, told))
        self._changed.set()
        self._changed = asyncio.Event()
        return not self.forged

    def in_order(self) -> list[Got]:
        """By the events' ids, which sort by when they were made."""
        return [self._got[id] for id in sorted(self._got)]

    def missing(self, event_ids: list[str]) -> list[str]:
        """Those that have not come."""
        return [id for id in event_ids if id not in self._got]

    async def until(self, there: Callable[[], bool], seconds: float) -> None:
        """Wait for something to be there, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not there() and not self.forged:
                    await self._changed.wait()


def _genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """By both signatures. Source: docs/webhooks.md."""
    stamp, *signatures = headers.get("x-komoju-signature-v2", "").split(",")
    message = f"{stamp.removeprefix('t=')}.{headers.get('x-komoju-id', '')}.".encode() + body
    first = hmac.compare_digest(headers.get("x-komoju-signature", ""), _hex(secret, body))
    return first and any(hmac.compare_digest(each, f"v1={_hex(secret, message)}") for each in signatures)


def _hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class Postroom:
    """Listens for every merchant; each has a path of its own."""

    def __init__(self) -> None:
        self.inboxes: dict[str, Inbox] = {}
        self._base = ""

    async def open(self) -> None:
        """Listen, on a port the system chooses."""
        server = await asyncio.start_server(self._receive, "127.0.0.1", 0, limit=_HEAD)
        self._base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def address(self, name: str) -> str:
        """Where a merchant's webhooks go."""
        return f"{self._base}/{name}"

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            status = self._take_in(head[0].split(" ")[1].removeprefix("/"), headers, body)
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _take_in(self, name: str, headers: dict[str, str], body: bytes) -> str:
        inbox = self.inboxes.get(name)
        if inbox is None:
            return "410 Gone"  # a merchant of an earlier test: nobody needs to be told any more
        return "204 No Content" if inbox.take_in(headers, body) else "401 Unauthorized"
