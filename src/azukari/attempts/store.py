"""Table ``attempts``: every call to a processor, written down before it is made.

``prepared -> sent -> succeeded | declined | waiting | unknown`` and
``unknown -> succeeded | declined | waiting | not_done | manual``. ``accepted`` is as ``unknown``, but that the
processor has it and said when to ask. One that waits for its shopper is asked after until
it is over: ``waiting -> succeeded | declined | not_done | undo``. One that was done after all when we had written
``not_done``, or that may still be done when we have ended it, goes on: ``undo -> undone``.
Whoever moves an attempt on holds its fence number; the resolver takes it over by raising the number.
"""

from typing import Literal

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.core.clock import SECOND
from azukari.db import Owner, Tx
from azukari.processors.base import (
    NO_DIRECTIVES,
    Accepted,
    Approved,
    Declined,
    Expired,
    NotSent,
    Outcome,
    PartiallyPaid,
    Pending,
    Processor,
    Refused,
    SimulatorDirectives,
    Unknown,
)
from azukari.processors.capabilities import Kind

State = Literal[
    "prepared", "sent", "succeeded", "declined", "waiting", "unknown", "accepted", "not_done", "manual", "undo",
    "undone",
]  # fmt: skip
OPEN: tuple[State, ...] = ("prepared", "sent", "waiting", "unknown", "accepted")
#: The code of an attempt that nobody paid in time.
LAPSED = "lapsed"

#: How long after its timeout a call is taken for dead.
GRACE = 5 * SECOND

#: When one is asked after again that could not be ended because something else was going on with its payment.
SOON = 2 * SECOND

attempts = db.owned_table(
    "attempts",
    sa.Column("kind", db.Text, nullable=False),
    sa.Column("state", db.Text, nullable=False),
    sa.Column("ref", db.Text, nullable=False),
    sa.Column("processor", db.Text, nullable=False),
    sa.Column("payment_id", db.Text),
    sa.Column("customer_id", db.Text),
    sa.Column("amount", db.Money, nullable=False),
    sa.Column("currency", db.Text, nullable=False),
    sa.Column("parent", db.Text),
    sa.Column("orders", db.Json),
    sa.Column("more", db.Json),
    sa.Column("api_version", db.Text, nullable=False),
    sa.Column("idempotency_key", db.Text),
    sa.Column("fence", db.Integer, nullable=False),
    sa.Column("due_at", db.Time, index=True),
    sa.Column("code", db.Text),
    sa.Column("processor_ref", db.Text),
    sa.Column("network_id", db.Text),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("sent_at", db.Time),
    sa.Column("updated_at", db.Time, nullable=False),
    sa.Column("method", db.Text),
    sa.Column("session_id", db.Text),
    sa.Column("subscription_id", db.Text),
    sa.Column("account_id", db.Text),
    sa.Column("raw_code", db.Text),
    sa.Column("network_code", db.Text),
    sa.Column("advice", db.Text),
    db.owned_reference("payment_id", "payments"),
    # The ref of one that waits for its shopper is part of an address; a card's never is.
    db.partial_index("ix_attempts_ref", "ref", where="method IS NOT NULL"),
    db.partial_index("ix_attempts_subscription_id", "subscription_id", where="subscription_id IS NOT NULL"),
    db.partial_index("ix_attempts_declined", "customer_id", where="state = 'declined'"),
)


class Attempt(msgspec.Struct, frozen=True):
    """A row of ``attempts``.

    orders: what a test request ordered. more: what recording the outcome needs beside the attempt itself, JSON.
    sent_at: when the call was about to be made. due_at: when the resolver looks at it; None once it is over.
    fence: raised with every change of hands. method: the type of its payment details; None: a card.
    session_id: the session it is a try of. subscription_id: the subscription whose charge it is.
    account_id: the merchant's account with the processor that it runs on. raw_code, network_code, advice: of a decline.
    """

    merchant_id: str
    mode: str
    id: str
    kind: Kind
    state: State
    ref: str
    processor: str
    payment_id: str | None
    customer_id: str | None
    amount: int
    currency: str
    parent: str | None
    orders: str | None
    more: str | None
    api_version: str
    idempotency_key: str | None
    fence: int
    due_at: int | None
    code: str | None
    processor_ref: str | None
    network_id: str | None
    created_at: int
    sent_at: int | None
    updated_at: int
    method: str | None = None
    session_id: str | None = None
    subscription_id: str | None = None
    account_id: str | None = None
    raw_code: str | None = None
    network_code: str | None = None
    advice: str | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.merchant_id, self.mode)


