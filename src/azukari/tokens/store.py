"""Table ``tokens``. A secure token is a row of it too, with what 3-D Secure has come to."""

from typing import Literal

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.core.clock import DAY, HOUR, Moment
from azukari.core.errors import InvalidToken
from azukari.db import Cursor, Owner, Tx
from azukari.merchants.due import Due, index_of_test_rows, time_by_owner

LIFE = DAY

Verification = Literal["CREATED", "NEEDS_VERIFY", "OK", "SKIPPED", "ERRORED", "EXPIRED"]
#: What a secure token may be charged with.
VERIFIED: tuple[Verification, ...] = ("OK", "SKIPPED")

tokens = db.owned_table(
    "tokens",
    sa.Column("entry_id", db.Text),
    sa.Column("currency", db.Text),
    sa.Column("details", db.Json, nullable=False),
    sa.Column("email", db.Text),
    sa.Column("has_verification_value", db.Integer, nullable=False),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("expires_at", db.Time, nullable=False),
    sa.Column("used_at", db.Time),
    sa.Column("used_by", db.Text),
    sa.Column("adopted", db.Integer, nullable=False),
    sa.Column("swept_at", db.Time),
    sa.Column("verification", db.Text),
    sa.Column("amount", db.Money),
    sa.Column("customer_id", db.Text),
    sa.Column("return_url", db.Text),
    sa.Column("state_seed", db.Text),
    sa.Column("processor", db.Text),
    sa.Column("ref", db.Text),
    sa.Column("three_ds", db.Json),
    sa.Column("has_authentication_value", db.Integer),
    sa.Column("open_until", db.Time),
    sa.Column("idempotency_key", db.Text),
    sa.Column("made_for", db.Text),
    sa.Column("method", db.Json),
    db.owned_reference("entry_id", "vault_entries"),
    sa.Index(None, "expires_at"),
    index_of_test_rows("tokens", "expires_at"),
    index_of_test_rows("tokens", "open_until", "open_until IS NOT NULL"),
    db.partial_index("ix_tokens_used_by", "used_by", where="used_by IS NOT NULL"),
    db.partial_index("ix_tokens_open_until", "open_until", where="open_until IS NOT NULL"),
    db.partial_index(
        "uq_tokens_made_for", "made_for", "merchant_id", "mode", unique=True, where="made_for IS NOT NULL"
    ),
)


