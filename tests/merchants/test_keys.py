"""API keys: their shape, how they are kept, rolled and revoked, and from where they may be used (SEC-9)."""

import asyncio
import hashlib
import re
import sqlite3
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from azukari.app import asgi
from azukari.core.clock import MINUTE, SystemClock
from azukari.core.errors import TooManyRequests
from azukari.core.ids import RandomIds
from azukari.db import Owner
from azukari.merchants import keys, store
from azukari.merchants.keys import PUBLISHABLE, ApiKey
from azukari.merchants.service import REMEMBERED_MS, LiveKeysRefused
from azukari.merchants.store import KeyRow
from azukari.web import limits
from tests.house import Api, House, TestClock, card

ids = RandomIds(SystemClock())
KINDS = [(kind, mode) for kind in ("sk", "pk") for mode in ("test", "live")]


@pytest.mark.parametrize(("kind", "mode"), KINDS)
def test_a_key_has_44_characters_that_every_client_can_carry(kind: str, mode: str) -> None:
    for _ in range(100):
        key = keys.make(kind, mode, ids)
        assert re.fullmatch(rf"{kind}_{mode}_[A-Za-z0-9]{{36}}", key)
        assert len(key) == 44
        assert keys.well_formed(key)


def test_no_two_keys_are_the_same() -> None:
    assert len({keys.make("sk", "test", ids) for _ in range(1_000)}) == 1_000


def test_one_wrong_character_shows_in_the_checksum() -> None:
    key = keys.make("sk", "test", ids)
    for at in range(len(key)):
        for sign in "0Zz_ é":
            wrong = key[:at] + sign + key[at + 1 :]
            assert keys.well_formed(wrong) == (wrong == key)


@pytest.mark.parametrize("text", ["", "sk_test_", "sk_test_" + "0" * 36, "xx_test_", "sk_prod_" + "0" * 36, "é" * 44])
def test_what_is_no_key_of_ours_is_known_without_the_database(text: str) -> None:
    assert not keys.well_formed(text)


def test_a_key_with_something_around_it_is_none() -> None:
    key = keys.make("sk", "test", ids)
    for wrong in (key + "a", key[:-1], " " + key, key + "\n", key.upper(), key.lower()):
        assert not keys.well_formed(wrong)


async def _rows(house: House) -> list[KeyRow]:
    merchants = await house.services.db.read(store.list_merchants)
    return [row for each in merchants for row in await house.services.db.read(store.list_keys, each.id)]


async def _row(house: House, key: str) -> KeyRow:
    return next(row for row in await _rows(house) if key.endswith(row.last_four) and key.startswith(row.kind))


async def _contents(house: House) -> bytes:
    """Everything the table of keys holds, read from outside of the server."""
    url = house.services.settings.database_url
    if url is None:
        files = sorted(house.services.settings.data.glob("azukari.db*"))
        connection = sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True)
        found: list[Any] = connection.execute("SELECT * FROM api_keys").fetchall()
        connection.close()
        return b"".join(file.read_bytes() for file in files) + repr(found).encode()
    other = await asyncpg.connect(url.reveal())
    found = await other.fetch("SELECT * FROM api_keys")
    await other.close()
    return b"".join(repr(tuple(row)).encode() for row in found)


async def test_the_database_holds_hashes_and_the_last_four_characters_only(house: House) -> None:
    contents = await _contents(house)
    for key in (house.installation.secret_key.reveal(), house.installation.publishable_key.reveal()):
        assert key[-4:].encode() in contents
        for begin in range(8, len(key) - 8):
            assert key[begin : begin + 8].encode() not in contents
    rows = await _rows(house)
    assert [len(row.hash) for row in rows] == [32, 32]
    assert len({row.hash for row in rows}) == 2


async def test_the_hash_is_peppered_so_equal_keys_of_two_installations_are_kept_differently(house: House) -> None:
    key = house.installation.secret_key.reveal()
    row = await _row(house, key)
    for bare in (hashlib.sha256, hashlib.sha512, hashlib.md5, hashlib.sha1):
        assert row.hash != bare(key.encode()).digest()[:32]
    assert row.hash == house.services.vault.mac("pepper", key.encode())


async def test_a_revoked_key_is_refused_within_a_second(house: House) -> None:
    key = house.installation.secret_key.reveal()
    assert (await house.api.get("/payments")).status_code == 200
    row = await _row(house, key)
    assert await house.services.api_keys.revoke(row.id)
    assert not await house.services.api_keys.revoke(row.id)

    assert REMEMBERED_MS < 1_000
    house.clock.advance(REMEMBERED_MS)

    reply = await house.api.get("/payments")
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")
    assert (await house.publishable.post("/tokens", json={"payment_details": card()})).status_code == 200


