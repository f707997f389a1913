"""Migrations and tables say the same, on both databases; PostgreSQL's server role works with rows and owns nothing."""

import asyncio
import dataclasses
import re
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

import azukari.app
from azukari import setup, worker
from azukari.app import asgi
from azukari.core.config import SettingError, Settings
from azukari.core.secret import Secret
from azukari.db import DatabaseDown, metadata, migrate
from azukari.db.open import SqliteFiles
from azukari.db.tables import KEYS_SCHEMA, SAD_SCHEMA
from azukari.setup import ensure
from azukari.wiring import Services
from tests import postgres
from tests.house import BACK_TO_0013, Api, card, running, settings_for


def test_the_named_head_is_the_newest_script_and_the_only_end() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


def _differences(connection: sa.Connection) -> list[Any]:
    # What SQLite keeps in memory only is not migrated: every start makes it.
    on_sqlite = connection.dialect.name == "sqlite"

    def ours(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name in ((None, KEYS_SCHEMA) if on_sqlite else (None, KEYS_SCHEMA, SAD_SCHEMA))
        return True

    def migrated(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        table = item if kind == "table" else getattr(item, "table", None)
        # A turn's rows are a table of their own, which the metadata names with the whole.
        turn = table is not None and table.name in ("sad_values_0", "sad_values_1")
        return not (turn or (on_sqlite and table is not None and table.schema == SAD_SCHEMA))

    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": ours,
            "include_object": migrated,
            "compare_type": True,
        },
    )
    return [difference for difference in compare_metadata(context, metadata) if not _is_alembics(difference)]


def _is_alembics(difference: Any) -> bool:
    return difference[0] == "remove_table" and difference[1].name == "alembic_version"


async def _compared(settings: Settings) -> list[Any]:
    assert azukari.app.ROUTERS  # with the app, every table is known
    if settings.database_url is None:
        files = SqliteFiles.of(settings.data)
        engine = sa.create_engine("sqlite://", creator=files.main.open, poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            return _differences(connection)
    url = sa.make_url(settings.database_url.reveal()).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=sa.pool.NullPool)
    async with engine.connect() as connection:
        return await connection.run_sync(_differences)


async def test_the_migrated_schema_is_the_one_of_the_tables(settings: Settings) -> None:
    assert await _compared(settings) == []


async def test_the_comparison_itself_finds_a_difference(settings: Settings) -> None:
    change = "ALTER TABLE customers ADD COLUMN zq7mark TEXT"
    if settings.database_url is None:
        connection = sqlite3.connect(settings.data / "azukari.db")
        connection.execute(change)
        connection.close()
    else:
        other = await asyncpg.connect(settings.database_url.reveal())
        await other.execute(change)
        await other.close()
    assert [(kind, column.name) for kind, _, _, column in await _compared(settings)] == [("remove_column", "zq7mark")]


async def test_a_verification_values_table_is_in_no_log_of_the_databases(settings: Settings) -> None:
    if settings.database_url is None:
        path = SqliteFiles.of(settings.data).sad.path
        assert path is not None
        assert Path("/dev/shm") in path.parents
        return
    connection = await asyncpg.connect(settings.database_url.reveal())
    kinds = await connection.fetch(
        "SELECT relname, relpersistence::text FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'",
        SAD_SCHEMA,
    )
    await connection.close()
    assert dict(kinds) == dict.fromkeys(("sad_values_0", "sad_values_1", "sad_machines", "sad_shares"), "u")


async def test_a_store_of_another_version_is_refused_with_a_sentence(settings: Settings) -> None:
    change = "UPDATE alembic_version SET version_num = 'other'"
    if settings.database_url is None:
        connection = sqlite3.connect(settings.data / "azukari.db")
        connection.execute(change)
        connection.commit()
        connection.close()
    else:
        other = await asyncpg.connect(settings.database_url.reveal())
        await other.execute(change)
        await other.close()
    assert not await migrate.is_current(settings)
    with pytest.raises(SettingError, match="azukari migrate"):
        await ensure(settings)
    with pytest.raises(SettingError, match="later version"):
        await migrate.migrate(settings)


