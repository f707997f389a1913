"""Subscriptions."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _owned(name: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name=f"pk_{name}"),
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", "mode", column],
        [f"{target}.merchant_id", f"{target}.mode", f"{target}.id"],
        name=f"fk_{table}_merchant_id_mode_{column}",
    )


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    op.add_column("attempts", sa.Column("subscription_id", TEXT))
    _index("ix_attempts_subscription_id", "attempts", ["subscription_id"], "subscription_id IS NOT NULL")
    _index("ix_attempts_declined", "attempts", ["customer_id"], "state = 'declined'")
    op.add_column("customers", sa.Column("updated_at", sa.BigInteger()))
    _owned(
        "subscriptions",
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("period", TEXT, nullable=False),
        sa.Column("metadata", TEXT, nullable=False),
        sa.Column("time_zone", TEXT, nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("details_type", TEXT, nullable=False),
        sa.Column("api_version", TEXT, nullable=False),
        sa.Column("period_no", sa.BigInteger(), nullable=False),
        sa.Column("active_attempt", TEXT),
        sa.Column("retry_count", sa.BigInteger(), nullable=False),
        sa.Column("retry_at", sa.BigInteger()),
        sa.Column("next_capture_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        _reference("subscriptions", "customer_id", "customers"),
    )
    _index("ix_subscriptions_due_at", "subscriptions", ["due_at"], "due_at IS NOT NULL")
    _index("ix_subscriptions_active_attempt", "subscriptions", ["active_attempt"], "active_attempt IS NOT NULL")
    _index("ix_subscriptions_customer_id", "subscriptions", ["customer_id"], "ended_at IS NULL")
    _owned(
        "subscription_periods",
        sa.Column("subscription_id", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("declines", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", TEXT),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger()),
        _reference("subscription_periods", "subscription_id", "subscriptions"),
        _reference("subscription_periods", "payment_id", "payments"),
        sa.UniqueConstraint(
            "subscription_id",
            "number",
            "merchant_id",
            "mode",
            name="uq_subscription_periods_subscription_id_number_merchant_id_mode",
        ),
    )
