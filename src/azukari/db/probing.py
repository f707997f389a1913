"""Finding out whether anything can be written: by writing something.

Reads go on where a disk is full. What is written is larger than what a charge writes, and other bytes each time: a few
bytes would find room in what the last transaction left behind, and equal ones are not written at all.
"""

import hashlib

import sqlalchemy as sa

from azukari.db.statements import Statement
from azukari.db.tables import Bytes, Text, add, metadata
from azukari.db.units import Tx

SIZE = 128 * 1024
#: The one row.
_ID = "disk"

write_probes = sa.Table(
    "write_probes", metadata, sa.Column("id", Text, primary_key=True), sa.Column("data", Bytes, nullable=False)
)

_insert = add(write_probes)
_WRITE = Statement(
    None,
    _insert.on_conflict_do_update(index_elements=["id"], set_={"data": _insert.excluded.data}),
    ownerless="what is written is nobody's",
)


async def probe(tx: Tx, now: int) -> None:
    """Write the row. now: the machine's time, which no two probes share."""
    await tx.run(_WRITE, None, id=_ID, data=hashlib.shake_256(str(now).encode()).digest(SIZE))
