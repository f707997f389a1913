"""``azukari merchants``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from azukari.cli.common import AsJson, Data, DatabaseUrl, fail, in_words, print_json, show_rows, when, with_parts
from azukari.core.config import SettingError

app = typer.Typer(no_args_is_help=True, help="Merchants of this installation.")


@app.command("create")
def create_merchant(name: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Add a merchant. It has no keys yet: `azukari keys create MERCHANT_ID`."""
    from azukari.merchants import service

    made = with_parts(data, database, lambda services: service.create(services.db, name, services.clock, services.ids))
    show_rows(as_json, [{"id": made.id, "name": made.name}])


@app.command("list")
def list_merchants(data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Every merchant."""
    from azukari.merchants import store

    found = with_parts(data, database, lambda services: services.db.read(store.list_merchants))
    show_rows(as_json, [{"id": each.id, "name": each.name, "created": when(each.created_at)} for each in found])


#: What each option of `merchants set` is called among the settings.
_SETTINGS = {
    "name": "name", "logo": "logo", "accent": "accent", "support": "support", "payment-types": "payment_types",
    "fee": "fees", "rate": "rates", "languages": "languages", "origin": "origins", "app-schemes": "app_schemes",
    "currency": "currency",
    "legal-url": "legal_url", "legal-text": "legal_text", "privacy-url": "privacy_url", "bank-fee": "bank_fee",
    "time-zone": "time_zone", "retry-days": "retry_days", "three-d-secure": "three_d_secure",
    "three-d-secure-skipped": "three_d_secure_skipped",
}  # fmt: skip


@app.command("set")
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
    app_schemes: Annotated[
        str | None,
        typer.Option(help="Of the shop's apps that shoppers return to: myshop,jp.shop.app. No others, then."),
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
    three_d_secure: Annotated[
        list[str] | None,
        typer.Option(help="Of cards in shoppers' browsers: live=required, attempted or off. Again for test."),
    ] = None,
    three_d_secure_skipped: Annotated[
        bool | None,
        typer.Option(
            "--three-d-secure-skipped/--no-three-d-secure-skipped",
            help="Where it is required, cards whose bank takes no part are taken all the same.",
        ),
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
            "app_schemes": None if app_schemes is None else app_schemes.split(","),
            "currency": currency, "legal_url": legal_url, "legal_text": legal_text, "privacy_url": privacy_url,
            "bank_fee": bank_fee, "time_zone": time_zone,
            "retry_days": None if retry_days is None else retry_days.split(","),
            "three_d_secure": _pairs(three_d_secure, "--three-d-secure", "live=required"),
            "three_d_secure_skipped": three_d_secure_skipped,
        }  # fmt: skip
    except SettingError as error:
        fail(str(error))
    if not set(unset or ()) <= set(_SETTINGS):
        fail(f"--unset takes {', '.join(_SETTINGS)}.")
    given = {each: value for each, value in values.items() if value is not None}
    back = [_SETTINGS[each] for each in unset or ()]
    changed = with_parts(
        data, database, lambda services: settings.change(services.db, merchant, given, back, offer.check)
    )
    _show_settings(as_json, merchant, changed)


@app.command("show")
def show_merchant(merchant: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """A merchant's settings, our defaults among them."""
    from azukari.merchants import settings

    found = with_parts(data, database, lambda services: services.db.read(settings.settings_of, merchant))
    _show_settings(as_json, merchant, found)


def _show_settings(as_json: bool, merchant: str, found: Any) -> None:
    import msgspec

    values: dict[str, Any] = {"id": merchant, **msgspec.to_builtins(found)}
    if as_json:
        print_json(values)
        return
    if values["logo"]:
        media_type, _, text = values["logo"].removeprefix("data:").partition(";base64,")
        values["logo"] = f"{media_type}, {len(text) * 3 // 4 - text.count('=')} bytes"
    show_rows(False, [{"setting": name, "value": in_words(value)} for name, value in values.items()])


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
