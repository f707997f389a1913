"""The formats, held against a second writing of them made from the text of the specification alone."""

import base64
import hashlib
import hmac
import itertools
import json
import struct
from dataclasses import dataclass, replace

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.vault import EntryGone, RequestNotSent, Unreadable
from azukari.vault.inside import entries, envelope, tables
from azukari.vault.inside.entries import Stored
from azukari.vault.inside.provider import Context, Wrapped

from .conftest import CARDS, MASTER, VISA, A, B, Room, card, change, rows
from .test_room import ORDER, Bank

# The specification, once more


def spec_lp(text: str) -> bytes:
    return struct.pack(">H", len(text.encode("utf-8"))) + text.encode("utf-8")


def spec_record_aad(mode: str, merchant: str, record: str, kind: str, schema: int, gen: int) -> bytes:
    names = b"".join(map(spec_lp, (mode, merchant, record, kind)))
    return b"az1/rec" + names + struct.pack(">II", schema, gen)


def spec_dek_aad(mode: str, merchant: str, record: str, gen: int, mk_version: int) -> bytes:
    return b"az1/dek" + b"".join(map(spec_lp, (mode, merchant, record))) + struct.pack(">II", gen, mk_version)


def spec_pad(plaintext: bytes) -> bytes:
    padded = plaintext + b"\x80"
    while len(padded) % 64:
        padded += b"\x00"
    return padded


def spec_hkdf(key: bytes, info: bytes) -> bytes:
    extracted = hmac.new(bytes(32), key, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def spec_open(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    assert sealed[:2] == b"\x01\x01"
    return AESGCM(key).decrypt(sealed[2:14], sealed[14:], aad)


# Vectors


def test_what_values_are_bound_to_is_as_specified() -> None:
    owner = Owner("m", "live")

    assert envelope.record_aad(owner, "id", "card", 1, 2).hex() == (
        "617a312f72656300046c69766500016d000269640004636172640000000100000002"
    )
    assert envelope.dek_aad(owner, "id", 2, 3).hex() == ("617a312f64656b00046c69766500016d000269640000000200000003")
    assert Context("mk", "live", "m", 3).encoded().hex() == "00026d6b00046c69766500016d00000003"


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.integers(0, 2**32 - 1))
def test_what_values_are_bound_to_agrees_with_the_second_writing(mode: str, merchant: str, name: str, n: int) -> None:
    owner = Owner(merchant, mode)

    assert envelope.record_aad(owner, name, "card", 1, n) == spec_record_aad(mode, merchant, name, "card", 1, n)
    assert envelope.dek_aad(owner, name, n, 7) == spec_dek_aad(mode, merchant, name, n, 7)


@given(*[st.tuples(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4))] * 2)
def test_two_rows_never_share_what_they_are_bound_to(one: tuple[str, str, str], two: tuple[str, str, str]) -> None:
    aads = [envelope.dek_aad(Owner(merchant, mode), name, 1, 1) for merchant, mode, name in (one, two)]

    assert (aads[0] == aads[1]) == (one == two)


@given(st.binary(max_size=300))
def test_padding_hides_the_length_and_comes_off(data: bytes) -> None:
    padded = envelope.pad(data)

    assert padded == spec_pad(data)
    assert envelope.unpad(padded) == data


@pytest.mark.parametrize("padded", [b"", b"x" * 64, b"\x00" * 64, b"\x80" * 63, b"abc\x80"])
def test_bad_padding_is_a_typed_error(padded: bytes) -> None:
    with pytest.raises(Unreadable):
        envelope.unpad(padded)


