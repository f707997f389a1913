"""What a browser test may ask for: a server, a shop, pages, and an eye on everything that goes wrong in them.

All of it lives in one event loop for each test process, because the browser does.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests import postgres
from tests.e2e import driving, engines
from tests.e2e.browsing import PATIENCE_MS, OpenPage, Size, launch, new_context
from tests.e2e.serving import Install, Shop, Site, serving, shopping
from tests.e2e.watching import Watch
from tests.house import Api, copy_template

HERE = Path(__file__).parent

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in the browser's loop."""
    for item in items:
        if item.path.is_relative_to(HERE) and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def install(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Copies an installation and serves it."""

    @contextmanager
    def installed(engine: str) -> Iterator[Site]:
        data = tmp_path_factory.mktemp("site") / "data"
        with ExitStack() as stack:
            url = None
            if engine == "sqlite":
                copy_template(request.getfixturevalue("sqlite_template"), data)
            else:
                template, template_url = request.getfixturevalue("postgres_template")
                copy_template(template, data)
                url = asyncio.run(postgres.create_database(template_url, template_url))
                stack.callback(asyncio.run, postgres.drop_database(url))
            yield stack.enter_context(serving(Site(data, url)))

    return installed


@pytest.fixture(scope="session")
def sqlite_site(install: Install) -> Iterator[Site]:
    """A server on SQLite, for all tests that do not end it."""
    with install("sqlite") as site:
        yield site


@pytest.fixture(scope="session")
def postgres_site(install: Install) -> Iterator[Site]:
    """A server on PostgreSQL, for all tests that do not end it."""
    with install("postgres") as site:
        yield site


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Site:
    """A server that other tests use too, on SQLite.

    On both databases with ``@pytest.mark.parametrize("server", ON_BOTH, indirect=True)``.
    """
    site: Site = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_site")
    return site


@pytest.fixture
def own_server(request: pytest.FixtureRequest, install: Install, watch: Watch) -> Iterator[Site]:
    """A server of the test's own, to kill, to start again, to give other settings. On both databases as ``server``."""
    with install(getattr(request, "param", "sqlite")) as site:
        watch.allow(site.url)
        watch.follow_log(site)
        yield site


@pytest.fixture
def shop() -> Iterator[Shop]:
    """The merchant's site."""
    with shopping() as shop:
        yield shop


@pytest_asyncio.fixture(loop_scope="session")
async def api(server: Site) -> AsyncIterator[Api]:
    """The server's API, called with its secret test key."""
    async with server.api() as api:
        yield api


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for each test process."""
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        yield browser
        await browser.close()


@pytest.fixture
def watch(server: Site, shop: Shop) -> Watch:
    """What went wrong in this test's pages; ``open_page`` ends the watch."""
    watch = Watch(server.url, shop.url)
    watch.follow_log(server)
    return watch


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, server: Site, watch: Watch) -> AsyncIterator[OpenPage]:
    """Opens pages. The test fails at its end if anything went wrong in one of them."""
    contexts: list[BrowserContext] = []

    async def opened(size: Size = "phone", **options: Any) -> Page:
        context = await new_context(browser, server.url, size, **options)
        contexts.append(context)
        await watch.follow(context, script=options.get("script", True))
        return await context.new_page()

    yield opened
    try:
        await watch.finish()
    finally:
        for context in contexts:
            await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: OpenPage) -> Page:
    """A page on a phone, in Japanese."""
    return await open_page()


@pytest_asyncio.fixture(loop_scope="session", params=engines.chosen())
async def window(request: pytest.FixtureRequest, tmp_path: Path, watch: Watch) -> AsyncIterator[driving.Window]:
    """A window of Firefox or WebKit, of a phone's size. The test fails at its end if anything went wrong in it."""
    with driving.ENGINES[request.param](tmp_path, watch.found) as window:
        yield window
    await watch.finish()
