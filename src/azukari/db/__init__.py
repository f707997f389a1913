"""Tables, statements, units of work, and the two engines that run them.

A unit of work is a coroutine that waits for nothing but its ``tx``. It is written for one request and reads as if it
were alone; ``Database.write`` and ``Database.read`` run it, and answer after its commit is durable. How many run in one
commit is the engine's business (``docs/architecture.md``).
"""

from azukari.db import directory
from azukari.db.lists import Listing, Page
from azukari.db.statements import Statement
from azukari.db.sweep import Place, behind, in_turn
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
)  # fmt: skip
from azukari.db.units import Announce, Database, DatabaseDown, Owner, Tx, UnitMisuse, hot, persevere, quiet

__all__ = [
    "Announce", "Bytes", "Database", "DatabaseDown", "Integer", "Json", "Listing", "Money", "Owner", "Page", "Place",
    "Statement", "Text", "Time", "Tx", "UnitMisuse", "add", "add_unless_there", "behind", "bind", "directory", "hot",
    "in_turn", "metadata", "owned", "owned_reference", "owned_table", "partial_index", "persevere", "quiet",
]  # fmt: skip