async def test_a_stored_card_opens_by_the_specification_alone(room: Room) -> None:
    sealed = await room.keep(A, MASTER)
    ((mk_version, provider, kek_id, kek_version, blob),) = await rows(
        room.stores.keys,
        sa.select(*(tables.merchant_keys.c[name] for name in ("version", "provider", "kek_id", "kek_version", "blob"))),
    )
    merchant_key = room.provider.unwrap(
        Wrapped(str(provider), str(kek_id), int(str(kek_version)), bytes(blob)),  # type: ignore[arg-type]
        Context("mk", A.mode, A.merchant_id, 1),
    )
    ((gen, wrapped),) = await rows(room.stores.keys, sa.select(tables.deks.c.gen, tables.deks.c.wrapped))
    ((record,),) = await rows(room.stores.main, sa.select(tables.entries.c.record))
    assert isinstance(wrapped, bytes)
    assert isinstance(record, bytes)

    assert (mk_version, gen, len(wrapped)) == (1, 1, 62)
    dek = spec_open(merchant_key, wrapped, spec_dek_aad("test", "merchant-a", sealed.id, 1, 1))
    padded = spec_open(dek, record, spec_record_aad("test", "merchant-a", sealed.id, "card", 1, 1))
    plaintext = b'{"h":"Hana Sato","m":"08","n":"5555555555554444","y":"2030"}'
    assert padded == spec_pad(plaintext)
    assert list(json.loads(plaintext)) == sorted(json.loads(plaintext))


async def test_fingerprints_are_as_specified(room: Room) -> None:
    root = room.vault._roots["fingerprint"]
    key = spec_hkdf(root, b"az1/fp" + spec_lp("test") + spec_lp("merchant-a"))
    private = hmac.new(key, b"pan\x00" + VISA.encode(), hashlib.sha256).digest()
    public = hmac.new(key, b"ext\x00" + VISA.encode(), hashlib.sha256).digest()[:16]

    assert room.vault.fingerprint(A, card()) == private
    assert room.vault.public_fingerprint(A, card()) == base64.b32encode(public).decode().rstrip("=")
    assert room.vault.mac("pepper", b"x") == hmac.new(room.vault._roots["pepper"], b"x", hashlib.sha256).digest()


# Refusals