class Token(msgspec.Struct, frozen=True):
    """A row of ``tokens``.

    entry_id: the vault's entry of a card. method: the details of any other type, JSON.
    currency: the only one it may be spent in, or None. details: what the wire shows of it, JSON.
    used_at: when it was spent, by the machine's clock, as its attempt's times are: the sweep goes by it.
    used_by: the id of the payment or customer it was spent on. adopted: 1 once a customer keeps its details.
    swept_at: when they were given up to the sweep.

    Of secure tokens alone, None in others: verification: how far 3-D Secure has come. amount: with tax, the only one it
    may be spent on. customer_id: whose saved card it is about. state_seed: what the challenge's one-time address is
    made of, until it is used. processor, ref: who authenticates, under which id. three_ds: the result, JSON.
    open_until: when an authentication that has not ended is over. made_for: what the same token is given out for again.
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
    used_at: int | None = None
    used_by: str | None = None
    adopted: int = 0
    swept_at: int | None = None
    verification: Verification | None = None
    amount: int | None = None
    customer_id: str | None = None
    return_url: str | None = None
    state_seed: str | None = None
    processor: str | None = None
    ref: str | None = None
    three_ds: str | None = None
    has_authentication_value: int | None = None
    open_until: int | None = None
    idempotency_key: str | None = None
    made_for: str | None = None
    method: str | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.merchant_id, self.mode)

    def verification_at(self, moment: Moment) -> Verification | None:
        """What a secure token shows: a time that is over is over before anybody has written so down."""
        if self.verification in ("CREATED", "NEEDS_VERIFY"):
            over = self.open_until is None or self.open_until <= self.time_while_open(moment)
        else:
            over = self.verification in VERIFIED and self.used_at is None and self.expires_at <= moment.now
        return "EXPIRED" if over else self.verification

    def time_while_open(self, moment: Moment) -> int:
        """The time ``open_until`` is held against: a call has the machine's, a shopper the merchant's."""
        return moment.system_now if self.verification == "CREATED" else moment.now


_ADD = db.Statement(None, db.add(tokens))
_ADD_ONCE = db.Statement(None, db.add_unless_there(tokens))
_BY_ID = db.Statement(Token, sa.select(tokens).where(*db.owned(tokens), tokens.c.id == db.bind(tokens.c.id)))
_SPEND = db.Statement(
    None,
    sa.update(tokens)
    .where(
        *db.owned(tokens),
        tokens.c.id == sa.bindparam("token", type_=db.Text),
        tokens.c.used_at.is_(None),
        tokens.c.expires_at > sa.bindparam("now", type_=db.Time),
    )
    .values(used_at=sa.bindparam("at", type_=db.Time), used_by=sa.bindparam("by", type_=db.Text)),
)
_SPENT = db.Statement(
    Token,
    sa.select(tokens).where(
        *db.owned(tokens), tokens.c.used_by == db.bind(tokens.c.used_by), tokens.c.used_at == db.bind(tokens.c.used_at)
    ),
)
_ADOPT = db.Statement(
    None,
    sa.update(tokens)
    .where(*db.owned(tokens), tokens.c.id == sa.bindparam("token", type_=db.Text), tokens.c.swept_at.is_(None))
    .values(adopted=1),
)
#: Tokens past their day, spent or not.
OVER = Due(
    Token,
    tokens.c.expires_at,
    ownerless="the sweep forgets what is over, whoever's it is",
    where=[
        sa.or_(tokens.c.used_at.is_(None), tokens.c.used_at <= sa.bindparam("ended_by", type_=db.Time)),
        tokens.c.open_until.is_(None),  # the end of its authentication may be waited for
    ],
)
_SWEEP = db.Statement(
    None,
    sa.update(tokens)
    .where(*db.owned(tokens), tokens.c.id == sa.bindparam("token", type_=db.Text), tokens.c.adopted == 0)
    .values(swept_at=sa.bindparam("now", type_=db.Time)),
)
_BY_PURPOSE = db.Statement(
    Token, sa.select(tokens).where(*db.owned(tokens), tokens.c.made_for == db.bind(tokens.c.made_for))
)
_VERIFY = db.Statement(
    Token,
    sa.update(tokens)
    .where(
        *db.owned(tokens),
        tokens.c.id == sa.bindparam("token", type_=db.Text),
        tokens.c.verification == sa.bindparam("from_status", type_=db.Text),
        tokens.c.open_until > sa.bindparam("now", type_=db.Time),
    )
    .values(
        verification=sa.bindparam("to_status", type_=db.Text),
        three_ds=sa.bindparam("result", type_=db.Json),
        has_authentication_value=sa.bindparam("has_value", type_=db.Integer),
        state_seed=sa.bindparam("seed", type_=db.Text),
        open_until=sa.bindparam("until", type_=db.Time),
    )
    .returning(*tokens.c),
)
_while_open = sa.case(
    (tokens.c.verification == "CREATED", sa.bindparam("system_now", type_=db.Time)), else_=time_by_owner(tokens)
)
#: Secure tokens whose authentication is over without an end; of an owner alone, its challenges.
ABANDONED = Due(
    Token,
    tokens.c.open_until,
    ownerless="the sweep ends authentications nobody has ended, whoever's they are",
    among=[tokens.c.open_until.is_not(None)],
    # Those of no challenge yet go by the machine's time.
    ahead=[tokens.c.verification != "CREATED"],
    owners=[tokens.c.verification == "NEEDS_VERIFY"],
    when=_while_open,
)
_END = db.Statement(
    Token,
    sa.update(tokens)
    .where(
        *db.owned(tokens),
        tokens.c.id == sa.bindparam("token", type_=db.Text),
        tokens.c.verification == sa.bindparam("from_status", type_=db.Text),
        tokens.c.open_until <= sa.bindparam("now", type_=db.Time),
    )
    .values(verification="EXPIRED", open_until=None)
    .returning(*tokens.c),
)
_FORGET = db.Statement(None, sa.delete(tokens).where(*db.owned(tokens), tokens.c.id == db.bind(tokens.c.id)))


async def save(tx: Tx, token: Token) -> None:
    """A new token."""
    await tx.run(_ADD, Owner(token.merchant_id, token.mode), **msgspec.structs.asdict(token))


async def save_once(tx: Tx, token: Token) -> bool:
    """A new secure token; False: there is one already for what it was made for."""
    return await tx.run(_ADD_ONCE, token.owner, **msgspec.structs.asdict(token)) == 1


async def get_unspent(tx: Tx, owner: Owner, token_id: str, now: int) -> Token:
    """The owner's token, good for use. Raises InvalidToken: unknown, used, expired or somebody else's."""
    token = await tx.one(_BY_ID, owner, id=token_id)
    if token is None or token.used_at is not None or token.expires_at <= now:
        raise InvalidToken
    return token


async def find(tx: Tx, owner: Owner, token_id: str) -> Token | None:
    """The owner's token, in whatever state it is."""
    return await tx.one(_BY_ID, owner, id=token_id)


