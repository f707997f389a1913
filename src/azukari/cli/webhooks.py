"""``azukari webhooks``."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from azukari.cli.common import (
    PERSON,
    AsJson,
    Data,
    DatabaseUrl,
    fail,
    in_words,
    print_json,
    show_rows,
    when,
    with_parts,
)
from azukari.core.config import SettingError

R = TypeVar("R")
#: A secret among the words of a command would stay in the shell's history and in the list of processes.
SecretFile = Annotated[
    Path | None,
    typer.Option("--secret-file", help="A file that holds a secret of your own, - for standard input. [made by us]"),
]

app = typer.Typer(no_args_is_help=True, help="Webhook endpoints: where events are delivered to.")


@app.command("add")
def add_webhook(
    merchant: str,
    url: str,
    live: Annotated[bool, typer.Option("--live", help="Live events instead of test events.")] = False,
    event: Annotated[list[str] | None, typer.Option(help="A type to be told of; again for more. [all]")] = None,
    ordered: Annotated[bool, typer.Option("--ordered", help="One event at a time, in their order.")] = False,
    api_version: Annotated[str | None, typer.Option(help="Of the bodies. [the newest]")] = None,
    secret_file: SecretFile = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make an endpoint and ping it. Its secret is shown now and never again."""
    from azukari.db import Owner
    from azukari.merchants import store as merchants
    from azukari.merchants.service import API_VERSIONS
    from azukari.webhooks import service
    from azukari.webhooks.schemas import EndpointCreate

    secret = _secret_in(secret_file)

    async def make(services: Any) -> Any:
        if await services.db.read(merchants.find_merchant, merchant) is None:
            raise SettingError("There is no merchant with this id. `azukari merchants list` shows them.")
        body = _read_as(
            EndpointCreate,
            {
                "url": url,
                "events": event or None,
                "ordered": ordered,
                "api_version": api_version,
                "secret": secret,
            },
        )
        owner = Owner(merchant, "live" if live else "test")
        asking = service.Caller(services, owner, PERSON, await services.time_of(owner), logs=False)
        return _builtins((await service.create(asking, body, API_VERSIONS[-1])).view)

    _show_webhook(as_json, with_parts(data, database, make))


