"""The web app: mounts every ``routes.py`` and runs the worker beside them."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azukari import hooks, worker
from azukari.checkout import routes as checkout
from azukari.core import config, log
from azukari.core.clock import Clock
from azukari.core.config import Settings
from azukari.customers import routes as customers
from azukari.db import Announce, quiet, telling
from azukari.events import routes as events
from azukari.fields import routes as fields
from azukari.payment_methods import routes as payment_methods
from azukari.payments import routes as payments
from azukari.secure_tokens import routes as secure_tokens
from azukari.sessions import routes as sessions
from azukari.subscriptions import routes as subscriptions
from azukari.time_travel import routes as time_travel
from azukari.tokens import routes as tokens
from azukari.web import pages
from azukari.web.dispatch import ASGIApp, Dispatch, Receive, Route, Scope, Send
from azukari.web.limits import Limiter
from azukari.web.middleware import Middleware
from azukari.web.request_tail import RequestTail
from azukari.web.routing import mount
from azukari.web.server import ENDING, GUARDED, PROXIES
from azukari.webhooks import routes as webhooks
from azukari.wiring import Services

API = "/api/v1"
#: The busiest first.
ROUTERS = (
    payments.router,
    customers.router,
    tokens.router,
    secure_tokens.router,
    sessions.router,
    events.router,
    payment_methods.router,
    webhooks.router,
    subscriptions.router,
    time_travel.router,
)


def routes(services: Services, limiter: Limiter) -> list[Route]:
    """Every route of the server."""
    shown = pages.for_shops(payment_methods.pictures(services))
    return [
        *mount(API, ROUTERS, services, limiter),
        *checkout.routes(services, limiter),
        *fields.routes(services, limiter),
        *pages.routes(services),
        *shown,
    ]


def asgi(services: Services, request_tail: RequestTail | None = None) -> ASGIApp:
    """The app over an installation that is open. request_tail: who watches its requests."""
    hooks.connect(services)
    limiter = Limiter(services.clock, services.counts, services.settings)
    return Middleware(
        Dispatch(routes(services, limiter)), services, request_tail or RequestTail(services.settings.data), limiter
    )


class App:
    """The ASGI app of one process: it opens the installation when it starts and closes it when it ends."""

    def __init__(self, settings: Settings, announce: Announce = quiet, clock: Clock | None = None) -> None:
        self._settings = settings
        self._announce = announce
        self._clock = clock
        self._front: ASGIApp = self._live
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        """What it has opened, once it has started."""
        assert self._services is not None
        return self._services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._front if scope["type"] == "http" else self._live)(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """From the server's start to its end. Source: ASGI, "Lifespan Protocol"."""
        stage = "startup"
        await receive()
        try:
            async with self._run(scope):
                await send({"type": "lifespan.startup.complete"})
                stage = "shutdown"
                await receive()
        except BaseException as error:
            # What it says may be anything: the server logs the exception by our rules.
            await send({"type": f"lifespan.{stage}.failed", "message": type(error).__name__})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _run(self, scope: Scope) -> AsyncIterator[None]:
        self._services = services = await Services.assemble(self._settings, self._announce, self._clock)
        try:
            async with services.at_work(), self._serve(services, scope):
                yield
        finally:
            await services.close()

    @asynccontextmanager
    async def _serve(self, services: Services, scope: Scope) -> AsyncIterator[None]:
        state = scope.get("state", {})
        state[ENDING], state[PROXIES] = services.news.close, self._settings.trusted_proxies
        state[GUARDED] = not self._settings.insecure_http
        request_tail = RequestTail(self._settings.data)
        self._front = asgi(services, request_tail)
        beside = [asyncio.ensure_future(request_tail.watch())]
        if self._settings.on_postgres:
            beside.append(asyncio.ensure_future(telling.keep_telling(services.counts, services.db)))
        stop = asyncio.Event()
        working = asyncio.ensure_future(worker.run(services, stop)) if self._settings.worker_inside else None
        # What start-up has made stays: the collector need not look at it again with every full round.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        log.event("server.ready", pid=os.getpid(), address=self._settings.base_url)
        try:
            yield
        finally:
            stop.set()
            for each in beside:
                each.cancel()
            if working is not None:
                await working
            request_tail.close()


def build() -> ASGIApp:
    """What each process of ``azukari serve`` runs: settings from the environment."""
    settings = config.read()
    log.setup(settings.log_level)
    return App(settings)
