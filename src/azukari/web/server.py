"""What uvicorn leaves to us: limits on connections and on all they may send, refusals in the API's words, one write for
an answer.

The application sees none of this but :func:`read_body`.
"""

import asyncio
import functools
import re
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from uvicorn.supervisors import Multiprocess

from azukari.core import log
from azukari.core.errors import ApiError, BadRequest, BodyTooLarge, RequestTimeout, Unavailable, UnsupportedMediaType
from azukari.web.connections import Connections, allow_more_files, place_of
from azukari.web.dispatch import Message, Receive
from azukari.web.sending import OneWrite, head
from azukari.wire import errors

MAX_BODY = 256 * 1024
#: In the state of an application's lifespan: called, perhaps often, when the server begins to end.
ENDING = "azukari.ending"
#: In the same state: networks of proxies of ours, each of which connects for many callers.
PROXIES = "azukari.proxies"
#: In the same state: whether requests that came in the clear are answered to this machine and those proxies alone.
GUARDED = "azukari.guarded"
#: What anybody may ask all the same: a balancer looks for itself.
_OPEN_TO_ALL = (b"/health", b"/ready")
#: Bytes that a caller must take of what waits for it, in the time that a write may make no progress: one at a time is
#: no progress.
_LEAST_READ = 8 * 1024

#: Stands for the second Host of a request: no host is written so.
_SEVERAL = b""
_AT_ONCE = struct.pack("ii", 1, 0)

#: A name or an address, and a port. Source: RFC 9110, 7.2; what no client writes into it is no host here.
_HOST = re.compile(rb"(?:[A-Za-z0-9_.~-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")


class UrlTooLong(ApiError):
    """The address of a request is over the limit."""

    status, code, message = 414, "bad_request", "The URL is too long."


class HeadersTooLarge(ApiError):
    """The headers of a request are over the limit."""

    status, code, message = 431, "bad_request", "The request headers are too large."


class Misdirected(ApiError):
    """It came past the proxy that ends TLS. Source: RFC 9110, 15.5.20."""

    status, code = 421, "bad_request"
    message = "This server is reached over HTTPS, at its public address. What was sent here came in the clear."


class BadHost(BadRequest):
    """No ``Host``, several, or what is none. Source: RFC 9112, 3.2."""

    message = "A request has one Host header, with a name or an address in it."


class EncodedBody(UnsupportedMediaType):
    """A body that is compressed, or encoded otherwise. Source: RFC 9110, 8.4."""

    message = "Send the body as it is, without Content-Encoding."
    headers: Mapping[str, str] = MappingProxyType({"Accept-Encoding": "identity"})