_open = sa.or_(*(attempts.c.state == state for state in OPEN))
_this = (*db.owned(attempts), attempts.c.id == sa.bindparam("attempt", type_=db.Text))
_due = sa.or_(_open, attempts.c.state == "undo")
_fence = attempts.c.fence == sa.bindparam("held", type_=db.Integer)

_ADD = db.Statement(None, db.add(attempts))
_SENT = db.Statement(
    None,
    sa.update(attempts)
    .where(*_this, _fence, attempts.c.state == "prepared")
    .values(
        state="sent",
        due_at=sa.bindparam("due", type_=db.Time),
        sent_at=sa.bindparam("at", type_=db.Time),
        updated_at=sa.bindparam("at", type_=db.Time),
    ),
)


def _ends(*guards: sa.ColumnElement[bool]) -> db.Statement[None]:
    return db.Statement(
        None,
        sa.update(attempts)
        .where(*_this, _fence, *guards)
        .values(
            state=sa.bindparam("to", type_=db.Text),
            due_at=sa.bindparam("due", type_=db.Time),
            code=sa.bindparam("new_code", type_=db.Text),
            raw_code=sa.bindparam("raw", type_=db.Text),
            network_code=sa.bindparam("of_network", type_=db.Text),
            advice=sa.bindparam("advised", type_=db.Text),
            processor_ref=sa.bindparam("processor_ref", type_=db.Text),
            network_id=sa.bindparam("network", type_=db.Text),
            updated_at=sa.bindparam("at", type_=db.Time),
        ),
    )


#: A reply that comes twice finds the attempt waiting the second time: that is no other's to end.
_FINISH = _ends(_open, attempts.c.state != "waiting")
_WAITED = _ends(attempts.c.state == "waiting")
_WAIT_ON = db.Statement(
    None,
    sa.update(attempts)
    .where(*_this, _fence, attempts.c.state == "waiting")
    .values(due_at=sa.bindparam("due", type_=db.Time), updated_at=sa.bindparam("at", type_=db.Time)),
)
_END = db.Statement(
    None,
    sa.update(attempts)
    .where(*_this, attempts.c.state == "waiting")
    .values(
        state=sa.bindparam("to", type_=db.Text),
        fence=attempts.c.fence + 1,
        due_at=None,
        updated_at=sa.bindparam("at", type_=db.Time),
    ),
)
_UNDO = db.Statement(
    None,
    sa.update(attempts)
    .where(*_this, attempts.c.state == "not_done")
    .values(
        state="undo",
        due_at=sa.bindparam("at", type_=db.Time),
        processor_ref=sa.bindparam("processor_ref", type_=db.Text),
    ),
)
_UNDONE = db.Statement(
    None,
    sa.update(attempts)
    .where(*_this, _fence, attempts.c.state == "undo")
    .values(state="undone", due_at=None, updated_at=sa.bindparam("at", type_=db.Time)),
)
_BY_ID = db.Statement(Attempt, sa.select(attempts).where(*db.owned(attempts), attempts.c.id == db.bind(attempts.c.id)))
_BY_REF = db.Statement(
    Attempt,
    sa.select(attempts).where(
        *db.owned(attempts), attempts.c.ref == db.bind(attempts.c.ref), attempts.c.method.is_not(None)
    ),
)
_DUE = db.Statement(
    Attempt,
    sa.select(attempts)
    .where(attempts.c.due_at <= sa.bindparam("now", type_=db.Time), _due)
    .order_by(attempts.c.due_at)
    .limit(sa.bindparam("limit", type_=db.Integer)),
    ownerless="the resolver settles whatever is due, whoever's it is",
)
_OF_SUBSCRIPTION = db.Statement(
    str,
    sa.select(attempts.c.payment_id)
    .where(*db.owned(attempts), attempts.c.subscription_id == db.bind(attempts.c.subscription_id))
    .order_by(attempts.c.payment_id),
)
_PUT_BACK = db.Statement(
    None, sa.update(attempts).where(*_this, _fence, _due).values(due_at=sa.bindparam("due", type_=db.Time))
)
_TAKE_OVER = db.Statement(
    Attempt,
    sa.update(attempts)
    .where(*_this, _fence, _due)
    .values(fence=attempts.c.fence + 1, due_at=sa.bindparam("due", type_=db.Time))
    .returning(*attempts.c),
)


