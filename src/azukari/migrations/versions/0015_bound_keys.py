"""API keys that are bound to what stands in their rows.

Those there are become bound here, with the schema, and never again: a row without its binding is no key from now on.
"""

import sqlalchemy as sa
from alembic import context, op

from azukari.db.migrate import NoBinder
from azukari.merchants.store import KeyRow

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

PEPPER = "SELECT provider, kek_id, kek_version, blob FROM azukari_keys.root_keys WHERE name = 'pepper'"
KEYS = f"SELECT {', '.join(KeyRow.__struct_fields__[:-1])} FROM api_keys"  # noqa: S608 - names of the code
BIND = sa.text("UPDATE api_keys SET binding = :binding WHERE hash = :hash")


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("binding", sa.LargeBinary(), nullable=False, server_default=""))
    connection = op.get_bind()
    rows = [KeyRow(*row) for row in connection.execute(sa.text(KEYS))]
    if not rows:
        return
    pepper, binder = connection.execute(sa.text(PEPPER)).one_or_none(), context.config.attributes.get("binder")
    if pepper is None or binder is None:
        raise NoBinder
    bind = binder(*pepper)
    for row in rows:
        connection.execute(BIND, {"hash": row.hash, "binding": bind(row.bound)})
