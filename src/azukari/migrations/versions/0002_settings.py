"""Merchants' settings, and the directory of what has a public page."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    # The default is for servers of the version before, which add merchants without settings.
    op.add_column("merchants", sa.Column("settings", TEXT, nullable=False, server_default="{}"))
    op.create_table(
        "public_ids",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_public_ids"),
    )