@app.command("list")
def list_webhooks(
    merchant: str,
    live: Annotated[bool, typer.Option("--live", help="Live ones instead of test ones.")] = False,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """A merchant's endpoints."""
    from azukari.db import Owner, Slice
    from azukari.webhooks import store
    from azukari.webhooks.schemas import EndpointOut

    owner = Owner(merchant, "live" if live else "test")
    every = Slice(1, 100, 0, 2**62)
    found = with_parts(data, database, lambda services: services.db.read(store.page, owner, every))
    rows = [_builtins(EndpointOut.of(each)) for each in found.rows]
    if not as_json:
        rows = [{name: in_words(row[name]) for name in ("id", "url", "events", "active")} for row in rows]
    show_rows(as_json, rows)


@app.command("show")
def show_webhook(webhook: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """One endpoint, by its id."""
    from azukari.webhooks.schemas import EndpointOut

    async def show(asking: Any, endpoint: Any) -> Any:
        return _builtins(EndpointOut.of(endpoint))

    _show_webhook(as_json, _with_webhook(data, database, webhook, show))


@app.command("remove")
def remove_webhook(webhook: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Delete an endpoint and its secret; what was on its way is dropped."""
    from azukari.webhooks import service

    _with_webhook(data, database, webhook, lambda asking, endpoint: service.delete(asking, endpoint.id))
    show_rows(as_json, [{"id": webhook, "removed": True}])


@app.command("ping")
def ping_webhook(webhook: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Send a ping; `azukari webhooks log` shows what came of it."""
    from azukari.webhooks import service

    _with_webhook(data, database, webhook, lambda asking, endpoint: service.ping(asking, endpoint.id))
    show_rows(as_json, [{"id": webhook, "pinged": True}])


@app.command("roll")
def roll_webhook(
    webhook: str,
    secret_file: SecretFile = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make another secret, shown now and never again. The one before signs too, for a day."""
    from azukari.webhooks import service
    from azukari.webhooks.schemas import Roll

    secret = _secret_in(secret_file)

    async def roll(asking: Any, endpoint: Any) -> Any:
        body = _read_as(Roll, {"secret": secret})
        return _builtins((await service.roll(asking, endpoint.id, body.secret)).view)

    _show_webhook(as_json, _with_webhook(data, database, webhook, roll))


@app.command("replay")
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
        fail("Say which events: --event ID, --from TIME [--to TIME], or --dead.")
    try:
        since = None if start is None else parse_iso(start)
        until = None if end is None else parse_iso(end)
    except ValueError:
        fail("A time must look like 2026-01-31 or 2026-01-31T09:00:00+09:00.")
    body = Replay(event=event, start_time=since, end_time=until, dead=dead)

    async def replay(asking: Any, endpoint: Any) -> int:
        return (await service.replay(asking, endpoint.id, body)).view.sent_again

    count = _with_webhook(data, database, webhook, replay)
    show_rows(as_json, [{"id": webhook, "sent_again": count}])


@app.command("log")
def log_webhook(
    webhook: str,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many tries, newest first.")] = 50,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """The latest tries: when, of which event, the answer's code, how long it took."""
    from azukari.db import Slice
    from azukari.webhooks import deliveries

    found = _with_webhook(
        data,
        database,
        webhook,
        lambda asking, endpoint: asking.services.db.read(
            deliveries.log, asking.owner, endpoint.id, Slice(1, limit, 0, 2**62)
        ),
    )
    rows = [
        {
            "at": when(each.at),
            "event": each.event_id,
            "type": each.event_type,
            "attempt": each.number,
            "answer": each.code or each.failure,
            "ms": each.ms,
            "delivery": each.state,
        }
        for each in found.rows
    ]
    show_rows(as_json, rows)


def _with_webhook(data: Path | None, database: str | None, webhook: str, work: Callable[[Any, Any], Awaitable[R]]) -> R:
    """Do something about an endpoint, whoever's it is."""
    from azukari.core.errors import NotFound
    from azukari.webhooks import service, store

    async def find(services: Any) -> R:
        try:
            endpoint = await services.db.read(store.get_anyones, webhook)
            return await work(
                service.Caller(services, endpoint.owner, PERSON, await services.time_of(endpoint.owner), logs=False),
                endpoint,
            )
        except NotFound:
            raise SettingError(
                "There is no such endpoint or event. `azukari webhooks list MERCHANT_ID` helps."
            ) from None

    return with_parts(data, database, find)


def _builtins(view: Any) -> Any:
    """An endpoint as it is printed."""
    import msgspec

    return msgspec.json.decode(msgspec.json.encode(view))


def _secret_in(file: Path | None) -> str | None:
    """What a file holds, without the line's end."""
    if file is None:
        return None
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        fail(f"The secret's file cannot be read ({type(error).__name__}).")
    secret = text.rstrip("\r\n")
    if not secret:
        fail("The secret's file is empty.")
    return secret


def _read_as(kind: Any, given: dict[str, Any]) -> Any:
    from azukari.core.errors import ApiError
    from azukari.wire import bodies

    try:
        return bodies.convert({name: value for name, value in given.items() if value is not None}, kind)
    except ApiError as error:
        raise SettingError(error.message) from None


def _show_webhook(as_json: bool, row: dict[str, Any]) -> None:
    for sentence in row.get("warnings", ()):
        typer.secho(sentence, err=True, fg=typer.colors.YELLOW)
    if as_json:
        print_json(row)
    else:
        shown = {name: value for name, value in row.items() if name not in ("resource", "warnings")}
        show_rows(False, [{"setting": name, "value": in_words(value)} for name, value in shown.items()])
