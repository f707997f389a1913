"""The web app: mounts every ``routes.py`` and runs the worker beside them."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp

from azukari import worker
from azukari.core import config, log
from azukari.core.clock import Clock, SystemClock
from azukari.core.config import Settings
from azukari.core.ids import RandomIds
from azukari.customers import routes as customers
from azukari.db import Announce, quiet
from azukari.events import routes as events
from azukari.payments import routes as payments
from azukari.tokens import routes as tokens
from azukari.web import pages
from azukari.web.front import Front, not_found
from azukari.web.limits import Limiter
from azukari.web.routing import mount
from azukari.wiring import Parts

API = "/api/v1"
#: The busiest first.
ROUTERS = (payments.router, customers.router, tokens.router, events.router)


def routes(parts: Parts) -> list[BaseRoute]:
    """Every route of the server."""
    return [*mount(API, ROUTERS, parts, Limiter(parts.clock)), *pages.routes(parts)]


def create(settings: Settings, announce: Announce = quiet, clock: Clock | None = None) -> ASGIApp:
    """The ASGI app of one process. It opens the installation when it starts and closes it when it ends."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        parts = await Parts.assemble(settings, announce, clock)
        router.routes[:] = routes(parts)
        stop = asyncio.Event()
        working = asyncio.ensure_future(worker.run(parts, stop)) if settings.worker_inside else None
        # What start-up has made stays: the collector need not look at it again with every full round.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        log.event("server.ready", pid=os.getpid(), address=settings.base_url)
        try:
            yield
        finally:
            stop.set()
            if working is not None:
                await working
            await parts.close()

    router = Router(lifespan=lifespan, default=not_found, redirect_slashes=False)
    return Front(router, RandomIds(clock or SystemClock()), https=settings.base_url.startswith("https:"))


def build() -> ASGIApp:
    """What each process of ``azukari serve`` runs: settings from the environment."""
    settings = config.read()
    log.setup(settings.log_level)
    return create(settings)