async def test_two_keys_are_good_while_one_is_rolled(house: House) -> None:
    old = await _row(house, house.installation.secret_key.reveal())
    made = await house.services.api_keys.roll(old.id)
    assert made is not None
    new = house.api.as_key(made.reveal())
    customer = await house.api.customer()

    assert (await house.api.get(f"/customers/{customer}")).status_code == 200
    assert (await new.get(f"/customers/{customer}")).status_code == 200

    assert await house.services.api_keys.revoke(old.id)
    house.clock.advance(1_000)
    assert (await house.api.get(f"/customers/{customer}")).status_code == 401
    assert (await new.get(f"/customers/{customer}")).status_code == 200
    assert await house.services.api_keys.roll("0" * 25) is None


async def test_live_keys_are_refused_while_the_vaults_key_lies_beside_the_data(house: House) -> None:
    merchant = (await house.services.db.read(store.list_merchants))[0]
    with pytest.raises(LiveKeysRefused):
        await house.services.api_keys.make_pair(merchant.id, keys.LIVE)
    assert {row.mode for row in await _rows(house)} == {"test"}


async def test_a_key_notes_when_it_was_used(house: House) -> None:
    await house.api.get("/payments")
    key = house.installation.secret_key.reveal()
    # Written beside the request.
    await asyncio.gather(*house.services.api_keys._noting)
    used = (await _row(house, key)).last_used_at
    assert used is not None
    assert 0 <= house.clock.now() - used < MINUTE


async def _key_for(house: House, networks: str) -> str:
    """A secret key that may be used from these networks."""
    old = await _row(house, house.installation.secret_key.reveal())
    text = keys.make("sk", "test", house.services.ids)
    row = msgspec.structs.replace(
        old,
        hash=house.services.vault.mac("pepper", text.encode()),
        id=house.services.ids.new(),
        last_four=text[-4:],
        ip_allow=networks,
    )
    await house.services.db.write(store.add_key, house.services.api_keys.bind(row))
    return text


def _from(house: House, address: str | None, key: str) -> Api:
    client = None if address is None else (address, 40_000)
    transport = httpx.ASGITransport(asgi(house.services), raise_app_exceptions=False, client=client)  # type: ignore[arg-type]
    return Api(transport, key)


async def test_a_key_with_a_list_of_addresses_is_good_from_these_alone(house: House) -> None:
    key = await _key_for(house, "198.51.100.0/24,203.0.113.9/32,2001:db8::/32")
    for address, status in {
        "198.51.100.1": 200,
        "198.51.100.255": 200,
        "203.0.113.9": 200,
        "2001:db8::1": 200,
        "203.0.113.8": 401,
        "198.51.101.1": 401,
        "::1": 401,
        "127.0.0.1": 401,
        "not an address": 401,
        None: 401,
    }.items():
        reply = await _from(house, address, key).get("/payments")
        assert reply.status_code == status, address
        # A header is believed only from a proxy of ours, and there is none.
        forged = await _from(house, address, key).get("/payments", headers={"X-Forwarded-For": "198.51.100.1"})
        assert forged.status_code == status, address


async def test_a_refused_address_looks_like_a_wrong_key(house: House) -> None:
    key = await _key_for(house, "198.51.100.0/24")
    unknown = keys.make("sk", "test", ids)
    refused, wrong = [await house.api.as_key(text).get("/payments") for text in (key, unknown)]
    assert (refused.status_code, refused.content) == (wrong.status_code, wrong.content)


# Rate limits


async def test_a_publishable_key_is_slowed_down_and_told_for_how_long(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TEST_PER_MINUTE", 3)
    pk = house.publishable
    # A whole minute, so that none of the calls falls into the next.
    house.clock.advance(MINUTE - house.clock.now() % MINUTE)

    replies = [await pk.post("/tokens", json={"payment_details": card()}) for _ in range(5)]

    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
    assert 0 < int(replies[-1].headers["Retry-After"]) <= 60
    assert replies[-1].json()["error"]["code"] == "request_failed"
    other = _from(house, "198.51.100.1", house.installation.publishable_key.reveal())
    assert (await other.post("/tokens", json={"payment_details": card()})).status_code == 200
    for _ in range(5):
        assert (await house.api.post("/tokens", json={"payment_details": card()})).status_code == 200

    house.clock.advance(MINUTE)
    assert (await pk.post("/tokens", json={"payment_details": card()})).status_code == 200


def test_live_keys_have_the_lower_limit() -> None:
    assert limits.LIVE_PER_MINUTE < limits.TEST_PER_MINUTE


def test_one_merchants_page_takes_nothing_of_anothers_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TEST_PER_MINUTE", 3)
    monkeypatch.setattr(limits, "LIVE_PER_MINUTE", 3)
    clock = TestClock()
    # A whole minute, so that none of the calls falls into the next.
    clock.advance(MINUTE - clock.now() % MINUTE)
    limiter = limits.Limiter(clock)
    pages = [
        ApiKey("hosted_page", Owner(merchant, mode), PUBLISHABLE, "2025-01-28", "")
        for merchant in ("m1", "m2")
        for mode in ("test", "live")
    ]

    for page in pages:
        for _ in range(3):
            limiter.count(page, "203.0.113.9")

    for page in pages:
        with pytest.raises(TooManyRequests):
            limiter.count(page, "203.0.113.9")
