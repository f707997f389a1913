"""``azukari init``, ``serve``, ``worker``, ``migrate`` and ``doctor``."""

import asyncio
import os
import signal
import sys
from typing import Annotated, Any

import typer

from azukari import __version__
from azukari.cli.common import (
    AsJson,
    Data,
    DatabaseUrl,
    fail,
    live_keys_there,
    print_json,
    run,
    settings_of,
    show_pair,
    with_parts,
)
from azukari.core.config import SettingError, Settings


def init(data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Create the data directory, keys and database, and one merchant with a test key pair."""
    from azukari import setup

    try:
        settings = settings_of(data, database)
    except SettingError as error:
        fail(str(error))
    made = run(lambda: setup.init(settings))
    if as_json:
        print_json(
            {
                "secret_key": made.secret_key.reveal(),
                "publishable_key": made.publishable_key.reveal(),
                "data": str(made.data),
            }
        )
        return
    typer.echo(f"Ready in {made.data}")
    show_pair(made.secret_key, made.publishable_key)


def serve(
    data: Data = None,
    database: DatabaseUrl = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [AZUKARI_HOST; 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [AZUKARI_PORT; 8420]")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Server processes.")] = 1,
) -> None:
    """Serve the API. On an empty data directory this does `init` first."""
    from azukari import setup
    from azukari.core import log
    from azukari.web import server

    try:
        settings = settings_of(data, database, host=host, port=port)
        _refuse_plaintext(settings)
    except SettingError as error:
        fail(str(error))
    made = run(lambda: setup.ensure(settings))
    if settings.insecure and run(lambda: setup.has_live_keys(settings)):
        fail(live_keys_there(settings))
    log.setup(settings.log_level)
    if settings.loopback_webhooks and run(lambda: setup.has_live_keys(settings)):
        # Somebody with a test key may talk to what else runs here, beside real cards.
        log.warning("loopback_webhooks.beside_live_keys", setting="AZUKARI_LOOPBACK_WEBHOOKS")
    if settings.processors:
        # Several servers would each die of what is wrong here, and be started again for ever.
        run(lambda: setup.check_processors(settings))
    _greet(settings, made)
    server.serve(
        server.config("azukari.app:build", factory=True, host=settings.host, port=settings.port, workers=workers)
    )


def worker(data: Data = None, database: DatabaseUrl = None) -> None:
    """Settle and sweep in a process of its own, beside servers run with AZUKARI_WORKER=0."""
    from azukari import setup
    from azukari import worker as loop
    from azukari.core import log
    from azukari.merchants.clear_text import LiveKeysThere
    from azukari.wiring import Services

    try:
        settings = settings_of(data, database)
    except SettingError as error:
        fail(str(error))
    log.setup(settings.log_level)

    async def work() -> None:
        await setup.ensure(settings)
        services = await Services.assemble(settings)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        log.event("worker.ready", pid=os.getpid())
        try:
            async with services.at_work():
                await loop.run(services, stop)
        except LiveKeysThere:
            fail(live_keys_there(settings))
        finally:
            await services.close()

    run(work)


def migrate(data: Data = None, database: DatabaseUrl = None) -> None:
    """Bring the database to this version's schema."""
    from azukari import setup
    from azukari.db import migrate as migrations

    try:
        settings = settings_of(data, database)
    except SettingError as error:
        fail(str(error))
    run(lambda: setup.migrate(settings))
    typer.echo(f"The schema is at {migrations.HEAD}.")


def doctor(
    pages: Annotated[
        bool, typer.Option("--pages", help="Hold the served payment pages against their manifest.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(help="Of the server, or a session_url to look into that page too. [AZUKARI_PUBLIC_URL]"),
    ] = None,
    data: Data = None,
    database: DatabaseUrl = None,
) -> None:
    """Say who takes live cards, or look for what is wrong with the pages. Exit status 1 when something is wrong."""
    import httpx

    from azukari.checkout import manifest

    try:
        settings = settings_of(data, database)
    except SettingError as error:
        fail(str(error))
    if not pages:
        if not settings.data.is_dir():
            fail(f"There is no installation in {settings.data}. Is --data right?")
        with_parts(data, database, _say_who_takes_live_cards)
        return
    address = url or settings.base_url

    async def look() -> list[str]:
        async with httpx.AsyncClient(timeout=30) as client:
            return await manifest.differences(client, address)

    try:
        found = asyncio.run(look())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"{address} does not answer ({type(error).__name__}). Is the server running, and is --url right?")
    for each in found:
        typer.secho(each, err=True, fg=typer.colors.RED)
    if found:
        fail("Somebody may have changed what shoppers load. Stop taking cards until you know who, and why.")
    typer.echo(f"Scripts and headers of {address} are as the manifest says.")


async def _say_who_takes_live_cards(services: Any) -> None:
    found, taker = services.processors.live_hosts, services.live_cards
    for name, hosts in found.items():
        typer.echo(f"The processor {name} is loaded. Its hosts: {', '.join(hosts) or 'none'}.")
    if taker is not None:
        typer.echo(f"Live cards are taken by {taker}, at {', '.join(found[taker])}.")
    elif services.settings.insecure is not None:
        typer.echo(f"No live key is let in: {services.settings.insecure}=1.")
    else:
        typer.echo(
            "No processor takes live cards: what a live key charges is refused. AZUKARI_PROCESSORS names processors."
        )


def _refuse_plaintext(settings: Settings) -> None:
    """Card numbers do not travel in the clear (SEC-8). Raises SettingError."""
    if not settings.on_loopback and not settings.trusted_proxies and not settings.insecure_http:
        raise SettingError(
            f"Refusing to listen on {settings.host} without TLS. Put a proxy that ends TLS in front and name it in "
            "AZUKARI_TRUSTED_PROXIES, or set AZUKARI_INSECURE_HTTP=1 on an installation without live keys."
        )


def _greet(settings: Settings, made: Any) -> None:
    # What is written to a file or a journal stays there for others to read, so keys are shown there once at most.
    is_shown = made is not None and (sys.stdout.isatty() or made.is_new)
    if not sys.stdout.isatty() and made is None:
        return
    typer.echo(f"Azukari {__version__} on {settings.base_url}")
    if not is_shown:
        if made is not None:
            typer.echo("Its test keys: azukari init")
        return
    show_pair(made.secret_key, made.publishable_key)
    typer.echo(
        "\nA first customer, to paste:\n"
        f"  curl -X POST {settings.base_url}/api/v1/customers --user {made.secret_key.reveal()}: \\\n"
        "    --data 'payment_details[type]=credit_card' --data 'payment_details[number]=4111111111111111' \\\n"
        "    --data 'payment_details[month]=12' --data 'payment_details[year]=2030' "
        "--data 'payment_details[name]=Taro Yamada'\n",
    )
    sys.stdout.flush()
