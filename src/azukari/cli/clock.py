"""``azukari clock``."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from azukari.cli.common import AsJson, Data, DatabaseUrl, fail, print_json, with_parts
from azukari.core.config import SettingError

R = TypeVar("R")

app = typer.Typer(no_args_is_help=True, help="A merchant's test clock: set, advance, freeze, reset.")

OfMerchant = Annotated[
    str | None, typer.Option("--merchant", help="Whose clock; where there is one merchant, that one's.")
]


@app.command("show")
def show_clock(
    merchant: OfMerchant = None, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """What time it is for a merchant in test mode."""
    from azukari.time_travel import service

    async def show(services: Any, owner: Any) -> Any:
        import msgspec

        return msgspec.to_builtins(await service.show(services, owner))

    _show_clock(as_json, _with_owner(data, database, merchant, show))


@app.command("set")
def set_clock(
    now: Annotated[str, typer.Argument(help="ISO 8601: 2027-01-31 or 2027-01-31T09:00:00+09:00.")],
    merchant: OfMerchant = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Set it: to a later time by doing all that falls due until then, to an earlier one at once."""
    _change_clock(data, database, merchant, as_json, now=now)


@app.command("advance")
def advance_clock(
    duration: Annotated[str, typer.Argument(help="ISO 8601: PT90M, P1D, P2W, P1M, P1Y.")],
    merchant: OfMerchant = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Go on by so much, from one due moment to the next; ends when all is done that fell due."""
    _change_clock(data, database, merchant, as_json, advance=duration)


@app.command("freeze")
def freeze_clock(
    off: Annotated[bool, typer.Option("--off", help="Let it run again, from what it shows.")] = False,
    merchant: OfMerchant = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Stop it."""
    _change_clock(data, database, merchant, as_json, freeze=not off)


@app.command("reset")
def reset_clock(
    merchant: OfMerchant = None, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Back to the real time."""
    _change_clock(data, database, merchant, as_json, reset=True)


def _change_clock(data: Path | None, database: str | None, merchant: str | None, as_json: bool, **given: Any) -> None:
    import msgspec

    from azukari import hooks
    from azukari.core.errors import ApiError, Locked
    from azukari.time_travel import service
    from azukari.time_travel.schemas import ClockSet
    from azukari.wire import bodies

    try:
        order = bodies.convert(given, ClockSet)
    except ApiError as error:
        fail(f"{error.message} Times and durations are ISO 8601: 2027-01-31T09:00:00Z, P1M.")

    async def change(services: Any, owner: Any) -> Any:
        hooks.connect(services)
        try:
            return msgspec.to_builtins((await service.change(services, owner, order)).view)
        except Locked:
            raise SettingError("Somebody is advancing this clock now. Try again when that is done.") from None

    _show_clock(as_json, _with_owner(data, database, merchant, change))


def _show_clock(as_json: bool, shown: dict[str, Any]) -> None:
    if as_json:
        print_json(shown)
        return
    how = "standing still" if shown["frozen"] else "the real time" if shown["real"] else "running"
    typer.echo(f"{shown['now']}  ({how})")


def _with_owner(
    data: Path | None, database: str | None, merchant: str | None, work: Callable[[Any, Any], Awaitable[R]]
) -> R:
    """Do something in a merchant's test mode."""
    from azukari.db import Owner
    from azukari.merchants import store

    async def find(services: Any) -> R:
        found = [each.id for each in await services.db.read(store.list_merchants)]
        if merchant is None and len(found) > 1:
            raise SettingError("There are several merchants. Say whose clock: --merchant MERCHANT_ID.")
        if merchant is not None and merchant not in found:
            raise SettingError("There is no merchant with this id. `azukari merchants list` shows them.")
        return await work(services, Owner(merchant or found[0], "test"))

    return with_parts(data, database, find)
