"""Table ``payments``."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.attempts.store import Attempt, attempts
from azukari.core.errors import NotFound
from azukari.db import Owner, Page, Tx
from azukari.merchants.due import Due, index_of_test_rows

Status = Literal["pending", "authorized", "captured", "refunded", "cancelled", "expired", "failed"]

payments = db.owned_table(
    "payments",
    sa.Column("status", db.Text, nullable=False),
    sa.Column("amount", db.Money, nullable=False),
    sa.Column("tax", db.Money, nullable=False),
    sa.Column("fee", db.Money, nullable=False),
    sa.Column("total", db.Money, nullable=False),
    sa.Column("currency", db.Text, nullable=False),
    sa.Column("amount_captured", db.Money, nullable=False),
    sa.Column("amount_refunded", db.Money, nullable=False),
    sa.Column("amount_reserved", db.Money, nullable=False),
    sa.Column("customer_id", db.Text),
    sa.Column("session_id", db.Text),
    sa.Column("details", db.Json, nullable=False),
    sa.Column("description", db.Text),
    sa.Column("external_order_num", db.Text),
    sa.Column("metadata", db.Json, nullable=False),
    sa.Column("locale", db.Text, nullable=False),
    sa.Column("more", db.Json),
    sa.Column("processor", db.Text, nullable=False),
    sa.Column("processor_ref", db.Text),
    sa.Column("active_attempt", db.Text),
    sa.Column("version", db.Integer, nullable=False),
    sa.Column("deadline", db.Time),
    sa.Column("captured_at", db.Time),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("waiting_attempt", db.Text),
    sa.Column("account_id", db.Text),
    db.owned_reference("customer_id", "customers"),
    # A number is used up by a payment that came to something; after a failed one the shop tries it again. A session
    # keeps its number itself, from one try to the next.
    db.partial_index(
        "uq_payments_external_order_num",
        "external_order_num",
        "merchant_id",
        "mode",
        unique=True,
        where="external_order_num IS NOT NULL AND status <> 'failed' "
        "AND NOT (session_id IS NOT NULL AND status IN ('cancelled', 'expired'))",
    ),
    db.partial_index("ix_payments_deadline", "deadline", where="deadline IS NOT NULL"),
    index_of_test_rows("payments", "deadline", "deadline IS NOT NULL"),
    # For lists of few among many.
    sa.Index("ix_payments_customer_id", "customer_id", "merchant_id", "mode", "id"),
    db.partial_index(
        "ix_payments_session_id", "session_id", "merchant_id", "mode", "id", where="session_id IS NOT NULL"
    ),
    db.partial_index(
        "ix_payments_external_order_num",
        "external_order_num",
        "merchant_id",
        "mode",
        "id",
        where="external_order_num IS NOT NULL",
    ),
    db.partial_index("ix_payments_status", "status", "merchant_id", "mode", "id", where="status <> 'captured'"),
)


class Payment(msgspec.Struct, frozen=True):
    """A row of ``payments``. Amounts in the currency's smallest unit.

    total: amount + tax + fee. amount_captured: what was really taken. amount_reserved: refunds on their way.
    details: what the wire shows as ``payment_details``, JSON. more: rare members of the request that come back, JSON.
    processor_ref: the processor's own id of the charge. active_attempt: the one operation in flight.
    waiting_attempt: the one that waits for the shopper, while there is such a one.
    account_id: the merchant's account with the processor that it was charged on.
    version: raised by every change of description or metadata. deadline: when a hold, or the waiting, ends.
    """

    merchant_id: str
    mode: str
    id: str
    status: Status
    amount: int
    tax: int
    fee: int
    total: int
    currency: str
    amount_captured: int
    amount_refunded: int
    amount_reserved: int
    customer_id: str | None
    session_id: str | None
    details: str
    description: str | None
    external_order_num: str | None
    metadata: str
    locale: str
    more: str | None
    processor: str
    processor_ref: str | None
    active_attempt: str | None
    version: int
    deadline: int | None
    captured_at: int | None
    created_at: int
    waiting_attempt: str | None = None
    account_id: str | None = None

    @classmethod
    def new(
        cls,
        attempt: Attempt,
        *,
        amount: int,
        tax: int,
        fee: int,
        customer_id: str | None,
        details: str,
        description: str | None,
        external_order_num: str | None,
        metadata: str,
        locale: str,
        more: str | None,
        now: int,
    ) -> "Payment":
        """One that its first attempt has just begun."""
        return cls(
            merchant_id=attempt.merchant_id,
            mode=attempt.mode,
            id=attempt.payment_id or "",
            status="pending",
            amount=amount,
            tax=tax,
            fee=fee,
            total=amount + tax + fee,
            currency=attempt.currency,
            amount_captured=0,
            amount_refunded=0,
            amount_reserved=0,
            customer_id=customer_id,
            session_id=attempt.session_id,
            details=details,
            description=description,
            external_order_num=external_order_num,
            metadata=metadata,
            locale=locale,
            more=more,
            processor=attempt.processor,
            processor_ref=None,
            active_attempt=attempt.id,
            version=1,
            deadline=None,
            captured_at=None,
            created_at=now,
            account_id=attempt.account_id,
        )

    @property
    def owner(self) -> Owner:
        return Owner(self.merchant_id, self.mode)


_columns = payments.c
this = (*db.owned(payments), _columns.id == sa.bindparam("payment", type_=db.Text))
held = _columns.active_attempt == sa.bindparam("attempt", type_=db.Text)
free = _columns.active_attempt.is_(None)
_sum = sa.bindparam("sum", type_=db.Money)
_details = sa.bindparam("new_details", type_=db.Text)
_open = (sa.or_(_columns.status == "pending", _columns.status == "authorized"), free)

_ADD = db.Statement(None, db.add(payments))
_ADD_UNLESS_TAKEN = db.Statement(None, db.add_unless_there(payments))
_BY_ID = db.Statement(Payment, sa.select(payments).where(*db.owned(payments), _columns.id == db.bind(_columns.id)))
_BY_ORDER = db.Statement(
    str,
    sa.select(_columns.id).where(
        *db.owned(payments),
        _columns.external_order_num == db.bind(_columns.external_order_num),
        _columns.status != "failed",
        sa.not_(sa.and_(_columns.session_id.is_not(None), _columns.status.in_(["cancelled", "expired"]))),
    ),
)
_DECLINED = db.Statement(
    int,
    sa.select(_columns.created_at)
    .join_from(
        attempts,
        payments,
        sa.and_(
            attempts.c.merchant_id == _columns.merchant_id,
            attempts.c.mode == _columns.mode,
            attempts.c.payment_id == _columns.id,
        ),
    )
    .where(
        *db.owned(attempts),
        attempts.c.customer_id == db.bind(attempts.c.customer_id),
        attempts.c.state == sa.literal_column("'declined'"),
        _columns.created_at > sa.bindparam("since", type_=db.Time),
    )
    .order_by(_columns.created_at.desc())
    .limit(sa.bindparam("limit", type_=db.Integer)),
)
_HOLD = db.Statement(
    Payment,
    sa.update(payments)
    .where(
        *this,
        free,
        _columns.status == sa.bindparam("from_status", type_=db.Text),
        _columns.details == sa.bindparam("read_details", type_=db.Text),
    )
    .values(active_attempt=sa.bindparam("attempt", type_=db.Text))
    .returning(*_columns),
)
_LET_GO = db.Statement(Payment, sa.update(payments).where(*this, held).values(active_attempt=None).returning(*_columns))
_DESCRIBE = db.Statement(Payment, sa.update(payments).where(*this).values(details=_details).returning(*_columns))
_RESERVE = db.Statement(
    Payment,
    sa.update(payments)
    .where(
        *this,
        _columns.status == "captured",
        _columns.amount_refunded + _columns.amount_reserved + _sum <= _columns.amount_captured,
    )
    .values(amount_reserved=_columns.amount_reserved + _sum)
    .returning(*_columns),
)
_RELEASE = db.Statement(
    Payment,
    sa.update(payments)
    .where(*this, _columns.amount_reserved >= _sum)
    .values(amount_reserved=_columns.amount_reserved - _sum)
    .returning(*_columns),
)
_REFUNDED = db.Statement(
    Payment,
    sa.update(payments)
    .where(*this, _columns.status == "captured", _columns.amount_reserved >= _sum)
    .values(
        amount_reserved=_columns.amount_reserved - _sum,
        amount_refunded=_columns.amount_refunded + _sum,
        status=sa.case(
            (_columns.amount_refunded + _sum == _columns.amount_captured, "refunded"), else_=_columns.status
        ),
    )
    .returning(*_columns),
)
_REWRITE = db.Statement(
    Payment,
    sa.update(payments)
    .where(*this, _columns.version == sa.bindparam("read_version", type_=db.Integer))
    .values(
        version=_columns.version + 1,
        description=sa.bindparam("new_description", type_=db.Text),
        metadata=sa.bindparam("new_metadata", type_=db.Text),
    )
    .returning(*_columns),
)
#: Holds and waiting payments past their deadline.
OVERDUE = Due(
    Payment,
    _columns.deadline,
    ownerless="the sweep ends holds that are over, whoever's they are",
    among=[_columns.deadline.is_not(None)],
    where=_open,
    owners=_open,
)
_statuses = [sa.bindparam(f"status_{number}", type_=db.Text) for number in range(7)]
_one_of = sa.or_(*(_columns.status == status for status in _statuses))
#: Written as the index of these has it.
_not_captured = _columns.status != sa.literal_column("'captured'")
_LIST = db.Listing(
    Payment,
    payments,
    long=True,
    found=("external_order_num", "status_not_captured", "statuses_not_captured"),
    currency=_columns.currency == db.bind(_columns.currency),
    external_order_num=_columns.external_order_num == db.bind(_columns.external_order_num),
    statuses=_one_of,
    status_not_captured=sa.and_(_columns.status == _statuses[0], _not_captured),
    statuses_not_captured=sa.and_(_one_of, _not_captured),
)


async def save(tx: Tx, payment: Payment) -> bool:
    """A new payment; False: its ``external_order_num`` is taken."""
    statement = _ADD if payment.external_order_num is None else _ADD_UNLESS_TAKEN
    return await tx.run(statement, payment.owner, **msgspec.structs.asdict(payment)) == 1


async def get(tx: Tx, owner: Owner, payment_id: str) -> Payment:
    """The owner's payment. Raises NotFound."""
    payment = await tx.one(_BY_ID, owner, id=payment_id)
    if payment is None:
        raise NotFound
    return payment


