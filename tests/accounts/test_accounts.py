"""Accounts from their first secret to their end, and what is refused."""

import asyncio
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from azukari.accounts import store
from azukari.accounts.errors import AccountRefused, NoSuchAccount
from azukari.accounts.schemas import AccountOut
from azukari.accounts.service import Accounts
from azukari.core.config import Settings
from azukari.core.errors import Locked, NotFound
from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.merchants import service as merchants
from azukari.merchants.store import list_merchants
from azukari.processors.account import Account, Narrowed
from azukari.vault import AccountKey, Bearer, Filled, Outbound, Reply, RequestNotSent
from azukari.wiring import KEK_NAME
from tests.accounts.acme import OTHERS, PROFILE, SECRETS, Acme
from tests.accounts.refusals import refused
from tests.faults.sites import Rows
from tests.faults.truth import FORGOTTEN_CARDS
from tests.house import House, reroute, running

AUDITED = "SELECT action FROM audit_lines WHERE object_id = '{}' ORDER BY id"
KEYS = "SELECT id FROM azukari_keys.deks WHERE id = '{}'"


async def added(accounts: Accounts, owner: Owner, name: str = "acme-1", **more: Any) -> Account:
    """A new account with acme."""
    return await accounts.add(owner, name, "acme", **{"secrets": SECRETS, "profile": PROFILE, "actor": "test", **more})


async def audited(rows: Rows, account: Account) -> list[str]:
    """What has been done about an account, by its audit lines."""
    return [line["action"] for line in await rows.all(AUDITED.format(account.id))]


async def test_an_account_is_kept_and_its_secrets_are_sealed(accounts: Accounts, owner: Owner, rows: Rows) -> None:
    made = await added(accounts, owner)

    assert await accounts.get(owner, "acme-1") == made
    assert (made.processor, made.host, made.state, made.version) == ("acme", "sandbox.acme.example", "open", 1)
    assert (made.profile, made.secrets) == (PROFILE, dict.fromkeys(SECRETS, made.created_at))
    assert (made.takes_payments, made.serves_old_payments) == (True, True)
    stored = await rows.all("SELECT * FROM processor_accounts")
    (entry,) = await rows.all(f"SELECT * FROM vault_entries WHERE id = '{made.entry_id}'")
    assert (entry["kind"], entry["mode"], entry["last4"], entry["retired_at"]) == ("account", "test", "", None)
    shown = msgspec.json.encode(AccountOut.of(made)).decode()
    assert "zq7" not in f"{stored} {entry} {made!r} {shown}"
    (line,) = await rows.all(f"SELECT * FROM audit_lines WHERE object_id = '{made.id}'")
    assert (line["action"], line["who"], line["at"], line["result"]) == ("account.add", "test", made.created_at, "done")
    assert await rows.column(FORGOTTEN_CARDS) == []


async def test_a_name_is_an_owners_own_and_taken_once(
    accounts: Accounts, house: House, owner: Owner, rows: Rows
) -> None:
    services = house.services
    other = Owner((await merchants.create(services.db, "Other shop", services.clock, services.ids)).id, "test")
    made = await added(accounts, owner)
    theirs = await added(accounts, other)

    with refused("already"):
        await added(accounts, owner)
    assert [each.id for each in await accounts.of_owner(owner)] == [made.id]
    assert [each.id for each in await accounts.of_owner(other)] == [theirs.id]
    assert await services.db.read(store.find, other, made.id) is None
    assert await services.db.read(store.find, owner, made.id) == made
    with pytest.raises(NoSuchAccount):
        await accounts.get(Owner(owner.merchant_id, "live"), "acme-1")
    assert await rows.column(FORGOTTEN_CARDS) == []


