"""A merchant's server: a real one on this machine, that answers as it is told to."""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

SECRET = "a secret of sixteen or more"


@dataclass(frozen=True)
class Got:
    """A request as it came: header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def id(self) -> str:
        return str(self.event["id"])

    def signed_with(self, secret: str) -> bool:
        """By the contract's rule and by ours, computed here with the standard library alone."""
        stamp, *signatures = self.headers["x-komoju-signature-v2"].split(",")
        message = f"{stamp.removeprefix('t=')}.{self.headers['x-komoju-id']}.".encode() + self.body
        return self.first_signature(secret) and f"v1={_hex(secret, message)}" in signatures

    def first_signature(self, secret: str) -> bool:
        return hmac.compare_digest(self.headers["x-komoju-signature"], _hex(secret, self.body))


def _hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


#: What to answer a request with: a status line's code, or bytes that go out as they are; None: nothing, ever.
Answering = Callable[[Got], int | bytes | None]


@dataclass
class Receiver:
    """got: every request, in the order they came. most: how many were in flight at once."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    answer: Answering = lambda _: 200
    most: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _now: int = 0

    def __post_init__(self) -> None:
        self.held.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?shop=7"

    @property
    def types(self) -> list[str]:
        return [got.event["type"] for got in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            got = Got(head[0].split(" ")[1], headers, body)
            self.got.append(got)
            await self.held.wait()
            answer = self.answer(got)
            if answer is None:
                await reader.read()
                return
            writer.write(
                answer if isinstance(answer, bytes) else f"HTTP/1.1 {answer} X\r\nContent-Length: 0\r\n\r\n".encode()
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._now -= 1
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


@asynccontextmanager
async def receiving(
    answer: Answering = lambda _: 200, context: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(answer=answer)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.held.set()
        server.close()
