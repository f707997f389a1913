"""Which account a payment and its attempts run on; what a decline was in the processor's and the network's words."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("payments", sa.Column("account_id", TEXT))
    for name in ("account_id", "raw_code", "network_code", "advice"):
        op.add_column("attempts", sa.Column(name, TEXT))
