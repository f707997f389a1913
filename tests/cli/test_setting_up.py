"""Commands that set an installation up and bring it to the newest schema."""

import json
import os
import stat
from pathlib import Path

from azukari import __version__
from azukari.core.config import Settings
from azukari.db import migrate
from azukari.merchants.keys import well_formed
from azukari.setup import FIRST_PAIR
from tests.commands import done, of


def test_init_makes_everything_once_and_says_the_same_again(data: Path) -> None:
    first = done("init", "--data", data, "--json")
    kept = {file: file.read_bytes() for file in data.iterdir() if file.suffix in (".json", ".key")}
    again = done("init", "--data", data, "--json")

    assert first == again
    assert first.count("\n") == 1
    said = json.loads(first)
    assert list(said) == ["secret_key", "publishable_key", "data"]
    assert said["data"] == str(data)
    assert said["secret_key"].startswith("sk_test_")
    assert said["publishable_key"].startswith("pk_test_")
    assert well_formed(said["secret_key"])
    assert well_formed(said["publishable_key"])
    assert {file: file.read_bytes() for file in kept} == kept
    merchants = json.loads(done("merchants", "list", "--data", data, "--json"))
    assert len(merchants) == 1


def test_nobody_else_can_read_the_data(data: Path) -> None:
    umask = os.umask(0)
    try:
        done("init", "--data", data)
    finally:
        os.umask(umask)

    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / FIRST_PAIR).stat().st_mode) == 0o600
    # A lock holds nothing.
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in data.iterdir() if file.stat().st_size}
    assert len(modes) > 3
    assert [name for name, mode in modes.items() if mode & 0o077] == []


def test_a_data_directory_that_others_may_read_is_closed_before_anything_stands_in_it(data: Path) -> None:
    data.mkdir()
    data.chmod(0o755)

    done("init", "--data", data)

    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_init_for_people_shows_the_keys(data: Path) -> None:
    said = done("init", "--data", data)
    pair = json.loads((data / FIRST_PAIR).read_text())
    assert pair["secret_key"] in said
    assert pair["publishable_key"] in said
    assert str(data) in said


def test_the_data_directory_may_come_from_the_environment_or_from_a_file(data: Path, tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text(f"{data}\n")
    first = done("init", "--json", AZUKARI_DATA=str(data))
    assert done("init", "--json", AZUKARI_DATA_FILE=str(named)) == first


def test_the_version_is_said(data: Path) -> None:
    assert done("--version").strip() == __version__


async def test_migrate_brings_an_empty_store_to_the_newest_schema_and_may_be_repeated(settings: Settings) -> None:
    where = of(settings)
    for _ in range(2):
        assert done("migrate", *where).strip() == f"The schema is at {migrate.HEAD}."


def test_migrate_on_an_empty_directory_makes_the_stores(data: Path) -> None:
    done("migrate", "--data", data)
    assert {"azukari.db", "keys.db"} <= {file.name for file in data.iterdir()}
