"""Bringing the stores to the schema of this version."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from azukari.core.config import SettingError, Settings
from azukari.db.open import SqliteFiles
from azukari.db.tables import KEYS_SCHEMA, SAD_SCHEMA
from azukari.db.units import DatabaseDown

#: The newest migration; a test holds it against the folder.
HEAD = "0018"
_PATIENCE_SECONDS = 10.0
SCRIPTS = Path(__file__).parent.parent / "migrations"

#: Given the wrapped key of the pepper (provider, id and version of the key that wraps it, the bytes), makes what
#: binds a row of ``api_keys``: its keyed hash.
Binder = Callable[[str, str, int, bytes], Callable[[bytes], bytes]]


class NoBinder(SettingError):
    """API keys of an earlier release are there, and nothing that could bind them."""

    def __init__(self) -> None:
        super().__init__(
            "The API keys of this database are bound to their rows with the vault's key. Run `azukari migrate` where "
            "the key file is."
        )


async def is_current(settings: Settings) -> bool:
    """Whether the stores have this version's schema; quick, and without loading Alembic."""
    return await current(settings) == HEAD


async def current(settings: Settings) -> str | None:
    """The schema's version; None for empty stores. Raises DatabaseDown."""
    if settings.database_url is not None:
        return await _postgres_version(settings)
    path = settings.data / "azukari.db"
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE_SECONDS)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise DatabaseDown from error
    return None if row is None else str(row[0])


async def _postgres_version(settings: Settings) -> str | None:
    import asyncpg

    from azukari.db.postgres.connecting import address, connect, reason

    connection = await connect(address(settings), timeout=_PATIENCE_SECONDS)
    try:
        there = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
        return await connection.fetchval("SELECT version_num FROM alembic_version") if there else None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseDown(because=reason(error)) from error
    finally:
        connection.terminate()


async def migrate(settings: Settings, binder: Binder | None = None) -> None:
    """Run every migration that is missing. On PostgreSQL as the owner of the tables, who need not be the server.

    binder: for API keys of earlier releases.
    Raises DatabaseDown, SettingError (a schema that no migration leads on from, as a later version's).
    """
    schema = await current(settings)
    if schema is not None and not any((SCRIPTS / "versions").glob(f"{schema}_*.py")):
        raise SettingError("The database has the schema of another, later version. Run that version.")
    if settings.database_url is None:
        try:
            await asyncio.to_thread(_migrate_sqlite, SqliteFiles.of(settings.data), binder)
        except sqlite3.Error as error:
            raise DatabaseDown from error
    else:
        await _migrate_postgres(settings, binder)


def _migrate_sqlite(files: SqliteFiles, binder: Binder | None) -> None:
    """All or nothing, over both files: only a rollback journal commits several files as one, so WAL waits its turn."""
    assert files.main.path is not None
    assert files.keys.path is not None
    for path in (files.main.path, files.keys.path):
        path.touch(mode=0o600)
    connection = sqlite3.connect(files.main.uri, uri=True, isolation_level=None, timeout=_PATIENCE_SECONDS)
    connection.execute(f"ATTACH '{files.keys.uri}' AS {KEYS_SCHEMA}")
    for schema in ("main", KEYS_SCHEMA):
        connection.execute(f"PRAGMA {schema}.journal_mode=DELETE")
        connection.execute(f"PRAGMA {schema}.synchronous=FULL")
        connection.execute(f"PRAGMA {schema}.secure_delete=ON")
    engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=sa.pool.StaticPool)
    with engine.connect() as upgrading:
        # Not before: SQLAlchemy begins with a look at the database, and a rollback.
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            # One that was here before and was deleted has left verification values that no key of ours opens.
            files.forget_memory()
        _upgrade(upgrading, binder)
    engine.dispose()
    _rewrite_keys(files)


def _rewrite_keys(files: SqliteFiles) -> None:
    """What earlier releases have deleted may still be in the file: those of SQLite's builds differ in that."""
    with closing(sqlite3.connect(files.keys.uri, uri=True, timeout=_PATIENCE_SECONDS)) as connection:
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("VACUUM")


async def _migrate_postgres(settings: Settings, binder: Binder | None) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    from azukari.db.postgres.connecting import connect, owner_address, reason

    url = owner_address(settings)

    async def migrating() -> Any:
        # The driver reads the address, as it does for the server: SQLAlchemy knows no address of several hosts.
        return await connect(url, timeout=_PATIENCE_SECONDS)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=migrating, poolclass=sa.pool.NullPool)
    try:
        async with engine.connect() as connection:
            # Several servers may start at once: one migrates, the others wait and find it done.
            await connection.execute(sa.text("SELECT pg_advisory_lock(3250)"))
            await connection.run_sync(_upgrade, binder)
            if settings.database_owner_url is not None:
                await connection.run_sync(_grant, await _role_of(settings))
            await connection.execute(sa.text("SELECT pg_advisory_unlock(3250)"))
            await connection.commit()
    except sa.exc.DBAPIError as error:
        cause = (error.orig and error.orig.__cause__) or error
        raise DatabaseDown(because=reason(cause)) from cause
    finally:
        await engine.dispose()


async def _role_of(settings: Settings) -> str:
    """Whom the server is for its database. Raises DatabaseDown."""
    from azukari.db.postgres.connecting import address, connect

    connection = await connect(address(settings), timeout=_PATIENCE_SECONDS)
    try:
        return str(await connection.fetchval("SELECT current_user"))
    finally:
        connection.terminate()


def _upgrade(connection: sa.Connection, binder: Binder | None) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    config.attributes["binder"] = binder
    command.upgrade(config, "head")


def _grant(connection: sa.Connection, role: str) -> None:
    """The server's role works with the rows; it owns nothing and alters nothing."""
    name = connection.dialect.identifier_preparer.quote(role)
    for schema in ("public", KEYS_SCHEMA, SAD_SCHEMA):
        connection.execute(sa.text(f"GRANT USAGE ON SCHEMA {schema} TO {name}"))
        rights = "SELECT, INSERT, UPDATE, DELETE"
        connection.execute(sa.text(f"GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {name}"))
    # What is left of deleted keys and verification values goes with a table that is given back or written anew.
    for table in ("sad_values_0", "sad_values_1"):
        connection.execute(sa.text(f"GRANT TRUNCATE ON {SAD_SCHEMA}.{table} TO {name}"))
    if (connection.dialect.server_version_info or (0,)) >= (17,):
        connection.execute(sa.text(f"GRANT MAINTAIN ON {KEYS_SCHEMA}.deks TO {name}"))
    connection.execute(sa.text(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {name}"))
    # The audit log is only ever added to.
    connection.execute(sa.text(f"REVOKE UPDATE, DELETE ON audit_lines FROM {name}"))
