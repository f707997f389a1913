"""From settings to the three stores: the data, the wrapped keys, and what may only be in memory."""

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from azukari.core.clock import Clock
from azukari.core.config import Settings
from azukari.db.counts import Counts, shared
from azukari.db.memory import Folder, NotOurs, make_private
from azukari.db.shelf import Shelf
from azukari.db.sqlite import SqliteDatabase, Store
from azukari.db.tables import KEYS_SCHEMA, SAD_SCHEMA, metadata
from azukari.db.units import Announce, Database, DatabaseDown, quiet


@dataclass(frozen=True, slots=True)
class Stores:
    """main: merchants' data. keys: wrapped data keys. sad: verification values. On PostgreSQL all three are one.

    memory: what this process holds of the machine's memory; None where there is no such file system.
    """

    main: Database
    keys: Database
    sad: Database
    memory: Folder | None = None

    async def close(self, *, values_wait: bool = True) -> None:
        """Let all of them go. values_wait: whether verification values are of use to the next process."""
        for store in {id(store): store for store in (self.main, self.keys, self.sad)}.values():
            await store.close()
        if self.memory is not None:
            self.memory.let_go(needed=values_wait)


async def open_stores(settings: Settings, announce: Announce = quiet) -> Stores:
    """Open a migrated installation. Raises DatabaseDown, Damaged."""
    path = memory_of(settings.data)
    try:
        memory = None if path is None else Folder(path, settings.data)
    except NotOurs as error:
        raise Damaged(str(error)) from None
    try:
        return await _open_stores(settings, announce, memory)
    except BaseException:
        if memory is not None:
            memory.let_go(needed=True)
        raise


async def _open_stores(settings: Settings, announce: Announce, memory: Folder | None) -> Stores:
    if settings.database_url is not None:
        # asyncpg is not loaded on SQLite
        from azukari.db.postgres.connecting import address
        from azukari.db.postgres.database import PostgresDatabase

        database = await PostgresDatabase.open(address(settings), announce)
        return Stores(database, database, database, memory)
    files = SqliteFiles.of(settings.data)
    files.create_sad_tables()
    main, keys, sad = (SqliteDatabase(each, announce) for each in (files.main, files.keys, files.sad))
    return Stores(main, keys, sad, memory)


class Damaged(Exception):
    """A database file is not what was written; the text says which."""


#: The folder of the shelf, beside the file of verification values.
_SHELF = "keys"

#: What is counted; another release that counts otherwise takes another name.
COUNTS_FILE = "counts.1"

#: Bytes up to which a file is read through before it is served: a fraction of a second.
CHECKED_AT_START = 32 * 1024 * 1024


def check_files(settings: Settings) -> None:
    """Look for damage before anything is read from, or worse, written to a broken file. Raises Damaged.

    PostgreSQL sees to its own pages; a large file would take longer than a start may.
    """
    if settings.on_postgres:
        return
    files = SqliteFiles.of(settings.data)
    for path in (files.main.path, files.keys.path):
        if path is None or not path.exists() or path.stat().st_size > CHECKED_AT_START:
            continue
        try:
            with closing(sqlite3.connect(path)) as connection:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError:
            found = "unreadable"
        if found != "ok":
            raise Damaged(f"{path.name} is damaged. Restore it from a backup; nothing was changed.")


@dataclass(frozen=True, slots=True)
class SqliteFiles:
    """Where the stores of one data directory are."""

    main: Store
    keys: Store
    sad: Store

    @classmethod
    def of(cls, data: Path) -> "SqliteFiles":
        keys = Store(data / "keys.db", schema=KEYS_SCHEMA)
        return cls(
            main=Store(data / "azukari.db", attach=(keys,)),
            keys=keys,
            sad=Store(_memory_file(data), schema=SAD_SCHEMA, volatile=True),
        )

    def create_sad_tables(self) -> None:
        """They are gone with the machine's memory, so every start makes sure of them.

        A damaged file (without a journal, a kill in the middle of a write can do it) is as good as none: its values are
        lost, and their tokens with them.
        """
        try:
            self._create_sad_tables()
        except sqlite3.DatabaseError as error:
            if self.sad.path is None or error.sqlite_errorcode not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise DatabaseDown from error
            self.sad.path.unlink()
            self._create_sad_tables()

    def forget_memory(self) -> None:
        """Destroy what is kept in memory for this directory."""
        if self.sad.path is not None:
            self.sad.path.unlink(missing_ok=True)
            shutil.rmtree(self.sad.path.with_name(_SHELF), ignore_errors=True)

    def _create_sad_tables(self) -> None:
        if self.sad.path is not None:
            self.sad.path.touch(mode=0o600)
            self.sad.path.chmod(0o600)
        tables = [table for table in metadata.sorted_tables if table.schema == SAD_SCHEMA]
        with closing(self.sad.connect()) as connection:
            # Of a release that kept the keys beside the values.
            if connection.execute(f"PRAGMA {SAD_SCHEMA}.table_info(sad_epochs)").fetchone():
                for name in ("sad_epochs", "sad_values"):
                    connection.execute(f"DROP TABLE {SAD_SCHEMA}.{name}")
            for table in tables:
                connection.execute(str(CreateTable(table, if_not_exists=True).compile(dialect=sqlite.dialect())))
            connection.execute(f"PRAGMA {SAD_SCHEMA}.quick_check(1)").fetchall()


def _memory_file(data: Path) -> Path | None:
    """A file on a memory file system, its own for each data directory; None where the system has none."""
    shm = Path("/dev/shm")  # noqa: S108 - this one is memory, which is the point
    if not _is_memory(shm):
        return None
    name = hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:16]  # a file name, nothing secret
    return shm / f"azukari-{os.getuid()}" / name / "sad.db"


def memory_of(data: Path) -> Path | None:
    """The folder in the machine's memory that is a data directory's: its verification values and their keys."""
    file = _memory_file(data)
    return None if file is None else file.parent


def shelf_of(data: Path) -> Shelf:
    """Where the processes of one data directory keep the keys of verification values, once its stores are open."""
    folder = memory_of(data)
    return Shelf() if folder is None else Shelf(folder / _SHELF)


def counts_of(data: Path, clock: Clock, key: bytes) -> Counts:
    """What the processes of one data directory count together. key: the same for all of them.

    Without a memory file system they share a file of the directory, and where not even that can be had, nothing.
    """
    folder = memory_of(data)
    if folder is not None:
        make_private(folder.parent)
        make_private(folder)
    return Counts(clock, key, shared((folder or data) / COUNTS_FILE))


def _is_memory(path: Path) -> bool:
    try:
        mounts = Path("/proc/mounts").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    return any(fields[1:3] == [str(path), "tmpfs"] for fields in map(str.split, mounts))
