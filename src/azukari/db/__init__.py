"""Tables, statements, units of work, and the two engines that run them.

A unit of work is a coroutine that waits for nothing but its ``tx``. It is written for one request and reads as if it
were alone; ``Database.write`` and ``Database.read`` run it, and answer after its commit is durable. How many run in one
commit is the engine's business (``docs/architecture.md``).
"""

from azukari.db import directory
from azukari.db.lists import Listing, Page, Slice
from azukari.db.statements import Statement
from azukari.db.sweep import Cursor, after_cursor, sweep_due
from azukari.db.tables import (
    Bytes,
    Integer,
    Json,
    Money,
    Text,
    Time,
    add,
    add_unless_there,
    bind,
    metadata,
    owned,
    owned_reference,
    owned_table,
    partial_index,
)
from azukari.db.units import Announce, Database, DatabaseDown, Owner, Tx, UnitMisuse, batched, quiet, retry_on_conflict

__all__ = [
    "Announce",
    "Bytes",
    "Cursor",
    "Database",
    "DatabaseDown",
    "Integer",
    "Json",
    "Listing",
    "Money",
    "Owner",
    "Page",
    "Slice",
    "Statement",
    "Text",
    "Time",
    "Tx",
    "UnitMisuse",
    "add",
    "add_unless_there",
    "after_cursor",
    "batched",
    "bind",
    "directory",
    "metadata",
    "owned",
    "owned_reference",
    "owned_table",
    "partial_index",
    "quiet",
    "retry_on_conflict",
    "sweep_due",
]  # fmt: skip
