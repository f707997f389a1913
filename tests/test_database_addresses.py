"""How PostgreSQL may be named: what the driver reads is migrated, initialised and served, the rest gets a sentence."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import certifi
import pytest

from azukari.db import migrate
from tests import postgres
from tests.commands import azukari
from tests.house import forget_memory, running, settings_for

CLOSED = "127.0.0.1:1"
PASSWORD = "zq7mark"


@asynccontextmanager
async def listening(socket: str) -> AsyncIterator[str]:
    """A port of this machine behind which the server of a Unix socket is; ``host:port``."""

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield "{}:{}".format(*server.sockets[0].getsockname())


@pytest.fixture
async def empty(postgres_url: str) -> AsyncIterator[str]:
    """The URL of a database without tables, reached by a Unix socket."""
    url = await postgres.create_database(postgres_url)
    yield url
    await postgres.drop_database(url)


@pytest.fixture
async def services(empty: str) -> AsyncIterator[dict[str, str]]:
    """What an address is made of."""
    parsed = urlsplit(empty)
    folder = parsed.query.removeprefix("host=")
    async with listening(f"{folder}/.s.PGSQL.5432") as port:
        yield {
            "user": parsed.username or "",
            "database": parsed.path.lstrip("/"),
            "folder": folder,
            "escaped": quote(folder, safe=""),
            "port": port,
            "closed": CLOSED,
            "password": PASSWORD,
            "authorities": certifi.where(),
        }


GOOD = {
    "the second of two hosts": "postgresql://{user}:{password}@{closed},{port}/{database}",
    "the one that takes writes": (
        "postgresql://{user}:{password}@{closed},{port}/{database}?target_session_attrs=read-write"
    ),
    "hosts in the query": "postgresql://{user}@/{database}?host={closed},{port}&target_session_attrs=primary",
    "an IPv6 host that is away": "postgresql://{user}@[::1]:1,{port}/{database}",
    "a socket": "postgresql://{user}@/{database}?host={folder}",
    "a socket in the host's place": "postgres://{user}@{escaped}/{database}",
    "without TLS": "postgresql://{user}@{port}/{database}?sslmode=disable",
    "a setting of the server's": "postgresql://{user}@{port}/{database}?application_name=shop",
}


@pytest.mark.parametrize("name", GOOD)
async def test_an_address_is_migrated_initialised_and_served(
    name: str, services: Mapping[str, str], tmp_path: Path
) -> None:
    url = GOOD[name].format_map(services)
    data = tmp_path / "data"

    migrated = await asyncio.to_thread(azukari, "migrate", "--data", data, AZUKARI_DATABASE_URL=url)
    made = await asyncio.to_thread(azukari, "init", "--json", "--data", data, AZUKARI_DATABASE_URL=url)

    assert migrated.stdout.strip() == f"The schema is at {migrate.HEAD}.", migrated.stderr
    assert made.returncode == 0, made.stderr
    async with running(settings_for(data, url)) as house:
        assert house.installation.secret_key.reveal() == json.loads(made.stdout)["secret_key"]
        assert (await house.api.charge(await house.api.customer())).status_code == 200


async def test_the_servers_role_is_the_one_that_its_database_knows_it_by(
    services: Mapping[str, str], empty: str, tmp_path: Path
) -> None:
    """Who owns the tables gives it its rights, also where the address has several hosts."""
    role = f"r_{services['database']}"
    await postgres.execute(empty, f"CREATE ROLE {role} LOGIN")
    server = f"postgresql://{role}@{CLOSED},{services['port']}/{services['database']}"
    try:
        migrated = await asyncio.to_thread(
            azukari,
            "migrate",
            "--data",
            tmp_path / "data",
            AZUKARI_DATABASE_URL=server,
            AZUKARI_DATABASE_OWNER_URL=empty,
        )
        assert migrated.returncode == 0, migrated.stderr
        async with running(settings_for(tmp_path / "data", server)) as house:
            assert (await house.api.charge(await house.api.customer())).status_code == 200
    finally:
        await postgres.execute(empty, f"DROP OWNED BY {role}")
        await postgres.execute(empty, f"DROP ROLE {role}")


BAD = {
    "every host is away": ("postgresql://{user}:{password}@{closed},127.0.0.1:2/{database}", "nothing listens"),
    "no host takes it": ("postgresql://{user}@{port}/{database}?target_session_attrs=standby", "target_session_attrs"),
    "a user that is not there": ("postgresql://nobody_{database}:{password}@{port}/{database}", "let this user in"),
    "a database that is not there": ("postgresql://{user}:{password}@{port}/no_{database}", "no database of this name"),
    "a host that is not there": (
        "postgresql://{user}:{password}@shop.invalid/{database}?sslmode=verify-full&sslrootcert={authorities}",
        "its host has no address",
    ),
    "a socket that is not there": ("postgresql://{user}@/{database}?host=/nowhere", "is not there"),
    "half an IPv6 host": ("postgresql://{user}:{password}@[::1/{database}", "its address cannot be read"),
    "a port that is none": ("postgresql://{user}:{password}@127.0.0.1:port/{database}", "its address cannot be read"),
    "a port too large": ("postgresql://{user}:{password}@127.0.0.1:65536/{database}", "its address cannot be read"),
    "a password's slash": ("postgresql://{user}:{password}/#@{port}/{database}", "its address cannot be read"),
    "TLS that it has not": ("postgresql://{user}:{password}@{port}/{database}?sslmode=require", "sslmode"),
    "no sslmode": ("postgresql://{user}@{port}/{database}?sslmode=perhaps", "sslmode"),
    "a certificate that is not there": (
        "postgresql://{user}@{port}/{database}?sslmode=verify-full&sslrootcert=/nowhere", "certificate",
    ),
    "a setting nobody knows": ("postgresql://{user}@{port}/{database}?connect_timeout=5", "setting"),
    "another scheme": ("postgresql+asyncpg://{user}:{password}@{port}/{database}", "must start with postgresql://"),
    "no address at all": ("host=127.0.0.1 password={password}", "must start with postgresql://"),
}  # fmt: skip


@pytest.mark.parametrize("command", ["migrate", "init"])
async def test_an_address_that_does_not_work_gets_one_sentence(
    command: str, services: Mapping[str, str], tmp_path: Path
) -> None:
    said = {}
    for name, (address, _) in BAD.items():
        url = address.format_map(services)
        said[name] = await asyncio.to_thread(azukari, command, "--data", tmp_path / "data", AZUKARI_DATABASE_URL=url)
    forget_memory(tmp_path / "data")

    for name, (_, sentence) in BAD.items():
        ended = said[name]
        assert (ended.returncode, ended.stdout) == (1, ""), name
        assert len(ended.stderr.splitlines()) == 1, (name, ended.stderr)
        assert sentence in ended.stderr, (name, ended.stderr)
        assert PASSWORD not in ended.stderr, name


# Over a network


#: Where each of these is on another machine, or might be; with what is set besides.
IN_THE_CLEAR: dict[str, tuple[str, dict[str, str]]] = {
    "nothing said": ("postgresql://u:{password}@192.0.2.7/d", {}),
    "a name": ("postgresql://u:{password}@db.example/d", {}),
    "a name that begins like this machine's": ("postgresql://u:{password}@localhost.example/d", {}),
    "an address that begins like this machine's": ("postgresql://u:{password}@127.0.0.1.example/d", {}),
    "an IPv6 address": ("postgresql://u:{password}@[2001:db8::7]:5432/d", {}),
    "without TLS": ("postgresql://u:{password}@192.0.2.7/d?sslmode=disable", {}),
    "TLS if there is some": ("postgresql://u:{password}@192.0.2.7/d?sslmode=prefer", {}),
    "TLS with anybody": ("postgresql://u:{password}@192.0.2.7/d?sslmode=require", {}),
    "TLS with any server of theirs": (
        "postgresql://u:{password}@192.0.2.7/d?sslmode=verify-ca&sslrootcert={authorities}", {},
    ),
    "the last sslmode counts": (
        "postgresql://u:{password}@192.0.2.7/d?sslmode=verify-full&sslmode=prefer&sslrootcert={authorities}", {},
    ),
    "one of two hosts": ("postgresql://u:{password}@127.0.0.1:1,192.0.2.7/d", {}),
    "a host in the query": ("postgresql://u:{password}@/d?host=192.0.2.7", {}),
    "a socket and a host in the query": ("postgresql://u:{password}@/d?host=/tmp,192.0.2.7", {}),
    "a host in PostgreSQL's own setting": ("postgresql://u:{password}@/d", {"PGHOST": "192.0.2.7"}),
    "a host in a service file": (
        "postgresql://u:{password}@/d?service=shop", {"PGSERVICEFILE": "{folder}/services"},
    ),
    "a mode in a service file": (
        "postgresql://u:{password}@192.0.2.7/d?service=shop", {"PGSERVICEFILE": "{folder}/services"},
    ),
    "a mode in PostgreSQL's own setting": ("postgresql://u:{password}@192.0.2.7/d", {"PGSSLMODE": "require"}),
    "an address of another kind in the query": ("postgresql://u:{password}@db.example/d?hostaddr=127.0.0.1", {}),
}  # fmt: skip


def _filled(name: str, folder: Path) -> tuple[str, dict[str, str]]:
    (folder / "services").write_text("[shop]\nhost=192.0.2.7\nsslmode=require\n")
    address, settings = IN_THE_CLEAR[name]
    blanks = {"password": PASSWORD, "authorities": certifi.where(), "folder": str(folder)}
    return address.format_map(blanks), {key: value.format_map(blanks) for key, value in settings.items()}


@pytest.mark.parametrize("name", IN_THE_CLEAR)
def test_a_database_elsewhere_is_spoken_to_over_verified_tls_or_not_at_all(name: str, tmp_path: Path) -> None:
    address, settings = _filled(name, tmp_path)

    ended = azukari("init", "--data", tmp_path / "data", AZUKARI_DATABASE_URL=address, **settings)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Refusing a PostgreSQL on another machine without verified TLS."), ended.stderr
    assert "sslmode=verify-full" in ended.stderr
    assert PASSWORD not in ended.stderr


@pytest.mark.parametrize("command", [["migrate"], ["serve"], ["worker"], ["keys", "list", "a"], ["clock", "show"]])
def test_by_every_command(command: list[str], tmp_path: Path) -> None:
    ended = azukari(*command, "--data", tmp_path / "data", AZUKARI_DATABASE_URL="postgresql://u@192.0.2.7/d")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "without verified TLS" in ended.stderr


def test_also_by_the_role_that_migrates(empty: str, tmp_path: Path) -> None:
    ended = azukari(
        "migrate",
        "--data",
        tmp_path / "data",
        AZUKARI_DATABASE_URL=empty,
        AZUKARI_DATABASE_OWNER_URL="postgresql://u@192.0.2.7/d",
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "without verified TLS" in ended.stderr


def test_over_verified_tls_it_is(tmp_path: Path) -> None:
    """There is no such host; it was looked for."""
    for address, settings in (
        ("sslmode=verify-full&sslrootcert={}", {}),
        ("sslmode=verify_full&sslrootcert={}", {}),
        ("sslrootcert={}", {"PGSSLMODE": "verify-full"}),
    ):
        url = f"postgresql://u@shop.invalid/d?{address.format(certifi.where())}"
        ended = azukari("migrate", "--data", tmp_path / "data", AZUKARI_DATABASE_URL=url, **settings)
        assert ended.stderr == "The database cannot be used: its host has no address.\n"


def test_or_in_the_clear_where_the_operator_says_so(tmp_path: Path) -> None:
    """Which is refused beside live keys, as a server in the clear is."""
    ended = azukari(
        "migrate",
        "--data",
        tmp_path / "data",
        AZUKARI_DATABASE_URL="postgresql://u@shop.invalid/d",
        AZUKARI_INSECURE_DATABASE="1",
    )
    assert ended.stderr == "The database cannot be used: its host has no address.\n"
