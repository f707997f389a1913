"""What an installation keeps in the machine's memory goes when it is of no use, and not before."""

import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from azukari import setup
from azukari.app import asgi
from azukari.core.config import Settings
from azukari.db import memory
from azukari.db.memory import Folder
from azukari.db.open import memory_of, open_stores
from azukari.wiring import Services
from tests.house import Api, forget_memory, settings_for


@pytest.fixture
def folder(settings: Settings) -> Iterator[Path]:
    """The installation's."""
    found = memory_of(settings.data)
    assert found is not None
    yield found
    shutil.rmtree(found, ignore_errors=True)


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Api]:
    """A server's life, from start to clean stop."""
    made = await setup.init(settings)
    services = await Services.assemble(settings)
    async with Api(httpx.ASGITransport(asgi(services)), made.secret_key.reveal()) as api:
        yield api
    await services.close()


async def pay(api: Api, token: str) -> Any:
    return await api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token})


async def test_nothing_is_left_after_a_stop_when_no_verification_value_waits(settings: Settings, folder: Path) -> None:
    async with served(settings) as api:
        token = await api.token(verification_value="123")
        assert (await pay(api, token)).status_code == 200
        assert folder.exists()

    assert not folder.exists()
    async with served(settings) as api:
        assert (await pay(api, await api.token(verification_value="123"))).status_code == 200


async def test_one_that_waits_is_kept_for_the_next_start(settings: Settings, folder: Path) -> None:
    async with served(settings) as api:
        token = await api.token(verification_value="123")

    assert folder.exists()
    async with served(settings) as api:
        reply = await pay(api, token)
    assert (reply.status_code, reply.json()["status"]) == (200, "captured")
    assert not folder.exists()


async def test_the_first_of_two_processes_to_stop_leaves_all_to_the_other(settings: Settings, folder: Path) -> None:
    async with served(settings) as other:
        async with served(settings) as api:
            await api.get("/payments")
        assert folder.exists()
        assert (await pay(other, await other.token(verification_value="123"))).status_code == 200
    assert not folder.exists()


async def test_what_one_process_puts_there_while_another_stops_is_kept(settings: Settings, folder: Path) -> None:
    """One command after another, beside a server."""
    async with served(settings) as api:
        token = await api.token(verification_value="123")
        stores = await open_stores(settings)
        await stores.close(values_wait=False)
        assert (await pay(api, token)).status_code == 200


# Folders of others


@pytest.fixture
def others(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Another data directory of this user, and its folder, which a process has left without a stop."""
    data = tmp_path / "others"
    data.mkdir()
    folder = memory_of(data)
    assert folder is not None
    Folder(folder, data)._close()
    (folder / "sad.db").write_bytes(b"values")
    yield data, folder
    forget_memory(data)


async def start(tmp_path: Path) -> None:
    """A server of an installation of its own starts and stops."""
    async with served(settings_for(tmp_path / "new", None)):
        pass


async def test_it_goes_when_its_data_directory_is_gone(others: tuple[Path, Path], tmp_path: Path) -> None:
    data, folder = others
    await start(tmp_path)
    assert folder.exists()

    data.rmdir()
    await start(tmp_path)

    assert not folder.exists()


async def test_it_stays_while_somebody_holds_it(others: tuple[Path, Path], tmp_path: Path) -> None:
    """A server may see files that others do not."""
    data, folder = others
    held = Folder(folder, data)
    data.rmdir()

    await start(tmp_path)

    assert (folder / "sad.db").read_bytes() == b"values"
    held.let_go(needed=True)
    await start(tmp_path)
    assert not folder.exists()


async def test_another_containers_directory_is_not_taken_for_gone(others: tuple[Path, Path], tmp_path: Path) -> None:
    data, folder = others
    (folder / memory._WHOSE).write_text(f"mnt:[1]\n{data}")
    data.rmdir()

    await start(tmp_path)

    assert folder.exists()


@pytest.mark.parametrize("whose", ["known", "unknown"])
async def test_it_goes_when_nothing_in_it_can_be_of_use_any_more(
    whose: str, others: tuple[Path, Path], tmp_path: Path
) -> None:
    _, folder = others
    if whose == "unknown":
        for name in (memory._WHOSE, memory._HELD):
            (folder / name).unlink()
    await start(tmp_path)
    assert folder.exists()

    long_ago = time.time() - memory.USELESS_AFTER_SECONDS - 60
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (long_ago, long_ago))
    await start(tmp_path)

    assert not folder.exists()
