"""The room's tables, in three stores: records (main), wrapped keys (keys), verification values (SAD)."""

import sqlalchemy as sa

from azukari.db import Bytes, Integer, Json, Text, Time, metadata, owned_table
from azukari.db.tables import KEYS_SCHEMA, SAD_SCHEMA


def _wrapped() -> tuple[sa.Column[str], sa.Column[str], sa.Column[int], sa.Column[bytes]]:
    """The columns of a key the provider has wrapped."""
    return (
        sa.Column("provider", Text, nullable=False),
        sa.Column("kek_id", Text, nullable=False),
        sa.Column("kek_version", Integer, nullable=False),
        sa.Column("blob", Bytes, nullable=False),
    )


#: What the vault keeps of a card: the sealed record, and what may be shown. The holder's name is in the record alone.
#: A retired entry is about to be shredded: whoever retired it does so at once, or else the sweep.
#: A shredded entry keeps its row, for bookkeeping, without record and fingerprint.
entries = owned_table(
    "vault_entries",
    sa.Column("kind", Text, nullable=False),
    sa.Column("schema_version", Integer, nullable=False),
    sa.Column("dek_gen", Integer, nullable=False),
    sa.Column("record", Bytes, nullable=False),
    sa.Column("fingerprint", Bytes, nullable=False),
    sa.Column("brand", Text, nullable=False),
    sa.Column("bin", Text, nullable=False),
    sa.Column("last4", Text, nullable=False),
    sa.Column("exp_month", Integer, nullable=False),
    sa.Column("exp_year", Integer, nullable=False),
    sa.Column("credential", Json),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("retired_at", Time, index=True),
    sa.Column("shredded_at", Time),
)
# Not unique: two customers may keep one card.
sa.Index(None, entries.c.fingerprint)

#: Who did what, when, with which object. Appended to and never changed; the chain over it is made after the commit.
audit_lines = owned_table(
    "audit_lines",
    sa.Column("at", Time, nullable=False),
    sa.Column("who", Text, nullable=False),
    sa.Column("action", Text, nullable=False),
    sa.Column("object_id", Text),
    sa.Column("entry_id", Text),
    sa.Column("result", Text, nullable=False),
)

#: Data keys, wrapped by their merchant's key. Without its row here a record is noise, in every backup of the data.
deks = owned_table(
    "deks",
    sa.Column("gen", Integer, primary_key=True, autoincrement=False),
    sa.Column("mk_version", Integer, nullable=False),
    sa.Column("wrapped", Bytes, nullable=False),
    sa.Column("created_at", Time, nullable=False, index=True),
    schema=KEYS_SCHEMA,
)

#: Merchants' keys, wrapped by the provider; the id is the version.
merchant_keys = owned_table(
    "merchant_keys",
    sa.Column("version", Integer, nullable=False),
    *_wrapped(),
    sa.Column("created_at", Time, nullable=False),
    schema=KEYS_SCHEMA,
)

#: The installation's four own keys, wrapped by the provider.
root_keys = sa.Table(
    "root_keys",
    metadata,
    sa.Column("name", Text, primary_key=True),
    *_wrapped(),
    sa.Column("created_at", Time, nullable=False),
    schema=KEYS_SCHEMA,
)

#: Verification values, each until its first use and at most a day; ``epoch`` names the key it is sealed under, which is
#: in memory alone (``sad_keys``). Rows are added to both turns' tables by turns, so that one can be given back whole.
sad_values = owned_table(
    "sad_values",
    sa.Column("turn", Integer, primary_key=True, autoincrement=False),
    sa.Column("epoch", Integer, nullable=False, index=True),
    sa.Column("sealed", Bytes, nullable=False),
    sa.Column("created_at", Time, nullable=False, index=True),
    schema=SAD_SCHEMA,
    turns="turn",
)

#: The machines that take verification values: how to write to each, when it was last there, and when it last asked for
#: keys it has not got.
sad_machines = sa.Table(
    "sad_machines",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=False),
    sa.Column("public", Bytes, nullable=False),
    sa.Column("seen_at", Time, nullable=False),
    sa.Column("asked_at", Time, nullable=False),
    schema=SAD_SCHEMA,
)

#: Keys on their way to another machine: wrapped by the provider, then sealed to what only its memory holds.
sad_shares = sa.Table(
    "sad_shares",
    metadata,
    sa.Column("epoch", Integer, primary_key=True, autoincrement=False),
    sa.Column("machine", Integer, primary_key=True, autoincrement=False),
    sa.Column("box", Bytes, nullable=False),
    schema=SAD_SCHEMA,
)
