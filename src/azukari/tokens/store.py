"""Table ``tokens``."""

import msgspec
import sqlalchemy as sa

from azukari.core.clock import DAY, HOUR
from azukari.core.errors import InvalidToken
from azukari.db import (
    Integer,
    Json,
    Owner,
    Statement,
    Text,
    Time,
    Tx,
    add,
    bind,
    owned,
    owned_reference,
    owned_table,
    partial_index,
)

LIFE = DAY

tokens = owned_table(
    "tokens",
    sa.Column("entry_id", Text),
    sa.Column("currency", Text),
    sa.Column("details", Json, nullable=False),
    sa.Column("email", Text),
    sa.Column("has_verification_value", Integer, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("expires_at", Time, nullable=False),
    sa.Column("used_at", Time),
    sa.Column("used_by", Text),
    sa.Column("adopted", Integer, nullable=False),
    sa.Column("swept_at", Time),
    sa.Column("method", Json),
    owned_reference("entry_id", "vault_entries"),
    sa.Index(None, "expires_at"),
    partial_index("ix_tokens_used_by", "used_by", where="used_by IS NOT NULL"),
)


class Token(msgspec.Struct, frozen=True):
    """A row of ``tokens``.

    entry_id: the vault's entry of a card. method: the details of any other type, JSON.
    currency: the only one it may be spent in, or None. details: what the wire shows of it, JSON.
    used_by: the id of the payment or customer it was spent on. adopted: 1 once a customer keeps its details.
    swept_at: when they were given up to the sweep.
    """

    merchant_id: str
    mode: str
    id: str
    entry_id: str | None
    currency: str | None
    details: str
    email: str | None
    has_verification_value: int
    created_at: int
    expires_at: int
    used_at: int | None
    used_by: str | None
    adopted: int
    swept_at: int | None
    method: str | None = None


_ADD = Statement(None, add(tokens))
_BY_ID = Statement(Token, sa.select(tokens).where(*owned(tokens), tokens.c.id == bind(tokens.c.id)))
_SPEND = Statement(
    None,
    sa.update(tokens)
    .where(
        *owned(tokens),
        tokens.c.id == sa.bindparam("token", type_=Text),
        tokens.c.used_at.is_(None),
        tokens.c.expires_at > sa.bindparam("now", type_=Time),
    )
    .values(used_at=sa.bindparam("now", type_=Time), used_by=sa.bindparam("by", type_=Text)),
)
_SPENT = Statement(
    Token,
    sa.select(tokens).where(
        *owned(tokens), tokens.c.used_by == bind(tokens.c.used_by), tokens.c.used_at == bind(tokens.c.used_at)
    ),
)
_ADOPT = Statement(
    None,
    sa.update(tokens)
    .where(*owned(tokens), tokens.c.id == sa.bindparam("token", type_=Text), tokens.c.swept_at.is_(None))
    .values(adopted=1),
)
_OVER = Statement(
    Token,
    sa.select(tokens)
    .where(
        tokens.c.expires_at <= sa.bindparam("now", type_=Time),
        sa.or_(tokens.c.used_at.is_(None), tokens.c.used_at <= sa.bindparam("ended_by", type_=Time)),
    )
    .order_by(tokens.c.expires_at)
    .limit(sa.bindparam("limit", type_=Integer)),
    ownerless="the sweep forgets what is over, whoever's it is",
)
_SWEEP = Statement(
    None,
    sa.update(tokens)
    .where(*owned(tokens), tokens.c.id == sa.bindparam("token", type_=Text), tokens.c.adopted == 0)
    .values(swept_at=sa.bindparam("now", type_=Time)),
)
_FORGET = Statement(None, sa.delete(tokens).where(*owned(tokens), tokens.c.id == bind(tokens.c.id)))


async def save(tx: Tx, token: Token) -> None:
    """A new token."""
    await tx.run(_ADD, Owner(token.merchant_id, token.mode), **msgspec.structs.asdict(token))


async def get_unspent(tx: Tx, owner: Owner, token_id: str, now: int) -> Token:
    """The owner's token, good for use. Raises InvalidToken: unknown, used, expired or somebody else's."""
    token = await tx.one(_BY_ID, owner, id=token_id)
    if token is None or token.used_at is not None or token.expires_at <= now:
        raise InvalidToken
    return token


async def spend(tx: Tx, owner: Owner, token_id: str, now: int, by: str) -> None:
    """Use it up, once and for all. Raises InvalidToken."""
    if await tx.run(_SPEND, owner, token=token_id, now=now, by=by) != 1:
        raise InvalidToken


async def spent(tx: Tx, owner: Owner, by: str, at: int) -> list[Token]:
    """What was used up at that moment by that payment or customer."""
    return await tx.all(_SPENT, owner, used_by=by, used_at=at)


async def adopt(tx: Tx, owner: Owner, token_id: str) -> None:
    """A customer keeps its details from now on. Raises InvalidToken: the sweep has them."""
    if await tx.run(_ADOPT, owner, token=token_id) != 1:
        raise InvalidToken


async def give_up(tx: Tx, owner: Owner, token_id: str, now: int) -> bool:
    """From now on nobody can adopt its details; False: somebody has."""
    return await tx.run(_SWEEP, owner, token=token_id, now=now) == 1


async def over(tx: Tx, now: int, limit: int) -> list[Token]:
    """Tokens past their day, spent or not; one spent a moment ago may still be on its way to a customer."""
    return await tx.all(_OVER, None, now=now, ended_by=now - HOUR, limit=limit)


async def forget(tx: Tx, owner: Owner, token_id: str) -> None:
    """Drop a token that is over."""
    await tx.run(_FORGET, owner, id=token_id)