async def read_body(receive: Receive, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The whole body. How long it may take is the connection's business: :class:`Protocol`.

    Raises BodyTooLarge (over 256 KiB), EncodedBody, BadRequest (the caller is gone, or was told why).
    """
    is_encoded = False
    for name, value in headers:
        if name == b"content-length" and (not value.isdigit() or int(value[:19]) > MAX_BODY):
            raise BodyTooLarge
        if name == b"content-encoding" and value.lower() not in (b"", b"identity"):
            is_encoded = True
    body = b""
    while True:
        message: Message = await receive()
        if message["type"] != "http.request":
            raise BadRequest
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MAX_BODY:
            raise BodyTooLarge
        if not message.get("more_body"):
            if body and is_encoded:
                raise EncodedBody
            return body


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request: sizes in bytes, and the time its head and its body may each take. And of connections."""

    url: int = 8 * 1024
    headers: int = 32 * 1024
    head_seconds: float = 10
    body_seconds: float = 10
    #: How long a refused caller may go on sending. Cut off at once he may never read why (RFC 9112, 9.6).
    linger_seconds: float = 1
    #: How long a caller may read nothing of its answers.
    write_seconds: float = 10
    #: Connections at once, and those from one address (:mod:`azukari.web.connections`).
    connections: int = 10_000
    connections_of_one: int = 256


class _NoTrailers(list[tuple[bytes, bytes]]):
    """Stands where uvicorn adds what comes behind a body: to headers that were checked already, and without end."""

    def append(self, header: tuple[bytes, bytes]) -> None:
        raise BadRequest


_NO_TRAILERS = _NoTrailers()
#: Of each server in this process.
_connections: WeakKeyDictionary[ServerState, Connections] = WeakKeyDictionary()


@functools.lru_cache(256)
def _is_host(value: bytes | None) -> bool:
    match = None if value is None else _HOST.fullmatch(value)
    return match is not None and int(match[1] or 0) < 65_536


class Protocol(HttpToolsProtocol):
    """One connection: uvicorn's, with limits.

    A small request that arrives in one piece, as nearly all do, costs a few comparisons: only one in pieces gets a
    timer, only a large one is measured.
    """

    limits = Limits()

    place: str | None = None
    #: Nobody ends TLS for this caller.
    _in_the_clear = False

    _in_body = False  # the headers are complete and the body is not
    _chunk = 0  # bytes received last
    _ours = 0  # of these, what may belong to a head that is incomplete: none where another request ends in them
    _head = 0  # bytes of an incomplete head
    _refused = False  # nothing that comes is looked at any more
    _offered = False  # the head that was read last offers another protocol
    _host: bytes | None = None  # of the head that is arriving
    _timer: asyncio.TimerHandle | None = None
    _unread = 0  # bytes of answers that wait for the caller to read
    _write_timer: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None  # the request that the application has

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        # uvicorn's passes over what follows a request that is the last one. It may be that request's body.
        self.parser = httptools.HttpRequestParser(self)
        found = _connections.get(self.server_state)
        if found is None:
            found = Connections(self.limits.connections, self.limits.connections_of_one)
            _connections[self.server_state] = found
        self._others = found

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.place = place_of(self.client[0] if self.client else None, self.app_state.get(PROXIES, ()))
        is_guarded = self.app_state.get(GUARDED, False) and transport.get_extra_info("sslcontext") is None
        self._in_the_clear = is_guarded and self.place is not None
        if not self._others.admit(self):
            self._refused = True
            transport.write(self._text(Unavailable()))
            transport.close()
            return
        # So we hear of each answer that the system does not take whole.
        transport.set_write_buffer_limits(high=0)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._others.remove(self)
        self._stop_timer()
        self._stop_write_timer()
        # uvicorn tells the request that came last; the one under way may be one before it.
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        # Before the lifespan's end, which waits for all who are being answered: those who wait for news would hold it.
        if (ending := self.app_state.get(ENDING)) is not None:
            ending()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._chunk = self._ours = len(data)
        self._unset_keepalive_if_required()
        before = self._cycle
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            # One of our own callbacks says what is wrong.
            cause = error.__context__
            begun = None if self._cycle is before else self._cycle
            self._refuse(cause if isinstance(cause, ApiError) else BadRequest(), begun)
        else:
            if self._in_body or self._in_head() or self._is_answered():
                self._wait()

    def _feed(self, data: bytes) -> None:
        """Parse what came. An offer of another protocol is read as if it were not there, its request's body above all.

        The parser takes all that follows an offer for the other protocol. So another parser is given the same head
        without the offer, and then the rest. Source: RFC 9110, 7.8.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                method, version = self.parser.get_method(), self.parser.get_http_version().encode()
                kept = [header for header in self.headers if header[0] != b"upgrade"]
                lines = [b"%b %b HTTP/%b" % (method, self.url, version), *(b"%b: %b" % header for header in kept)]
                self._offered = False
                self.parser = httptools.HttpRequestParser(self)
                self.parser.feed_data(b"\r\n".join(lines) + b"\r\n\r\n")
                data = data[offer.args[0] :]
            else:
                return

    # What the parser finds

    def on_header(self, name: bytes, value: bytes) -> None:
        # All that uvicorn does here, and: white space around a value is no part of it; the parser leaves what stands
        # behind (RFC 9110, 5.5).
        name, value = name.lower(), value.strip(b" \t")
        if name == b"host":
            self._host = value if self._host is None else _SEVERAL
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._in_the_clear and self.url.partition(b"?")[0] not in _OPEN_TO_ALL:
            raise Misdirected
        if self._head + self._chunk > min(self.limits.url, self.limits.headers):
            self._measure()
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            raise BadRequest
        host, self._host = self._host, None
        if not _is_host(host) and (host is not None or self.parser.get_http_version() != "1.0"):
            raise BadHost
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise BadRequest
            self._offered = True
            return
        self._head = 0
        super().on_headers_complete()
        self._in_body = True
        self.headers = _NO_TRAILERS
        self._stop_timer()

    def on_message_complete(self) -> None:
        if self._offered:
            return
        self._in_body = False
        self._ours = 0
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refused and not self.pipeline:
            self.transport.close()

    def _measure(self) -> None:
        if len(self.url) > self.limits.url:
            raise UrlTooLong
        if sum(len(name) + len(value) + 4 for name, value in self.headers) > self.limits.headers:
            raise HeadersTooLarge

    def _in_head(self) -> bool:
        """Whether a request has begun whose headers are not complete: uvicorn has a scope for it, and no cycle."""
        scope: object = self.scope
        return scope is not None and (self._cycle is None or self._cycle.scope is not scope)

    def _is_answered(self) -> bool:
        """Whether no request is waiting for its answer."""
        return self._cycle is None or self._cycle.response_complete

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        """The request whose headers came last. uvicorn's own type hides that at first there is none."""
        return self.cycle

    def _wait(self) -> None:
        """It is the caller's turn."""
        if self._in_head():
            self._head += self._ours
            if self._head > self.limits.url + self.limits.headers:
                self._refuse(UrlTooLong() if len(self.url) > self.limits.url else HeadersTooLarge())
                return
        if self._timer is None:
            self._start_timer()

    # Time

    def _start_timer(self) -> None:
        seconds = self.limits.body_seconds if self._in_body else self.limits.head_seconds
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self.flow.read_paused:
            # It was we who did not read.
            self._start_timer()
        elif self._in_body or self._in_head():
            self._refuse(RequestTimeout())
        elif self._is_answered():
            self.transport.close()

    # Callers that do not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self.limits.write_seconds, self._look_for_progress)

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _look_for_progress(self) -> None:
        before, self._unread = self._unread, self.transport.get_write_buffer_size()
        if self._unread > before - _LEAST_READ:
            self.drop()
        else:
            self._write_timer = self.loop.call_later(self.limits.write_seconds, self._look_for_progress)

    # As one of many connections

    @property
    def is_idle(self) -> bool:
        return self._is_answered() and not (self._in_body or self._in_head() or self.flow.write_paused)

    @property
    def waits(self) -> bool:
        return self._is_answered() or self._in_body or self.flow.write_paused

    @property
    def idle_since(self) -> float:
        return 0 if self.timeout_keep_alive_task is None else self.timeout_keep_alive_task.when()

    def drop(self) -> None:
        if self.flow.write_paused:
            # By a reset: else the system keeps what nobody reads, and offers it for minutes more.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    # Refusals

    def _refuse(self, error: ApiError, begun: RequestResponseCycle | None = None) -> None:
        """Answer the request that is arriving, and take no more from this connection.

        Answers to requests before it go first; behind them there is no word for this one, only the end.
        begun: the request right before what cannot be read, where both came at once.
        """
        self._refused = True
        self._stop_timer()
        log.event("request.refused", status=error.status)
        cycle = self.cycle
        has_lost_body = begun is not None and not self._in_body and _lost_its_body(begun)
        if has_lost_body:
            error = BadRequest(
                "What follows the request is no other one. Tell the length of its body (Content-Length)."
            )
        if self._in_body or has_lost_body:
            cycle.disconnected = True
            cycle.message_event.set()
            if self.pipeline:
                self.pipeline.popleft()
            elif cycle.response_started:
                self.transport.close()
            else:
                self._answer(error)
        elif self._is_answered():
            self._answer(error)
        else:
            cycle.keep_alive = False

    def _answer(self, error: ApiError) -> None:
        self.transport.write(self._text(error))
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(self.limits.linger_seconds, self.transport.close)

    def _text(self, error: ApiError) -> bytes:
        answer = errors.answer(error)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", answer.media_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            # A browser's script may read why: what is refused here nobody's data has gone into.
            (b"access-control-allow-origin", b"*"),
            (b"connection", b"close"),
            *((name.lower().encode(), value.encode()) for name, value in answer.headers.items()),
        ]
        return head(answer.status, headers) + answer.body

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, OneWrite(app, cycle))  # type: ignore[arg-type]


