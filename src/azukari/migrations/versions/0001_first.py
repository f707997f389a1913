"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Text compared byte by byte on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    on_postgres = op.get_bind().dialect.name == "postgresql"
    if on_postgres:
        op.execute("CREATE SCHEMA IF NOT EXISTS azukari_keys")
        op.execute("CREATE SCHEMA IF NOT EXISTS azukari_sad")
    op.create_table(
        "audit_lines",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("object_id", TEXT),
        sa.Column("entry_id", TEXT),
        sa.Column("result", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_audit_lines"),
    )
    op.create_table(
        "deks",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("gen", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("mk_version", sa.BigInteger(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", "gen", name="pk_deks"),
        schema="azukari_keys",
    )
    op.create_index("ix_deks_created_at", "deks", ["created_at"], schema="azukari_keys")
    op.create_table(
        "merchant_keys",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("kek_id", TEXT, nullable=False),
        sa.Column("kek_version", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_merchant_keys"),
        schema="azukari_keys",
    )
    op.create_table(
        "root_keys",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("kek_id", TEXT, nullable=False),
        sa.Column("kek_version", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_root_keys"),
        schema="azukari_keys",
    )
    op.create_table(
        "events",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_events"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "merchants",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_merchants"),
    )
    op.create_table(
        "vault_entries",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("schema_version", sa.BigInteger(), nullable=False),
        sa.Column("dek_gen", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("brand", TEXT, nullable=False),
        sa.Column("bin", TEXT, nullable=False),
        sa.Column("last4", TEXT, nullable=False),
        sa.Column("exp_month", sa.BigInteger(), nullable=False),
        sa.Column("exp_year", sa.BigInteger(), nullable=False),
        sa.Column("credential", TEXT),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger()),
        sa.Column("shredded_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_vault_entries"),
    )
    op.create_index("ix_vault_entries_fingerprint", "vault_entries", ["fingerprint"])
    op.create_index("ix_vault_entries_retired_at", "vault_entries", ["retired_at"])
    op.create_table(
        "api_keys",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("last_four", TEXT, nullable=False),
        sa.Column("api_version", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("ip_allow", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("hash", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_api_keys_merchant_id"),
        sa.UniqueConstraint("id", name="uq_api_keys_id"),
    )
    op.create_table(
        "customers",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("email", TEXT),
        sa.Column("metadata", TEXT, nullable=False),
        sa.Column("entry_id", TEXT),
        sa.Column("source", TEXT),
        sa.Column("exp_month", sa.BigInteger()),
        sa.Column("exp_year", sa.BigInteger()),
        sa.Column("scenario", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_customers"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "mode", "entry_id"],
            ["vault_entries.merchant_id", "vault_entries.mode", "vault_entries.id"],
            name="fk_customers_merchant_id_mode_entry_id",
        ),
    )
    op.create_index(
        "ix_customers_external_id",
        "customers",
        ["external_id"],
        sqlite_where=sa.text("external_id IS NOT NULL"),
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "tokens",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("entry_id", TEXT, nullable=False),
        sa.Column("currency", TEXT),
        sa.Column("details", TEXT, nullable=False),
        sa.Column("email", TEXT),
        sa.Column("has_verification_value", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.Column("used_by", TEXT),
        sa.Column("adopted", sa.BigInteger(), nullable=False),
        sa.Column("swept_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_tokens"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "mode", "entry_id"],
            ["vault_entries.merchant_id", "vault_entries.mode", "vault_entries.id"],
            name="fk_tokens_merchant_id_mode_entry_id",
        ),
    )
    op.create_index("ix_tokens_expires_at", "tokens", ["expires_at"])
    op.create_index(
        "ix_tokens_used_by",
        "tokens",
        ["used_by"],
        sqlite_where=sa.text("used_by IS NOT NULL"),
        postgresql_where=sa.text("used_by IS NOT NULL"),
    )
    op.create_table(
        "payments",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("amount_captured", sa.BigInteger(), nullable=False),
        sa.Column("amount_refunded", sa.BigInteger(), nullable=False),
        sa.Column("amount_reserved", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("session_id", TEXT),
        sa.Column("details", TEXT, nullable=False),
        sa.Column("description", TEXT),
        sa.Column("external_order_num", TEXT),
        sa.Column("metadata", TEXT, nullable=False),
        sa.Column("locale", TEXT, nullable=False),
        sa.Column("more", TEXT),
        sa.Column("processor", TEXT, nullable=False),
        sa.Column("processor_ref", TEXT),
        sa.Column("active_attempt", TEXT),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger()),
        sa.Column("captured_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_payments"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "mode", "customer_id"],
            ["customers.merchant_id", "customers.mode", "customers.id"],
            name="fk_payments_merchant_id_mode_customer_id",
        ),
    )
    op.create_index(
        "ix_payments_deadline",
        "payments",
        ["deadline"],
        sqlite_where=sa.text("deadline IS NOT NULL"),
        postgresql_where=sa.text("deadline IS NOT NULL"),
    )
    op.create_index(
        "uq_payments_external_order_num",
        "payments",
        ["external_order_num", "merchant_id", "mode"],
        unique=True,
        sqlite_where=sa.text("external_order_num IS NOT NULL AND status <> 'failed'"),
        postgresql_where=sa.text("external_order_num IS NOT NULL AND status <> 'failed'"),
    )
    op.create_table(
        "attempts",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("ref", TEXT, nullable=False),
        sa.Column("processor", TEXT, nullable=False),
        sa.Column("payment_id", TEXT),
        sa.Column("customer_id", TEXT),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("parent", TEXT),
        sa.Column("orders", TEXT),
        sa.Column("more", TEXT),
        sa.Column("api_version", TEXT, nullable=False),
        sa.Column("idempotency_key", TEXT),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("code", TEXT),
        sa.Column("processor_ref", TEXT),
        sa.Column("network_id", TEXT),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_attempts"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "mode", "payment_id"],
            ["payments.merchant_id", "payments.mode", "payments.id"],
            name="fk_attempts_merchant_id_mode_payment_id",
        ),
    )
    op.create_index("ix_attempts_due_at", "attempts", ["due_at"])
    op.create_table(
        "refunds",
        sa.Column("merchant_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("payment_id", TEXT, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("description", TEXT),
        sa.Column("chargeback", sa.BigInteger(), nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("total_refunded", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_refunds"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "mode", "payment_id"],
            ["payments.merchant_id", "payments.mode", "payments.id"],
            name="fk_refunds_merchant_id_mode_payment_id",
        ),
    )
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    # On SQLite these are made at every start, on a memory file system.
    if on_postgres:
        op.create_table(
            "sad_epochs",
            sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("provider", TEXT, nullable=False),
            sa.Column("kek_id", TEXT, nullable=False),
            sa.Column("kek_version", sa.BigInteger(), nullable=False),
            sa.Column("blob", sa.LargeBinary(), nullable=False),
            sa.PrimaryKeyConstraint("number", name="pk_sad_epochs"),
            schema="azukari_sad",
            prefixes=["UNLOGGED"],
        )
        op.create_table(
            "sad_values",
            sa.Column("merchant_id", TEXT, nullable=False),
            sa.Column("mode", TEXT, nullable=False),
            sa.Column("id", TEXT, nullable=False),
            sa.Column("epoch", sa.BigInteger(), nullable=False),
            sa.Column("sealed", sa.LargeBinary(), nullable=False),
            sa.Column("created_at", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_sad_values"),
            schema="azukari_sad",
            prefixes=["UNLOGGED"],
        )
        op.create_index("ix_sad_values_created_at", "sad_values", ["created_at"], schema="azukari_sad")
        op.create_index("ix_sad_values_epoch", "sad_values", ["epoch"], schema="azukari_sad")
