"""The server's front door without a network: one request, one reply, both held against the description."""

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec

from azukari.web.dispatch import ASGIApp
from tests.compat.contract import Contract

API = "/api/v1"


@dataclass(frozen=True)
class Reply:
    """A reply."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str | None:
        """Of the error, where it is one."""
        return None if self.status < 400 else self.json["error"]["code"]

    @property
    def param(self) -> str | None:
        return None if self.status < 400 else self.json["error"]["param"]


@dataclass
class Front:
    """Calls an app as a server would."""

    app: ASGIApp

    async def call(
        self,
        method: str,
        path: str,
        key: str | None = None,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, Any] | None = None,
    ) -> Reply:
        """``path`` below the API's for those who show a key, else of the server. Raises AssertionError: not as
        described."""
        full = path if key is None else API + path
        sent = b"" if body is None else msgspec.json.encode(body)
        lines = [(b"host", b"azukari.test"), (b"content-length", str(len(sent)).encode())]
        if body is not None:
            lines.append((b"content-type", b"application/json"))
        if key is not None:
            lines.append((b"authorization", b"Basic " + base64.b64encode(f"{key}:".encode())))
        lines += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        reply = await self._send(method, full, lines, urlencode(query or {}).encode(), sent)
        if key is not None:
            if reply.status in (404, 405):
                Contract.load().check_error(reply.body)
            else:
                Contract.load().check(method, full, reply.status, reply.body)
        return reply

    async def _send(
        self, method: str, path: str, headers: list[tuple[bytes, bytes]], query: bytes, body: bytes
    ) -> Reply:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "headers": headers,
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": query, "root_path": "",
            "server": ("azukari.test", 80), "client": ("203.0.113.7", 40_000),
        }  # fmt: skip
        waiting = [{"type": "http.request", "body": body, "more_body": False}]
        started: dict[str, Any] = {}
        services: list[bytes] = []

        async def receive() -> dict[str, Any]:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            else:
                services.append(message.get("body", b""))

        await self.app(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in started["headers"]}
        return Reply(started["status"], found, b"".join(services))
