"""Table ``sessions``."""

from typing import Literal

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.core.errors import NotFound
from azukari.db import Owner, Tx
from azukari.merchants.due import Due, index_of_test_rows

Kind = Literal["payment", "customer", "customer_payment"]
Status = Literal["pending", "completed", "cancelled"]
#: Declined tries after which a session takes no more (SEC-14).
MOST_DECLINES = 5

sessions = db.owned_table(
    "sessions",
    sa.Column("kind", db.Text, nullable=False),
    sa.Column("status", db.Text, nullable=False),
    sa.Column("amount", db.Money, nullable=False),
    sa.Column("currency", db.Text, nullable=False),
    sa.Column("return_url", db.Text),
    sa.Column("email", db.Text),
    sa.Column("locale", db.Text, nullable=False),
    sa.Column("methods", db.Json, nullable=False),
    sa.Column("line_items", db.Json, nullable=False),
    sa.Column("metadata", db.Json, nullable=False),
    sa.Column("payment_data", db.Json),
    sa.Column("order_num", db.Text),
    sa.Column("scenario", db.Text),
    sa.Column("customer_id", db.Text),
    sa.Column("payment_id", db.Text),
    sa.Column("secure_token_id", db.Text),
    sa.Column("authenticating", db.Integer, nullable=False),
    sa.Column("active_attempt", db.Text),
    sa.Column("waiting_attempt", db.Text),
    sa.Column("trying", db.Json),
    sa.Column("declines", db.Integer, nullable=False),
    sa.Column("consent", db.Json),
    sa.Column("open_until", db.Time),
    sa.Column("expires_at", db.Time, nullable=False),
    sa.Column("completed_at", db.Time),
    sa.Column("cancelled_at", db.Time),
    sa.Column("created_at", db.Time, nullable=False),
    db.owned_reference("customer_id", "customers"),
    db.partial_index(
        "uq_sessions_order_num", "order_num", "merchant_id", "mode", unique=True, where="order_num IS NOT NULL"
    ),
    db.partial_index("ix_sessions_open_until", "open_until", where="open_until IS NOT NULL"),
    index_of_test_rows("sessions", "open_until", "open_until IS NOT NULL"),
)


class Session(msgspec.Struct, frozen=True):
    """A row of ``sessions``.

    kind: the wire's ``mode``. amount: 0 where nothing is paid. locale: ``default_locale``.
    methods: what the wire shows as ``payment_methods``, JSON; it was settled when the session was made.
    line_items, payment_data, consent: JSON. order_num: the order number it keeps for itself while it is open, and for
    good once it is completed. scenario: what every test try ends in.
    payment_id: of the latest try; without a foreign key, since it is written before its payment, in the same unit.
    secure_token_id: of the latest authentication. authenticating: 1 until the session has taken note of its outcome.
    active_attempt: the one try in flight. waiting_attempt: the latest one that waited for its shopper elsewhere;
    whether it still does its own row says. trying: what the end of either needs beside the attempt, JSON.
    open_until: when the worker ends it; None once there is nothing to end.
    """

    merchant_id: str
    mode: str
    id: str
    kind: Kind
    status: Status
    amount: int
    currency: str
    return_url: str | None
    email: str | None
    locale: str
    methods: str
    line_items: str
    metadata: str
    payment_data: str | None
    order_num: str | None
    scenario: str | None
    customer_id: str | None
    payment_id: str | None
    secure_token_id: str | None
    authenticating: int
    active_attempt: str | None
    waiting_attempt: str | None
    trying: str | None
    declines: int
    consent: str | None
    open_until: int | None
    expires_at: int
    completed_at: int | None
    cancelled_at: int | None
    created_at: int

    @property
    def owner(self) -> Owner:
        return Owner(self.merchant_id, self.mode)

    @property
    def keeps_details(self) -> bool:
        """Whether a customer comes of it."""
        return self.kind != "payment"

    @property
    def is_locked(self) -> bool:
        """Too many tries were declined."""
        return self.status == "pending" and self.declines >= MOST_DECLINES

    def is_expired(self, now: int) -> bool:
        """Expiry is a flag beside the status. Source: contract 6.3."""
        return self.status == "pending" and self.expires_at <= now


