"""Payments that wait for their shopper, tokens of any payment type, requests to refund cash."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("attempts", sa.Column("method", TEXT))
    op.add_column("attempts", sa.Column("session_id", TEXT))
    op.create_index(
        "ix_attempts_ref",
        "attempts",
        ["ref"],
        sqlite_where=sa.text("method IS NOT NULL"),
        postgresql_where=sa.text("method IS NOT NULL"),
    )
    op.add_column("payments", sa.Column("waiting_attempt", TEXT))
    op.add_column("tokens", sa.Column("method", TEXT))
    op.create_table(
        "refund_requests",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("payment_id", TEXT, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("details", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_refund_requests"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "mode", "payment_id"],
            ["payments.merchant_id", "payments.mode", "payments.id"],
            name="fk_refund_requests_merchant_id_mode_payment_id",
        ),
    )
    op.create_index("ix_refund_requests_payment_id", "refund_requests", ["payment_id"])
    _let_tokens_have_no_entry()


def _let_tokens_have_no_entry() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("tokens", "entry_id", nullable=True)
        return
    # SQLite changes a column by making the table anew.
    op.create_table(
        "new_tokens",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("entry_id", TEXT),
        sa.Column("currency", TEXT),
        sa.Column("details", TEXT, nullable=False),
        sa.Column("email", TEXT),
        sa.Column("has_verification_value", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.Column("used_by", TEXT),
        sa.Column("adopted", sa.BigInteger(), nullable=False),
        sa.Column("swept_at", sa.BigInteger()),
        sa.Column("method", TEXT),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_tokens"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "mode", "entry_id"],
            ["vault_entries.merchant_id", "vault_entries.mode", "vault_entries.id"],
            name="fk_tokens_merchant_id_mode_entry_id",
        ),
    )
    op.execute("INSERT INTO new_tokens SELECT * FROM tokens")
    op.drop_table("tokens")
    op.rename_table("new_tokens", "tokens")
    op.create_index("ix_tokens_expires_at", "tokens", ["expires_at"])
    op.create_index("ix_tokens_used_by", "tokens", ["used_by"], sqlite_where=sa.text("used_by IS NOT NULL"))