async def order_num_taken(tx: Tx, owner: Owner, external_order_num: str) -> bool:
    """Whether a payment that came to something has this number."""
    return await tx.one(_BY_ORDER, owner, external_order_num=external_order_num) is not None


async def declined_at(tx: Tx, owner: Owner, customer_id: str, since: int, limit: int) -> list[int]:
    """When payments by a customer's saved details were begun that the bank declined, latest first."""
    return await tx.all(_DECLINED, owner, customer_id=customer_id, since=since, limit=limit)


async def lock_payment(tx: Tx, read: Payment, attempt_id: str) -> Payment | None:
    """Take the payment's one place for an operation in flight; None: taken, or it has moved since it was read."""
    return await tx.one(
        _HOLD, read.owner, payment=read.id, attempt=attempt_id, from_status=read.status, read_details=read.details
    )


async def unlock_payment(tx: Tx, owner: Owner, payment_id: str, attempt_id: str) -> Payment | None:
    """Give the place back, nothing having happened."""
    return await tx.one(_LET_GO, owner, payment=payment_id, attempt=attempt_id)


async def describe(tx: Tx, payment: Payment, details: str) -> Payment | None:
    """What the far side says of a payment; within the unit that has moved it."""
    return await tx.one(_DESCRIBE, payment.owner, payment=payment.id, new_details=details)