_columns = sessions.c
_this = (*db.owned(sessions), _columns.id == sa.bindparam("session", type_=db.Text))
_open = _columns.status == "pending"
_free = _columns.active_attempt.is_(None)
#: By the try in flight, or by the one that waits when there is none in flight.
_held = sa.or_(
    _columns.active_attempt == sa.bindparam("attempt", type_=db.Text),
    sa.and_(_free, _columns.waiting_attempt == sa.bindparam("attempt", type_=db.Text)),
)
#: No other try has begun to wait meanwhile.
_as_read = sa.func.coalesce(_columns.waiting_attempt, "") == sa.bindparam("read_waiting", type_=db.Text)
_at = sa.bindparam("at", type_=db.Time)

_ADD = db.Statement(None, db.add_unless_there(sessions))
_BY_ID = db.Statement(Session, sa.select(sessions).where(*db.owned(sessions), _columns.id == db.bind(_columns.id)))
_BY_ORDER = db.Statement(
    Session, sa.select(sessions).where(*db.owned(sessions), _columns.order_num == db.bind(_columns.order_num))
)
_HOLD = db.Statement(
    None,
    sa.update(sessions)
    .where(*_this, _open, _free, _as_read, _columns.declines < MOST_DECLINES, _columns.expires_at > _at)
    .values(
        active_attempt=sa.bindparam("attempt", type_=db.Text),
        payment_id=sa.bindparam("new_payment", type_=db.Text),
        trying=sa.bindparam("new_trying", type_=db.Json),
        consent=sa.func.coalesce(sa.bindparam("new_consent", type_=db.Json), _columns.consent),
        # A request that came in time may get here when the session is closed already: what it begins has to end too.
        authenticating=0,
        waiting_attempt=None,
        open_until=_columns.expires_at,
    ),
)
_WAIT = db.Statement(
    Session,
    sa.update(sessions)
    .where(*_this, _open, _columns.active_attempt == sa.bindparam("attempt", type_=db.Text))
    .values(
        active_attempt=None,
        waiting_attempt=sa.bindparam("attempt", type_=db.Text),
        trying=sa.bindparam("new_trying", type_=db.Json),
    )
    .returning(*_columns),
)
_COMPLETE = db.Statement(
    Session,
    sa.update(sessions)
    .where(*_this, _open, _held)
    .values(
        status="completed", completed_at=_at, active_attempt=None, waiting_attempt=None, trying=None, open_until=None
    )
    .returning(*_columns),
)
_LET_GO = db.Statement(
    Session,
    sa.update(sessions)
    .where(*_this, _held)
    .values(
        active_attempt=None,
        waiting_attempt=None,
        trying=None,
        declines=_columns.declines + sa.bindparam("declined", type_=db.Integer),
    )
    .returning(*_columns),
)
_AUTHENTICATE = db.Statement(
    None,
    sa.update(sessions)
    .where(
        *_this,
        _open,
        _free,
        _as_read,
        _columns.expires_at > _at,
        sa.func.coalesce(_columns.secure_token_id, "") != sa.bindparam("token", type_=db.Text),
    )
    .values(
        secure_token_id=sa.bindparam("token", type_=db.Text),
        authenticating=1,
        trying=sa.bindparam("new_trying", type_=db.Json),
        consent=sa.func.coalesce(sa.bindparam("new_consent", type_=db.Json), _columns.consent),
    ),
)
_NOT_AUTHENTICATED = db.Statement(
    None,
    sa.update(sessions)
    .where(
        *_this,
        _open,
        _free,
        _columns.authenticating == 1,
        _columns.secure_token_id == sa.bindparam("token", type_=db.Text),
    )
    .values(authenticating=0, trying=None, declines=_columns.declines + 1),
)
_COUNT = db.Statement(
    None,
    sa.update(sessions)
    .where(*_this, _open, _columns.waiting_attempt == sa.bindparam("attempt", type_=db.Text))
    .values(declines=_columns.declines + 1),
)
_CANCEL = db.Statement(
    Session,
    sa.update(sessions)
    .where(
        *_this,
        _open,
        _free,
        _as_read,
        sa.func.coalesce(_columns.payment_id, "") == sa.bindparam("read_payment", type_=db.Text),
    )
    .values(status="cancelled", cancelled_at=_at, open_until=None, order_num=None)
    .returning(*_columns),
)
_has_end = _columns.open_until.is_not(None)
#: Sessions whose time has run out, and that have not been ended.
OVERDUE = Due(
    Session,
    _columns.open_until,
    ownerless="the worker ends what has expired, whoever's it is",
    where=[_free],
    ahead=[_has_end],
    owners=[_has_end, _free],
)
_CLOSE = db.Statement(
    None,
    sa.update(sessions)
    .where(*_this, _open, _free, _as_read, _columns.expires_at <= _at)
    .values(open_until=None, order_num=None),
)


