"""What machines tell each other of calls they have counted."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_counts",
        sa.Column("tag", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tag", name="pk_call_counts"),
        # Of a minute, mostly: what a crash of the database takes is not missed.
        prefixes=["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else [],
        if_not_exists=True,
    )
