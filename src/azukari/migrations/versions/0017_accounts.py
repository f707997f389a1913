"""Merchants' accounts with processors."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "processor_accounts",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("processor", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("profile", TEXT, nullable=False),
        sa.Column("narrowed", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("entry_id", TEXT),
        sa.Column("secrets", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_processor_accounts"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "mode", "entry_id"],
            ["vault_entries.merchant_id", "vault_entries.mode", "vault_entries.id"],
            name="fk_processor_accounts_merchant_id_mode_entry_id",
        ),
        sa.UniqueConstraint("name", "merchant_id", "mode", name="uq_processor_accounts_name_merchant_id_mode"),
    )
