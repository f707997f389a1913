"""``azukari keys``."""

from typing import Annotated

import typer

from azukari.cli.common import AsJson, Data, DatabaseUrl, fail, print_json, show_pair, show_rows, when, with_parts
from azukari.core.config import SettingError

app = typer.Typer(no_args_is_help=True, help="API keys: create, list, roll, revoke.")


@app.command("create")
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
    from azukari.wiring import Services

    async def make(services: Services) -> Pair:
        found = await services.db.read(store.find_merchant, merchant)
        if found is None:
            raise SettingError("There is no merchant with this id. `azukari merchants list` shows them.")
        if live and services.settings.insecure:
            raise SettingError(f"{services.settings.insecure}=1 is for installations without live keys.")
        return await services.api_keys.make_pair(found.id, "live" if live else "test")

    pair = with_parts(data, database, make)
    if as_json:
        print_json({"secret_key": pair.secret.reveal(), "publishable_key": pair.publishable.reveal()})
    else:
        show_pair(pair.secret, pair.publishable)


@app.command("list")
def list_keys(merchant: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """A merchant's keys: their ids and ends, not the keys."""
    from azukari.merchants import store

    found = with_parts(data, database, lambda services: services.db.read(store.list_keys, merchant))
    show_rows(
        as_json,
        [
            {
                "id": each.id,
                "key": f"{each.kind}_{each.mode}_…{each.last_four}",
                "created": when(each.created_at),
                "last_used": when(each.last_used_at),
                "revoked": when(each.revoked_at),
            }
            for each in found
        ],
    )


@app.command("roll")
def roll_key(key: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Make a new key like this one (named by its id); the old one stays good until you revoke it."""
    made = with_parts(data, database, lambda services: services.api_keys.roll(key))
    if made is None:
        fail("There is no key with this id. `azukari keys list MERCHANT_ID` shows them.")
    show_rows(as_json, [{"key": made.reveal()}])


@app.command("revoke")
def revoke_key(key: str, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """End a key (named by its id), everywhere within a second."""
    if not with_parts(data, database, lambda services: services.api_keys.revoke(key)):
        fail("There is no key in use with this id. `azukari keys list MERCHANT_ID` shows them.")
    show_rows(as_json, [{"id": key, "revoked": True}])
