"""Installations of Azukari to measure: made once, copied for each run, filled with customers whose cards open."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import asyncpg
from tests import postgres

from azukari.core.config import Settings
from azukari.core.secret import Secret
from bench import load
from bench.fill import fill, settle

BIN = Path(sys.executable).parent
#: Thousands of charges.
HISTORY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Template:
    """An installation with customers, which nobody serves.

    key: its secret test key. customers: ids to charge.
    """

    data: Path
    database: str | None
    key: str
    customers: list[str]


def make_template(home: Path, database: str | None, customers: int) -> Template:
    """``azukari init``, so many customers with a saved card, and a little history.

    Without the history PostgreSQL would plan for empty tables, and scan them as they fill, until its statistics come.
    """
    data = home / f"template-{'postgres' if database else 'sqlite'}-{customers}"
    shown = subprocess.run(
        [BIN / "azukari", "init", "--json", *_options(data, database)],
        env=_environment(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    settings = Settings(data=data, database_url=Secret(database) if database else None)
    key = json.loads(shown)["secret_key"]
    template = Template(data, database, key, asyncio.run(fill(settings, key, customers)))
    with serve(data, database, key) as server:
        load.measure(
            server.port, load.charges(key, template.customers), load.Window(HISTORY_SECONDS, 0), connections=64
        )
    asyncio.run(settle(settings))
    return template


@dataclass(frozen=True, slots=True)
class Server:
    """``azukari serve``. start: seconds until its first answer. errors: what it wrote on standard error."""

    port: int
    pid: int
    start: float
    data: Path
    key: str


@contextmanager
def copied(template: Template) -> Iterator[tuple[Path, str | None]]:
    """A fresh copy: its data directory and database."""
    home = Path(tempfile.mkdtemp(prefix="azukari-bench-"))
    data, database = home / "data", None
    shutil.copytree(template.data, data)
    try:
        if template.database is not None:
            database = asyncio.run(_copied_database(template.database))
        yield data, database
    finally:
        if database is not None:
            asyncio.run(postgres.drop_database(database))
        shutil.rmtree(home, ignore_errors=True)


def new_database(url: str) -> str:
    """An empty database on a server."""
    return asyncio.run(postgres.create_database(url))


async def _copied_database(template: str) -> str:
    url = await postgres.create_database(template, template)
    # Everybody begins just after a checkpoint: what one wrote to the log is not what the next one pays for.
    connection = await asyncpg.connect(url)
    await connection.execute("CHECKPOINT")
    await connection.close()
    return url


@contextmanager
def serving(template: Template, *, workers: int = 1) -> Iterator[Server]:
    """A server of a fresh copy, as anybody would start it; its log goes to a file."""
    with copied(template) as (data, database), serve(data, database, template.key, workers=workers) as server:
        yield server


@contextmanager
def serve(data: Path, database: str | None, key: str, *, workers: int = 1) -> Iterator[Server]:
    """A server of an installation."""
    port = free_port()
    command = [BIN / "azukari", "serve", "--port", str(port), "--workers", str(workers), *_options(data, database)]
    log = data.parent / "serve.log"
    with log.open("ab") as lines:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=_environment(), stdout=lines, stderr=lines, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/api/v1/payments?per_page=1", key, process)
        yield Server(port, process.pid, time.perf_counter() - began, data, key)
        if process.poll() is not None:
            raise RuntimeError("the server ended before it was told to")
    except RuntimeError as error:
        raise RuntimeError(f"{error}; the last of its log: {log.read_bytes()[-1_000:]!r}") from None
    finally:
        stop(process)


def wait_for(url: str, key: str, process: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    """Until a server answers at all. Raises RuntimeError."""
    request = Request(url, headers={"Authorization": load.basic(key)})
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline and process.poll() is None:
        try:
            with urlopen(request, timeout=seconds):
                break
        except OSError as error:
            if getattr(error, "code", None):  # it refused us, so it is there
                break
            time.sleep(0.005)
    else:
        raise RuntimeError(f"no server came up at {url}")
    if process.poll() is not None:
        raise RuntimeError(f"somebody else answers at {url}")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its children."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _options(data: Path, database: str | None) -> list[str]:
    return ["--data", str(data), *(["--database", database] if database else [])]


def _environment() -> dict[str, str]:
    """Nothing of ours, and bytecode is kept: changed sources are compiled once, not with each start."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZUKARI_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept
