"""What was deleted is in no file: a thief with the disk and the key file reads no verification value, and what was
shredded stays so.

PostgreSQL's write-ahead log keeps what it was told; ``docs/operating.md`` says for how long.
"""

import base64
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from azukari import worker
from azukari.app import asgi
from azukari.core.clock import HOUR
from azukari.core.config import Settings
from azukari.db import Owner
from azukari.db.open import SqliteFiles, memory_of
from azukari.db.postgres import leftovers
from azukari.vault import Context, FileKeyProvider, VaultError, Wrapped
from azukari.vault.inside import envelope, sad_keys
from azukari.vault.inside.sad_keys import EPOCH
from azukari.wiring import KEK_NAME, Services
from tests import postgres
from tests.faults.sites import Rows
from tests.house import ON_BOTH, Api, House, card, forget_memory, running, settings_for

#: A wrapped key has 62 bytes, a verification value 94; both begin so.
HEAD = re.compile(rb"\x01\x01")
KEY, VALUE = 62, 94
IN_JSON = re.compile(rb'"blob":"([A-Za-z0-9+/=]+)"')


@dataclass
class Disk:
    """An installation whose files a thief may have. server: of PostgreSQL, the test's own."""

    settings: Settings
    server: str | None

    async def stopped(self) -> list[bytes]:
        """Everything there is once the servers have stopped, but the key file."""
        found = self.of_the_data()
        if self.server is not None:
            found += _contents(await postgres.stop(self.server))
        path = SqliteFiles.of(self.settings.data).sad.path
        return [*found, path.read_bytes()] if path is not None and path.exists() else found

    async def running(self) -> list[bytes]:
        """What is in the files now; of PostgreSQL, once it has written them, without its log."""
        if self.server is None:
            return self.of_the_data()
        connection = await asyncpg.connect(self.server)
        await connection.execute("CHECKPOINT")
        data = Path(await connection.fetchval("SHOW data_directory"))
        await connection.close()
        return self.of_the_data() + _contents(data / "base")

    def of_the_data(self) -> list[bytes]:
        return _contents(self.settings.data)


def _contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != KEK_NAME]


