"""What the vault needs is away when a card is to be charged: a refusal, and nothing has happened."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from azukari.core.clock import MINUTE
from azukari.db import DatabaseDown
from azukari.vault import FileKeyProvider, ProviderDown
from tests.faults.sites import Rows
from tests.faults.truth import Book
from tests.house import House, card
from tests.wallets import agree
from tests.webhooks.work import owner_of

KEY = {"X-KOMOJU-IDEMPOTENCY": "key-1"}
ORDER = {"amount": 1000, "currency": "JPY"}
#: Longer than a merchant's key stays in memory.
FORGOTTEN = 6 * MINUTE


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


def refused(reply: httpx.Response) -> None:
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "service_unavailable")
    assert reply.headers["Retry-After"]


def kinds(house: House) -> list[str]:
    """What the bank was asked to do."""
    return [line.kind for line in Book.read(house.services.settings.data).by_ref.values()]


async def source(house: House, of: str) -> dict[str, Any]:
    """The card of a charge."""
    if of == "customer":
        return {"customer": await house.api.customer()}
    if of == "token":
        return {"payment_details": await house.api.token(verification_value="123")}
    return {"payment_details": card(verification_value="123")}


def down(*_: object) -> None:
    raise ProviderDown


@pytest.mark.parametrize("of", ["customer", "token", "card"])
async def test_a_vault_that_opens_nothing_refuses_before_anything_is_written(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    order = {**ORDER, **await source(house, of)}
    before, attempts, events = kinds(house), await rows.all("SELECT id FROM attempts"), await house.api.events()
    house.clock.advance(FORGOTTEN)

    with monkeypatch.context() as patched:
        for call in ("wrap", "unwrap"):
            patched.setattr(FileKeyProvider, call, down)
        refused(await house.api.post("/payments", json=order, headers=KEY))

    assert (await house.api.get("/payments")).json()["total"] == 0
    assert await rows.all("SELECT id FROM attempts") == attempts
    assert await rows.all("SELECT id FROM idempotency_keys") == []
    assert (kinds(house), await house.api.events()) == (before, events)
    paid = await house.api.post("/payments", json=order, headers=KEY)
    assert (paid.status_code, paid.json()["status"]) == (200, "captured")
    assert kinds(house) == [*before, "sale"]


async def test_a_vault_that_opens_nothing_checks_no_card_either(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await house.api.token(verification_value="123")
    house.clock.advance(FORGOTTEN)

    with monkeypatch.context() as patched:
        for call in ("wrap", "unwrap"):
            patched.setattr(FileKeyProvider, call, down)
        refused(await house.api.post("/customers", json={"payment_details": token}, headers=KEY))

    assert await rows.all("SELECT id FROM attempts") == []
    kept = await house.api.post("/customers", json={"payment_details": token}, headers=KEY)
    assert kept.status_code == 200
    assert (await house.api.charge(kept.json()["id"])).status_code == 200


@pytest.mark.parametrize("path", ["/payments", "/customers"])
@pytest.mark.parametrize("outage", [DatabaseDown, ProviderDown])
async def test_a_token_whose_code_cannot_be_fetched_is_refused_and_the_attempt_is_over(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch, path: str, outage: type[Exception]
) -> None:
    async def away(*_: object) -> None:
        raise outage

    token = await house.api.token(verification_value="123")
    order = {**(ORDER if path == "/payments" else {}), "payment_details": token}

    with monkeypatch.context() as patched:
        patched.setattr(type(house.services.vault), "take_verification_value", away)
        refused(await house.api.post(path, json=order, headers=KEY))

    assert kinds(house) == []
    assert await rows.column("SELECT state FROM attempts") == ["not_done"]
    assert await rows.column("SELECT status FROM payments") == (["failed"] if path == "/payments" else [])
    assert await house.api.events() == (["payment.failed"] if path == "/payments" else [])
    assert await rows.all("SELECT id FROM customers") == []
    again = await house.api.post(path, json=order, headers=KEY)
    assert (again.status_code, again.headers["X-Idempotent-Replayed"]) == (503, "true")
    used = await house.api.post(path, json=order)
    assert (used.status_code, used.json()["error"]["code"]) == (422, "invalid_token")
    assert kinds(house) == []


async def test_a_record_moved_to_another_customer_is_not_charged_and_does_not_pass_unseen(
    house: House, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, theirs = await house.api.customer(), await house.api.customer()
    [entry] = await rows.column(f"SELECT entry_id FROM customers WHERE id = '{mine}'")
    await rows.change(
        "UPDATE vault_entries SET record = (SELECT e.record FROM vault_entries e JOIN customers c ON c.entry_id = e.id"
        f" WHERE c.id = '{theirs}') WHERE id = '{entry}'"
    )

    reply = await house.api.charge(mine)

    assert (reply.status_code, "sale" in kinds(house)) == (504, False)
    [told] = [line for line in capsys.readouterr().err.splitlines() if "entry.not_opened" in line]
    assert json.loads(told) | {"level": "warning", "entry": entry, "reason": "Unreadable"} == json.loads(told)


#: What a row may be made to say: a kind it was not sealed as, or what nothing seals and nobody can read.
EDITS = [
    *(f"kind = '{kind}'" for kind in ("card", "wallet", "secret", "bank", "")),
    *(f"credential = '{text}'" for text in ("", "{", "[]", '{"processor": 1}')),
]  # fmt: skip


async def an_entry(house: House, wallet: bool) -> str:
    """The id of a customer who keeps a card, or a wallet."""
    if not wallet:
        return await house.api.customer()
    customer = str((await house.api.post("/customers", json={})).json()["id"])
    await agree(house.services, await owner_of(house), customer)
    return customer


@pytest.mark.parametrize(
    ("wallet", "edit"),
    [(wallet, edit) for wallet in (False, True) for edit in EDITS if edit != f"kind = '{('card', 'wallet')[wallet]}'"],
)
async def test_an_entry_whose_row_was_edited_is_not_charged_and_does_not_pass_unseen(
    house: House, rows: Rows, capsys: pytest.CaptureFixture[str], wallet: bool, edit: str
) -> None:
    customer = await an_entry(house, wallet)
    [entry] = await rows.column("SELECT entry_id FROM customers")
    before = Book.read(house.services.settings.data).taken()
    await rows.change(f"UPDATE vault_entries SET {edit}")

    reply = await house.api.charge(customer)

    assert (reply.status_code, Book.read(house.services.settings.data).taken()) == (504, before)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "entry.not_opened" in line]
    assert [(line["level"], line["entry"]) for line in told] == [("warning", entry)]
    [payment] = (await house.api.get("/payments")).json()["data"]
    assert payment["status"] == "failed"


@pytest.mark.parametrize(
    ("wallet", "edit"), [(True, "brand = 'zq7mark'"), (False, "kind = 'wallet', last4 = '', bin = ''")]
)
async def test_an_entry_of_a_type_that_is_none_is_not_charged(
    house: House, rows: Rows, wallet: bool, edit: str
) -> None:
    customer = await an_entry(house, wallet)
    await rows.change(f"UPDATE vault_entries SET {edit}")

    reply = await house.api.charge(customer)

    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "gateway_timeout")
    assert (await house.api.get("/payments")).json()["total"] == 0


async def test_a_token_whose_entry_was_edited_is_not_charged(house: House, rows: Rows) -> None:
    token = await house.api.token()
    await rows.change("UPDATE vault_entries SET kind = 'wallet'")

    reply = await house.api.post("/payments", json={**ORDER, "payment_details": token})

    assert (reply.status_code, kinds(house)) == (504, [])
