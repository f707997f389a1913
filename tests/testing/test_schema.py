"""Databases that are kept between runs are what the migrations make, and no other version's."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from azukari.db import migrate
from azukari.testing import schema
from tests.house import settings_for


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/azukari"


def schema_of(data: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name in ("azukari.db", "keys.db"):
        with closing(sqlite3.connect(data / name)) as connection:
            found += connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    return found


async def test_a_copy_is_what_the_migrations_make(tmp_path: Path, cache: Path, sqlite_template: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        await schema.lay(settings_for(tmp_path / name, None))
        assert schema_of(tmp_path / name) == schema_of(sqlite_template)
        assert await migrate.is_current(settings_for(tmp_path / name, None))

    (kept,) = cache.iterdir()
    assert sorted(file.name for file in kept.iterdir()) == ["azukari.db", "keys.db"]
    # Nothing of an installation: no key, no merchant.
    with closing(sqlite3.connect(kept / "keys.db")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert tables
        assert all(connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,) for name in tables)


async def test_another_migration_is_another_copy(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(migrate.SCRIPTS, tmp_path / "migrations")
    versions = tmp_path / "migrations/versions"
    monkeypatch.setattr(schema, "_SOURCES", (versions,))
    before = schema._version()
    assert schema._version() == before

    newest = max(versions.glob("*.py"))
    newest.write_text(newest.read_text() + "# changed\n")

    assert schema._version() != before


async def test_who_cannot_keep_one_does_without(tmp_path: Path, cache: Path) -> None:
    cache.parent.write_text("a file where a folder should be")
    (tmp_path / "data").mkdir()
    await schema.lay(settings_for(tmp_path / "data", None))

    assert await migrate.is_current(settings_for(tmp_path / "data", None))
