"""Numbers for events; webhooks' deliveries by them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "event_counters",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_event_counters"),
    )
    op.add_column("events", sa.Column("sequence", sa.BigInteger()))
    # What has happened so far is numbered by its ids.
    op.execute("""
        UPDATE events SET sequence = ranked.rank
        FROM (
            SELECT merchant_id, mode, id, row_number() OVER (PARTITION BY merchant_id, mode ORDER BY id) AS rank
            FROM events
        ) AS ranked
        WHERE events.merchant_id = ranked.merchant_id AND events.mode = ranked.mode AND events.id = ranked.id
    """)
    op.execute("""
        INSERT INTO event_counters (merchant_id, mode, id, last)
        SELECT merchant_id, mode, 'events', max(sequence) FROM events GROUP BY merchant_id, mode
    """)
    for name, columns, where, unique in (
        ("ix_events_sequence", ["merchant_id", "mode", "sequence"], "sequence IS NOT NULL", True),
        ("ix_events_unnumbered", ["id", "merchant_id", "mode"], "sequence IS NULL", False),
    ):
        op.create_index(
            name, "events", columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
    # What an endpoint was told of, and what is on its way to it.
    op.add_column("webhook_endpoints", sa.Column("told", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("""
        UPDATE webhook_endpoints SET told = coalesce((
            SELECT max(sequence) FROM events
            WHERE events.merchant_id = webhook_endpoints.merchant_id AND events.mode = webhook_endpoints.mode
            AND events.created_at < webhook_endpoints.swept_to - 900000
        ), 0)
    """)
    op.drop_column("webhook_endpoints", "swept_to")
    op.add_column("webhook_deliveries", sa.Column("sequence", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("""
        UPDATE webhook_deliveries SET sequence = (
            SELECT sequence FROM events
            WHERE events.merchant_id = webhook_deliveries.merchant_id AND events.mode = webhook_deliveries.mode
            AND events.id = webhook_deliveries.event_id
        )
        WHERE event_type <> 'ping'
    """)
    op.drop_index("ix_webhook_deliveries_event_id", "webhook_deliveries")
    on_its_way = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_webhook_deliveries_sequence",
        "webhook_deliveries",
        ["endpoint_id", "sequence"],
        sqlite_where=on_its_way,
        postgresql_where=on_its_way,
    )
    # Payments' own webhooks.
    op.add_column("webhook_endpoints", sa.Column("payment_id", TEXT))
    op.add_column("webhook_deliveries", sa.Column("payment_id", TEXT))
    op.drop_index("ix_webhook_endpoints_since", "webhook_endpoints")
    for name, table, column, condition in (
        ("ix_webhook_endpoints_since", "webhook_endpoints", "since", "since IS NOT NULL AND payment_id IS NULL"),
        ("ix_webhook_endpoints_payment_id", "webhook_endpoints", "payment_id", "payment_id IS NOT NULL"),
        (
            "ix_webhook_endpoints_created_at",
            "webhook_endpoints",
            "created_at",
            "payment_id IS NOT NULL AND deleted_at IS NULL",
        ),
        (
            "ix_webhook_deliveries_of_payments",
            "webhook_deliveries",
            "due_at",
            "due_at IS NOT NULL AND payment_id IS NOT NULL",
        ),
    ):
        op.create_index(name, table, [column], sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