async def test_of_several_who_add_one_name_at_once_one_does(accounts: Accounts, owner: Owner, rows: Rows) -> None:
    outcomes = await asyncio.gather(*(added(accounts, owner) for _ in range(5)), return_exceptions=True)

    assert sorted(type(each).__name__ for each in outcomes) == ["Account", *["AccountRefused"] * 4]
    assert len(await rows.all("SELECT id FROM processor_accounts")) == 1
    assert await rows.column("SELECT action FROM audit_lines") == ["account.add"]
    assert await rows.column(FORGOTTEN_CARDS) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"processor": "simulator"}, "The simulator needs no account."),
        ({"processor": "nowhere"}, "The processor nowhere is not loaded"),
        ({"processor": "bare"}, "bare needs no account."),
        ({"processor": "live-alone"}, "live-alone has no test mode"),
        ({"name": "Acme 1"}, "small letters, digits and hyphens"),
        ({"name": "-acme"}, "small letters, digits and hyphens"),
        ({"name": "a" * 41}, "small letters, digits and hyphens"),
        ({"secrets": {"secret_key": Secret("a")}}, "A secret is missing: signing_key."),
        ({"secrets": {**SECRETS, "other": Secret("a")}}, "a secret too many: such an account has secret_key, signing"),
        ({"secrets": {**SECRETS, "secret_key": Secret("")}}, "secret_key must be"),
        ({"secrets": {**SECRETS, "secret_key": Secret("zq7 \n")}}, "secret_key must be"),
        ({"secrets": {**SECRETS, "signing_key": Secret("a" * 8_193)}}, "signing_key must be"),
        ({"profile": {}}, "A value is missing: shop_id."),
        ({"profile": {**PROFILE, "shop": "1"}}, "a value too many: such an account has shop_id."),
        ({"profile": {"shop_id": "two\nlines"}}, "shop_id must be"),
    ],
)
async def test_what_is_wrong_with_a_new_account_is_said(
    accounts: Accounts, owner: Owner, rows: Rows, change: dict[str, Any], sentence: str
) -> None:
    order = {"name": "acme-1", "processor": "acme", "secrets": SECRETS, "profile": PROFILE, "actor": "test"}

    with refused(sentence):
        await accounts.add(owner, **{**order, **change})

    for table in ("processor_accounts", "vault_entries", "azukari_keys.deks", "audit_lines"):
        assert await rows.all(f"SELECT * FROM {table}") == []


async def test_a_live_account_is_not_kept_under_a_key_that_lies_beside_it(accounts: Accounts, owner: Owner) -> None:
    with refused("AZUKARI_KEK_FILE"):
        await added(accounts, Owner(owner.merchant_id, "live"))


async def test_a_live_account_is_kept_under_a_key_that_lies_elsewhere(settings: Settings, tmp_path: Path) -> None:
    kek = tmp_path / "elsewhere.key"
    (settings.data / KEK_NAME).rename(kek)
    async with running(dataclasses.replace(settings, kek_file=kek)) as house:
        parts = house.services
        live = Owner((await parts.db.read(list_merchants))[0].id, "live")
        accounts = Accounts(parts.db, parts.vault, {"acme": Acme()}.get, parts.clock, parts.ids)

        made = await added(accounts, live)

        assert (made.host, await accounts.of_owner(live)) == ("api.acme.example", [made])
        assert await accounts.of_owner(Owner(live.merchant_id, "test")) == []


async def test_the_account_of_no_merchant(accounts: Accounts, rows: Rows) -> None:
    with pytest.raises(NotFound):
        await added(accounts, Owner("nobody", "test"))
    assert await rows.all("SELECT * FROM azukari_keys.deks") == []


# Its states


async def test_an_account_is_drained_opened_again_and_closed(accounts: Accounts, owner: Owner, rows: Rows) -> None:
    made = await added(accounts, owner)

    drained = await accounts.drain(owner, "acme-1", "test")
    assert (drained.state, drained.takes_payments, drained.serves_old_payments) == ("draining", False, True)
    assert (drained.entry_id, drained.version) == (made.entry_id, 2)
    assert (await accounts.open(owner, "acme-1", "test")).takes_payments
    await accounts.drain(owner, "acme-1", "test")
    closed = await accounts.close(owner, "acme-1", "test")

    assert (closed.state, closed.entry_id, closed.secrets, closed.serves_old_payments) == ("closed", None, {}, False)
    assert await accounts.get(owner, "acme-1") == closed
    assert await audited(rows, made) == [
        "account.add",
        "account.drain",
        "account.open",
        "account.drain",
        "account.close",
    ]
    (entry,) = await rows.all(f"SELECT * FROM vault_entries WHERE id = '{made.entry_id}'")
    assert (bytes(entry["record"]), entry["shredded_at"] is not None) == (b"", True)
    assert await rows.all(KEYS.format(made.entry_id)) == []


