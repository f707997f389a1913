"""Sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("return_url", TEXT),
        sa.Column("email", TEXT),
        sa.Column("locale", TEXT, nullable=False),
        sa.Column("methods", TEXT, nullable=False),
        sa.Column("line_items", TEXT, nullable=False),
        sa.Column("metadata", TEXT, nullable=False),
        sa.Column("payment_data", TEXT),
        sa.Column("order_num", TEXT),
        sa.Column("scenario", TEXT),
        sa.Column("customer_id", TEXT),
        sa.Column("payment_id", TEXT),
        sa.Column("secure_token_id", TEXT),
        sa.Column("authenticating", sa.BigInteger(), nullable=False),
        sa.Column("active_attempt", TEXT),
        sa.Column("waiting_attempt", TEXT),
        sa.Column("trying", TEXT),
        sa.Column("declines", sa.BigInteger(), nullable=False),
        sa.Column("consent", TEXT),
        sa.Column("open_until", sa.BigInteger()),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger()),
        sa.Column("cancelled_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_sessions"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "mode", "customer_id"],
            ["customers.merchant_id", "customers.mode", "customers.id"],
            name="fk_sessions_merchant_id_mode_customer_id",
        ),
    )
    op.create_index(
        "ix_sessions_open_until",
        "sessions",
        ["open_until"],
        sqlite_where=sa.text("open_until IS NOT NULL"),
        postgresql_where=sa.text("open_until IS NOT NULL"),
    )
    op.create_index(
        "uq_sessions_order_num",
        "sessions",
        ["order_num", "merchant_id", "mode"],
        unique=True,
        sqlite_where=sa.text("order_num IS NOT NULL"),
        postgresql_where=sa.text("order_num IS NOT NULL"),
    )
    # A session keeps its order number itself, from one try to the next: a try that came to nothing lets go of it.
    op.drop_index("uq_payments_external_order_num", table_name="payments")
    used = sa.text(
        "external_order_num IS NOT NULL AND status <> 'failed' "
        "AND NOT (session_id IS NOT NULL AND status IN ('cancelled', 'expired'))"
    )
    op.create_index(
        "uq_payments_external_order_num",
        "payments",
        ["external_order_num", "merchant_id", "mode"],
        unique=True,
        sqlite_where=used,
        postgresql_where=used,
    )
