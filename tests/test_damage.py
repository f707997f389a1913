"""A damaged database file is not served."""

import shutil
from pathlib import Path

import pytest

from azukari import setup
from azukari.db.open import Damaged, SqliteFiles
from tests.house import copy_template, running, settings_for


@pytest.mark.parametrize("name", ["azukari.db", "keys.db"])
@pytest.mark.parametrize("offset", [0, 100, 4_096, 8_192])
async def test_a_file_with_damaged_pages_is_refused(
    sqlite_template: Path, tmp_path: Path, name: str, offset: int
) -> None:
    data = tmp_path / "data"
    copy_template(sqlite_template, data)
    whole = bytearray((data / name).read_bytes())
    whole[offset : offset + 64] = b"\xa5" * 64
    (data / name).write_bytes(whole)

    with pytest.raises(Damaged, match=name):
        await setup.ensure(settings_for(data, None))


async def test_a_whole_one_is_not(sqlite_template: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    copy_template(sqlite_template, data)

    assert await setup.ensure(settings_for(data, None)) is not None


async def test_a_damaged_store_of_verification_values_is_made_anew(sqlite_template: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    copy_template(sqlite_template, data)
    path = SqliteFiles.of(data).sad.path
    assert path is not None
    async with running(settings_for(data, None)) as house:
        token = await house.api.token(verification_value="123")
        spoilt = path.parent.with_name("spoilt.db")
        spoilt.write_bytes(path.read_bytes()[:200] + b"\xa5" * 8_000)
    path.parent.mkdir(parents=True, exist_ok=True)
    spoilt.replace(path)

    async with running(settings_for(data, None)) as house:
        reply = await house.api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token})

        mode = path.stat().st_mode & 0o777

    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_token")
    assert mode == 0o600


async def test_a_directory_that_was_deleted_and_made_anew_takes_verification_values(tmp_path: Path) -> None:
    data = tmp_path / "data"
    path = SqliteFiles.of(data).sad.path
    assert path is not None
    async with running(settings_for(data, None)) as house:
        await house.api.token(verification_value="123")
        left = path.read_bytes()
    shutil.rmtree(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(left)

    async with running(settings_for(data, None)) as house:
        token = await house.api.token(verification_value="123")
        reply = await house.api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token})

    assert (reply.status_code, reply.json()["status"]) == (200, "captured")
