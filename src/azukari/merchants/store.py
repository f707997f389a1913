"""Tables ``merchants`` and ``api_keys``, and every statement on them."""

import msgspec
import sqlalchemy as sa

from azukari.core.errors import Locked, NotFound
from azukari.db import Bytes, Json, Statement, Text, Time, Tx, add, bind, metadata

#: Both are found before an owner is known (a key tells whose it is), or by the command line, which owns everything.
_KEYS = "a key tells whose it is"
_ADMIN = "administration"

merchants = sa.Table(
    "merchants",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("settings", Json, nullable=False, server_default="{}"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("hash", Bytes, primary_key=True),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("merchant_id", Text, sa.ForeignKey("merchants.id"), nullable=False),
    sa.Column("mode", Text, nullable=False),
    sa.Column("kind", Text, nullable=False),
    sa.Column("last_four", Text, nullable=False),
    sa.Column("api_version", Text, nullable=False),
    sa.Column("scopes", Text, nullable=False),
    sa.Column("ip_allow", Text, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("last_used_at", Time),
    sa.Column("revoked_at", Time),
    sa.Column("binding", Bytes, nullable=False, server_default=""),
)


class Merchant(msgspec.Struct, frozen=True):
    """A row of ``merchants``. ``settings``: those that were set, as JSON."""

    id: str
    name: str
    created_at: int
    settings: str = "{}"


class KeyRow(msgspec.Struct, frozen=True):
    """A row of ``api_keys``. ``ip_allow``: networks with commas, or empty; ``scopes``: empty means all of its kind.

    ``binding``: a keyed hash of :attr:`bound`.
    """

    hash: bytes
    id: str
    merchant_id: str
    mode: str
    kind: str
    last_four: str
    api_version: str
    scopes: str
    ip_allow: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None
    binding: bytes = b""

    @property
    def bound(self) -> bytes:
        """All that never changes, one after another, each behind its length: whose key it is, and what it may do."""
        services = (
            self.hash,
            self.id,
            self.merchant_id,
            self.mode,
            self.kind,
            self.last_four,
            self.api_version,
            self.scopes,
            self.ip_allow,
            self.created_at,
        )
        # Whatever an editor has put there: SQLite has no types to refuse it.
        texts = (part if isinstance(part, bytes) else str(part).encode() for part in services)
        return b"az1/key" + b"".join(len(text).to_bytes(4, "big") + text for text in texts)


_ADD_MERCHANT = Statement(None, add(merchants), ownerless=_ADMIN)
_MERCHANTS = Statement(Merchant, sa.select(merchants).order_by(merchants.c.id), ownerless=_ADMIN)
_ANY = Statement(Merchant, sa.select(merchants).limit(sa.literal_column("1")), ownerless=_ADMIN)
_MERCHANT = Statement(
    Merchant,
    sa.select(merchants).where(merchants.c.id == bind(merchants.c.id)),
    ownerless="administration, and an owner's own merchant, the same in both modes",
)
_SET = Statement(
    None,
    sa.update(merchants)
    .where(merchants.c.id == sa.bindparam("merchant"), merchants.c.settings == sa.bindparam("as_read"))
    .values(settings=sa.bindparam("fresh")),
    ownerless=_ADMIN,
)
_ADD_KEY = Statement(None, add(api_keys), ownerless=_ADMIN)
_KEYS_OF = Statement(
    KeyRow,
    sa.select(api_keys).where(api_keys.c.merchant_id == sa.bindparam("merchant")).order_by(api_keys.c.id),
    ownerless=_ADMIN,
)
_KEY = Statement(KeyRow, sa.select(api_keys).where(api_keys.c.id == bind(api_keys.c.id)), ownerless=_ADMIN)
_BY_HASH = Statement(KeyRow, sa.select(api_keys).where(api_keys.c.hash == bind(api_keys.c.hash)), ownerless=_KEYS)
_LIVE = Statement(
    str,
    sa.select(api_keys.c.id).where(api_keys.c.mode == sa.bindparam("mode"), api_keys.c.revoked_at.is_(None)).limit(1),
    ownerless=_ADMIN,
)
_REVOKE = Statement(
    None,
    sa.update(api_keys)
    .where(api_keys.c.id == sa.bindparam("key"), api_keys.c.revoked_at.is_(None))
    .values(revoked_at=sa.bindparam("at")),
    ownerless=_ADMIN,
)
_USED = Statement(
    None,
    sa.update(api_keys).where(api_keys.c.id == sa.bindparam("key")).values(last_used_at=sa.bindparam("at")),
    ownerless=_KEYS,
)


async def add_merchant(tx: Tx, merchant: Merchant) -> None:
    """A new merchant."""
    await tx.run(_ADD_MERCHANT, None, **msgspec.structs.asdict(merchant))


async def list_merchants(tx: Tx) -> list[Merchant]:
    """Every merchant, oldest first."""
    return await tx.all(_MERCHANTS, None)


async def any_merchant(tx: Tx) -> Merchant | None:
    """One of them, whichever it is: whether the table can be read at all."""
    return await tx.one(_ANY, None)


async def find_merchant(tx: Tx, merchant_id: str) -> Merchant | None:
    """The merchant of this id."""
    return await tx.one(_MERCHANT, None, id=merchant_id)


async def get_merchant(tx: Tx, merchant_id: str) -> Merchant:
    """The merchant an owner names. Raises NotFound."""
    found = await tx.one(_MERCHANT, None, id=merchant_id)
    if found is None:
        raise NotFound
    return found


async def keep_settings(tx: Tx, merchant: Merchant, settings: str) -> None:
    """Put new settings in the place of those that were read. Raises Locked: another was faster."""
    if await tx.run(_SET, None, merchant=merchant.id, as_read=merchant.settings, fresh=settings) == 0:
        raise Locked


async def add_key(tx: Tx, key: KeyRow) -> None:
    """A new key, in use from now on."""
    await tx.run(_ADD_KEY, None, **msgspec.structs.asdict(key))


async def list_keys(tx: Tx, merchant_id: str) -> list[KeyRow]:
    """A merchant's keys, revoked ones too, oldest first."""
    return await tx.all(_KEYS_OF, None, merchant=merchant_id)


async def find_key(tx: Tx, key_id: str) -> KeyRow | None:
    """The key of this id."""
    return await tx.one(_KEY, None, id=key_id)


async def find_by_hash(tx: Tx, key_hash: bytes) -> KeyRow | None:
    """The key with this keyed hash."""
    return await tx.one(_BY_HASH, None, hash=key_hash)


async def any_live(tx: Tx) -> bool:
    """Whether a live key is in use on this installation."""
    return await tx.one(_LIVE, None, mode="live") is not None


async def revoke(tx: Tx, key_id: str, at: int) -> bool:
    """End a key; whether it was in use until now."""
    return await tx.run(_REVOKE, None, key=key_id, at=at) == 1


async def note_use(tx: Tx, key_id: str, at: int) -> None:
    """Keep when a key was last seen, to the minute or so."""
    await tx.run(_USED, None, key=key_id, at=at)
