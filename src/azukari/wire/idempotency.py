"""``X-KOMOJU-IDEMPOTENCY``: the same key and body get the same answer, and only one of them acts.

A claim is taken by the first write of the first unit of a request, and settled in the unit that writes its outcome.
Between the two its row holds the answer that is true if we die: "pending", or "nothing was done". A key found wins
over every other finding of the unit. Source: contract 1.5; the rules: ``docs/security.md``, section 6.
"""

import functools
import hmac
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
import sqlalchemy as sa

from azukari.core.clock import DAY, SECOND
from azukari.core.errors import ApiError, BadRequest, Conflict, Unprocessable
from azukari.db import Bytes, Integer, Owner, Statement, Text, Time, Tx, add, bind, owned, owned_table
from azukari.merchants.due import ahead, due, due_ahead, index_of_test_rows
from azukari.wire.answers import Answer, Replay

P = ParamSpec("P")
R = TypeVar("R")

LIFE = DAY
#: The status of an answer that is not there, and from which one on an answer says that it was our fault.
NONE_YET, GIVEN_UP = 0, 500
#: How long a repeat is told to wait; after that it gets the answer that holds for the time being.
PATIENCE = 30 * SECOND
#: OPEN: answered, and what the answer is about has not ended: the key is not freed meanwhile.
RUNNING, OPEN, DONE = "running", "open", "done"

