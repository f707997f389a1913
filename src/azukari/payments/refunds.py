"""Table ``refunds``: money that went back."""

import msgspec
import sqlalchemy as sa

from azukari.db import Integer, Money, Owner, Statement, Text, Time, Tx, add, owned, owned_reference, owned_table

#: The part of a hold that was never captured, in answers of API versions before 2025-01-28. Source: contract 1.4.
NOT_CAPTURED = "partial_capture"
REFUND = "refund"

refunds = owned_table(
    "refunds",
    sa.Column("payment_id", Text, nullable=False),
    sa.Column("amount", Money, nullable=False),
    sa.Column("currency", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("chargeback", Integer, nullable=False),
    sa.Column("type", Text, nullable=False),
    sa.Column("total_refunded", Money, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    owned_reference("payment_id", "payments"),
    sa.Index(None, "payment_id"),
)


class Refund(msgspec.Struct, frozen=True):
    """A row of ``refunds``.

    type: :data:`REFUND` or :data:`NOT_CAPTURED`. total_refunded: of the payment, with this one: their order.
    """

    merchant_id: str
    mode: str
    id: str
    payment_id: str
    amount: int
    currency: str
    description: str | None
    chargeback: int
    type: str
    total_refunded: int
    created_at: int


_ADD = Statement(None, add(refunds))
_OF_PAYMENT = Statement(
    Refund,
    sa.select(refunds)
    .where(*owned(refunds), refunds.c.payment_id == sa.bindparam("payment", type_=Text))
    .order_by(refunds.c.total_refunded),
)


async def save(tx: Tx, refund: Refund) -> None:
    """A new refund."""
    await tx.run(_ADD, Owner(refund.merchant_id, refund.mode), **msgspec.structs.asdict(refund))


async def of_payment(tx: Tx, owner: Owner, payment_id: str) -> list[Refund]:
    """A payment's refunds in the order in which they came to be, the latest last."""
    return await tx.all(_OF_PAYMENT, owner, payment=payment_id)
