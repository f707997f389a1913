"""``azukari accounts``."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from azukari.cli import secrets as given_secrets
from azukari.cli.common import PERSON, AsJson, Data, DatabaseUrl, fail, in_words, print_json, show_rows, with_parts
from azukari.cli.secrets import SecretsStayOut
from azukari.core.config import SettingError
from azukari.core.secret import Secret

R = TypeVar("R")
Mode = Literal["live", "test"]
MODES: tuple[Mode, ...] = ("live", "test")

OfMerchant = Annotated[
    str | None, typer.Option("--merchant", help="Whose account; where there is one merchant, that one's.")
]
OfMode = Annotated[Mode, typer.Option("--mode", help="An account of test mode is one on the processor's sandbox.")]
SecretFile = Annotated[
    list[str] | None, typer.Option("--secret-file", help="A secret from a file: secret_key=FILE. Again for another.")
]
SecretsStdin = Annotated[
    bool, typer.Option("--secrets-stdin", help="From standard input: a JSON object, or lines NAME=VALUE.")
]

app = typer.Typer(
    no_args_is_help=True,
    cls=SecretsStayOut,
    help="Accounts with processors: a merchant's contracts, by which real money moves.",
)


@dataclass(frozen=True)
class _Given:
    """What was given for an account, before its processor has said what it needs. asks: there is a person to ask."""

    secrets: dict[str, Secret]
    profile: dict[str, str]
    asks: bool

    @classmethod
    def read(cls, files: list[str] | None, stdin: bool, profile: list[str] | None) -> "_Given":
        found = given_secrets.read_files(files or ())
        if stdin:
            found |= given_secrets.read_stdin()
        pairs = [each.partition("=") for each in profile or ()]
        if not all(equals for _, equals, _ in pairs):
            fail("--profile must look like shop_id=VALUE.")
        return cls(found, {name: value for name, _, value in pairs}, not stdin and sys.stdin.isatty())

    def sorted_by(self, fields: Any) -> tuple[dict[str, Secret], dict[str, str]]:
        """Secrets and profile, as the processor sorts them; what is missing is asked for where there is a person."""
        if set(self.profile) & set(fields.secrets):
            given_secrets.refuse_argument()
        secrets = {name: value for name, value in self.secrets.items() if name not in fields.profile}
        profile = self.profile | {name: self.secrets[name].reveal() for name in fields.profile if name in self.secrets}
        if self.asks:
            profile |= {name: typer.prompt(name, err=True) for name in fields.profile if name not in profile}
            secrets |= {name: given_secrets.ask(name) for name in fields.secrets if name not in secrets}
        missing = [name for name in fields.secrets if name not in secrets]
        if missing:
            raise SettingError(
                f"A secret is missing: {', '.join(missing)}. Give it with --secret-file {missing[0]}=FILE, on standard "
                "input with --secrets-stdin, or at the prompt of a terminal."
            )
        return secrets, profile


@app.command("add")
def add_account(
    name: Annotated[str, typer.Argument(help="Your name for it, like komoju-1. It stays.")],
    processor: Annotated[str, typer.Option("--processor", help="Whose account it is, like komoju.")],
    profile: Annotated[
        list[str] | None, typer.Option(help="A value that is no secret: shop_id=VALUE. Again for another.")
    ] = None,
    secret_file: SecretFile = None,
    secrets_stdin: SecretsStdin = False,
    merchant: OfMerchant = None,
    mode: OfMode = "live",
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add an account. Its secrets are asked for, or read from files or standard input; none is ever shown."""
    given = _Given.read(secret_file, secrets_stdin, profile)

    async def add(services: Any, owner: Any) -> Any:
        services.accounts.host_of(processor, owner.mode)
        secrets, values = given.sorted_by(services.accounts.fields_of(processor))
        return await services.accounts.add(owner, name, processor, secrets, values, PERSON)

    _show(as_json, _with_owner(data, database, merchant, mode, add))