async def find_made_for(tx: Tx, owner: Owner, made_for: str) -> Token | None:
    """The secure token that was made for this."""
    return await tx.one(_BY_PURPOSE, owner, made_for=made_for)


async def verify(
    tx: Tx,
    token: Token,
    to: Verification,
    moment: Moment,
    *,
    three_ds: str | None,
    has_value: bool,
    seed: str | None = None,
    until: int | None = None,
) -> Token | None:
    """Write down how far 3-D Secure has come; None: somebody else has, or its time was over."""
    return await tx.one(
        _VERIFY,
        token.owner,
        token=token.id,
        from_status=token.verification,
        to_status=to,
        result=three_ds,
        now=token.time_while_open(moment),
        has_value=int(has_value),
        seed=seed,
        until=until,
    )


async def end(tx: Tx, token: Token, moment: Moment) -> Token | None:
    """It is over: ``EXPIRED``; None: somebody else was faster."""
    return await tx.one(
        _END, token.owner, token=token.id, from_status=token.verification, now=token.time_while_open(moment)
    )


async def redeem(tx: Tx, owner: Owner, token_id: str, moment: Moment, by: str) -> None:
    """Use it up, once and for all. Raises InvalidToken."""
    if await tx.run(_SPEND, owner, token=token_id, now=moment.now, at=moment.system_now, by=by) != 1:
        raise InvalidToken


async def spent(tx: Tx, owner: Owner, by: str, at: int) -> list[Token]:
    """What was used up at that moment by that payment or customer."""
    return await tx.all(_SPENT, owner, used_by=by, used_at=at)


async def claim_for_customer(tx: Tx, owner: Owner, token_id: str) -> None:
    """A customer keeps its details from now on. Raises InvalidToken: the sweep has them."""
    if await tx.run(_ADOPT, owner, token=token_id) != 1:
        raise InvalidToken


async def release_to_sweep(tx: Tx, owner: Owner, token_id: str, now: int) -> bool:
    """From now on nobody can adopt its details; False: somebody has."""
    return await tx.run(_SWEEP, owner, token=token_id, now=now) == 1


async def over(tx: Tx, system_now: int, limit: int, after: Cursor) -> list[Token]:
    """Tokens past their day; one spent a moment ago may still be on its way to a customer."""
    return await OVER.of_all(tx, system_now, limit, after, ended_by=system_now - HOUR)


async def forget(tx: Tx, owner: Owner, token_id: str) -> None:
    """Drop a token that is over."""
    await tx.run(_FORGET, owner, id=token_id)
