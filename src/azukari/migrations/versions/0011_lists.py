"""Long lists in stretches, indexes for lists of few among many, and a row to try writing with."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "stretches",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("first_id", TEXT, nullable=False),
        sa.Column("last_id", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("earliest", sa.BigInteger(), nullable=False),
        sa.Column("latest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_stretches"),
    )
    op.create_table(
        "write_probes",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_write_probes"),
    )
    owned = ["merchant_id", "mode", "id"]
    for name, table, columns, condition in (
        ("ix_payments_customer_id", "payments", ["customer_id", *owned], None),
        ("ix_payments_session_id", "payments", ["session_id", *owned], "session_id IS NOT NULL"),
        (
            "ix_payments_external_order_num",
            "payments",
            ["external_order_num", *owned],
            "external_order_num IS NOT NULL",
        ),
        ("ix_payments_status", "payments", ["status", *owned], "status <> 'captured'"),
        ("ix_customers_deleted", "customers", owned, "deleted_at IS NOT NULL"),
    ):
        where = None if condition is None else sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
