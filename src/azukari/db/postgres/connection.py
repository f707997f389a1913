"""One connection to PostgreSQL, and what the driver's errors mean."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from azukari.db.postgres.connecting import connect
from azukari.db.units import DatabaseDown, UnitMisuse

R = TypeVar("R")

#: How often work is tried that lost against another transaction.
TRIES = 5
CONNECT_SECONDS = 5.0
#: A statement, with its wait for other transactions' rows, is given up by the server; a dead network by us.
STATEMENT_SECONDS = 10
NETWORK_SECONDS = 15.0

_SETTINGS = {
    "application_name": "azukari",
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    # A process that is stopped in the middle of a transaction must not keep its rows from the others.
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
    "jit": "off",
}

#: For statements that look rows up by their keys, many at a time, on connections that do nothing else: the planner is
#: not to weigh the reading of whole tables against it, which is right for the size they have now and not for long.
BY_KEY = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "random_page_cost": "0",
    "cpu_tuple_cost": "1",
}
#: How long such a plan is kept: in a table that was next to empty then, it may go through all rows after all.
PLANS_SECONDS = 10.0

#: Another transaction was in the way, or a migration changed a table under a prepared statement: it is tried again.
_AGAIN = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
#: The server, its disk or the way to it is not there; also a standby that takes no writes.
_DOWN = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
    OSError,
)


class Connection:
    """A connection that is made when it is needed, and made anew after it broke.

    by_key: it is for statements that look rows up by their keys.
    """

    def __init__(self, url: str, *, by_key: bool = False) -> None:
        self._url = url
        self._connection: Any = None
        self._by_key = by_key
        self._planned = 0.0

    async def open(self) -> Any:
        """The connection. Raises Unreachable."""
        if self._connection is None or self._connection.is_closed():
            # Each statement of the code is prepared once for the life of its connection.
            self._connection = await connect(
                self._url,
                timeout=CONNECT_SECONDS,
                command_timeout=NETWORK_SECONDS,
                server_settings={**_SETTINGS, **BY_KEY} if self._by_key else _SETTINGS,
                statement_cache_size=4_096,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=0,
            )
        return self._connection

    async def attempt(self, work: Callable[[Any], Awaitable[R]]) -> R:
        """What ``work`` makes of the connection; an error leaves no transaction behind.

        Tried again when it lost against another transaction, and never when the connection broke: a commit may have
        been under way. Raises DatabaseDown, and what ``work`` raises.
        """
        lost: BaseException | None = None
        for _ in range(TRIES):
            connection = await self.open()
            try:
                await self._plan_anew(connection)
                return await work(connection)
            except _AGAIN as error:
                lost = error
                await self._roll_back()
            except _DOWN as error:
                self._drop()
                raise DatabaseDown from error
            except asyncpg.PostgresError as error:
                await self._roll_back()
                raise _without_values(error) from None
            except asyncpg.InterfaceError as error:
                self._drop()
                if connection.is_closed():
                    raise DatabaseDown from error
                raise
            except Exception:
                await self._roll_back()
                raise
            except BaseException:  # the loop is being stopped
                self._drop()
                raise
        raise DatabaseDown from lost

    async def _plan_anew(self, connection: Any) -> None:
        now = asyncio.get_running_loop().time()
        if self._by_key and now - self._planned > PLANS_SECONDS:
            await connection.execute("DISCARD PLANS")
            self._planned = now

    async def _roll_back(self) -> None:
        try:
            if self._connection.is_in_transaction():
                await self._connection.execute("ROLLBACK")
        except Exception:  # the connection is of no use, and dropping it rolls back as well
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Say goodbye to the server."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.close(timeout=CONNECT_SECONDS)
        except Exception:  # it was broken already
            connection.terminate()


def _without_values(error: Any) -> Exception:
    """The error without what it tells of a row: it may come into a log."""
    if isinstance(error, asyncpg.DataError):
        return UnitMisuse(f"a value that does not fit its column: {getattr(error, 'query', None) or 'see the unit'}")
    error.detail = None
    return error  # type: ignore[no-any-return]