async def reserve(tx: Tx, payment: Payment, amount: int) -> Payment | None:
    """Set an amount aside for a refund; None: not that much is left."""
    return await tx.one(_RESERVE, payment.owner, payment=payment.id, sum=amount)


async def release(tx: Tx, owner: Owner, payment_id: str, amount: int) -> Payment | None:
    """Put a reserved amount back, nothing having happened."""
    return await tx.one(_RELEASE, owner, payment=payment_id, sum=amount)


async def refunded(tx: Tx, owner: Owner, payment_id: str, amount: int) -> Payment | None:
    """A reserved amount has gone back; ``refunded`` when nothing is left."""
    return await tx.one(_REFUNDED, owner, payment=payment_id, sum=amount)


async def rewrite(tx: Tx, read: Payment, description: str | None, metadata: str) -> Payment | None:
    """Change the words of a payment whose words are still as they were read; None: they are not."""
    return await tx.one(
        _REWRITE,
        read.owner,
        payment=read.id,
        read_version=read.version,
        new_description=description,
        new_metadata=metadata,
    )


async def page(
    tx: Tx,
    owner: Owner,
    asked: db.Slice,
    *,
    currency: str | None,
    external_order_num: str | None,
    status: list[Status] | None,
) -> Page[Payment]:
    """A page of the owner's payments, newest first."""
    values: dict[str, object] = {}
    if currency is not None:
        values["currency"] = currency
    if external_order_num is not None:
        values["external_order_num"] = external_order_num
    filters = set(values)
    if status:
        wanted = sorted(set(status))
        filters.add(_filter_of(wanted))
        values |= {f"status_{number}": wanted[number % len(wanted)] for number in range(7)}
    return await _LIST.page(tx, owner, asked, filters, **values)


def _filter_of(statuses: Sequence[Status]) -> str:
    """Which of the conditions on the status is looked up best: most payments are captured."""
    if "captured" in statuses:
        return "statuses"
    return "status_not_captured" if len(statuses) == 1 else "statuses_not_captured"