async def test_what_is_as_it_shall_be_is_left_alone(accounts: Accounts, owner: Owner, rows: Rows) -> None:
    made = await added(accounts, owner)
    assert await accounts.open(owner, "acme-1", "test") == made
    drained = await accounts.drain(owner, "acme-1", "test")
    assert await accounts.drain(owner, "acme-1", "test") == drained
    closed = await accounts.close(owner, "acme-1", "test")
    assert await accounts.close(owner, "acme-1", "test") == closed
    assert await audited(rows, made) == ["account.add", "account.drain", "account.close"]


async def test_an_open_account_is_not_closed_and_a_closed_one_stays_so(accounts: Accounts, owner: Owner) -> None:
    made = await added(accounts, owner)
    with refused("Drain it first"):
        await accounts.close(owner, "acme-1", "test")
    assert await accounts.get(owner, "acme-1") == made
    await accounts.drain(owner, "acme-1", "test")
    await accounts.close(owner, "acme-1", "test")
    for change in (
        accounts.open(owner, "acme-1", "test"),
        accounts.drain(owner, "acme-1", "test"),
        accounts.roll(owner, "acme-1", OTHERS, "test"),
        accounts.test(owner, "acme-1", "test"),
    ):
        with refused("closed"):
            await change
    with refused("already"):
        await added(accounts, owner)