class AttemptDraft(msgspec.Struct, frozen=True):
    """What is known of an attempt before anything is read: its id and ref, the caller, the time (milliseconds)."""

    owner: Owner
    id: str
    ref: str
    now: int
    api_version: str
    directives: SimulatorDirectives = NO_DIRECTIVES
    idempotency_key: str | None = None

    def build(
        self,
        processor: Processor,
        kind: Kind,
        amount: int,
        currency: str,
        *,
        state: State = "sent",
        payment_id: str | None = None,
        customer_id: str | None = None,
        parent: str | None = None,
        more: str | None = None,
        method: str | None = None,
        session_id: str | None = None,
        subscription_id: str | None = None,
        scenario: str | None = None,
        account_id: str | None = None,
    ) -> Attempt:
        """The attempt, to be written by :func:`begin`. scenario: what every test attempt of its customer ends in.

        It is born ``sent`` where nothing has to happen between writing it down and the call: then both are one commit.
        """
        directives = self.directives
        if scenario is not None:
            directives = msgspec.structs.replace(directives, scenario=scenario)
        return Attempt(
            merchant_id=self.owner.merchant_id,
            mode=self.owner.mode,
            id=self.id,
            kind=kind,
            state=state,
            ref=self.ref,
            processor=processor.name,
            payment_id=payment_id,
            customer_id=customer_id,
            amount=amount,
            currency=currency,
            parent=parent,
            orders=directives.encoded(),
            more=more,
            api_version=self.api_version,
            idempotency_key=self.idempotency_key,
            fence=1,
            # How long the lease of the call runs.
            due_at=self.now + processor.can.timeout_of(kind) + GRACE,
            code=None,
            processor_ref=None,
            network_id=None,
            created_at=self.now,
            sent_at=self.now if state == "sent" else None,
            updated_at=self.now,
            method=method,
            session_id=session_id,
            subscription_id=subscription_id,
            account_id=account_id,
        )


async def begin(tx: Tx, attempt: Attempt) -> None:
    """Write the intent down."""
    await tx.run(_ADD, attempt.owner, **msgspec.structs.asdict(attempt))


async def mark_sent(tx: Tx, attempt: Attempt, due: int, now: int) -> Attempt | None:
    """The call follows at once; None: somebody else has taken the attempt over, so it must not."""
    if not await tx.run(_SENT, attempt.owner, attempt=attempt.id, held=attempt.fence, due=due, at=now):
        return None
    return msgspec.structs.replace(attempt, state="sent", due_at=due, sent_at=now, updated_at=now)


async def finish(tx: Tx, attempt: Attempt, outcome: Outcome, now: int, again_at: int | None = None) -> bool:
    """Write the outcome down; False: somebody else has, or holds the attempt now.

    again_at: when to ask again after an unsettled outcome; None: never, a person has to (``manual``).
    """
    state, code, processor_ref, network = _as_columns(attempt.kind, outcome, again_at)
    statement = _WAITED if attempt.state == "waiting" else _FINISH
    decline = outcome if isinstance(outcome, Declined) else _NO_DECLINE
    changed = await tx.run(
        statement,
        attempt.owner,
        attempt=attempt.id,
        held=attempt.fence,
        to=state,
        new_code=code,
        raw=decline.raw,
        of_network=decline.network_code,
        advised=decline.advice,
        processor_ref=processor_ref,
        network=network,
        at=now,
        due=again_at if state in _GOES_ON else now if state == "undo" else None,
    )
    return changed == 1


