"""Entries: a card, a wallet's agreement or a secret to sign with, as one sealed record; the permission to open it."""

from collections.abc import Mapping
from typing import Never

import msgspec
import sqlalchemy as sa

from azukari.core.secret import Secret
from azukari.db import Owner, Statement, Tx, add, bind, owned
from azukari.vault.inside import envelope
from azukari.vault.inside.details import CREDIT_CARD, Masked, PaymentDetails
from azukari.vault.inside.envelope import Cipher
from azukari.vault.inside.errors import EntryGone, Unreadable, UseRefused
from azukari.vault.inside.tables import deks, entries
from azukari.vault.inside.transport import NO_SECRET_FIELDS, Blank

CARD = "card"
#: A shopper's agreement to later charges; the entry's ``brand`` is the type of payment details.
WALLET = "wallet"
#: What a merchant's webhooks are signed with; it fills no order's blanks.
SECRET = "secret"  # noqa: S105 - a kind of record, not one
ACCOUNT = "account"
FIRST_GEN = 1


class Plain(msgspec.Struct, frozen=True, gc=False):
    """A record's plaintext. Members in the order of the format: sorted. m: two digits, y: four."""

    h: str | None
    m: str
    n: str
    y: str

    @classmethod
    def of(cls, details: PaymentDetails) -> "Plain":
        return cls(details.holder, f"{details.month:02}", details.number.reveal(), str(details.year))

    def __repr__(self) -> str:
        return "Plain(***)"

    def __rich_repr__(self) -> Never:
        raise TypeError("a card in clear is not shown")

    def __reduce__(self) -> Never:
        raise TypeError("a card in clear cannot be pickled")


class PlainAgreement(msgspec.Struct, frozen=True, gc=False):
    """The plaintext of a wallet's record: what later charges name."""

    a: str

    def __repr__(self) -> str:
        return "PlainAgreement(***)"

    def __rich_repr__(self) -> Never:
        raise TypeError("an agreement in clear is not shown")

    def __reduce__(self) -> Never:
        raise TypeError("an agreement in clear cannot be pickled")


class PlainSecret(msgspec.Struct, frozen=True, gc=False):
    """The plaintext of a secret's record."""

    s: str

    def __repr__(self) -> str:
        return "PlainSecret(***)"

    def __rich_repr__(self) -> Never:
        raise TypeError("a secret in clear is not shown")

    def __reduce__(self) -> Never:
        raise TypeError("a secret in clear cannot be pickled")


class PlainAccount(msgspec.Struct, frozen=True, gc=False):
    """The plaintext of an account's record: its secrets by their names."""

    v: dict[str, str]

    def __repr__(self) -> str:
        return "PlainAccount(***)"

    def __rich_repr__(self) -> Never:
        raise TypeError("an account's secrets in clear are not shown")

    def __reduce__(self) -> Never:
        raise TypeError("an account's secrets in clear cannot be pickled")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Plain).decode
_decode_agreement = msgspec.json.Decoder(PlainAgreement).decode
_decode_secret = msgspec.json.Decoder(PlainSecret).decode
_decode_account = msgspec.json.Decoder(PlainAccount).decode


class SealedEntry:
    """A new entry, sealed, its data key written down: what is left is to add it to the main store."""

    __slots__ = ("_record", "fingerprint", "id", "kind", "masked")

    def __init__(self, entry_id: str, masked: Masked, fingerprint: bytes, record: bytes, kind: str = CARD) -> None:
        self.id = entry_id
        self.kind = kind
        self.masked = masked
        self.fingerprint = fingerprint
        self._record = record

    @property
    def record(self) -> bytes:
        return self._record

    def __repr__(self) -> str:
        return f"SealedEntry({self.id})"


class Stored:
    """A row of an entry beside its data key's."""

    __slots__ = (
        "bin", "brand", "credential", "dek_gen", "exp_month", "exp_year", "kind", "last4", "mk_version", "record",
        "schema_version", "wrapped",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        schema_version: int,
        dek_gen: int,
        record: bytes,
        mk_version: int,
        wrapped: bytes,
        brand: str,
        bin: str,
        last4: str,
        exp_month: int,
        exp_year: int,
        credential: str | None,
    ) -> None:
        self.kind = kind
        self.schema_version = schema_version
        self.dek_gen = dek_gen
        self.record = record
        self.mk_version = mk_version
        self.wrapped = wrapped
        self.brand = brand
        self.bin = bin
        self.last4 = last4
        self.exp_month = exp_month
        self.exp_year = exp_year
        self.credential = credential


