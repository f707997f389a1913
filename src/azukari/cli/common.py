"""What the commands share: their options, how they open an installation, and how they show what they found."""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar
from urllib.parse import unquote

import typer

from azukari.core import config
from azukari.core.config import SettingError, Settings
from azukari.core.secret import Secret

R = TypeVar("R")

Data = Annotated[Path | None, typer.Option(help="The data directory. [AZUKARI_DATA; ./azukari-data]")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database", help="postgresql://… [AZUKARI_DATABASE_URL; SQLite in the data directory]")
]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON instead of text.")]

#: Who does what is done on the command line, for audit lines.
PERSON = "command line"


def settings_of(data: Path | None, database: str | None, **more: Any) -> Settings:
    """The environment's settings under the command's options; left in the environment for further processes.

    Raises SettingError.
    """
    if data is not None:
        os.environ["AZUKARI_DATA"] = str(data)
    if database is not None:
        if _holds_password(database):
            raise SettingError(
                "Every user of this machine can read a command's options, so --database takes no password. Leave the "
                "option out and put the address into AZUKARI_DATABASE_URL, or into a file that "
                "AZUKARI_DATABASE_URL_FILE names."
            )
        os.environ["AZUKARI_DATABASE_URL"] = database
    for name, value in more.items():
        if value is not None:
            os.environ[f"AZUKARI_{name.upper()}"] = str(value)
    return config.read()


#: In a query, and in what is no URL.
_PASSWORD = re.compile(r"passw(?:or)?d\s*=|\bpwd\s*=", re.IGNORECASE)
#: Behind the name of a host.
_PORT = re.compile(r":[0-9]*(?:,|$)")


def _holds_password(database: str) -> bool:
    """Whether an address holds a password, also one that no driver would find there."""
    plain = unquote(unquote(database))
    if _PASSWORD.search(plain):
        return True
    # A password may have signs in it that end the part of an address in which the user stands.
    before_query = plain.partition("//")[2].partition("?")[0]
    user, at, _ = before_query.rpartition("@")
    if at:
        return bool(user.partition(":")[2])
    hosts = re.sub(r"\[[^]]*\]", "", re.split("[/#]", before_query, maxsplit=1)[0])
    return ":" in _PORT.sub("", hosts)


def run(work: Callable[[], Awaitable[R]]) -> R:
    """Run a command's work; what a person can mend becomes a sentence and exit status 1."""
    from azukari.core.errors import NotFound, Unavailable, Unprocessable
    from azukari.db import DatabaseDown
    from azukari.db.open import Damaged
    from azukari.merchants.service import LiveKeysRefused, ServedInTheClear
    from azukari.vault import VaultError

    async def main() -> R:
        return await work()

    try:
        return asyncio.run(main())
    except (SettingError, Damaged) as error:
        fail(str(error))
    except Unprocessable as error:
        fail(error.message)
    except NotFound:
        fail("There is no merchant with this id. `azukari merchants list` shows them.")
    except VaultError as error:
        fail(f"The vault cannot be opened: {error}")
    except LiveKeysRefused:
        fail(
            "Live keys need the vault's key to lie outside of the data directory. Set AZUKARI_KEK_FILE to a file "
            "elsewhere (0400), and start from an empty data directory."
        )
    except ServedInTheClear:
        fail(
            "A server or worker of this installation runs with AZUKARI_INSECURE_HTTP=1 or AZUKARI_INSECURE_DATABASE=1, "
            "which is for installations without live keys. Stop it first; one that was killed is forgotten in a minute."
        )
    except (Unavailable, OSError) as error:
        if isinstance(error, DatabaseDown) and error.because:
            fail(f"The database cannot be used: {error.because}.")
        reason = error.__cause__ or error
        fail(f"The database cannot be used ({type(reason).__name__}). Check --database, and that it is running.")


def live_keys_there(settings: Settings) -> str:
    """Why a setting that lets cards travel in the clear is refused."""
    mend = (
        "Put a proxy that ends TLS in front."
        if settings.insecure_http
        else "Add sslmode=verify-full&sslrootcert=FILE to the database's address."
    )
    return f"This installation has live keys, so {settings.insecure}=1 is refused. {mend}"


def fail(sentence: str) -> NoReturn:
    typer.secho(sentence, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)


def with_parts(data: Path | None, database: str | None, work: Callable[[Any], Awaitable[R]]) -> R:
    """Open the installation for one piece of administration."""
    from azukari import setup
    from azukari.wiring import Services

    try:
        settings = settings_of(data, database)
    except SettingError as error:
        fail(str(error))

    async def main() -> R:
        await setup.ensure(settings)
        services = await Services.assemble(settings)
        try:
            return await work(services)
        finally:
            await services.close()

    return run(main)


def show_pair(secret: Secret, publishable: Secret) -> None:
    typer.echo(f"  secret key       {secret.reveal()}")
    typer.echo(f"  publishable key  {publishable.reveal()}")


def print_json(value: object) -> None:
    typer.echo(json.dumps(value))


def show_rows(as_json: bool, rows: list[dict[str, Any]]) -> None:
    """A table for people, or a JSON array."""
    if as_json:
        print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo("None.")
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        # Other commands ask for ids: on a narrow screen they stay whole, and nothing is cut off.
        table.add_column(name, overflow="fold", no_wrap=name in ("id", "event"))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)


def in_words(value: Any) -> str:
    match value:
        case None:
            return "-"
        case dict() | list() if not value:
            return "-"
        case dict():
            return "; ".join(f"{name}={in_words(each)}" for name, each in value.items())
        case list():
            return ", ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
    return str(value)


def when(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment / 1_000, UTC).isoformat(timespec="seconds")