_NO_DECLINE = Declined("")
#: States in which the resolver asks again.
_GOES_ON = frozenset({"unknown", "waiting", "accepted"})


def _as_columns(kind: Kind, outcome: Outcome, again_at: int | None) -> tuple[State, str | None, str | None, str | None]:
    match outcome:
        case Approved(processor_ref, network_id):
            return "succeeded", None, processor_ref, network_id
        case PartiallyPaid(processor_ref) if kind == "top_up":
            # It was taken: what is missing yet, the attempt waits for that it was added to.
            return "succeeded", None, processor_ref, None
        case Declined(code):
            return "declined", code, None, None
        case Pending(processor_ref) | PartiallyPaid(processor_ref):
            return "waiting", None, processor_ref, None
        case Refused(reason):
            return "not_done", reason, None, None
        case NotSent():
            return "not_done", None, None, None
        case Expired(undo):
            return ("undo" if undo else "not_done"), LAPSED, None, None
        case Accepted(processor_ref, _):
            return "accepted", None, processor_ref, None
        case Unknown():
            return ("manual" if again_at is None else "unknown"), None, None, None


async def wait_on(tx: Tx, attempt: Attempt, again_at: int | None, now: int) -> bool:
    """It still waits: when to ask again; False: somebody else holds the attempt now."""
    return await tx.run(_WAIT_ON, attempt.owner, attempt=attempt.id, held=attempt.fence, due=again_at, at=now) == 1


async def put_back(tx: Tx, attempt: Attempt, now: int) -> None:
    """It cannot be ended now, and is due again soon; whoever has read it meanwhile may take it over before."""
    await tx.run(_PUT_BACK, attempt.owner, attempt=attempt.id, held=attempt.fence, due=now + SOON)


async def end(tx: Tx, owner: Owner, attempt_id: str, state: State, now: int) -> bool:
    """End one that waits, whoever holds it, because another attempt has settled what it was about."""
    return await tx.run(_END, owner, attempt=attempt_id, to=state, at=now) == 1


async def undo(tx: Tx, attempt: Attempt, processor_ref: str, now: int) -> bool:
    """It was done after all: the resolver undoes it, however long that takes."""
    return await tx.run(_UNDO, attempt.owner, attempt=attempt.id, processor_ref=processor_ref, at=now) == 1


async def undone(tx: Tx, attempt: Attempt, now: int) -> bool:
    """Nothing of it is left."""
    return await tx.run(_UNDONE, attempt.owner, attempt=attempt.id, held=attempt.fence, at=now) == 1


async def find(tx: Tx, owner: Owner, attempt_id: str) -> Attempt | None:
    """The owner's attempt."""
    return await tx.one(_BY_ID, owner, id=attempt_id)


async def find_by_ref(tx: Tx, owner: Owner, ref: str) -> Attempt | None:
    """The owner's attempt of this ref; cards' attempts are not found so."""
    return await tx.one(_BY_REF, owner, ref=ref)


async def due(tx: Tx, now: int, limit: int) -> list[Attempt]:
    """Attempts nobody has ended in time, the longest overdue first."""
    return await tx.all(_DUE, None, now=now, limit=limit)


async def payments_of_subscription(tx: Tx, owner: Owner, subscription_id: str) -> list[str]:
    """The ids of all payments a subscription has begun, oldest first."""
    return await tx.all(_OF_SUBSCRIPTION, owner, subscription_id=subscription_id)


async def take_over(tx: Tx, attempt: Attempt, until: int) -> Attempt | None:
    """Hold an overdue attempt until then; None: somebody else was faster."""
    return await tx.one(_TAKE_OVER, attempt.owner, attempt=attempt.id, held=attempt.fence, due=until)