class AccessGrant:
    """Permission to open one entry, once, for one order. Only the vault gives it and only the vault can follow it.

    entry_id: empty for a card that is not stored. ``masked``, ``extras`` and ``credential`` (JSON text kept with the
    entry, or None) may be read too.
    """

    __slots__ = ("_card", "_noted", "_spent", "entry_id", "owner")

    def __init__(self, owner: Owner, entry_id: str, card: Stored | PaymentDetails) -> None:
        self.owner = owner
        self.entry_id = entry_id
        self._card = card
        self._noted = False
        self._spent = False

    @property
    def masked(self) -> Masked:
        card = self._card
        if isinstance(card, PaymentDetails):
            return card.masked
        # Not by the kind: a row that was made to say another one is shown as what it is, and does not open.
        if not card.last4:
            return wallet_masked(card.brand)
        return Masked(CREDIT_CARD, card.brand, card.bin, card.last4, card.exp_month, card.exp_year)

    @property
    def secret_fields(self) -> Mapping[Blank, Secret]:
        """Secrets beside the card: of one that is not stored, and of some types alone."""
        return self._card.secret_fields if isinstance(self._card, PaymentDetails) else NO_SECRET_FIELDS

    @property
    def extras(self) -> Mapping[str, str]:
        """What else such a card brings, which is no secret."""
        return self._card.extras if isinstance(self._card, PaymentDetails) else {}

    @property
    def credential(self) -> str | None:
        return None if isinstance(self._card, PaymentDetails) else self._card.credential

    def note(self) -> None:
        """Its audit line is being written."""
        self._noted = True

    def redeem(self) -> Stored | PaymentDetails:
        """What it permits to open. Raises UseRefused without an audit line, and the second time."""
        if not self._noted or self._spent:
            raise UseRefused
        self._spent = True
        return self._card

    def __repr__(self) -> str:
        return f"Use({self.entry_id or 'of a card that is not stored'})"

    def __reduce__(self) -> Never:
        raise TypeError("a permission to open an entry cannot be pickled")


ADD_ENTRY: Statement[None] = Statement(None, add(entries))
STORED = Statement(
    Stored,
    sa.select(
        entries.c.kind,
        entries.c.schema_version,
        entries.c.dek_gen,
        entries.c.record,
        deks.c.mk_version,
        deks.c.wrapped,
        entries.c.brand,
        entries.c.bin,
        entries.c.last4,
        entries.c.exp_month,
        entries.c.exp_year,
        entries.c.credential,
    )
    .join_from(
        entries,
        deks,
        sa.and_(
            deks.c.merchant_id == entries.c.merchant_id,
            deks.c.mode == entries.c.mode,
            deks.c.id == entries.c.id,
            deks.c.gen == entries.c.dek_gen,
        ),
    )
    .where(*owned(entries), entries.c.id == bind(entries.c.id)),
)
SET_CREDENTIAL: Statement[None] = Statement(
    None,
    sa.update(entries)
    .where(*owned(entries), entries.c.id == bind(entries.c.id, "entry_id"), entries.c.shredded_at.is_(None))
    .values(credential=bind(entries.c.credential)),
)
RETIRE: Statement[None] = Statement(
    None,
    sa.update(entries)
    .where(*owned(entries), entries.c.id == bind(entries.c.id, "entry_id"), entries.c.shredded_at.is_(None))
    .values(retired_at=bind(entries.c.retired_at)),
)
SHRED: Statement[None] = Statement(
    None,
    sa.update(entries)
    .where(*owned(entries), entries.c.id == bind(entries.c.id, "entry_id"), entries.c.shredded_at.is_(None))
    .values(record=b"", fingerprint=b"", credential=None, retired_at=None, shredded_at=bind(entries.c.shredded_at)),
)

REMOVE: Statement[None] = Statement(
    None,
    sa.delete(entries).where(*owned(entries), entries.c.id == bind(entries.c.id), entries.c.shredded_at.is_not(None)),
)


def seal_card(owner: Owner, entry_id: str, details: PaymentDetails, dek: Cipher, fingerprint: bytes) -> SealedEntry:
    """The sealed record of a card under its data key."""
    aad = envelope.record_aad(owner, entry_id, CARD, envelope.SCHEMA, FIRST_GEN)
    record = envelope.seal(dek, envelope.pad(_encode(Plain.of(details))), aad)
    return SealedEntry(entry_id, details.masked, fingerprint, record)


def wallet_masked(type: str) -> Masked:
    """What may be shown of an agreement: whose wallet it is."""
    return Masked(type, "", "", "", 0, 0)


def seal_wallet(
    owner: Owner, entry_id: str, type: str, agreement: Secret, dek: Cipher, fingerprint: bytes
) -> SealedEntry:
    """The sealed record of an agreement under its data key."""
    aad = envelope.record_aad(owner, entry_id, WALLET, envelope.SCHEMA, FIRST_GEN)
    record = envelope.seal(dek, envelope.pad(_encode(PlainAgreement(agreement.reveal()))), aad)
    return SealedEntry(entry_id, wallet_masked(type), fingerprint, record, WALLET)


def seal_secret(owner: Owner, entry_id: str, secret: Secret, dek: Cipher, fingerprint: bytes) -> SealedEntry:
    """The sealed record of a secret under its data key."""
    aad = envelope.record_aad(owner, entry_id, SECRET, envelope.SCHEMA, FIRST_GEN)
    record = envelope.seal(dek, envelope.pad(_encode(PlainSecret(secret.reveal()))), aad)
    return SealedEntry(entry_id, wallet_masked(SECRET), fingerprint, record, SECRET)