@pytest.fixture
def most_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite as most build it: what is deleted stays in the file until something else takes its place."""
    connect = sqlite3.connect

    def built_so(*args: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **more)
        connection.execute("PRAGMA secure_delete=0")
        return connection

    monkeypatch.setattr(sqlite3, "connect", built_so)


@pytest.fixture(params=ON_BOTH)
async def disk(request: pytest.FixtureRequest, tmp_path: Path, most_builds: None) -> AsyncIterator[Disk]:
    if request.param == "sqlite":
        yield Disk(settings_for(tmp_path / "data", None), None)
        return
    with postgres.own_server("fsync=off", "autovacuum=off") as server:
        url = await postgres.create_database(server)
        yield Disk(settings_for(tmp_path / "data", url), server)


# Verification values


def readable(files: list[bytes], provider: FileKeyProvider, now: int, entries: list[tuple[Owner, str]]) -> set[str]:
    """The verification values that can be read out of files with the key file at hand."""
    wrapped = {data[at.start() :][:KEY] for data in files for at in HEAD.finditer(data)}
    wrapped |= {base64.b64decode(blob) for data in files for blob in IN_JSON.findall(data)}
    like = provider.wrap(bytes(32), Context("sad"))
    keys = []
    for number in (now // EPOCH - 1, now // EPOCH, now // EPOCH + 1):
        for blob in wrapped:
            try:
                key = provider.unwrap(
                    Wrapped("file", like.kek_id, like.kek_version, blob), Context("sad", version=number)
                )
            except VaultError:
                continue
            keys.append((number, envelope.cipher(key)))
    sealed = {data[at.start() :][:VALUE] for data in files for at in HEAD.finditer(data)} if keys else set()
    found = set()
    for number, key in keys:
        for owner, entry in entries:
            aad = envelope.record_aad(owner, entry, "sad", envelope.SCHEMA, number)
            for value in sealed:
                try:
                    found.add(envelope.unpad(envelope.unseal(key, value, aad)).decode())
                except VaultError:
                    continue
    return found


async def _entries(settings: Settings) -> list[tuple[Owner, str]]:
    rows = Rows(settings)
    found = await rows.all("SELECT merchant_id, mode, id FROM azukari_sad.sad_values")
    await rows.close()
    return [(Owner(row["merchant_id"], row["mode"]), row["id"]) for row in found]


@asynccontextmanager
async def another_machine(settings: Settings, data: Path) -> AsyncIterator[Services]:
    """A second machine of a PostgreSQL installation: the same key file, and a memory of its own."""
    url = settings.database_url
    data.mkdir()
    shutil.copy(settings.data / KEK_NAME, data)
    services = await Services.assemble(settings_for(data, url.reveal() if url else None))
    try:
        yield services
    finally:
        await services.close()
        forget_memory(data)


async def test_no_verification_value_can_be_read_from_the_disk_with_the_key_file(disk: Disk, tmp_path: Path) -> None:
    """One that was used, and one that waits: neither where the rows are, nor where they were."""
    async with running(disk.settings) as house, AsyncExitStack() as stack:
        if disk.server is not None:
            # What one machine gives another is on the disk too.
            second = await stack.enter_async_context(another_machine(disk.settings, tmp_path / "another"))
            await second.vault.serve_machines()
        used, _ = [await house.api.token(verification_value=code) for code in ("987", "654")]
        entries = await _entries(disk.settings)
        assert len(entries) == 2
        assert (await pay(house.api, used)).status_code == 200
        await worker.wipe_files(house.services)
        provider = FileKeyProvider.load(disk.settings.data / KEK_NAME, data=disk.settings.data)

        found = readable(await disk.stopped(), provider, house.clock.now(), entries)

    assert found == set()


async def pay(api: Api, token: str) -> Any:
    return await api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token})


async def test_the_file_of_used_values_is_given_back_on_postgres(tmp_path: Path) -> None:
    with postgres.own_server("fsync=off") as server:
        disk = Disk(settings_for(tmp_path / "data", await postgres.create_database(server)), server)
        async with running(disk.settings) as house:
            token = await house.api.token(verification_value="987")
            rows = Rows(disk.settings)
            (sealed,) = await rows.column("SELECT sealed FROM azukari_sad.sad_values")
            await rows.close()
            assert (await pay(house.api, token)).status_code == 200
            house.clock.advance(HOUR)

            await worker.wipe_files(house.services)

            assert not any(bytes(sealed) in data for data in await disk.stopped())


async def test_what_is_in_the_machines_memory_is_for_our_user_alone(settings: Settings) -> None:
    async with running(settings) as house:
        await house.api.token(verification_value="987")
        folder = memory_of(settings.data)
        assert folder is not None
        found = {path: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}

    assert len(found) >= 4
    assert {mode for path, mode in found.items() if path.suffix or path.parent.name == "keys"} == {0o600}
    assert {mode for path, mode in found.items() if path in (folder, folder / "keys")} == {0o700}


# Restarts


async def test_a_value_outlives_its_process(settings: Settings) -> None:
    async with running(settings) as house:
        token = await house.api.token(verification_value="987")
        restarted = await Services.assemble(settings)
        await house.services.vault.close()
        async with Api(httpx.ASGITransport(asgi(restarted)), house.api.key) as api:
            reply = await pay(api, token)
        await restarted.close()

    assert (reply.status_code, reply.json()["status"]) == (200, "captured")


async def test_a_value_is_gone_with_the_machines_memory_and_its_token_with_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a machine of an hour ago may still hold is waited for, once; here there is none."""
    monkeypatch.setattr(sad_keys, "_LOOK_SECONDS", 0)
    async with running(settings) as house:
        tokens = [await house.api.token(verification_value="987") for _ in range(2)]
    async with running(settings) as house:
        replies = [await pay(house.api, token) for token in tokens]
        payments = (await house.api.get("/payments")).json()["data"]
        charged = await pay(house.api, await house.api.token(verification_value="654"))

    assert [(reply.status_code, reply.json()["error"]["code"]) for reply in replies] == [(422, "invalid_token")] * 2
    assert [each for each in payments if each["status"] == "captured"] == []
    assert (charged.status_code, charged.json()["status"]) == (200, "captured")


# Keys of what was shredded


async def wrapped(settings: Settings) -> dict[str, bytes]:
    """The data keys there are, by their entries."""
    rows = Rows(settings)
    found = await rows.all("SELECT id, wrapped FROM azukari_keys.deks")
    await rows.close()
    return {row["id"]: bytes(row["wrapped"]) for row in found}


async def records(settings: Settings) -> dict[str, bytes]:
    rows = Rows(settings)
    found = await rows.all("SELECT id, record FROM vault_entries")
    await rows.close()
    return {row["id"]: bytes(row["record"]) for row in found}


async def delete(house: House, customer: str) -> None:
    assert (await house.api.delete(f"/customers/{customer}")).status_code == 200


async def replace(house: House, customer: str) -> None:
    reply = await house.api.patch(f"/customers/{customer}", json={"payment_details": card("5555555555554444")})
    assert reply.status_code == 200


