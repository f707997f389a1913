"""The ``azukari`` command."""

import asyncio
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from azukari import __version__
from azukari.core import config
from azukari.core.config import SettingError, Settings
from azukari.core.secret import Secret

R = TypeVar("R")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
merchants_app = typer.Typer(no_args_is_help=True, help="Merchants of this installation.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys: create, list, roll, revoke.")
app.add_typer(merchants_app, name="merchants")
app.add_typer(keys_app, name="keys")
webhooks_app = typer.Typer(no_args_is_help=True, help="Webhook endpoints: where events are delivered to.")
app.add_typer(webhooks_app, name="webhooks")

Data = Annotated[Path | None, typer.Option(help="The data directory. [AZUKARI_DATA; ./azukari-data]")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database", help="postgresql://… [AZUKARI_DATABASE_URL; SQLite in the data directory]")
]
clock_app = typer.Typer(no_args_is_help=True, help="A merchant's test clock: set, advance, freeze, reset.")
app.add_typer(clock_app, name="clock")

AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON instead of text.")]


def _settings(data: Path | None, database: str | None, **more: Any) -> Settings:
    """The environment's settings under the command's options; left in the environment for further processes."""
    if data is not None:
        os.environ["AZUKARI_DATA"] = str(data)
    if database is not None:
        os.environ["AZUKARI_DATABASE_URL"] = database
    for name, value in more.items():
        if value is not None:
            os.environ[f"AZUKARI_{name.upper()}"] = str(value)
    return config.read()


def _run(work: Callable[[], Awaitable[R]]) -> R:
    """Run a command's work; what a person can mend becomes a sentence and exit status 1."""
    from azukari.core.errors import NotFound, Unavailable, Unprocessable
    from azukari.db.open import Damaged
    from azukari.merchants.service import LiveKeysRefused
    from azukari.vault import VaultError

    async def main() -> R:
        return await work()

    try:
        return asyncio.run(main())
    except (SettingError, Damaged) as error:
        _fail(str(error))
    except Unprocessable as error:
        _fail(error.message)
    except NotFound:
        _fail("There is no merchant with this id. `azukari merchants list` shows them.")
    except VaultError as error:
        _fail(f"The vault cannot be opened: {error}")
    except LiveKeysRefused:
        _fail(
            "Live keys need the vault's key to lie outside of the data directory. Set AZUKARI_KEK_FILE to a file "
            "elsewhere (0400), and start from an empty data directory."
        )
    except (Unavailable, OSError) as error:
        reason = error.__cause__ or error
        _fail(f"The database cannot be used ({type(reason).__name__}). Check --database, and that it is running.")


