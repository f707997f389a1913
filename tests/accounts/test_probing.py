"""``test``: what a processor says of an account, in words."""

import asyncio

import pytest

from azukari.accounts import probe
from azukari.accounts.errors import NoSuchAccount
from azukari.accounts.service import Accounts
from azukari.db import Owner
from azukari.processors.account import Account, Fault
from azukari.vault import ReplyUnknown, RequestNotSent, RequestRefused
from tests.accounts.acme import PROFILE, SECRETS, Acme
from tests.accounts.refusals import refused
from tests.faults.sites import Rows


@pytest.fixture
async def account(accounts: Accounts, owner: Owner) -> Account:
    """An account with acme."""
    return await accounts.add(owner, "acme-1", "acme", SECRETS, PROFILE, "test")


async def test_an_account_that_works(
    accounts: Accounts, acme: Acme, owner: Owner, account: Account, rows: Rows
) -> None:
    assert await accounts.test(owner, "acme-1", "a person") is None

    assert acme.asked == [account]
    (line,) = await rows.all("SELECT * FROM audit_lines WHERE action = 'account.test'")
    assert (line["who"], line["object_id"]) == ("a person", account.id)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("credentials", "acme does not take these secrets"),
        ("busy", "asked too often"),
        ("down", "out of service"),
        ("unsupported", "Ask acme to allow it"),
    ],
)
async def test_what_the_processor_says_is_put_into_words(
    accounts: Accounts, acme: Acme, owner: Owner, account: Account, fault: Fault, sentence: str
) -> None:
    async def says(asked: Account) -> Fault:
        return fault

    acme.answer = says
    assert sentence in str(await accounts.test(owner, "acme-1", "test"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RequestRefused("Host"), "sends nothing to sandbox.acme.example"),
        (RequestNotSent("ConnectError"), "sandbox.acme.example cannot be reached"),
        (ReplyUnknown("UnreadableReply"), "does not answer so that it can be understood"),
        (KeyError("zq7"), "acme could not try it (KeyError)"),
    ],
)
async def test_what_goes_wrong_on_the_way_is_put_into_words(
    accounts: Accounts, acme: Acme, owner: Owner, account: Account, error: Exception, sentence: str
) -> None:
    async def fails(asked: Account) -> Fault:
        raise error

    acme.answer = fails
    said = str(await accounts.test(owner, "acme-1", "test"))
    assert sentence in said
    assert "zq7" not in said


async def test_a_processor_that_does_not_answer_is_not_waited_for(
    accounts: Accounts, acme: Acme, owner: Owner, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleeps(asked: Account) -> None:
        await asyncio.sleep(60)

    acme.answer = sleeps
    monkeypatch.setattr(probe, "PATIENCE", 20)
    assert "does not answer" in str(await accounts.test(owner, "acme-1", "test"))


async def test_one_that_cannot_be_tried_says_so(accounts: Accounts, owner: Owner, rows: Rows) -> None:
    await accounts.add(owner, "silent-1", "silent", {"secret_key": SECRETS["secret_key"]}, {}, "test")
    with refused("no way to try an account"):
        await accounts.test(owner, "silent-1", "test")
    with pytest.raises(NoSuchAccount):
        await accounts.test(owner, "silent-2", "test")
    assert await rows.column("SELECT action FROM audit_lines") == ["account.add"]


async def test_an_account_whose_processor_is_gone(
    accounts: Accounts, owner: Owner, account: Account, rows: Rows
) -> None:
    await rows.change("UPDATE processor_accounts SET processor = 'gone'")
    with refused("gone is not loaded"):
        await accounts.test(owner, "acme-1", "test")
    # It can be ended all the same.
    await accounts.drain(owner, "acme-1", "test")
    assert (await accounts.close(owner, "acme-1", "test")).entry_id is None