async def save(tx: Tx, session: Session) -> bool:
    """A new session; False: its order number is another session's."""
    return await tx.run(_ADD, session.owner, **msgspec.structs.asdict(session)) == 1


async def get(tx: Tx, owner: Owner, session_id: str) -> Session:
    """The owner's session. Raises NotFound."""
    session = await tx.one(_BY_ID, owner, id=session_id)
    if session is None:
        raise NotFound
    return session


async def find_by_order_num(tx: Tx, owner: Owner, order_num: str) -> Session | None:
    """Whose order number it is."""
    return await tx.one(_BY_ORDER, owner, order_num=order_num)


async def lock_session(
    tx: Tx, read: Session, attempt_id: str, *, payment_id: str | None, trying: str, consent: str | None, now: int
) -> bool:
    """Take the session's one place for a try in flight.

    False: it is taken, the session takes no more tries, or another try has begun to wait since it was read.
    """
    changed = await tx.run(
        _HOLD,
        read.owner,
        session=read.id,
        attempt=attempt_id,
        new_payment=payment_id,
        new_trying=trying,
        new_consent=consent,
        read_waiting=read.waiting_attempt or "",
        at=now,
    )
    return changed == 1


async def wait(tx: Tx, owner: Owner, session_id: str, attempt_id: str, trying: str) -> Session | None:
    """The try in flight waits for its shopper from now on; None: it does not hold the session."""
    return await tx.one(_WAIT, owner, session=session_id, attempt=attempt_id, new_trying=trying)


async def complete(tx: Tx, owner: Owner, session_id: str, attempt_id: str, now: int) -> Session | None:
    """``pending -> completed`` by the try that holds it; None: it does not hold it."""
    return await tx.one(_COMPLETE, owner, session=session_id, attempt=attempt_id, at=now)


async def unlock_session(tx: Tx, owner: Owner, session_id: str, attempt_id: str, *, declined: bool) -> Session | None:
    """The try is over and the next may come; None: it did not hold the session."""
    return await tx.one(_LET_GO, owner, session=session_id, attempt=attempt_id, declined=int(declined))


async def count_decline(tx: Tx, owner: Owner, session_id: str, attempt_id: str) -> None:
    """A further card for the try that waits was refused."""
    await tx.run(_COUNT, owner, session=session_id, attempt=attempt_id)


async def authenticate(tx: Tx, read: Session, token_id: str, *, trying: str, consent: str | None, now: int) -> bool:
    """Wait for what comes of a secure token it does not know yet; False: another try has begun since it was read."""
    changed = await tx.run(
        _AUTHENTICATE,
        read.owner,
        session=read.id,
        token=token_id,
        new_trying=trying,
        new_consent=consent,
        read_waiting=read.waiting_attempt or "",
        at=now,
    )
    return changed == 1


async def not_authenticated(tx: Tx, owner: Owner, session_id: str, token_id: str) -> None:
    """Count the issuer's no like a bank's, once."""
    await tx.run(_NOT_AUTHENTICATED, owner, session=session_id, token=token_id)


async def cancel(tx: Tx, read: Session, now: int) -> Session | None:
    """``pending -> cancelled`` of a session nobody is paying; None: somebody is, or it is not as it was read."""
    return await tx.one(
        _CANCEL,
        read.owner,
        session=read.id,
        read_payment=read.payment_id or "",
        read_waiting=read.waiting_attempt or "",
        at=now,
    )


async def close(tx: Tx, read: Session, now: int) -> bool:
    """Nothing is left to be done for an expired session: its order number is free again; False: it has gone on."""
    return await tx.run(_CLOSE, read.owner, session=read.id, read_waiting=read.waiting_attempt or "", at=now) == 1
