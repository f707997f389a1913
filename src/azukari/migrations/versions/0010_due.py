"""Deliveries that are due together, in their order."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table, where = "webhook_deliveries", sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_webhook_deliveries_due", table, ["endpoint_id", "due_at", "id"], sqlite_where=where, postgresql_where=where
    )
    op.drop_index("ix_webhook_deliveries_due_at", table)
