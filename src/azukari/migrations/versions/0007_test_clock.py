"""Test clocks; when an idempotency key was taken, by the machine's clock."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "test_clocks",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("ahead", sa.BigInteger(), nullable=False),
        sa.Column("frozen_at", sa.BigInteger()),
        sa.Column("traveller", TEXT),
        sa.Column("travels_until", sa.BigInteger()),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_test_clocks"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_test_clocks_merchant_id"),
    )
    op.add_column("idempotency_keys", sa.Column("taken_at", sa.BigInteger()))