async def test_keys_that_an_earlier_release_kept_beside_verification_values_go(
    settings: Settings,
) -> None:
    """Its values go with them: their tokens are invalid, and others are charged."""
    async with running(settings) as house:
        old = await house.api.token(verification_value="123")
        await house.services.close()
        await _step_back(settings)
        await setup.migrate(settings)
        restarted = await Services.assemble(settings)
        async with Api(httpx.ASGITransport(asgi(restarted)), house.api.key) as api:
            new = await api.token(verification_value="321")
            order = {"amount": 1000, "currency": "JPY"}
            replies = [await api.post("/payments", json={**order, "payment_details": token}) for token in (old, new)]
        await restarted.close()

    assert (replies[0].status_code, replies[0].json()["error"]["code"]) == (422, "invalid_token")
    assert (replies[1].status_code, replies[1].json()["status"]) == (200, "captured")
    assert await migrate.is_current(settings)
    if settings.database_url is not None:
        connection = await asyncpg.connect(settings.database_url.reveal())
        assert await connection.fetchval("SELECT to_regclass('azukari_sad.sad_epochs')") is None
        await connection.close()


_OLD_TABLES = (
    "CREATE {}TABLE azukari_sad.sad_epochs (number BIGINT PRIMARY KEY, provider TEXT NOT NULL, kek_id TEXT NOT NULL, "
    "kek_version BIGINT NOT NULL, blob {} NOT NULL)",
    "CREATE {}TABLE azukari_sad.sad_values (merchant_id TEXT, mode TEXT, id TEXT, epoch BIGINT NOT NULL, "
    "sealed {} NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (merchant_id, mode, id))",
)


async def _step_back(settings: Settings) -> None:
    """The tables as they were in 0012."""
    dropped = [f"DROP TABLE azukari_sad.{name}" for name in ("sad_values", "sad_machines", "sad_shares")]
    version = "UPDATE alembic_version SET version_num = '0012'"
    if settings.database_url is not None:
        connection = await asyncpg.connect(settings.database_url.reveal())
        for statement in (
            *dropped,
            *(each.format("UNLOGGED ", "BYTEA") for each in _OLD_TABLES),
            *BACK_TO_0013,
            version,
        ):
            await connection.execute(statement)
        await connection.close()
        return
    files = SqliteFiles.of(settings.data)
    for store, statements in (
        (files.sad, (*dropped, *(each.format("", "BLOB") for each in _OLD_TABLES))),
        (files.main, (*BACK_TO_0013, version)),
    ):
        with closing(store.open()) as connection:
            for statement in statements:
                connection.execute(statement)


async def test_keys_that_an_earlier_release_deleted_are_gone_from_the_file_of_sqlite(tmp_path: Path) -> None:
    """As most build SQLite, they were not overwritten."""
    settings = settings_for(tmp_path / "data", None)
    async with running(settings) as house:
        await house.api.customer()
    path = settings.data / "keys.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        (gone,) = connection.execute("SELECT wrapped FROM deks").fetchone()
        connection.execute("DELETE FROM deks")
        connection.commit()
    assert gone in path.read_bytes()
    with closing(sqlite3.connect(settings.data / "azukari.db")) as connection:
        for statement in (*BACK_TO_0013, "UPDATE alembic_version SET version_num = '0012'"):
            connection.execute(statement)
        connection.commit()

    await setup.migrate(settings)

    assert gone not in path.read_bytes()


async def test_two_that_migrate_at_once_do_not_meet(tmp_path: Path, postgres_url: str) -> None:
    url = await postgres.create_database(postgres_url)
    settings = [settings_for(tmp_path / name, url) for name in ("a", "b")]
    await asyncio.gather(*(migrate.migrate(each) for each in settings))
    assert await migrate.is_current(settings[0])
    await postgres.drop_database(url)


# The server's role


@pytest.fixture
async def two_roles(tmp_path: Path, postgres_url: str) -> AsyncIterator[Settings]:
    """A database of an owner, migrated by it, and a server that is only let in."""
    url = await postgres.create_database(postgres_url)
    owner, server = (f"{name}_{secrets.token_hex(4)}" for name in ("owner", "server"))
    admin = await asyncpg.connect(url)
    for role in (owner, server):
        await admin.execute(f'CREATE ROLE "{role}" LOGIN')
    name = urlsplit(url).path.lstrip("/")
    await admin.execute(f'ALTER DATABASE "{name}" OWNER TO "{owner}"')
    await admin.execute(f'ALTER SCHEMA public OWNER TO "{owner}"')
    await admin.close()
    made = settings_for(tmp_path / "data", _as_role(url, server), database_owner_url=Secret(_as_role(url, owner)))
    yield made
    await postgres.drop_database(url)
    other = await asyncpg.connect(postgres_url)
    await other.execute(f'DROP ROLE "{owner}"')
    await other.execute(f'DROP ROLE "{server}"')
    await other.close()


