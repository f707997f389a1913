"""Secure tokens: what 3-D Secure came to, beside the token it is about."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("tokens", sa.Column("verification", TEXT))
    op.add_column("tokens", sa.Column("amount", sa.BigInteger()))
    op.add_column("tokens", sa.Column("customer_id", TEXT))
    op.add_column("tokens", sa.Column("return_url", TEXT))
    op.add_column("tokens", sa.Column("state_seed", TEXT))
    op.add_column("tokens", sa.Column("processor", TEXT))
    op.add_column("tokens", sa.Column("ref", TEXT))
    op.add_column("tokens", sa.Column("three_ds", TEXT))
    op.add_column("tokens", sa.Column("has_authentication_value", sa.BigInteger()))
    op.add_column("tokens", sa.Column("open_until", sa.BigInteger()))
    op.add_column("tokens", sa.Column("idempotency_key", TEXT))
    op.add_column("tokens", sa.Column("made_for", TEXT))
    op.create_index(
        "ix_tokens_open_until",
        "tokens",
        ["open_until"],
        sqlite_where=sa.text("open_until IS NOT NULL"),
        postgresql_where=sa.text("open_until IS NOT NULL"),
    )
    op.create_index(
        "uq_tokens_made_for",
        "tokens",
        ["made_for", "merchant_id", "mode"],
        unique=True,
        sqlite_where=sa.text("made_for IS NOT NULL"),
        postgresql_where=sa.text("made_for IS NOT NULL"),
    )
