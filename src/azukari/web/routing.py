"""Routes: who may call, what comes in, what goes out.

A handler is ``async def handler(call, [path parameters], [body], [query], [gone]) -> answer``. ``body`` and ``query``
are msgspec Structs, decoded and checked before the handler runs; ``gone`` is for one that lets its caller wait. What it
returns is encoded. Every route declares its access, so that a test can walk them all (SEC-11).
"""

import asyncio
import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from azukari.core.clock import Moment
from azukari.core.errors import BadRequest
from azukari.merchants import origins
from azukari.merchants.keys import ApiKey
from azukari.merchants.service import API_VERSIONS
from azukari.processors.base import NO_DIRECTIVES
from azukari.processors.declines import SCENARIOS
from azukari.web import cors
from azukari.web.auth import Access, authenticate
from azukari.web.dispatch import Receive, Route, Scope
from azukari.web.limits import Limiter
from azukari.web.resource import Resource
from azukari.web.server import read_body
from azukari.wire import bodies, idempotency
from azukari.wire.answers import Answer
from azukari.wire.call import Call, read_directives
from azukari.wire.return_urls import origin_of
from azukari.wiring import Services

SecretKey, PublishableKey = Access.SECRET, Access.PUBLISHABLE
Handler = Callable[..., Awaitable[Any]]
R = TypeVar("R")

_NO_TREE: dict[str, object] = {}
_canonical = msgspec.json.Encoder(order="deterministic", enc_hook=str).encode


class QueryOfAct(BadRequest):
    """A call that does something, with parameters where none are read. To do it without them may be to do far more."""

    message = "Parameters of this call go in its body, not in its address."


class Gone:
    """Whether the caller has gone away. For requests without a body, or whose body has been read."""

    __slots__ = ("_receive",)

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def unless(self, work: Coroutine[Any, Any, R]) -> R:
        """Do something long while the caller waits. Raises BadRequest once nobody does."""
        working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(self._happens())
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise BadRequest
            return working.result()
        finally:
            for each in (working, leaving):
                each.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)

    async def _happens(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    access: Access
    handler: Handler
    body: type | None
    query: type | None
    gone: bool


class Router:
    """Collects the endpoints of one ``routes.py``."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []

    def get(self, path: str, access: Access) -> Callable[[Handler], Handler]:
        return self._add("GET", path, access)

    def post(self, path: str, access: Access) -> Callable[[Handler], Handler]:
        return self._add("POST", path, access)

    def patch(self, path: str, access: Access) -> Callable[[Handler], Handler]:
        return self._add("PATCH", path, access)

    def delete(self, path: str, access: Access) -> Callable[[Handler], Handler]:
        return self._add("DELETE", path, access)

    def _add(self, method: str, path: str, access: Access) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            hints = typing.get_type_hints(handler)
            wanted = inspect.signature(handler).parameters
            self.endpoints.append(
                Endpoint(
                    method,
                    path,
                    access,
                    handler,
                    hints["body"] if "body" in wanted else None,
                    hints["query"] if "query" in wanted else None,
                    "gone" in wanted,
                )
            )
            return handler

        return register


class ApiResource(Resource[Endpoint]):
    """A path of the API: its callers bring keys, are counted, and send bodies that are decoded and checked."""

    def __init__(self, path: str, endpoints: list[Endpoint], services: Services, limiter: Limiter) -> None:
        cors = any(endpoint.access is Access.PUBLISHABLE for endpoint in endpoints)
        super().__init__(path, {each.method: each for each in endpoints}, cors=cors, preflight=True)
        self._services = services
        self._limiter = limiter

    async def answer(self, endpoint: Endpoint, scope: Scope, receive: Receive) -> Answer:
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        services = self._services
        client = scope["azukari.client"]
        key = await authenticate(headers.get(b"authorization"), endpoint.access, client, services.api_keys)
        scope["azukari.key"] = key
        self._limiter.count(key, client)
        if not key.is_secret:
            await self._check_origin(key, _text(headers.get(b"origin")))
        elif not self.cors:
            cors.refuse_page(headers)
        if endpoint.method != "GET" and scope["query_string"]:
            raise QueryOfAct
        tree = _NO_TREE
        if endpoint.method != "GET" or (endpoint.query is not None and _has_body(headers)):
            raw = await read_body(receive, scope["headers"])
            if raw:
                tree = bodies.parse(_text(headers.get(b"content-type")), raw)
        call = self._call(endpoint, scope, headers, key, client, tree, await services.moment_of(key.owner))
        given: dict[str, Any] = dict(scope["path_params"])
        if endpoint.body is not None:
            given["body"] = bodies.convert(tree, endpoint.body)
        if endpoint.query is not None:
            given["query"] = bodies.convert_query(scope["query_string"], endpoint.query, tree)
        if endpoint.gone:
            given["gone"] = Gone(receive)
        out = await endpoint.handler(call, **given)
        return out if isinstance(out, Answer) else Answer.of(out)

    async def _check_origin(self, key: ApiKey, origin: str | None) -> None:
        """A preflight carries no key, so whose pages may use it is looked at in the call itself (SEC-10)."""
        if origin is None or origin == origin_of(self._services.settings.base_url):
            return
        settings = await self._services.settings_of(key.owner)
        if settings.origins and not origins.admits(settings, key.owner.mode, origin):
            raise cors.ForeignPage

    def _call(
        self,
        endpoint: Endpoint,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        key: ApiKey,
        client: str | None,
        tree: dict[str, object],
        moment: Moment,
    ) -> Call:
        services = self._services
        version = _text(headers.get(b"x-komoju-api-version")) or key.api_version
        if version not in API_VERSIONS:
            raise BadRequest("The API version is not known.", param="X-KOMOJU-API-VERSION")
        claim = None
        if endpoint.method == "POST":
            name = idempotency.read_key(_text(headers.get(b"x-komoju-idempotency")))
            if name is not None:
                # Anybody holds a shop's publishable key: its names are no header's, so they take none of the shop's.
                name = name if key.is_secret else f"\N{SECTION SIGN}{key.id} {name}"
                what = f"POST {scope['path']} {version} ".encode() + _canonical(tree)
                mac = functools.partial(services.vault.mac, "idempotency")
                claim = idempotency.Claim(idempotency.stored_name(name, mac), mac(what), *moment)
        directives = NO_DIRECTIVES
        if key.is_test and endpoint.method in ("POST", "PATCH"):
            directives = read_directives(
                _text(headers.get(b"komoju-scenario")),
                _text(headers.get(b"azukari-fault")),
                _text(headers.get(b"azukari-delay")),
                SCENARIOS,
            )
        request_id = scope["azukari.request_id"]
        return Call(
            services, key.owner, key.actor, key.is_secret, version, claim, directives, *moment, client, request_id
        )


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def mount(prefix: str, routers: Iterable[Router], services: Services, limiter: Limiter) -> list[Route]:
    """The routes of some routers: one per path."""
    by_path: dict[str, list[Endpoint]] = {}
    for router in routers:
        for endpoint in router.endpoints:
            by_path.setdefault(endpoint.path, []).append(endpoint)
    return [Route(prefix + path, ApiResource(path, each, services, limiter)) for path, each in by_path.items()]
