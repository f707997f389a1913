"""Our own pages and what machines ask before they trust us with traffic: no key, no data of anybody's."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

import azukari
from azukari.core.errors import NotFound
from azukari.web import assets
from azukari.web.dispatch import Receive, Route, Scope
from azukari.web.readiness import Readiness
from azukari.web.resource import Resource
from azukari.wire.answers import Answer
from azukari.wiring import Services

HTML = "text/html; charset=utf-8"
_CACHED = {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "cross-origin"}
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "cross-origin"}


#: What answers a path that needs no key, from its parameters and its query.
Show = Callable[[Mapping[str, str], str], Answer]


class Health(msgspec.Struct):
    """What ``/health`` and ``/ready`` say."""

    status: str
    version: str


class _Page(Resource[Callable[[Scope], Awaitable[Answer]]]):
    """A path that is read only."""

    async def answer(self, handler: Callable[[Scope], Awaitable[Answer]], scope: Scope, receive: Receive) -> Answer:
        return await handler(scope)


def routes(services: Services) -> list[Route]:
    """The routes outside of the API."""
    readiness = Readiness(services)

    async def start(_: Scope) -> Answer:
        return page(assets.page("start"))

    async def reference(_: Scope) -> Answer:
        return page(assets.page("reference"))

    async def description(_: Scope) -> Answer:
        return file("openapi.yaml")

    async def static(scope: Scope) -> Answer:
        # Shops' pages load some of them, and a module only comes where its server lets anybody read it.
        scope["azukari.cors"] = True
        return file(scope["path_params"]["name"])

    async def released(scope: Scope) -> Answer:
        given = scope["path_params"]
        found = file(given["name"])
        # Another release's page asks: it gets what we have, but nobody is to keep it under that name.
        return found._replace(headers=_KEPT if given["release"] == assets.release() else {})

    async def health(_: Scope) -> Answer:
        return Answer.of(Health("alive", azukari.__version__))

    async def ready(_: Scope) -> Answer:
        await readiness.check()
        return Answer.of(Health("ready", azukari.__version__))

    made = {
        "/": start, "/reference": reference, "/openapi.yaml": description, "/static/{name}": static,
        "/static/{release}/{name}": released,
        "/health": health, "/ready": ready,
    }  # fmt: skip
    return [_Page(path, {"GET": make}).route for path, make in made.items()]


def for_shops(shows: Mapping[str, Show]) -> list[Route]:
    """Routes whose answers, errors too, any shop's page may show and read."""

    def made(show: Show) -> Callable[[Scope], Awaitable[Answer]]:
        async def make(scope: Scope) -> Answer:
            scope["azukari.cors"] = True
            return show(scope["path_params"], scope["query_string"].decode("latin-1"))

        return make

    return [_Page(path, {"GET": made(show)}).route for path, show in shows.items()]


def page(html: bytes, status: int = 200) -> Answer:
    """A page of ours."""
    return Answer(status, html, HTML, assets.PAGE_HEADERS)


def file(name: str) -> Answer:
    """A static file. Raises NotFound."""
    found = assets.static_file(name)
    if found is None:
        raise NotFound
    return Answer(200, *found, headers=_CACHED)