def _fail(sentence: str) -> NoReturn:
    typer.secho(sentence, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    # What a start makes stays: without this the collector looks through it a hundred times.
    gc.set_threshold(250_000, 20, 100)
    # A core dump would hold the keys of the vault and whatever card is in flight.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def init(data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Create the data directory, keys and database, and one merchant with a test key pair."""
    from azukari import setup

    try:
        settings = _settings(data, database)
    except SettingError as error:
        _fail(str(error))
    made = _run(lambda: setup.init(settings))
    if as_json:
        _print_json(
            {
                "secret_key": made.secret_key.reveal(),
                "publishable_key": made.publishable_key.reveal(),
                "data": str(made.data),
            }
        )
        return
    typer.echo(f"Ready in {made.data}")
    _show_pair(made.secret_key, made.publishable_key)


@app.command()
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
        settings = _settings(data, database, host=host, port=port)
        in_the_clear = _refuse_plaintext(settings)
    except SettingError as error:
        _fail(str(error))
    made = _run(lambda: setup.ensure(settings))
    if in_the_clear and _run(lambda: setup.has_live_keys(settings)):
        _fail(
            "This installation has live keys, so AZUKARI_INSECURE_HTTP=1 is refused. "
            "Put a proxy that ends TLS in front."
        )
    log.setup(settings.log_level)
    _greet(settings, made)
    server.serve(
        server.config("azukari.app:build", factory=True, host=settings.host, port=settings.port, workers=workers)
    )


@app.command()
def worker(data: Data = None, database: DatabaseUrl = None) -> None:
    """Settle and sweep in a process of its own, beside servers run with AZUKARI_WORKER=0."""
    from azukari import setup
    from azukari import worker as loop
    from azukari.core import log
    from azukari.wiring import Parts

    try:
        settings = _settings(data, database)
    except SettingError as error:
        _fail(str(error))
    log.setup(settings.log_level)

    async def work() -> None:
        await setup.ensure(settings)
        parts = await Parts.assemble(settings)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        log.event("worker.ready", pid=os.getpid())
        await loop.run(parts, stop)
        await parts.close()

    _run(work)


@app.command()
def migrate(data: Data = None, database: DatabaseUrl = None) -> None:
    """Bring the database to this version's schema."""
    from azukari import setup
    from azukari.db import migrate as migrations

    try:
        settings = _settings(data, database)
    except SettingError as error:
        _fail(str(error))
    _run(lambda: setup.migrate(settings))
    typer.echo(f"The schema is at {migrations.HEAD}.")


@app.command()
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
    """Look for what is wrong with a running installation. Exit status 1 when something is."""
    import httpx

    from azukari.checkout import manifest

    if not pages:
        _fail("Say what to look at: --pages.")
    try:
        address = url or _settings(data, database).base_url
    except SettingError as error:
        _fail(str(error))

    async def look() -> list[str]:
        async with httpx.AsyncClient(timeout=30) as client:
            return await manifest.differences(client, address)

    try:
        found = asyncio.run(look())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _fail(f"{address} does not answer ({type(error).__name__}). Is the server running, and is --url right?")
    for each in found:
        typer.secho(each, err=True, fg=typer.colors.RED)
    if found:
        _fail("Somebody may have changed what shoppers load. Stop taking cards until you know who, and why.")
    typer.echo(f"Scripts and headers of {address} are as the manifest says.")


Url = Annotated[str | None, typer.Option(help="Of the server. [AZUKARI_PUBLIC_URL; http://127.0.0.1:8420]")]
TestKey = Annotated[
    str | None,
    typer.Option(
        help="A secret test key. [AZUKARI_TEST_KEY; the first one of the data directory]",
        envvar="AZUKARI_TEST_KEY",
        show_envvar=False,
    ),
]


@app.command()
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
    from azukari.tools import listening, server
    from azukari.tools.screen import Screen
    from azukari.tools.state import State

    def prepare(settings: Settings) -> Callable[[], Awaitable[None]]:
        state = State.of(settings)
        if print_secret:
            typer.echo(state.secret().reveal())
            raise typer.Exit
        if forward_to is None:
            raise server.ToolError("Say where to: --forward-to http://localhost:3000/webhooks.")
        wish = listening.Wish(
            listening.read_target(forward_to), listening.read_types(events),
            None if since is None else listening.read_since(since), None if secret is None else Secret(secret), retry,
        )  # fmt: skip
        place = server.find(settings, url, key)

        async def work() -> None:
            async with server.Server(place) as asked:
                await listening.listen(asked, state, wish, Screen(as_json=as_json))

        return work

    _run_tool(data, prepare)


@app.command()
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
    from azukari.tools import server, triggering
    from azukari.tools.screen import Screen

    screen = Screen(as_json=as_json)
    if list_types:
        triggering.list_all(screen)
        return
    if type is None:
        _fail("Say which event: azukari trigger payment.captured. `azukari trigger --list` shows them.")

    def prepare(settings: Settings) -> Callable[[], Awaitable[None]]:
        wish = triggering.Wish(type, customer, changes or ())
        triggering.check(wish)
        place = server.find(settings, url, key)

        async def work() -> None:
            async with server.Server(place) as asked:
                await triggering.trigger(asked, wish, screen)

        return work

    _run_tool(data, prepare)


@app.command()
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
    from azukari.tools import server, tailing
    from azukari.tools.screen import Screen

    def prepare(settings: Settings) -> Callable[[], Awaitable[None]]:
        place = server.find(settings, url, key)
        # With a key of one's own it may be anybody's server, unless its data directory is named too.
        here = settings.data if key is None or data is not None else None

        async def work() -> None:
            async with server.Server(place) as asked:
                await tailing.tail(asked, here, filters or (), Screen(as_json=as_json))

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
        asyncio.run(until_stopped(prepare(_settings(data, None))))
    except (SettingError, ToolError) as error:
        _fail(str(error))


@merchants_app.command("create")
def create_merchant(name: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Add a merchant. It has no keys yet: `azukari keys create MERCHANT_ID`."""
    from azukari.merchants import service

    made = _with_parts(data, database, lambda parts: service.create(parts.db, name, parts.clock, parts.ids))
    _show(as_json, [{"id": made.id, "name": made.name}])


@merchants_app.command("list")
def list_merchants(data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Every merchant."""
    from azukari.merchants import store

    found = _with_parts(data, database, lambda parts: parts.db.read(store.list_merchants))
    _show(as_json, [{"id": each.id, "name": each.name, "created": _when(each.created_at)} for each in found])


#: What each option of `merchants set` is called among the settings.
_SETTINGS = {
    "name": "name", "logo": "logo", "accent": "accent", "support": "support", "payment-types": "payment_types",
    "fee": "fees", "rate": "rates", "languages": "languages", "origin": "origins", "currency": "currency",
    "legal-url": "legal_url", "legal-text": "legal_text", "privacy-url": "privacy_url", "bank-fee": "bank_fee",
    "time-zone": "time_zone", "retry-days": "retry_days",
}  # fmt: skip


@merchants_app.command("set")
def set_merchant(
    merchant: str,
    name: Annotated[str | None, typer.Option(help="What shoppers see.")] = None,
    logo: Annotated[Path | None, typer.Option(help="A PNG, JPEG or WebP file of at most 16 KiB.")] = None,
    accent: Annotated[str | None, typer.Option(help="The page's colour, like '#1f5a4e'.")] = None,
    support: Annotated[str | None, typer.Option(help="Where shoppers ask: a mail address or a URL.")] = None,
    payment_types: Annotated[
        list[str] | None, typer.Option(help="By currency and in order: JPY=credit_card,konbini. Again for another.")
    ] = None,
    fee: Annotated[list[str] | None, typer.Option(help="On top, by type: konbini=190. Again for another.")] = None,
    rate: Annotated[
        list[str] | None, typer.Option(help="Yen for one of a currency: USD=150.2. Lets its orders be paid in yen.")
    ] = None,
    languages: Annotated[str | None, typer.Option(help="Of the page: some of ja,en,ko,zh.")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="A shop that may embed our pages: https://shop.example. Again for more.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Of orders that name none.")] = None,
    legal_url: Annotated[str | None, typer.Option(help="The shop's legal notice.")] = None,
    legal_text: Annotated[str | None, typer.Option(help="At most 400 characters under the total.")] = None,
    privacy_url: Annotated[str | None, typer.Option(help="The shop's privacy notice.")] = None,
    bank_fee: Annotated[
        bool | None, typer.Option("--bank-fee/--no-bank-fee", help="Shoppers pay the fee of a bank transfer.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Whose calendar new subscriptions follow, like Asia/Tokyo.")
    ] = None,
    retry_days: Annotated[
        str | None, typer.Option(help="Days after which a subscription's declined charge is tried again: 1,4,8,14.")
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option(help="Put a setting back to its default, by its option's name.")
    ] = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change how a merchant's page looks and what it offers. Servers know within a second."""
    from azukari.merchants import settings
    from azukari.payment_methods import offer

    try:
        values = {
            "name": name, "logo": _picture(logo), "accent": accent, "support": support,
            "payment_types": _pairs(payment_types, "--payment-types", "JPY=credit_card,konbini", lists=True),
            "fees": _pairs(fee, "--fee", "konbini=190"), "rates": _pairs(rate, "--rate", "USD=150.2"),
            "languages": None if languages is None else languages.split(","), "origins": origin or None,
            "currency": currency, "legal_url": legal_url, "legal_text": legal_text, "privacy_url": privacy_url,
            "bank_fee": bank_fee, "time_zone": time_zone,
            "retry_days": None if retry_days is None else retry_days.split(","),
        }  # fmt: skip
    except SettingError as error:
        _fail(str(error))
    if not set(unset or ()) <= set(_SETTINGS):
        _fail(f"--unset takes {', '.join(_SETTINGS)}.")
    given = {each: value for each, value in values.items() if value is not None}
    back = [_SETTINGS[each] for each in unset or ()]
    changed = _with_parts(data, database, lambda parts: settings.change(parts.db, merchant, given, back, offer.check))
    _show_settings(as_json, merchant, changed)


@merchants_app.command("show")
def show_merchant(merchant: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """A merchant's settings, our defaults among them."""
    from azukari.merchants import settings

    found = _with_parts(data, database, lambda parts: parts.db.read(settings.settings_of, merchant))
    _show_settings(as_json, merchant, found)


@keys_app.command("create")
def create_keys(
    merchant: str,
    live: Annotated[bool, typer.Option("--live", help="Live keys instead of test keys.")] = False,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a secret and a publishable key. They are shown now and never again."""
    from azukari.merchants import store
    from azukari.merchants.service import Pair
    from azukari.wiring import Parts

    async def make(parts: Parts) -> Pair:
        found = await parts.db.read(store.find_merchant, merchant)
        if found is None:
            raise SettingError("There is no merchant with this id. `azukari merchants list` shows them.")
        if live and parts.settings.insecure_http:
            raise SettingError("AZUKARI_INSECURE_HTTP=1 is for installations without live keys.")
        return await parts.keyring.make_pair(found.id, "live" if live else "test")

    pair = _with_parts(data, database, make)
    if as_json:
        _print_json({"secret_key": pair.secret.reveal(), "publishable_key": pair.publishable.reveal()})
    else:
        _show_pair(pair.secret, pair.publishable)


@keys_app.command("list")
def list_keys(merchant: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """A merchant's keys: their ids and ends, not the keys."""
    from azukari.merchants import store

    found = _with_parts(data, database, lambda parts: parts.db.read(store.list_keys, merchant))
    _show(
        as_json,
        [
            {
                "id": each.id,
                "key": f"{each.kind}_{each.mode}_…{each.last_four}",
                "created": _when(each.created_at),
                "last_used": _when(each.last_used_at),
                "revoked": _when(each.revoked_at),
            }
            for each in found
        ],
    )


@keys_app.command("roll")
def roll_key(key: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Make a new key like this one (named by its id); the old one stays good until you revoke it."""
    made = _with_parts(data, database, lambda parts: parts.keyring.roll(key))
    if made is None:
        _fail("There is no key with this id. `azukari keys list MERCHANT_ID` shows them.")
    _show(as_json, [{"key": made.reveal()}])


@keys_app.command("revoke")
def revoke_key(key: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """End a key (named by its id), everywhere within a second."""
    if not _with_parts(data, database, lambda parts: parts.keyring.revoke(key)):
        _fail("There is no key in use with this id. `azukari keys list MERCHANT_ID` shows them.")
    _show(as_json, [{"id": key, "revoked": True}])


@webhooks_app.command("add")
def add_webhook(
    merchant: str,
    url: str,
    live: Annotated[bool, typer.Option("--live", help="Live events instead of test events.")] = False,
    event: Annotated[list[str] | None, typer.Option(help="A type to be told of; again for more. [all]")] = None,
    ordered: Annotated[bool, typer.Option("--ordered", help="One event at a time, in their order.")] = False,
    api_version: Annotated[str | None, typer.Option(help="Of the bodies. [the newest]")] = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make an endpoint and ping it. Its secret is shown now and never again."""
    from azukari.db import Owner
    from azukari.merchants import store as merchants
    from azukari.merchants.service import API_VERSIONS
    from azukari.webhooks import service

    async def make(parts: Any) -> Any:
        if await parts.db.read(merchants.find_merchant, merchant) is None:
            raise SettingError("There is no merchant with this id. `azukari merchants list` shows them.")
        order = _webhook_order({"url": url, "events": event or None, "ordered": ordered, "api_version": api_version})
        owner = Owner(merchant, "live" if live else "test")
        asking = service.Asking(parts, owner, _PERSON, await parts.time_of(owner))
        return json.loads((await service.create(asking, order, API_VERSIONS[-1])).body)

    _show_webhook(as_json, _with_parts(data, database, make))


@webhooks_app.command("list")
def list_webhooks(
    merchant: str,
    live: Annotated[bool, typer.Option("--live", help="Live ones instead of test ones.")] = False,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """A merchant's endpoints."""
    from azukari.db import Owner
    from azukari.webhooks import store

    owner = Owner(merchant, "live" if live else "test")
    found = _with_parts(
        data, database, lambda parts: parts.db.read(store.page, owner, page=1, per_page=100, start=0, end=2**62)
    )
    rows = [_webhook(each) for each in found.rows]
    if not as_json:
        rows = [{name: _in_words(row[name]) for name in ("id", "url", "events", "active")} for row in rows]
    _show(as_json, rows)


@webhooks_app.command("show")
def show_webhook(webhook: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """One endpoint, by its id."""

    async def show(asking: Any, endpoint: Any) -> Any:
        return _webhook(endpoint)

    _show_webhook(as_json, _with_webhook(data, database, webhook, show))


@webhooks_app.command("remove")
def remove_webhook(webhook: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Delete an endpoint and its secret; what was on its way is dropped."""
    from azukari.webhooks import service

    _with_webhook(data, database, webhook, lambda asking, endpoint: service.delete(asking, endpoint.id))
    _show(as_json, [{"id": webhook, "removed": True}])


@webhooks_app.command("ping")
def ping_webhook(webhook: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Send a ping; `azukari webhooks log` shows what came of it."""
    from azukari.webhooks import service

    _with_webhook(data, database, webhook, lambda asking, endpoint: service.ping(asking, endpoint.id))
    _show(as_json, [{"id": webhook, "pinged": True}])


@webhooks_app.command("roll")
def roll_webhook(webhook: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Make another secret, shown now and never again. The one before signs too, for a day."""
    from azukari.webhooks import service

    async def roll(asking: Any, endpoint: Any) -> Any:
        return json.loads((await service.roll(asking, endpoint.id, None)).body)

    _show_webhook(as_json, _with_webhook(data, database, webhook, roll))


@webhooks_app.command("replay")
def replay_webhooks(
    webhook: str,
    event: Annotated[str | None, typer.Option(help="One event, by its id.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="What happened from this time on (ISO 8601).")] = None,
    end: Annotated[str | None, typer.Option("--to", help="And before this time. [now]")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All that was given up.")] = False,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Send events again: one, those of a time, or all that were given up."""
    from azukari.core.clock import parse_iso
    from azukari.webhooks import service
    from azukari.webhooks.schemas import Replay

    if sum((event is not None, start is not None, dead)) != 1 or (end is not None and start is None):
        _fail("Say which events: --event ID, --from TIME [--to TIME], or --dead.")
    try:
        since = None if start is None else parse_iso(start)
        until = None if end is None else parse_iso(end)
    except ValueError:
        _fail("A time must look like 2026-01-31 or 2026-01-31T09:00:00+09:00.")
    order = Replay(event=event, start_time=since, end_time=until, dead=dead)

    async def replay(asking: Any, endpoint: Any) -> int:
        return int(json.loads((await service.replay(asking, endpoint.id, order)).body)["sent_again"])

    count = _with_webhook(data, database, webhook, replay)
    _show(as_json, [{"id": webhook, "sent_again": count}])


@webhooks_app.command("log")
def log_webhook(
    webhook: str,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many tries, newest first.")] = 50,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """The latest tries: when, of which event, the answer's code, how long it took."""
    from azukari.webhooks import deliveries

    found = _with_webhook(
        data, database, webhook,
        lambda asking, endpoint: asking.parts.db.read(
            deliveries.log, asking.owner, endpoint.id, page=1, per_page=limit, start=0, end=2**62
        ),
    )  # fmt: skip
    rows = [
        {
            "at": _when(each.at), "event": each.event_id, "type": each.event_type, "attempt": each.number,
            "answer": each.code or each.failure, "ms": each.ms, "delivery": each.state,
        }
        for each in found.rows
    ]  # fmt: skip
    _show(as_json, rows)


OfMerchant = Annotated[
    str | None, typer.Option("--merchant", help="Whose clock; where there is one merchant, that one's.")
]


@clock_app.command("show")
def show_clock(
    merchant: OfMerchant = None, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """What time it is for a merchant in test mode."""
    from azukari.time_travel import service

    async def show(parts: Any, owner: Any) -> Any:
        import msgspec

        return msgspec.to_builtins(await service.show(parts, owner))

    _show_clock(as_json, _with_owner(data, database, merchant, show))


@clock_app.command("set")
def set_clock(
    now: Annotated[str, typer.Argument(help="ISO 8601: 2027-01-31 or 2027-01-31T09:00:00+09:00.")],
    merchant: OfMerchant = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Set it: to a later time by doing all that falls due until then, to an earlier one at once."""
    _change_clock(data, database, merchant, as_json, now=now)


@clock_app.command("advance")
def advance_clock(
    duration: Annotated[str, typer.Argument(help="ISO 8601: PT90M, P1D, P2W, P1M, P1Y.")],
    merchant: OfMerchant = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Go on by so much, from one due moment to the next; ends when all is done that fell due."""
    _change_clock(data, database, merchant, as_json, advance=duration)


@clock_app.command("freeze")
def freeze_clock(
    off: Annotated[bool, typer.Option("--off", help="Let it run again, from what it shows.")] = False,
    merchant: OfMerchant = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Stop it."""
    _change_clock(data, database, merchant, as_json, freeze=not off)


@clock_app.command("reset")
def reset_clock(
    merchant: OfMerchant = None, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Back to the real time."""
    _change_clock(data, database, merchant, as_json, reset=True)


def _change_clock(data: Path | None, database: str | None, merchant: str | None, as_json: bool, **given: Any) -> None:
    from azukari.core.errors import ApiError, Locked
    from azukari.time_travel import service
    from azukari.time_travel.schemas import ClockSet
    from azukari.web import bodies

    try:
        order = bodies.convert(given, ClockSet)
    except ApiError as error:
        _fail(f"{error.message} Times and durations are ISO 8601: 2027-01-31T09:00:00Z, P1M.")

    async def change(parts: Any, owner: Any) -> Any:
        try:
            return json.loads((await service.change(parts, owner, order)).body)
        except Locked:
            raise SettingError("Somebody is advancing this clock now. Try again when that is done.") from None

    _show_clock(as_json, _with_owner(data, database, merchant, change))


def _show_clock(as_json: bool, shown: dict[str, Any]) -> None:
    if as_json:
        _print_json(shown)
        return
    how = "standing still" if shown["frozen"] else "the real time" if shown["real"] else "running"
    typer.echo(f"{shown['now']}  ({how})")


def _with_owner(
    data: Path | None, database: str | None, merchant: str | None, work: Callable[[Any, Any], Awaitable[R]]
) -> R:  # fmt: skip
    """Do something in a merchant's test mode."""
    from azukari.db import Owner
    from azukari.merchants import store

    async def find(parts: Any) -> R:
        found = [each.id for each in await parts.db.read(store.list_merchants)]
        if merchant is None and len(found) > 1:
            raise SettingError("There are several merchants. Say whose clock: --merchant MERCHANT_ID.")
        if merchant is not None and merchant not in found:
            raise SettingError("There is no merchant with this id. `azukari merchants list` shows them.")
        return await work(parts, Owner(merchant or found[0], "test"))

    return _with_parts(data, database, find)


#: Who does what is done on the command line, for audit lines.
_PERSON = "command line"


def _with_webhook(
    data: Path | None, database: str | None, webhook: str, work: Callable[[Any, Any], Awaitable[R]]
) -> R:  # fmt: skip
    """Do something about an endpoint, whoever's it is."""
    from azukari.core.errors import NotFound
    from azukari.webhooks import service, store

    async def find(parts: Any) -> R:
        try:
            endpoint = await parts.db.read(store.get_anyones, webhook)
            return await work(
                service.Asking(parts, endpoint.owner, _PERSON, await parts.time_of(endpoint.owner)), endpoint
            )
        except NotFound:
            raise SettingError(
                "There is no such endpoint or event. `azukari webhooks list MERCHANT_ID` helps."
            ) from None

    return _with_parts(data, database, find)


def _webhook(endpoint: Any) -> Any:
    import msgspec

    from azukari.webhooks.schemas import EndpointOut

    return msgspec.json.decode(msgspec.json.encode(EndpointOut.of(endpoint)))


def _webhook_order(given: dict[str, Any]) -> Any:
    from azukari.core.errors import ApiError
    from azukari.web import bodies
    from azukari.webhooks.schemas import EndpointCreate

    try:
        return bodies.convert({name: value for name, value in given.items() if value is not None}, EndpointCreate)
    except ApiError as error:
        raise SettingError(error.message) from None


def _show_webhook(as_json: bool, row: dict[str, Any]) -> None:
    if as_json:
        _print_json(row)
    else:
        shown = {name: value for name, value in row.items() if name != "resource"}
        _show(False, [{"setting": name, "value": _in_words(value)} for name, value in shown.items()])


def _with_parts(data: Path | None, database: str | None, work: Callable[[Any], Awaitable[R]]) -> R:
    """Open the installation for one piece of administration."""
    from azukari import setup
    from azukari.wiring import Parts

    try:
        settings = _settings(data, database)
    except SettingError as error:
        _fail(str(error))

    async def main() -> R:
        await setup.ensure(settings)
        parts = await Parts.assemble(settings)
        try:
            return await work(parts)
        finally:
            await parts.close()

    return _run(main)


def _refuse_plaintext(settings: Settings) -> bool:
    """Card numbers do not travel in the clear (SEC-8); whether they are to all the same. Raises SettingError."""
    outside = not settings.on_loopback
    if outside and not settings.trusted_proxies and not settings.insecure_http:
        raise SettingError(
            f"Refusing to listen on {settings.host} without TLS. Put a proxy that ends TLS in front and name it in "
            "AZUKARI_TRUSTED_PROXIES, or set AZUKARI_INSECURE_HTTP=1 on an installation without live keys."
        )
    return outside and not settings.trusted_proxies


def _greet(settings: Settings, made: Any) -> None:
    if not sys.stdout.isatty() and made is None:
        return
    typer.echo(f"Azukari {__version__} on {settings.base_url}")
    if made is None:
        return
    _show_pair(made.secret_key, made.publishable_key)
    typer.echo(
        "\nA first customer, to paste:\n"
        f"  curl -X POST {settings.base_url}/api/v1/customers --user {made.secret_key.reveal()}: \\\n"
        "    --data 'payment_details[type]=credit_card' --data 'payment_details[number]=4111111111111111' \\\n"
        "    --data 'payment_details[month]=12' --data 'payment_details[year]=2030' "
        "--data 'payment_details[name]=Taro Yamada'\n",
    )
    sys.stdout.flush()


def _show_pair(secret: Secret, publishable: Secret) -> None:
    typer.echo(f"  secret key       {secret.reveal()}")
    typer.echo(f"  publishable key  {publishable.reveal()}")


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value))


def _show(as_json: bool, rows: list[dict[str, Any]]) -> None:
    """A table for people, or a JSON array."""
    if as_json:
        _print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo("None.")
        return
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)


def _show_settings(as_json: bool, merchant: str, found: Any) -> None:
    import msgspec

    values: dict[str, Any] = {"id": merchant, **msgspec.to_builtins(found)}
    if as_json:
        _print_json(values)
        return
    if values["logo"]:
        media_type, _, text = values["logo"].removeprefix("data:").partition(";base64,")
        values["logo"] = f"{media_type}, {len(text) * 3 // 4 - text.count('=')} bytes"
    _show(False, [{"setting": name, "value": _in_words(value)} for name, value in values.items()])


def _in_words(value: Any) -> str:
    match value:
        case None:
            return "-"
        case dict() | list() if not value:
            return "-"
        case dict():
            return "; ".join(f"{name}={_in_words(each)}" for name, each in value.items())
        case list():
            return ", ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
    return str(value)


def _pairs(given: list[str] | None, option: str, example: str, *, lists: bool = False) -> dict[str, Any] | None:
    """The values of an option that is ``NAME=VALUE``. Raises SettingError."""
    pairs: dict[str, Any] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals:
            raise SettingError(f"{option} must look like {example}.")
        pairs[name.strip()] = [word.strip() for word in value.split(",") if word.strip()] if lists else value.strip()
    return pairs or None


def _picture(file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError as error:
        raise SettingError(f"The logo cannot be read: {error.strerror}.") from None


def _when(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment / 1_000, UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    app()
