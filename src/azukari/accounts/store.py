"""Table ``processor_accounts``."""

from typing import Any

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.db import Owner, Tx
from azukari.processors.account import Account, Narrowed, State

accounts = db.owned_table(
    "processor_accounts",
    sa.Column("name", db.Text, nullable=False),
    sa.Column("processor", db.Text, nullable=False),
    sa.Column("host", db.Text, nullable=False),
    sa.Column("profile", db.Json, nullable=False),
    sa.Column("narrowed", db.Json, nullable=False),
    sa.Column("state", db.Text, nullable=False),
    sa.Column("entry_id", db.Text),
    sa.Column("secrets", db.Json, nullable=False),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("updated_at", db.Time, nullable=False),
    sa.Column("version", db.Integer, nullable=False),
    db.owned_reference("entry_id", "vault_entries"),
    sa.UniqueConstraint("name", "merchant_id", "mode", name="uq_processor_accounts_name_merchant_id_mode"),
)

_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
_decode_times = msgspec.json.Decoder(dict[str, int]).decode
_decode_narrowed = msgspec.json.Decoder(Narrowed).decode


def _account(
    merchant_id: str,
    mode: str,
    id: str,
    name: str,
    processor: str,
    host: str,
    profile: str,
    narrowed: str,
    state: State,
    entry_id: str | None,
    secrets: str,
    created_at: int,
    updated_at: int,
    version: int,
) -> Account:
    """A row's columns as an account."""
    return Account(
        owner=Owner(merchant_id, mode),
        id=id,
        name=name,
        processor=processor,
        host=host,
        profile=_decode_texts(profile),
        narrowed=_decode_narrowed(narrowed),
        state=state,
        entry_id=entry_id,
        secrets=_decode_times(secrets),
        created_at=created_at,
        updated_at=updated_at,
        version=version,
    )


def _as_json(value: object) -> str:
    # Sets have no order of their own: equal contracts are equal texts.
    return msgspec.json.encode(value, order="deterministic").decode()


#: What :func:`update` may change.
_CHANGES = ("narrowed", "state", "entry_id", "secrets", "updated_at")

_ADD = db.Statement(None, db.add_unless_there(accounts))
_BY_ID = db.Statement(_account, sa.select(accounts).where(*db.owned(accounts), accounts.c.id == db.bind(accounts.c.id)))
_BY_NAME = db.Statement(
    _account, sa.select(accounts).where(*db.owned(accounts), accounts.c.name == db.bind(accounts.c.name))
)
_ALL = db.Statement(_account, sa.select(accounts).where(*db.owned(accounts)).order_by(accounts.c.id))
_UPDATE: db.Statement[None] = db.Statement(
    None,
    sa.update(accounts)
    .where(
        *db.owned(accounts),
        accounts.c.id == sa.bindparam("account", type_=db.Text),
        accounts.c.version == sa.bindparam("read_version", type_=db.Integer),
    )
    .values(
        version=accounts.c.version + 1,
        **{name: sa.bindparam(f"new_{name}", type_=accounts.c[name].type) for name in _CHANGES},
    ),
)


async def add(tx: Tx, account: Account) -> bool:
    """A new account; False: its owner has one of this name."""
    row: dict[str, Any] = {name: getattr(account, name) for name in accounts.c.keys()[2:]}
    row |= {name: _as_json(row[name]) for name in ("profile", "narrowed", "secrets")}
    return await tx.run(_ADD, account.owner, **row) == 1


async def find(tx: Tx, owner: Owner, account_id: str) -> Account | None:
    """The owner's account of this id: what an attempt has noted."""
    return await tx.one(_BY_ID, owner, id=account_id)


async def named(tx: Tx, owner: Owner, name: str) -> Account | None:
    """The owner's account of this name."""
    return await tx.one(_BY_NAME, owner, name=name)


async def of_owner(tx: Tx, owner: Owner) -> list[Account]:
    """The owner's accounts, closed ones too, oldest first."""
    return await tx.all(_ALL, owner)


async def update(tx: Tx, read: Account, new: Account) -> bool:
    """Change an account that is still as it was read; False: it is not."""
    values: dict[str, Any] = {f"new_{name}": getattr(new, name) for name in _CHANGES}
    values |= {f"new_{name}": _as_json(getattr(new, name)) for name in ("narrowed", "secrets")}
    return await tx.run(_UPDATE, read.owner, account=read.id, read_version=read.version, **values) == 1
