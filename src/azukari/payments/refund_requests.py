"""Money that goes back to a bank account: cash cannot be refunded the way it came. Source: contract section 5.

A request stands, with its amount set aside, until somebody has transferred the money or has refused to.
"""

from typing import Literal

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.core.clock import iso
from azukari.core.errors import NotFound
from azukari.db import Owner, Tx

RequestOutcome = Literal["rejected", "completed"]

requests = db.owned_table(
    "refund_requests",
    sa.Column("payment_id", db.Text, nullable=False),
    sa.Column("amount", db.Money, nullable=False),
    sa.Column("details", db.Json, nullable=False),
    sa.Column("status", db.Text, nullable=False),
    sa.Column("created_at", db.Time, nullable=False),
    db.owned_reference("payment_id", "payments"),
    sa.Index(None, "payment_id"),
)


class RefundRequest(msgspec.Struct, frozen=True):
    """A row of ``refund_requests``. details: the account, as :class:`Account` in JSON."""

    merchant_id: str
    mode: str
    id: str
    payment_id: str
    amount: int
    details: str
    status: Literal["pending"] | RequestOutcome
    created_at: int


class Account(msgspec.Struct, kw_only=True):
    """Where the money goes."""

    customer_name: str
    bank_name: str
    bank_code: str | None
    branch_name: str | None
    branch_number: str
    account_type: str
    account_number: str
    include_payment_method_fee: bool
    description: str | None


class RefundRequestOut(Account):
    """A request on the wire."""

    id: str
    payment: str
    amount: int
    status: str
    created_at: str

    @classmethod
    def of(cls, request: RefundRequest) -> "RefundRequestOut":
        account = msgspec.structs.asdict(_account(request.details))
        return cls(
            **account,
            id=request.id,
            payment=request.payment_id,
            amount=request.amount,
            status=request.status,
            created_at=iso(request.created_at),
        )


_account = msgspec.json.Decoder(Account).decode


def description_of(request: RefundRequest) -> str | None:
    """What the merchant wrote about it."""
    return _account(request.details).description


_ADD = db.Statement(None, db.add(requests))
_OF_PAYMENT = db.Statement(
    RefundRequest,
    sa.select(requests)
    .where(*db.owned(requests), requests.c.payment_id == sa.bindparam("payment", type_=db.Text))
    .order_by(requests.c.id),
)

_BY_ID = db.Statement(
    RefundRequest, sa.select(requests).where(*db.owned(requests), requests.c.id == db.bind(requests.c.id))
)
_END = db.Statement(
    None,
    sa.update(requests)
    .where(*db.owned(requests), requests.c.id == sa.bindparam("request", type_=db.Text), requests.c.status == "pending")
    .values(status=sa.bindparam("to_status", type_=db.Text)),
)


async def save(tx: Tx, request: RefundRequest) -> None:
    """A new request."""
    await tx.run(_ADD, Owner(request.merchant_id, request.mode), **msgspec.structs.asdict(request))


async def get(tx: Tx, owner: Owner, request_id: str) -> RefundRequest:
    """The owner's request. Raises NotFound."""
    request = await tx.one(_BY_ID, owner, id=request_id)
    if request is None:
        raise NotFound
    return request


async def end(tx: Tx, request: RefundRequest, status: RequestOutcome) -> bool:
    """``pending -> completed | rejected``; False: somebody else was faster."""
    owner = Owner(request.merchant_id, request.mode)
    return await tx.run(_END, owner, request=request.id, to_status=status) == 1


async def of_payment(tx: Tx, owner: Owner, payment_id: str) -> list[RefundRequest]:
    """A payment's requests, the latest last."""
    return await tx.all(_OF_PAYMENT, owner, payment=payment_id)
