"""Accounts with processors: their secrets authenticate requests, and are given to nothing else."""

import base64
import copy
import logging
import pickle

import pytest
import sqlalchemy as sa

from azukari.core.clock import MINUTE
from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.vault import (
    AccountKey,
    Basic,
    Bearer,
    Blank,
    Filled,
    Header,
    Outbound,
    Reply,
    RequestNotSent,
    RequestRefused,
)
from azukari.vault.inside import tables
from azukari.vault.inside.accounts import MOST_KEPT, AccountSecrets, OpenedAccounts
from azukari.vault.inside.entries import PlainAccount
from tests.vault.banks import Bank

from .conftest import VISA, A, Room, card, rows

KEY, PASSWORD = "sk_live_0123456789abcdef", "shop-pass-9876543210"
SECRETS = {"secret_key": Secret(KEY), "shop_pass": Secret(PASSWORD)}
GET = Outbound("GET", "https://bank/payments")


async def account(room: Room, owner: Owner = A, secrets: dict[str, Secret] = SECRETS) -> AccountKey:
    sealed = await room.vault.seal_account(owner, secrets)
    await room.stores.main.write(room.vault.add, owner, sealed, room.clock.now())
    return AccountKey(owner, sealed.id)


def by(auth: object, **more: object) -> Outbound:
    return Outbound("POST", "https://bank/payments", auth=auth, **more)  # type: ignore[arg-type]


@pytest.fixture
def bank(room: Room) -> Bank:
    bank = Bank()
    room.vault.allow("bank", bank)
    return bank


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (Basic("secret_key"), "Authorization", "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()),
        (
            Basic("secret_key", "shop_pass"),
            "Authorization",
            "Basic " + base64.b64encode(f"{KEY}:{PASSWORD}".encode()).decode(),
        ),
        (Bearer("secret_key"), "Authorization", f"Bearer {KEY}"),
        (Header("X-API-Key", "secret_key"), "X-API-Key", KEY),
    ],
)
async def test_a_request_is_authenticated_by_its_account(
    room: Room, bank: Bank, auth: object, name: str, value: str
) -> None:
    await room.vault.send_plain(by(auth, headers={"Idempotency-Key": "r1"}), account=await account(room))

    assert bank.got[0].headers == {"Idempotency-Key": "r1", name: value}


async def test_a_card_and_its_account_go_in_one_request(room: Room, bank: Bank) -> None:
    outbound = by(Bearer("secret_key"), json={"number": Blank.NUMBER})

    await room.vault.send(await room.lend(card(VISA)), None, outbound, account=await account(room))

    assert VISA.encode() in bank.got[0].body
    assert bank.got[0].headers["Authorization"] == f"Bearer {KEY}"


class Spy:
    """A way to authenticate that is not the vault's."""

    def __call__(self, request: Filled) -> None:
        raise AssertionError("it has seen the request")


@pytest.mark.parametrize(
    ("auth", "secrets"),
    [
        (Spy(), SECRETS),
        ("Bearer", SECRETS),
        (type("Basic", (Basic,), {})("secret_key"), SECRETS),
        (Bearer("another"), SECRETS),
        (Basic("secret_key", "another"), SECRETS),
        (Bearer("secret_key"), {"secret_key": Secret("two\r\nlines")}),
        (Header("X-API-Key", "secret_key"), {"secret_key": Secret("schlüssel")}),
        (Basic("secret_key"), {"secret_key": Secret("user:password")}),
    ],
)
async def test_what_does_not_authenticate_is_not_sent(
    room: Room, bank: Bank, auth: object, secrets: dict[str, Secret]
) -> None:
    key = await account(room, secrets=secrets)

    with pytest.raises(RequestRefused) as refused:
        await room.vault.send_plain(by(auth), account=key)

    assert bank.got == []
    assert not any(secret.reveal() in str(refused.value) for secret in secrets.values())


async def test_a_request_without_an_account_is_not_sent(room: Room, bank: Bank) -> None:
    with pytest.raises(RequestRefused):
        await room.vault.send_plain(by(Bearer("secret_key")))
    assert bank.got == []