keys = owned_table(
    "idempotency_keys",
    sa.Column("request_hash", Bytes, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("status", Integer, nullable=False),
    sa.Column("body", Bytes, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("taken_at", Time),
    sa.Index(None, "created_at"),
    index_of_test_rows("idempotency_keys", "created_at"),
)


class Row(msgspec.Struct, frozen=True):
    """What is known of a key. created_at: by the merchant's clock. taken_at: by the machine's."""

    request_hash: bytes
    state: str
    status: int
    body: bytes
    created_at: int
    taken_at: int | None

    def has_ended(self, system_now: int) -> bool:
        """What ``_ended`` says of it, at a moment of the machine's."""
        given_up = self.state == RUNNING and self.status >= GIVEN_UP
        return self.state == DONE or (given_up and (self.taken_at or system_now) <= system_now - LIFE)


class KeyReused(Unprocessable):
    """The key belongs to another request."""

    code, message = "invalid_parameter", "This idempotency key was used with another request."
    param = "X-KOMOJU-IDEMPOTENCY"


class Claim:
    """A request's key, the keyed hash of the request, and when it came, by the merchant's clock and the machine's."""

    __slots__ = ("hash", "key", "now", "system_now", "taken")

    def __init__(self, key: str, request_hash: bytes, now: int, system_now: int) -> None:
        self.key = key
        self.hash = request_hash
        self.now = now
        self.system_now = system_now
        #: Whether the unit that runs has taken it; reset with every run, since a unit may run more than once.
        self.taken = False


def _ended(left_by: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """What it was about has ended. Or the answer for the time being says that we could not go on, and has done so for
    a day of the machine's: whoever ran it is dead, and no attempt's end will store its response.
    """
    given_up = sa.and_(keys.c.state == RUNNING, keys.c.status >= GIVEN_UP, keys.c.taken_at <= left_by)
    return sa.or_(keys.c.state == DONE, given_up)


_insert = add(keys, state=RUNNING)
_new = _insert.excluded
_TAKE = Statement(
    None,
    # A key that has lived its day is free again, once its request has ended. What the new row says is all that is
    # compared with, so that many are taken in one statement.
    _insert.on_conflict_do_update(
        index_elements=["merchant_id", "mode", "id"],
        set_={name: _new[name] for name in ("request_hash", "state", "status", "body", "created_at", "taken_at")},
        where=sa.and_(_ended(_new.taken_at - LIFE), keys.c.created_at <= _new.created_at - LIFE),
    ),
)
_FIND = Statement(
    Row,
    sa.select(keys.c.request_hash, keys.c.state, keys.c.status, keys.c.body, keys.c.created_at, keys.c.taken_at).where(
        *owned(keys), keys.c.id == bind(keys.c.id)
    ),
)
_SETTLE = Statement(
    None,
    sa.update(keys)
    .where(*owned(keys), keys.c.id == sa.bindparam("key", type_=Text), keys.c.state == RUNNING)
    .values(
        state=sa.bindparam("to_state", type_=Text),
        status=sa.bindparam("answer_status", type_=Integer),
        body=sa.bindparam("answer", type_=Bytes),
    ),
)
_CLOSE = Statement(
    None,
    sa.update(keys)
    .where(*owned(keys), keys.c.id == sa.bindparam("key", type_=Text), keys.c.state == OPEN)
    .values(state=DONE),
)
_over = (
    sa.select(keys.c.merchant_id, keys.c.mode, keys.c.id)
    .where(due(keys.c.created_at, after=LIFE), _ended(sa.bindparam("left_by", type_=Time)))
    .limit(sa.bindparam("limit", type_=Integer))
)
_PURGE = Statement(
    None,
    sa.delete(keys).where(sa.tuple_(keys.c.merchant_id, keys.c.mode, keys.c.id).in_(_over)),
    ownerless="the sweep removes what has ended, whoever's it was",
)
_over_ahead = (
    sa.select(keys.c.id)
    .where(*due_ahead(keys.c.created_at, after=LIFE), _ended(sa.bindparam("left_by", type_=Time)))
    .limit(sa.bindparam("limit", type_=Integer))
)
_PURGE_AHEAD: Statement[None] = Statement(None, sa.delete(keys).where(*owned(keys), keys.c.id.in_(_over_ahead)))


def read_key(value: str | None) -> str | None:
    """The header's value, if there is one. Raises BadRequest unless it is 1 to 100 printable ASCII characters."""
    if value is None:
        return None
    if not 1 <= len(value) <= 100 or not value.isascii() or not value.isprintable():
        raise BadRequest("The idempotency key must be 1 to 100 printable ASCII characters.")
    return value


def stored_name(key: str, mac: Callable[[bytes], bytes]) -> str:
    """What a key is stored under: a keyed hash, since it may hold anything, a card number too (SEC-1)."""
    return mac(b"key " + key.encode()).hex()


def idempotent(
    unit: Callable[Concatenate[Tx, "Claim | None", P], Coroutine[Any, Any, R]], /
) -> Callable[Concatenate[Tx, "Claim | None", P], Coroutine[Any, Any, R]]:
    """A first unit whose request may carry a key.

    It calls :func:`take` between its reads and its writes. Should its reads refuse the request, a known key still wins.
    """

    @functools.wraps(unit)
    async def guarded(tx: Tx, claim: Claim | None, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if claim is None:
            return await unit(tx, None, *args, **kwargs)
        claim.taken = False
        owner = next(arg for arg in args if isinstance(arg, Owner))
        try:
            return await unit(tx, claim, *args, **kwargs)
        except ApiError:
            if not claim.taken:
                await _raise_if_known(tx, owner, claim)
            raise

    return guarded


async def take(tx: Tx, owner: Owner, claim: Claim | None, meanwhile: Callable[[], Answer] | None) -> None:
    """Claim the key for this request, or raise what is known of it: Replay, Conflict or KeyReused.

    meanwhile: the answer that holds until :func:`store_response`, should we never come back; None: there is none, and
    repeats are told to wait for as long as it takes. A failure of ours is the answer of what nobody goes on with then.
    """
    if claim is None:
        return
    answer = Answer(NONE_YET, b"") if meanwhile is None else meanwhile()
    taken = await tx.run(
        _TAKE,
        owner,
        id=claim.key,
        request_hash=claim.hash,
        status=answer.status,
        body=answer.body,
        created_at=claim.now,
        taken_at=claim.system_now,
    )
    if not taken:
        await _raise_if_known(tx, owner, claim)
        raise Conflict  # it went away between the two statements
    claim.taken = True


async def is_known(tx: Tx, owner: Owner, claim: Claim) -> bool:
    """Whether a request has had the key before. What becomes of this one, the unit that takes it says."""
    return await tx.one(_FIND, owner, id=claim.key) is not None


async def store_response(tx: Tx, owner: Owner, key: str | None, answer: Answer, *, final: bool = True) -> None:
    """Store a request's answer, in the unit that makes it true.

    final: what it is about has ended; else the key stays ours until it has. An answer that was given is not changed.
    """
    if key is None:
        return
    to_state = DONE if final else OPEN
    stored = await tx.run(_SETTLE, owner, key=key, to_state=to_state, answer_status=answer.status, answer=answer.body)
    if final and not stored:
        await tx.run(_CLOSE, owner, key=key)


async def purge(tx: Tx, system_now: int, limit: int) -> int:
    """Forget keys that have ended and lived their day, so many at a time; how many. system_now: the machine's time."""
    binds = {"system_now": system_now, "left_by": system_now - LIFE}
    purged = await tx.run(_PURGE, None, limit=limit, **binds)
    for owner, shown in await ahead(tx, system_now):
        if purged < limit:
            purged += await tx.run(_PURGE_AHEAD, owner, shown=shown, limit=limit - purged, **binds)
    return purged


async def _raise_if_known(tx: Tx, owner: Owner, claim: Claim) -> None:
    row = await tx.one(_FIND, owner, id=claim.key)
    if row is None or (row.has_ended(claim.system_now) and row.created_at <= claim.now - LIFE):
        return
    if not hmac.compare_digest(row.request_hash, claim.hash):
        raise KeyReused
    if row.state == RUNNING and (
        row.status == NONE_YET or claim.system_now - (row.taken_at or row.created_at) < PATIENCE
    ):
        raise Conflict
    raise Replay(Answer(row.status, row.body))
