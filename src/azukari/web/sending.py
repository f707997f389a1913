"""An answer in one write: uvicorn makes two, one for the headers and one for the body, and each is a system call."""

from collections.abc import Awaitable, Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from azukari.web.dispatch import ASGIApp, Message, Receive, Scope, Send

#: Headers that change how an answer is framed or what becomes of the connection: uvicorn knows about those.
_FRAMING = frozenset((b"transfer-encoding", b"connection"))


def head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The status line and the headers. Raises RuntimeError where a header would smuggle in a line."""
    lines = [b"%b: %b\r\n" % header for header in headers]
    text = STATUS_LINE[status] + b"".join(lines) + b"\r\n"
    ends = len(lines) + 2
    if text.count(b"\n") != ends or text.count(b"\r") != ends or b"\0" in text:
        raise RuntimeError("a header holds a line break or NUL")
    return text


class OneWrite:
    """Stands between uvicorn's cycle of one request and the application, and holds the headers until the body comes.

    An answer in one piece with its length in the headers goes out at once; any other goes uvicorn's way.
    """

    __slots__ = ("_app", "_cycle", "_start")

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle
        self._start: Message | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._app(scope, receive, self._send)

    async def _send(self, message: Message) -> None:
        cycle, start = self._cycle, self._start
        if start is None:
            if message["type"] == "http.response.start" and not cycle.response_started:
                self._start = message
            else:
                await cycle.send(message)  # type: ignore[arg-type]
            return
        self._start = None
        if cycle.waiting_for_100_continue and cycle.more_body:
            # The body was never asked for: what comes next on this connection cannot be told.
            cycle.keep_alive = False
        if message["type"] == "http.response.body" and not message.get("more_body"):
            headers = [*cycle.default_headers, *start.get("headers", ())]
            if self._is_plain(headers, message.get("body", b"")):
                self._write(head(start["status"], headers) + message.get("body", b""))
                return
        await cycle.send(start)  # type: ignore[arg-type]
        await cycle.send(message)  # type: ignore[arg-type]

    def _is_plain(self, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        cycle = self._cycle
        if not cycle.keep_alive or cycle.disconnected or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
            return False
        named = dict(headers)
        return named.get(b"content-length") == b"%d" % len(body) and _FRAMING.isdisjoint(named)

    def _write(self, answer: bytes) -> None:
        cycle = self._cycle
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(answer)
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