@app.command("list")
def list_accounts(
    merchant: Annotated[str | None, typer.Option("--merchant", help="Of this merchant. [all]")] = None,
    mode: Annotated[Mode | None, typer.Option("--mode", help="Of this mode. [both]")] = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """The accounts of this installation, closed ones too."""
    from azukari.db import Owner
    from azukari.merchants import store

    async def find(services: Any) -> list[Any]:
        merchants = [each.id for each in await services.db.read(store.list_merchants)]
        if merchant is not None and merchant not in merchants:
            raise SettingError("There is no merchant with this id. `azukari merchants list` shows them.")
        owners = [
            Owner(each, of) for each in merchants if merchant in (None, each) for of in MODES if mode in (None, of)
        ]
        return [account for owner in owners for account in await services.accounts.of_owner(owner)]

    rows = [_as_shown(each) for each in with_parts(data, database, find)]
    if not as_json:
        rows = [{key: row[key] for key in ("name", "processor", "state", "mode", "merchant", "host")} for row in rows]
    show_rows(as_json, rows)


@app.command("show")
def show_account(
    name: str,
    merchant: OfMerchant = None,
    mode: OfMode = "live",
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """One account: where it goes, what it takes, and which secrets are set since when."""

    async def find(services: Any, owner: Any) -> Any:
        return await services.accounts.get(owner, name)

    _show(as_json, _with_owner(data, database, merchant, mode, find))


@app.command("test")
def probe_account(
    name: str,
    merchant: OfMerchant = None,
    mode: OfMode = "live",
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ask the processor whether it knows the account. No money moves. Exit status 1 when something is wrong."""

    async def probe(services: Any, owner: Any) -> str | None:
        found: str | None = await services.accounts.test(owner, name, PERSON)
        return found

    problem = _with_owner(data, database, merchant, mode, probe)
    if as_json:
        print_json({"name": name, "works": problem is None, "problem": problem})
        raise typer.Exit(int(problem is not None))
    if problem is not None:
        fail(problem)
    typer.echo(f"{name} works.")


@app.command("narrow")
def narrow_account(
    name: str,
    without_type: Annotated[list[str] | None, typer.Option(help="A payment type: konbini. Again for more.")] = None,
    without_brand: Annotated[list[str] | None, typer.Option(help="A card brand: diners_club. Again for more.")] = None,
    without_currency: Annotated[list[str] | None, typer.Option(help="A currency: USD. Again for more.")] = None,
    greatest: Annotated[
        list[str] | None,
        typer.Option(help="The largest amount of one payment, in the smallest unit: JPY=500000. Again for more."),
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Forget what was narrowed before; alone: nothing is.")] = False,
    merchant: OfMerchant = None,
    mode: OfMode = "live",
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say what your contract does not cover, beside what was said before."""
    from azukari.processors.account import Narrowed

    pairs = [each.partition("=") for each in greatest or ()]
    if not all(amount.isascii() and amount.isdigit() for _, _, amount in pairs):
        fail("--greatest must look like JPY=500000.")
    if not (anew or pairs or without_type or without_brand or without_currency):
        fail("Say what it does not cover: --without-type, --without-brand, --without-currency or --greatest.")
    more = Narrowed(
        types=frozenset(without_type or ()),
        brands=frozenset(without_brand or ()),
        currencies=frozenset(without_currency or ()),
        greatest={currency: int(amount) for currency, _, amount in pairs},
    )

    async def narrow(services: Any, owner: Any) -> Any:
        return await services.accounts.narrow(owner, name, more, PERSON, anew=anew)

    _show(as_json, _with_owner(data, database, merchant, mode, narrow))


@app.command("roll")
def roll_account(
    name: str,
    secret_file: SecretFile = None,
    secrets_stdin: SecretsStdin = False,
    merchant: OfMerchant = None,
    mode: OfMode = "live",
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give all of an account's secrets anew. Those before are gone at once."""
    given = _Given.read(secret_file, secrets_stdin, None)

    async def roll(services: Any, owner: Any) -> Any:
        account = await services.accounts.get(owner, name)
        secrets, _ = given.sorted_by(_secrets_alone(services.accounts.fields_of(account.processor)))
        return await services.accounts.roll(owner, name, secrets, PERSON)

    _show(as_json, _with_owner(data, database, merchant, mode, roll))


@app.command("drain")
def drain_account(
    name: str,
    merchant: OfMerchant = None,
    mode: OfMode = "live",
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Send it no new payments. Captures, refunds and lookups of old ones go on; `open` takes it back."""
    _move(data, database, merchant, mode, as_json, lambda accounts, owner: accounts.drain(owner, name, PERSON))


@app.command("open")
def open_account(
    name: str,
    merchant: OfMerchant = None,
    mode: OfMode = "live",
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let an account that is draining take new payments again."""
    _move(data, database, merchant, mode, as_json, lambda accounts, owner: accounts.open(owner, name, PERSON))


@app.command("close")
def close_account(
    name: str,
    merchant: OfMerchant = None,
    mode: OfMode = "live",
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """End an account that is draining, and its secrets, for good: no capture and no refund goes by it any more."""
    _move(data, database, merchant, mode, as_json, lambda accounts, owner: accounts.close(owner, name, PERSON))


def _secrets_alone(fields: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(fields, profile=())


def _move(
    data: Path | None,
    database: str | None,
    merchant: str | None,
    mode: Mode,
    as_json: bool,
    move: Callable[[Any, Any], Awaitable[Any]],
) -> None:
    _show(
        as_json,
        _with_owner(data, database, merchant, mode, lambda services, owner: move(services.accounts, owner)),
    )


def _with_owner(
    data: Path | None, database: str | None, merchant: str | None, mode: Mode, work: Callable[[Any, Any], Awaitable[R]]
) -> R:
    """Do something about a merchant's accounts of one mode."""
    from azukari.db import Owner
    from azukari.merchants import store

    async def find(services: Any) -> R:
        found = [each.id for each in await services.db.read(store.list_merchants)]
        if merchant is None and len(found) > 1:
            raise SettingError("There are several merchants. Say whose account: --merchant MERCHANT_ID.")
        if merchant is not None and merchant not in found:
            raise SettingError("There is no merchant with this id. `azukari merchants list` shows them.")
        return await work(services, Owner(merchant or found[0], mode))

    return with_parts(data, database, find)


def _as_shown(account: Any) -> dict[str, Any]:
    import msgspec

    from azukari.accounts.schemas import AccountOut

    shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(AccountOut.of(account), order="deterministic"))
    return shown


def _show(as_json: bool, account: Any) -> None:
    row = _as_shown(account)
    if as_json:
        print_json(row)
        return
    row["narrowed"] = {name: value for name, value in row["narrowed"].items() if value}
    row["secrets"] = [f"{name} (set {since})" for name, since in row["secrets"].items()]
    show_rows(False, [{"setting": name, "value": in_words(value)} for name, value in row.items()])
