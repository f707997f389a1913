"""Who serves in the clear just now; what is due of one merchant whose test clock is ahead."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


#: Tables, the time by which a row is due, and which rows have one.
DUE = (
    ("payments", "deadline", "deadline IS NOT NULL"),
    ("sessions", "open_until", "open_until IS NOT NULL"),
    ("tokens", "expires_at", None),
    ("tokens", "open_until", "open_until IS NOT NULL"),
    ("subscriptions", "due_at", "due_at IS NOT NULL"),
    ("webhook_endpoints", "created_at", "payment_id IS NOT NULL AND deleted_at IS NULL"),
    ("idempotency_keys", "created_at", None),
)


def upgrade() -> None:
    for table, column, where in DUE:
        rows = sa.text("mode = 'test'" + (f" AND {where}" if where else ""))
        op.create_index(
            f"ix_{table}_test_{column}", table, ["merchant_id", column], sqlite_where=rows, postgresql_where=rows
        )
    op.create_table(
        "clear_text_leases",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clear_text_leases"),
    )
