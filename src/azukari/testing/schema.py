"""Migrated, empty databases, kept from one run of the tests to the next: running the migrations takes far longer.

They are kept under a hash of all they are made from, so another version's are never met.
"""

import hashlib
import os
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from azukari import setup
from azukari.core.config import Settings
from azukari.db import migrate

_FILES = ("azukari.db", "keys.db")
_SOURCES = (Path(migrate.__file__).parent, migrate.SCRIPTS, migrate.SCRIPTS / "versions")


async def lay(settings: Settings) -> None:
    """Put databases with this version's schema into an empty data directory. Raises DatabaseDown."""
    kept = _folder() / f"schema-{_version()}"
    if kept.is_dir():
        for name in _FILES:
            shutil.copyfile(kept / name, settings.data / name)
            (settings.data / name).chmod(0o600)
    # Does nothing where the schema is this version's.
    await setup.migrate(settings)
    if not kept.is_dir():
        _keep(settings.data, kept)


def _keep(data: Path, kept: Path) -> None:
    """All of it or nothing; who cannot keep it does without."""
    with suppress(OSError):
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=kept.parent, prefix="new-"))
        try:
            for name in _FILES:
                shutil.copyfile(data / name, fresh / name)
            fresh.rename(kept)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "azukari"


def _version() -> str:
    """Of the migrations, of the code that runs them, and of the libraries that write the SQL and the file."""
    digest = hashlib.sha256(f"{sa.__version__} {sqlite3.sqlite_version}".encode())
    for folder in _SOURCES:
        for file in sorted(folder.glob("*.py")):
            digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:32]
