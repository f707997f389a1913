"""Webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _owned(name: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name=f"pk_{name}"),
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", "mode", column],
        [f"{target}.merchant_id", f"{target}.mode", f"{target}.id"],
        name=f"fk_{table}_merchant_id_mode_{column}",
    )


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    _owned(
        "webhook_endpoints",
        sa.Column("url", TEXT, nullable=False),
        sa.Column("entry_id", TEXT),
        sa.Column("old_entry_id", TEXT),
        sa.Column("old_until", sa.BigInteger()),
        sa.Column("events", TEXT, nullable=False),
        sa.Column("active", sa.BigInteger(), nullable=False),
        sa.Column("api_version", TEXT, nullable=False),
        sa.Column("ordered", sa.BigInteger(), nullable=False),
        sa.Column("disabled_reason", TEXT),
        sa.Column("since", TEXT),
        sa.Column("swept_to", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger()),
        _reference("webhook_endpoints", "entry_id", "vault_entries"),
        _reference("webhook_endpoints", "old_entry_id", "vault_entries"),
    )
    _index("ix_webhook_endpoints_since", "webhook_endpoints", ["since"], "since IS NOT NULL")
    _index("ix_webhook_endpoints_old_until", "webhook_endpoints", ["old_until"], "old_until IS NOT NULL")
    _owned(
        "webhook_deliveries",
        sa.Column("endpoint_id", TEXT, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("event_type", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("leased_until", sa.BigInteger()),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        _reference("webhook_deliveries", "endpoint_id", "webhook_endpoints"),
        _reference("webhook_deliveries", "event_id", "events"),
        sa.UniqueConstraint(
            "endpoint_id",
            "event_id",
            "merchant_id",
            "mode",
            name="uq_webhook_deliveries_endpoint_id_event_id_merchant_id_mode",
        ),
    )
    table = "webhook_deliveries"
    _index("ix_webhook_deliveries_due_at", table, ["endpoint_id", "due_at"], "due_at IS NOT NULL")
    _index("ix_webhook_deliveries_event_id", table, ["endpoint_id", "event_id"], "due_at IS NOT NULL")
    _index("ix_webhook_deliveries_leased_until", table, ["endpoint_id"], "leased_until IS NOT NULL")
    _index("ix_webhook_deliveries_ended_at", table, ["ended_at"], "ended_at IS NOT NULL")
    _owned(
        "webhook_tries",
        sa.Column("delivery_id", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.BigInteger()),
        sa.Column("failure", TEXT),
        _reference("webhook_tries", "delivery_id", "webhook_deliveries"),
    )
    op.create_index("ix_webhook_tries_delivery_id", "webhook_tries", ["delivery_id"])
