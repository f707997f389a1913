"""The outermost layer: every request gets an id, every error an answer, every answer its headers."""

import time
from collections.abc import Mapping

from azukari.core import log
from azukari.core.errors import ApiError, TooManyRequests
from azukari.merchants.keys import ApiKey
from azukari.web import cors
from azukari.web.auth import caller_of, key_text
from azukari.web.dispatch import Dispatch, Receive, Scope, Send
from azukari.web.limits import Limiter
from azukari.web.request_tail import RequestTail
from azukari.wire import bodies, errors
from azukari.wire.answers import Answer, Replay
from azukari.wiring import Services

_ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
_HTTPS = [(b"strict-transport-security", b"max-age=63072000; includeSubDomains")]
_API = "/api/"
#: What is not counted: what never changes, and what machines ask.
_FREE = frozenset(("/health", "/ready", "/fields.js"))
_FREE_BELOW = ("/static/", "/payment_methods/", "/assets/")


class _Caller:
    """A place that is counted. credentials: the key its request brings, as it stands in the header."""

    __slots__ = ("credentials", "is_trusted", "place")

    def __init__(self, place: str, scope: Scope) -> None:
        self.place = place
        self.is_trusted = False
        # Of several the last counts, here as where it is read; pages look at none.
        found = [value for name, value in scope["headers"] if name == b"authorization"]
        self.credentials: bytes | None = found[-1] if found and scope["path"].startswith(_API) else None


class _TooMany(Exception):
    """Nothing is done for this request."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__()


class Middleware:
    """An ASGI app around the router. request_tail: who watches its requests."""

    def __init__(self, app: Dispatch, services: Services, request_tail: RequestTail, limiter: Limiter) -> None:
        self._app = app
        self._limiter = limiter
        self._request_tail = request_tail
        self._services = services
        self._ids = services.ids
        self._https = _HTTPS if services.settings.base_url.startswith("https:") else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter_ns()
        sender = _Sender(scope, self._ids.new(), self._https)
        scope["azukari.request_id"] = sender.request_id
        scope["azukari.send"] = sender
        scope["azukari.client"], place = caller_of(scope, self._services.settings.trusted_proxies)
        caller = None if place is None else _Caller(place, scope)
        try:
            self._admit(scope, caller)
            await self._check_url(scope)
            if scope["method"] == "OPTIONS" and scope["path"].startswith(_API):
                await sender(cors.preflight(dict(scope["headers"])), send)
            else:
                await self._app(scope, receive, send)
        except _TooMany as refused:
            await sender(refused.answer, send)
        except ApiError as error:
            await sender(errors.answer(error), send)
        except Replay as replay:
            await sender(replay.answer._replace(headers={"X-Idempotent-Replayed": "true"}), send)
        except Exception as error:
            # A bug: the caller learns nothing, the log gets the traceback without a single value in it.
            log.bug("request failed", error, request_id=sender.request_id, method=scope["method"])
            if not sender.status:
                await sender(errors.BUG, send)
        if caller is not None and caller.credentials is not None:
            self._note_key(caller, scope.get("azukari.key"), sender.status)
        took = (time.perf_counter_ns() - started) // 1_000_000
        log.request(sender.request_id, scope["method"], scope.get("azukari.route"), sender.status, took)
        if self._request_tail.open:
            self._request_tail.tell(
                log.line(
                    "request",
                    request_id=sender.request_id,
                    method=scope["method"],
                    route=scope.get("azukari.route"),
                    status=sender.status,
                    ms=took,
                    code=sender.answer and errors.code_of(sender.answer),
                )
            )

    def _admit(self, scope: Scope, caller: _Caller | None) -> None:
        """Raises _TooMany."""
        if caller is None or _is_free(scope):
            return
        try:
            caller.is_trusted = self._limiter.admit(caller.place, caller.credentials)
        except TooManyRequests as error:
            raise _TooMany(self._refusal(scope, error)) from None

    def _refusal(self, scope: Scope, error: ApiError) -> Answer:
        """To a person a page says it, in the words of the address that was asked."""
        try:
            refusal = getattr(self._app.find(scope), "refusal", None)
        except ApiError:
            refusal = None
        return errors.answer(error) if refusal is None else refusal(scope, error)

    def _note_key(self, caller: _Caller, key: ApiKey | None, status: int) -> None:
        """A key is trusted from where it was good, and no longer where it is not, or where it was not looked at."""
        credentials = caller.credentials or b""
        if key is not None and (key.is_secret or key.is_test):
            if not caller.is_trusted:
                self._limiter.trust(caller.place, credentials)
        elif caller.is_trusted and status < 500:
            self._limiter.distrust(caller.place, credentials)

    async def _check_url(self, scope: Scope) -> None:
        try:
            bodies.url_is_clean(scope["path"], scope["query_string"])
        except ApiError:
            log.warning("url.refused", request_id=scope["azukari.request_id"])
            await _note_url(self._services, dict(scope["headers"]), scope["azukari.request_id"])
            raise


def _is_free(scope: Scope) -> bool:
    """Whether anybody may ask as often as they like: it costs next to nothing, and browsers and balancers ask often."""
    path: str = scope["path"]
    return path in _FREE or path.startswith(_FREE_BELOW) or (scope["method"] == "OPTIONS" and path.startswith(_API))


async def _note_url(services: Services, headers: Mapping[bytes, bytes], request_id: str) -> None:
    """Audit a URL that was refused, where it is known whose client sent it."""
    try:
        key = await services.api_keys.resolve(key_text(headers.get(b"authorization")), None)
        await services.db.write(
            services.vault.audit,
            key.owner,
            id=request_id,
            at=services.clock.now(),
            actor=key.id,
            action="card_or_key_in_url",
            object_id=None,
            result="refused",
        )
    except ApiError:
        return  # nobody we know, or a database that is away: the log has it


class _Sender:
    """Sends one answer, with the headers every answer has."""

    __slots__ = ("_https", "_scope", "answer", "request_id", "status")

    def __init__(self, scope: Scope, request_id: str, https: list[tuple[bytes, bytes]]) -> None:
        self._scope = scope
        self._https = https
        self.request_id = request_id
        self.status = 0
        self.answer: Answer | None = None

    async def __call__(self, answer: Answer, send: Send) -> None:
        self.status = answer.status
        self.answer = answer
        headers = [(b"x-request-id", self.request_id.encode()), *_ALWAYS, *self._https]
        if answer.body:
            headers.append((b"content-type", answer.media_type.encode()))
        if answer.status != 204:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        if "azukari.cors" in self._scope or (answer.status >= 400 and self._scope["path"].startswith(_API)):
            headers += cors.READABLE
        if answer.headers:
            headers = _overridden(headers, answer.headers)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


def _overridden(headers: list[tuple[bytes, bytes]], own: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    named = [(name.lower().encode(), value.encode("latin-1")) for name, value in own.items()]
    names = {name for name, _ in named}
    return [header for header in headers if header[0] not in names] + named
