"""``azukari listen``, ``trigger`` and ``tail``."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from azukari.cli.common import (
    AsJson,
    Data,
    fail,
    settings_of,
)
from azukari.core.config import SettingError, Settings
from azukari.core.secret import Secret

Url = Annotated[str | None, typer.Option(help="Of the server. [AZUKARI_PUBLIC_URL; http://127.0.0.1:8420]")]
TestKey = Annotated[
    str | None,
    typer.Option(
        help="A secret test key. [AZUKARI_TEST_KEY; the first one of the data directory]",
        envvar="AZUKARI_TEST_KEY",
        show_envvar=False,
    ),
]


def listen(
    forward_to: Annotated[str | None, typer.Option(help="Where to: http://localhost:3000/webhooks.")] = None,
    events: Annotated[str | None, typer.Option(help="Only these types, with commas; payment.* will do.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Go on after this event's number, or from the `start`, not where it stopped."),
    ] = None,
    secret: Annotated[str | None, typer.Option(help="To sign with, instead of one that is made and kept.")] = None,
    print_secret: Annotated[bool, typer.Option("--print-secret", help="Print the secret and end.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again until the answer is 2xx, too.")] = False,
    url: Url = None,
    key: TestKey = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--print-json", "--json", help="A line of JSON for each event.")] = False,
) -> None:
    """Hand every test event on to your own machine, signed like a webhook. Goes on where it stopped."""
    from azukari.tools import listen, server
    from azukari.tools.screen import Screen
    from azukari.tools.state import State

    def prepare(settings: Settings) -> Callable[[], Awaitable[None]]:
        state = State.of(settings)
        if print_secret:
            typer.echo(state.secret().reveal())
            raise typer.Exit
        if forward_to is None:
            raise server.ToolError("Say where to: --forward-to http://localhost:3000/webhooks.")
        wish = listen.Wish(
            listen.read_target(forward_to),
            listen.read_types(events),
            None if since is None else listen.read_since(since),
            None if secret is None else Secret(secret),
            retry,
        )
        place = server.find(settings, url, key)

        async def work() -> None:
            async with server.Server(place) as asked:
                await listen.listen(asked, state, wish, Screen(as_json=as_json))

        return work

    _run_tool(data, prepare)


def trigger(
    type: Annotated[str | None, typer.Argument(help="Of the event: payment.captured. --list shows them.")] = None,
    customer: Annotated[str | None, typer.Option(help="One of yours, by id, instead of a new one or a card.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Another parameter: amount=500. Again for more.")
    ] = None,
    list_types: Annotated[bool, typer.Option("--list", help="Show what can be triggered.")] = False,
    url: Url = None,
    key: TestKey = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an event happen, with real test objects."""
    from azukari.tools import server, trigger
    from azukari.tools.screen import Screen

    screen = Screen(as_json=as_json)
    if list_types:
        trigger.list_all(screen)
        return
    if type is None:
        fail("Say which event: azukari trigger payment.captured. `azukari trigger --list` shows them.")

    def prepare(settings: Settings) -> Callable[[], Awaitable[None]]:
        wish = trigger.Wish(type, customer, changes or ())
        trigger.check(wish)
        place = server.find(settings, url, key)

        async def work() -> None:
            async with server.Server(place) as asked:
                await trigger.trigger(asked, wish, screen)

        return work

    _run_tool(data, prepare)


def tail(
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", help="What to show: request, event, payment.*, /customers*, 4xx, POST. Again: and."),
    ] = None,
    url: Url = None,
    key: TestKey = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each.")] = False,
) -> None:
    """Show requests and test events as they happen."""
    from azukari.tools import server, tail
    from azukari.tools.screen import Screen

    def prepare(settings: Settings) -> Callable[[], Awaitable[None]]:
        place = server.find(settings, url, key)
        # With a key of one's own it may be anybody's server, unless its data directory is named too.
        here = settings.data if key is None or data is not None else None

        async def work() -> None:
            async with server.Server(place) as asked:
                await tail.tail(asked, here, filters or (), Screen(as_json=as_json))

        return work

    _run_tool(data, prepare)


def _run_tool(data: Path | None, prepare: Callable[[Settings], Callable[[], Awaitable[None]]]) -> None:
    """Run a developer's tool until it ends, or is ended: by Ctrl-C too, which is no failure."""
    from azukari.tools.server import ToolError

    async def until_stopped(work: Callable[[], Awaitable[None]]) -> None:
        working = asyncio.ensure_future(work())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, working.cancel)
        with suppress(asyncio.CancelledError):
            await working

    try:
        asyncio.run(until_stopped(prepare(settings_of(data, None))))
    except (SettingError, ToolError) as error:
        fail(str(error))