def seal_account(
    owner: Owner, entry_id: str, secrets: Mapping[str, Secret], dek: Cipher, fingerprint: bytes
) -> SealedEntry:
    """The sealed record of an account's secrets under its data key."""
    aad = envelope.record_aad(owner, entry_id, ACCOUNT, envelope.SCHEMA, FIRST_GEN)
    plain = PlainAccount({name: secret.reveal() for name, secret in secrets.items()})
    record = envelope.seal(dek, envelope.pad(_encode(plain)), aad)
    return SealedEntry(entry_id, wallet_masked(ACCOUNT), fingerprint, record, ACCOUNT)


def open_card(owner: Owner, entry_id: str, stored: Stored, merchant_key: Cipher) -> Plain:
    """The card of a stored record. Raises Unreadable."""
    try:
        return _decode(_opened(owner, entry_id, stored, merchant_key))
    except msgspec.DecodeError:
        raise Unreadable("content") from None


def open_wallet(owner: Owner, entry_id: str, stored: Stored, merchant_key: Cipher) -> Secret:
    """The agreement of a stored record. Raises Unreadable."""
    try:
        return Secret(_decode_agreement(_opened(owner, entry_id, stored, merchant_key)).a)
    except msgspec.DecodeError:
        raise Unreadable("content") from None


def open_secret(owner: Owner, entry_id: str, stored: Stored, merchant_key: Cipher) -> Secret:
    """The secret of a stored record. Raises Unreadable, also for a record of another kind."""
    try:
        return Secret(_decode_secret(_opened(owner, entry_id, stored, merchant_key)).s)
    except msgspec.DecodeError:
        raise Unreadable("content") from None


def open_account(owner: Owner, entry_id: str, stored: Stored, merchant_key: Cipher) -> Mapping[str, str]:
    """The secrets of a stored record, by name. Raises Unreadable, also for a record of another kind."""
    try:
        return _decode_account(_opened(owner, entry_id, stored, merchant_key)).v
    except msgspec.DecodeError:
        raise Unreadable("content") from None


def _opened(owner: Owner, entry_id: str, stored: Stored, merchant_key: Cipher) -> bytes:
    dek_aad = envelope.dek_aad(owner, entry_id, stored.dek_gen, stored.mk_version)
    dek = envelope.cipher(envelope.unseal(merchant_key, stored.wrapped, dek_aad))
    aad = envelope.record_aad(owner, entry_id, stored.kind, stored.schema_version, stored.dek_gen)
    return envelope.unpad(envelope.unseal(dek, stored.record, aad))


async def add_entry(tx: Tx, owner: Owner, sealed: SealedEntry, now: int) -> None:
    """Write the record's row."""
    shown, brand = sealed.masked, sealed.masked.type if sealed.kind != CARD else sealed.masked.brand
    await tx.run(
        ADD_ENTRY,
        owner,
        id=sealed.id,
        kind=sealed.kind,
        schema_version=envelope.SCHEMA,
        dek_gen=FIRST_GEN,
        record=sealed.record,
        fingerprint=sealed.fingerprint,
        brand=brand,
        bin=shown.bin,
        last4=shown.last4,
        exp_month=shown.month,
        exp_year=shown.year,
        credential=None,
        created_at=now,
        retired_at=None,
        shredded_at=None,
    )


async def find(tx: Tx, owner: Owner, entry_id: str) -> AccessGrant:
    """The permission to open an entry. Raises EntryGone."""
    return AccessGrant(owner, entry_id, await stored_of(tx, owner, entry_id))


async def stored_of(tx: Tx, owner: Owner, entry_id: str) -> Stored:
    """An entry's record, sealed. Raises EntryGone."""
    stored = await tx.one(STORED, owner, id=entry_id)
    if stored is None:
        raise EntryGone
    return stored


async def set_credential(tx: Tx, owner: Owner, entry_id: str, credential: str) -> None:
    """Keep JSON text with an entry. Raises EntryGone."""
    if not await tx.run(SET_CREDENTIAL, owner, entry_id=entry_id, credential=credential):
        raise EntryGone


async def retire(tx: Tx, owner: Owner, entry_id: str, now: int) -> None:
    """Say that an entry is to be shredded."""
    await tx.run(RETIRE, owner, entry_id=entry_id, retired_at=now)


async def remove(tx: Tx, owner: Owner, entry_id: str) -> None:
    """Drop the row of a shredded entry; one that is not shredded stays."""
    await tx.run(REMOVE, owner, id=entry_id)


async def erase(tx: Tx, owner: Owner, entry_id: str, now: int) -> None:
    """Empty the row of an entry whose data key is gone; the masked card stays for bookkeeping (SEC-19)."""
    await tx.run(SHRED, owner, entry_id=entry_id, shredded_at=now)