def _lost_its_body(cycle: RequestResponseCycle) -> bool:
    """Whether what follows a request and is no request is its body, whose length it does not tell.

    Served without it, a part of a refund would be the whole. It has not begun: the application reads the body first.
    """
    if cycle.response_started or cycle.scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    return not any(
        name == b"transfer-encoding" or value.strip(b"0")
        for name, value in cycle.scope["headers"]
        if name in (b"content-length", b"transfer-encoding")
    )


def config(
    app: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int = 1,
    factory: bool = False,
    tls: tuple[str, str] | None = None,
    limits: Limits | None = None,
) -> uvicorn.Config:
    """How we run uvicorn.

    app: an ASGI application, or for several workers the name of a factory, ``"azukari.app:build"``, with factory=True.
    tls: the files of the certificate and its key.
    """
    protocol = Protocol if limits is None else type("Limited", (Protocol,), {"limits": limits})
    certificate, key = tls or (None, None)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        workers=workers,
        factory=factory,
        interface="asgi3",
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # web/auth.py knows which proxies to believe
        server_header=False,
        date_header=True,
        backlog=2048,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=30,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


def serve(config: uvicorn.Config, sockets: list[socket.socket] | None = None) -> None:
    """Run until a signal ends it; several workers share one listening socket."""
    allow_more_files()
    server = uvicorn.Server(config)
    if config.workers == 1:
        server.run(sockets)
    else:
        Multiprocess(config, sockets=sockets or [config.bind_socket()]).run()