async def retire(house: House, customer: str) -> None:
    """Its process dies before it shreds: the sweep does."""
    rows = Rows(house.services.settings)
    await rows.change(
        f"UPDATE vault_entries SET retired_at = 1 WHERE id = (SELECT entry_id FROM customers WHERE id = '{customer}')"
    )
    await rows.close()
    await worker.sweep_vault(house.services)


async def lose(house: House, customer: str) -> None:
    """The record never came: its key is a stray."""
    rows = Rows(house.services.settings)
    (id,) = await rows.column(f"SELECT entry_id FROM customers WHERE id = '{customer}'")
    await rows.change(f"UPDATE customers SET entry_id = NULL WHERE id = '{customer}'")
    await rows.change(f"DELETE FROM vault_entries WHERE id = '{id}'")
    await rows.close()
    house.clock.advance(2 * HOUR)
    await worker.sweep_vault(house.services)


@pytest.mark.parametrize("shredding", [delete, replace, retire, lose])
async def test_a_shredded_keys_bytes_are_in_no_file(
    disk: Disk, shredding: Callable[[House, str], Awaitable[None]]
) -> None:
    async with running(disk.settings) as house:
        customers = [await house.api.customer() for _ in range(12)]
        before = await wrapped(disk.settings)
        for customer in (customers[0], customers[5], customers[-1]):
            await shredding(house, customer)
        left = await wrapped(disk.settings)
        gone = [key for entry, key in before.items() if entry not in left]
        assert len(gone) == 3

        await worker.wipe_files(house.services)

        files = await disk.running()
        assert all(any(key in data for data in files) for key in left.values())
        assert not any(key in data for data in files for key in gone)


async def test_a_large_table_of_keys_is_vacuumed_on_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To write it anew would take too long; what may stay in a page is in the manual."""
    monkeypatch.setattr(leftovers, "SMALL", 0)
    with postgres.own_server("fsync=off", "autovacuum=off") as server:
        url = await postgres.create_database(server)
        async with running(settings_for(tmp_path / "data", url)) as house:
            connection = await asyncpg.connect(url)
            file = await connection.fetchval("SELECT pg_relation_filenode('azukari_keys.deks')")
            first, second = [await house.api.customer() for _ in range(2)]
            entries = await wrapped(house.services.settings)
            await delete(house, first)
            (gone,) = set(entries.values()) - set((await wrapped(house.services.settings)).values())

            await worker.wipe_files(house.services)

            # Of two rows the older one's place is taken by the newer.
            files = await Disk(house.services.settings, server).running()
            assert not any(gone in data for data in files)
            assert await connection.fetchval("SELECT pg_relation_filenode('azukari_keys.deks')") == file
            assert (await house.api.charge(second)).status_code == 200
            await connection.close()


async def test_nor_is_it_when_the_process_that_shredded_it_is_gone(disk: Disk) -> None:
    async with running(disk.settings) as house:
        customer = await house.api.customer()
        before = await wrapped(disk.settings)
        await worker.wipe_files(house.services)
        other = await Services.assemble(disk.settings)
        await delete(house, customer)
        (gone,) = set(before.values()) - set((await wrapped(disk.settings)).values())

        await worker.wipe_files(other)

        assert not any(gone in data for data in await disk.running())
        await other.close()


async def test_a_shredded_record_is_in_no_file_of_sqlite(tmp_path: Path, most_builds: None) -> None:
    disk = Disk(settings_for(tmp_path / "data", None), None)
    async with running(disk.settings) as house:
        customers = [await house.api.customer() for _ in range(12)]
        before = await records(disk.settings)
        for customer in (customers[0], customers[5], customers[-1]):
            await delete(house, customer)
        gone = set(before.values()) - set((await records(disk.settings)).values())
        assert len(gone) == 3

        await worker.wipe_files(house.services)

        assert not any(record in data for data in await disk.running() for record in gone)


async def test_a_reader_that_takes_long_puts_it_off(tmp_path: Path, most_builds: None) -> None:
    disk = Disk(settings_for(tmp_path / "data", None), None)
    async with running(disk.settings) as house:
        customer = await house.api.customer()
        before = await wrapped(disk.settings)
        reader = sqlite3.connect(disk.settings.data / "keys.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM deks").fetchall()
        await delete(house, customer)
        (gone,) = set(before.values()) - set((await wrapped(disk.settings)).values())

        await worker.wipe_files(house.services)
        assert (await house.api.charge(await house.api.customer())).status_code == 200
        reader.close()
        await worker.wipe_files(house.services)

        assert not any(gone in data for data in await disk.running())
