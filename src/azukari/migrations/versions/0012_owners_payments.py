"""Deliveries to payments' own endpoints by their owners, so that each is found beside one who has many."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table, where = "webhook_deliveries", sa.text("due_at IS NOT NULL AND payment_id IS NOT NULL")
    op.create_index(
        "ix_webhook_deliveries_owners_payments",
        table,
        ["merchant_id", "mode", "due_at"],
        sqlite_where=where,
        postgresql_where=where,
    )
    op.drop_index("ix_webhook_deliveries_of_payments", table)