def _as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=re.sub(r"^[^@]*@", f"{role}@", parts.netloc)))


async def test_a_server_whose_role_owns_nothing_works(two_roles: Settings) -> None:
    async with running(two_roles) as house:
        api = house.api
        customer = await api.customer()
        payment = (await api.charge(customer)).json()
        assert payment["status"] == "captured"
        token = await api.token(verification_value="123")
        order = {"amount": 1000, "currency": "JPY", "capture": False, "external_order_num": "1"}
        held = (await api.post("/payments", json={**order, "payment_details": token})).json()["id"]
        replies = [
            await api.post(f"/payments/{held}/capture", json={"amount": 400}),
            await api.post(f"/payments/{payment['id']}/refund", json={"amount": 400}),
            await api.patch(f"/payments/{held}", json={"description": "a"}),
            await api.patch(f"/customers/{customer}", json={"payment_details": card()}),
            await api.get("/events"),
            await api.delete(f"/customers/{customer}"),
        ]
        assert [reply.status_code for reply in replies] == [200] * 6
        house.clock.advance(26 * 3_600_000)
        for work in (
            worker.reconcile_attempts,
            worker.end_holds,
            worker.forget_tokens,
            worker.forget_keys,
            worker.sweep_vault,
            worker.wipe_files,
            worker.serve_machines,
        ):
            await work(house.services)


async def test_a_server_whose_role_owns_nothing_wipes_deleted_keys_where_the_database_can_let_it(
    two_roles: Settings,
) -> None:
    """From PostgreSQL 17 on."""
    assert two_roles.database_owner_url is not None
    async with running(two_roles) as house:
        owner = await asyncpg.connect(two_roles.database_owner_url.reveal())
        file = "SELECT pg_relation_filenode('azukari_keys.deks')"
        before = await owner.fetchval(file)
        await house.api.delete(f"/customers/{await house.api.customer()}")

        await worker.wipe_files(house.services)

        assert (await owner.fetchval(file) != before) == (owner.get_server_version().major >= 17)
        await owner.close()


async def test_the_servers_role_owns_no_table_and_can_change_none(two_roles: Settings) -> None:
    async with running(two_roles) as house:
        await house.api.charge(await house.api.customer())
    assert two_roles.database_url is not None
    connection = await asyncpg.connect(two_roles.database_url.reveal())
    tables = [
        name
        for (name,) in await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname IN ('public', 'azukari_keys', 'azukari_sad')"
        )
    ]
    assert len(tables) > 10
    owned = await connection.fetchval(
        "SELECT count(*) FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
    )
    assert owned == 0
    emptied = {"azukari_sad.sad_values_0", "azukari_sad.sad_values_1"}
    assert emptied < set(tables)
    refused = [
        *(f"ALTER TABLE {name} ADD COLUMN a TEXT" for name in tables), *(f"DROP TABLE {name}" for name in tables),
        *(f"TRUNCATE {name}" for name in tables if name not in emptied),
        *(f"ALTER TABLE {name} DISABLE TRIGGER ALL" for name in tables),
        "UPDATE audit_lines SET who = 'nobody'", "DELETE FROM audit_lines",
        "UPDATE alembic_version SET version_num = ''", "DELETE FROM alembic_version",
        "INSERT INTO alembic_version VALUES ('a')", "CREATE TABLE azukari_keys.a (b TEXT)",
        "CREATE TABLE azukari_sad.a (b TEXT)", "CREATE SCHEMA a", "CREATE TABLE public.a (b TEXT)",
    ]  # fmt: skip
    allowed = []
    for statement in refused:
        try:
            await connection.execute(statement)
            allowed.append(statement)
        except asyncpg.InsufficientPrivilegeError:
            pass
    assert allowed == []
    lines = await connection.fetch("SELECT * FROM audit_lines")
    await connection.close()
    assert len(lines) == 2


async def test_a_server_that_may_not_migrate_says_so_on_an_older_schema(two_roles: Settings) -> None:
    alone = dataclasses.replace(two_roles, database_owner_url=None)
    with pytest.raises(DatabaseDown):
        await migrate.migrate(alone)
    assert await migrate.current(alone) is None