async def test_secrets_of_an_account_that_was_closed_by_a_process_that_died_are_swept(
    accounts: Accounts, house: House, owner: Owner, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await added(accounts, owner)
    await accounts.drain(owner, "acme-1", "test")

    async def dies(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as dying:
        dying.setattr(house.services.vault, "shred", dies)
        with pytest.raises(RuntimeError):
            await accounts.close(owner, "acme-1", "test")
    assert await rows.all(KEYS.format(made.entry_id)) != []

    await house.services.vault.sweep(house.services.clock.now())

    assert (await accounts.get(owner, "acme-1")).state == "closed"
    assert await rows.all(KEYS.format(made.entry_id)) == []


async def test_other_secrets_take_the_place_of_those_before(
    accounts: Accounts, house: House, owner: Owner, rows: Rows
) -> None:
    made = await added(accounts, owner)
    house.clock.advance(1_000)

    rolled = await accounts.roll(owner, "acme-1", OTHERS, "test")

    assert rolled.entry_id not in (None, made.entry_id)
    assert min(rolled.secrets.values()) >= made.created_at + 1_000
    assert await accounts.get(owner, "acme-1") == rolled
    assert await rows.all(KEYS.format(made.entry_id)) == []
    assert len(await rows.all(KEYS.format(rolled.entry_id))) == 1
    with refused("missing: signing_key"):
        await accounts.roll(owner, "acme-1", {"secret_key": Secret("a")}, "test")
    assert await audited(rows, made) == ["account.add", "account.roll"]


async def test_changes_at_once_are_made_one_after_another(accounts: Accounts, owner: Owner, rows: Rows) -> None:
    made = await added(accounts, owner)
    await accounts.drain(owner, "acme-1", "test")

    outcomes = await asyncio.gather(
        *(accounts.roll(owner, "acme-1", OTHERS, "test") for _ in range(3)),
        accounts.narrow(owner, "acme-1", Narrowed(brands=frozenset(("jcb",))), "test"),
        accounts.close(owner, "acme-1", "test"),
        return_exceptions=True,
    )

    assert all(isinstance(each, Account | AccountRefused | Locked) for each in outcomes)
    done = [each for each in outcomes if isinstance(each, Account)]
    ended = await accounts.get(owner, "acme-1")
    assert ended.version == 2 + len(done)
    assert len(await audited(rows, made)) == 2 + len(done)
    opened = await rows.column("SELECT id FROM vault_entries WHERE shredded_at IS NULL")
    assert opened == ([] if ended.entry_id is None else [ended.entry_id])
    assert await rows.column(FORGOTTEN_CARDS) == []


# Its requests


class FarSide:
    """Notes by what each request is authenticated."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def send(self, request: Filled) -> Reply:
        self.seen.append(request.headers["Authorization"])
        return Reply(200, body=b"{}")


def key_of(account: Account) -> AccountKey:
    """What the vault authenticates an account's requests by."""
    assert account.entry_id is not None
    return AccountKey(account.owner, account.entry_id)


async def test_its_secrets_authenticate_requests_until_it_is_closed(
    accounts: Accounts, house: House, owner: Owner
) -> None:
    vault, far = house.services.vault, FarSide()
    made = await added(accounts, owner)
    reroute(vault, made.host, far)
    request = Outbound("GET", f"https://{made.host}/me", auth=Bearer("secret_key"))

    await vault.send_plain(request, account=key_of(made))
    rolled = await accounts.roll(owner, "acme-1", OTHERS, "test")
    await vault.send_plain(request, account=key_of(rolled))
    drained = await accounts.drain(owner, "acme-1", "test")
    await vault.send_plain(request, account=key_of(drained))
    await accounts.close(owner, "acme-1", "test")
    for key in (key_of(made), key_of(drained), None):
        with pytest.raises(RequestNotSent):
            await vault.send_plain(request, account=key)

    assert far.seen == ["Bearer zq7-first-secret", *["Bearer zq7-third-secret"] * 2]


# What it does not cover


async def test_an_account_is_narrowed_more_and_more_and_anew(accounts: Accounts, owner: Owner, rows: Rows) -> None:
    made = await added(accounts, owner)
    first = Narrowed(types=frozenset(("konbini",)), greatest={"JPY": 500_000})
    await accounts.narrow(owner, "acme-1", first, "test")
    more = Narrowed(brands=frozenset(("jcb", "diners_club")), greatest={"USD": 5_000})
    narrowed = (await accounts.narrow(owner, "acme-1", more, "test")).narrowed

    assert narrowed == Narrowed(first.types, more.brands, frozenset(), {"JPY": 500_000, "USD": 5_000})
    assert (await accounts.get(owner, "acme-1")).narrowed == narrowed
    assert (await accounts.narrow(owner, "acme-1", first, "test", anew=True)).narrowed == first
    assert (await accounts.narrow(owner, "acme-1", Narrowed(), "test", anew=True)).narrowed == Narrowed()
    for bad in (
        Narrowed(types=frozenset(("cash",))),
        Narrowed(brands=frozenset(("mastercard",))),
        Narrowed(currencies=frozenset(("XXX",))),
        Narrowed(greatest={"YEN": 1}),
        Narrowed(greatest={"JPY": 0}),
    ):
        with pytest.raises(AccountRefused):
            await accounts.narrow(owner, "acme-1", bad, "test")
    assert await audited(rows, made) == ["account.add", *["account.narrow"] * 4]


def test_what_a_contract_does_not_cover() -> None:
    narrowed = Narrowed(frozenset(("konbini",)), frozenset(("jcb",)), frozenset(("USD",)), {"JPY": 500})

    assert narrowed.refuses("credit_card", "JPY", 500, "visa") is None
    assert narrowed.refuses("paypay", "EUR", 10**12) is None
    assert narrowed.refuses("konbini", "JPY", 500) == "type"
    assert narrowed.refuses("credit_card", "JPY", 500, "jcb") == "brand"
    assert narrowed.refuses("credit_card", "USD", 1, "visa") == "currency"
    assert narrowed.refuses("credit_card", "JPY", 501, "visa") == "amount"
    assert Narrowed().refuses("credit_card", "JPY", 10**12, "visa") is None


async def test_nothing_in_an_account_keeps_it_from_being_passed_on(
    acme: Acme, accounts: Accounts, owner: Owner
) -> None:
    """It holds no secret, so nothing has to guard it."""
    made = await added(accounts, owner)
    assert b"zq7" not in pickle.dumps(made)