async def test_a_processor_does_not_authenticate_by_itself_beside(room: Room, bank: Bank) -> None:
    outbound = by(Bearer("secret_key"), headers={"authorization": "Bearer of its own"})
    with pytest.raises(RequestRefused):
        await room.vault.send_plain(outbound, account=await account(room))
    assert bank.got == []


async def test_an_account_opens_for_its_owner_alone(room: Room, bank: Bank) -> None:
    key = await account(room)
    for owner in (Owner(A.merchant_id, "live"), Owner("another", A.mode)):
        with pytest.raises(RequestNotSent):
            await room.vault.send_plain(by(Bearer("secret_key")), account=key._replace(owner=owner))
    assert bank.got == []


async def test_other_entries_are_no_accounts_and_accounts_no_cards(room: Room, bank: Bank) -> None:
    kept = await room.keep()
    with pytest.raises(RequestNotSent):
        await room.vault.send_plain(by(Bearer("secret_key")), account=AccountKey(A, kept.id))

    key = await account(room)
    with pytest.raises(RequestNotSent):
        await room.vault.send(await room.use(key.entry_id), None, by(None, json={"n": Blank.NUMBER}))
    assert bank.got == []


async def test_secrets_are_stored_sealed(room: Room) -> None:
    await account(room)
    (record,) = await rows(room.stores.main, sa.select(tables.entries.c.record))
    assert KEY.encode() not in bytes(record[0])


async def test_an_echo_of_a_secret_is_taken_out_of_the_reply(room: Room) -> None:
    class Echo:
        async def send(self, request: Filled) -> Reply:
            header = request.headers["Authorization"]
            return Reply(401, {"X-Was": header}, f'{{"key": "{KEY}", "sent": "{header}"}}'.encode())

    room.vault.allow("bank", Echo())
    reply = await room.vault.send_plain(by(Bearer("secret_key")), account=await account(room))

    assert KEY not in str(reply.headers)
    assert KEY.encode() not in reply.body


async def test_opened_secrets_are_kept_for_a_while_and_dropped_with_their_account(room: Room, bank: Bank) -> None:
    key = await account(room)
    await room.vault.send_plain(by(Bearer("secret_key")), account=key)
    await room.vault.shred(A, key.entry_id)

    await room.vault.send_plain(by(Bearer("secret_key")), account=key)
    assert len(bank.got) == 2

    room.clock.time += 5 * MINUTE
    with pytest.raises(RequestNotSent):
        await room.vault.send_plain(by(Bearer("secret_key")), account=key)

    other = await account(room)
    await room.vault.send_plain(by(Bearer("secret_key")), account=other)
    await room.vault.shred(A, other.entry_id)
    room.vault.forget_account(other.entry_id)
    with pytest.raises(RequestNotSent):
        await room.vault.send_plain(by(Bearer("secret_key")), account=other)
    assert len(bank.got) == 3


async def test_the_oldest_opened_secrets_make_way(room: Room) -> None:
    read: list[str] = []

    async def open_account(key: AccountKey) -> AccountSecrets:
        read.append(key.entry_id)
        return AccountSecrets({})

    opened = OpenedAccounts(open_account, room.clock)
    for number in (*range(MOST_KEPT + 1), 1, 0):
        await opened.of(AccountKey(A, str(number)))

    assert read == [*map(str, range(MOST_KEPT + 1)), "0"]


def test_secrets_in_clear_are_not_shown_and_not_pickled(caplog: pytest.LogCaptureFixture) -> None:
    for clear in (AccountSecrets({"secret_key": KEY}), PlainAccount({"secret_key": KEY})):
        assert KEY not in repr(clear)
        assert KEY not in f"{clear}"
        with pytest.raises(TypeError):
            pickle.dumps(clear)
        with pytest.raises(TypeError):
            copy.deepcopy(clear)
        logging.getLogger().warning("%s", clear)
    assert KEY not in caplog.text
