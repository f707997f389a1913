"""Verification values in two tables by turns, and no key beside them.

The values there are, for a day at most, go with the keys that opened them: their tokens are invalid from now on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "azukari_sad"
TEXT = sa.Text(collation="C")
UNLOGGED = ["UNLOGGED"]


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return  # there these are made at every start, on a memory file system
    for name in ("sad_values", "sad_epochs"):
        op.drop_table(name, schema=SCHEMA)
    op.create_table(
        "sad_values",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", "turn", name="pk_sad_values"),
        schema=SCHEMA,
        postgresql_partition_by="LIST (turn)",
    )
    op.create_index("ix_sad_values_created_at", "sad_values", ["created_at"], schema=SCHEMA)
    op.create_index("ix_sad_values_epoch", "sad_values", ["epoch"], schema=SCHEMA)
    for turn in (0, 1):
        op.execute(
            f"CREATE UNLOGGED TABLE {SCHEMA}.sad_values_{turn} PARTITION OF {SCHEMA}.sad_values FOR VALUES IN ({turn})"
        )
    op.create_table(
        "sad_machines",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sad_machines"),
        schema=SCHEMA,
        prefixes=UNLOGGED,
    )
    op.create_table(
        "sad_shares",
        sa.Column("epoch", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("machine", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "machine", name="pk_sad_shares"),
        schema=SCHEMA,
        prefixes=UNLOGGED,
    )
    # Deleted keys are vacuumed within a minute or two where the server may not do so itself.
    op.execute(
        "ALTER TABLE azukari_keys.deks SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0)"
    )
