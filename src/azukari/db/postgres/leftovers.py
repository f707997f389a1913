"""What deleted rows leave in PostgreSQL's files, and how it goes.

A vacuum makes room for new rows and leaves the bytes of old ones: only a table that is written anew, or given back
whole, is without them. The write-ahead log, its archive and backups keep theirs, whatever is done here.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import sqlalchemy as sa

from azukari.db.postgres.connecting import connect
from azukari.db.postgres.connection import CONNECT_SECONDS
from azukari.db.units import DatabaseDown

log = logging.getLogger(__name__)

#: Bytes up to which a table is written anew, which takes some hundredths of a second; nobody can read it meanwhile.
SMALL = 8 * 1024 * 1024
#: Whoever uses a table is waited for this long; then it has time until the next look.
_SETTINGS = {"application_name": "azukari", "lock_timeout": "200ms"}
_PATIENCE_SECONDS = 600.0
_VERSION_WITH_MAINTAIN = 17

_STATE = """
SELECT pg_stat_get_tuples_deleted(c.oid) AS deleted, pg_table_size(c.oid) AS size, pg_has_role(c.relowner, 'USAGE')
FROM pg_class c WHERE c.oid = $1::text::regclass"""


class Leftovers:
    """Of one database. Each look makes a connection of its own: some of this is done in no transaction."""

    def __init__(self, url: str) -> None:
        self._url = url
        #: How many rows of a table had been deleted when it was last without any of them.
        self._wiped: dict[str, int] = {}

    async def wipe(self, table: sa.Table) -> None:
        """A small table is written anew, a larger one vacuumed, if rows were deleted. Raises DatabaseDown."""
        name = str(table)
        async with self._connected() as connection:
            deleted, size, ours = await connection.fetchrow(_STATE, name)
            if deleted == self._wiped.get(name) or not (ours or await _may_maintain(connection, name)):
                return
            if size <= SMALL:
                await connection.execute(f"VACUUM (FULL) {name}")
            # Afterwards too: only this one counts rows that an older transaction can still see.
            await connection.execute(f"VACUUM {name}")
            if await connection.fetchval("SELECT pg_stat_get_dead_tuples($1::text::regclass)", name) == 0:
                self._wiped[name] = deleted

    async def empty(self, table: sa.Table, turn: int) -> None:
        """Move what is left in one of a table's two files to the other one, and give the file back.

        Raises DatabaseDown.
        """
        resting = f"{table}_{turn}"
        names = ", ".join(column.name for column in table.c if column.name != "turn")
        async with self._connected() as connection:
            if not await connection.fetchval("SELECT pg_relation_size($1::text::regclass)", resting):
                return
            async with connection.transaction():
                # Whoever comes now waits, and then looks where the rows are.
                await connection.execute(f"LOCK TABLE {resting} IN ACCESS EXCLUSIVE MODE")
                moved = f"SELECT {names}, {1 - turn} FROM {resting}"  # noqa: S608 - names of the code, a number
                await connection.execute(f"INSERT INTO {table} ({names}, turn) {moved} ON CONFLICT DO NOTHING")
                await connection.execute(f"TRUNCATE {resting}")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        connection = await connect(
            self._url, timeout=CONNECT_SECONDS, command_timeout=_PATIENCE_SECONDS, server_settings=_SETTINGS
        )
        try:
            yield connection
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            log.info("A table is in use; what is left of deleted rows in it is looked at again soon.")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            raise DatabaseDown from error
        finally:
            connection.terminate()


async def _may_maintain(connection: Any, name: str) -> bool:
    """Whether somebody who does not own a table may vacuum it."""
    if connection.get_server_version().major < _VERSION_WITH_MAINTAIN:
        return False
    return bool(await connection.fetchval("SELECT has_table_privilege($1::text::regclass, 'MAINTAIN')", name))