@pytest.mark.parametrize(
    ("sealed", "reason"),
    [
        (b"", "short"),
        (b"\x01", "short"),
        (b"\x01\x01" + bytes(27), "short"),
        (b"\x00\x01" + bytes(60), "version"),
        (b"\x02\x01" + bytes(60), "version"),
        (b"\x01\x00" + bytes(60), "algorithm"),
        (b"\x01\x02" + bytes(60), "algorithm"),
        (b"\x01\x01" + bytes(60), "tag"),
    ],
)
def test_a_header_that_is_short_or_unknown_is_a_typed_error(sealed: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as raised:
        envelope.unseal(envelope.cipher(bytes(32)), sealed, b"")
    assert raised.value.reason == reason


@dataclass(frozen=True)
class Row:
    """One entry with everything it is opened by."""

    owner: Owner
    id: str
    stored: Stored
    key: envelope.Cipher


def sealed_row(owner: Owner, entry_id: str, number: str, key: envelope.Cipher, mk_version: int = 1) -> Row:
    dek = envelope.new_key()
    sealed = entries.seal_card(owner, entry_id, card(number), envelope.cipher(dek), b"")
    wrapped = envelope.seal(key, dek, envelope.dek_aad(owner, entry_id, 1, mk_version))
    stored = Stored("card", 1, 1, sealed.record, mk_version, wrapped, "visa", "4", "1", 1, 2030, None)
    return Row(owner, entry_id, stored, key)


def opened(row: Row) -> str:
    return entries.open_card(row.owner, row.id, row.stored, row.key).n


def changed(stored: Stored, **values: object) -> Stored:
    names = ("kind", "schema_version", "dek_gen", "record", "mk_version", "wrapped", "brand", "bin", "last4",
             "exp_month", "exp_year", "credential")  # fmt: skip
    return Stored(**{name: values.get(name, getattr(stored, name)) for name in names})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sealed_rows() -> list[Row]:
    """Forty entries of two merchants in two modes. One key for all of them: it must not be what keeps them apart."""
    key = envelope.cipher(envelope.new_key())
    owners = [Owner(merchant, mode) for merchant in ("a", "b") for mode in ("live", "test")]
    return [sealed_row(owners[n % 4], f"entry-{n // 8}", CARDS[n % len(CARDS)], key) for n in range(40)]


def test_no_part_of_a_row_can_stand_in_another(sealed_rows: list[Row]) -> None:
    for row, other in itertools.permutations(sealed_rows, 2):
        swaps = [
            replace(row, stored=changed(row.stored, record=other.stored.record)),
            replace(row, stored=changed(row.stored, wrapped=other.stored.wrapped)),
        ]
        if (row.owner, row.id) != (other.owner, other.id):
            swaps.append(replace(row, stored=other.stored))
        if row.owner != other.owner:
            swaps.append(replace(row, owner=other.owner))
        for swapped in swaps:
            with pytest.raises(Unreadable):
                opened(swapped)


@pytest.mark.parametrize(
    "value", [{"kind": "bank"}, {"schema_version": 2}, {"dek_gen": 2}, {"dek_gen": 0}, {"mk_version": 2}]
)
def test_kind_layout_and_generations_cannot_be_rewritten(value: dict[str, object], sealed_rows: list[Row]) -> None:
    row = sealed_rows[0]
    assert opened(row) == CARDS[0]

    with pytest.raises(Unreadable):
        opened(replace(row, stored=changed(row.stored, **value)))


def test_every_flipped_bit_is_found(sealed_rows: list[Row]) -> None:
    for row in sealed_rows[:3]:
        for name in ("record", "wrapped"):
            sealed = getattr(row.stored, name)
            for bit in range(len(sealed) * 8):
                flipped = bytearray(sealed)
                flipped[bit // 8] ^= 1 << bit % 8
                with pytest.raises(Unreadable):
                    opened(replace(row, stored=changed(row.stored, **{name: bytes(flipped)})))


@given(st.binary(max_size=200))
def test_noise_never_opens(noise: bytes) -> None:
    row = sealed_row(A, "entry", VISA, envelope.cipher(bytes(32)))

    for name in ("record", "wrapped"):
        with pytest.raises(Unreadable):
            opened(replace(row, stored=changed(row.stored, **{name: noise})))


async def test_a_thief_with_a_pen_moves_no_card(room: Room) -> None:
    bank = Bank()
    room.vault.allow("bank", bank)
    mine, yours = await room.keep(A), await room.keep(A, MASTER)
    await room.keep(B)
    record = sa.select(tables.entries.c.record).where(tables.entries.c.id == yours.id).scalar_subquery()
    await change(
        room.stores.main, sa.update(tables.entries).where(tables.entries.c.id == mine.id).values(record=record)
    )

    with pytest.raises(RequestNotSent, match="Unreadable"):
        await room.vault.send(await room.use(mine.id), None, ORDER)

    await change(
        room.stores.main,
        sa.update(tables.entries).where(tables.entries.c.id == yours.id).values(merchant_id=B.merchant_id),
    )
    with pytest.raises(EntryGone):
        await room.use(yours.id, B)
    await change(
        room.stores.keys, sa.update(tables.deks).where(tables.deks.c.id == yours.id).values(merchant_id=B.merchant_id)
    )
    with pytest.raises(RequestNotSent, match="Unreadable"):
        await room.vault.send(await room.use(yours.id, B), None, ORDER)
    assert bank.got == []


def test_a_wallet_opens_as_what_it_is_in_its_own_row_alone() -> None:
    key, dek, owner = envelope.cipher(envelope.new_key()), envelope.new_key(), Owner("a", "test")
    sealed = entries.seal_wallet(owner, "entry", "paypay", Secret("agr_1"), envelope.cipher(dek), b"")
    wrapped = envelope.seal(key, dek, envelope.dek_aad(owner, "entry", 1, 1))
    stored = Stored(sealed.kind, 1, 1, sealed.record, 1, wrapped, "paypay", "", "", 0, 0, None)

    assert entries.open_wallet(owner, "entry", stored, key).reveal() == "agr_1"
    assert entries.AccessGrant(owner, "entry", stored).masked.type == "paypay"
    for other_owner, entry_id, row in (
        (Owner("b", "test"), "entry", stored),
        (Owner("a", "live"), "entry", stored),
        (owner, "other", stored),
        (owner, "entry", changed(stored, kind="card")),
        (owner, "entry", changed(stored, dek_gen=2)),
    ):
        with pytest.raises(Unreadable):
            entries.open_wallet(other_owner, entry_id, row, key)
    with pytest.raises(Unreadable):
        entries.open_card(owner, "entry", stored, key)
