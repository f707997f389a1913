"""The bar for PostgreSQL: pgbench with the statements of one of our charges, in the same two transactions.

The script is written from what a charge really sends (``capture.py``), so neither side can drift. Values that are the
charge's own come from a counter, which costs nothing; ids are numbers instead of our 25 letters and digits.
"""

import asyncio
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
from tests import postgres

from bench import processes
from bench.capture import Captured, Sent, capture, varying
from bench.house import Template, copied
from bench.load import Measured, Window

#: The rows a charge reads and does not write, made anew under numbers.
_TABLES = ("azukari_keys.deks", "vault_entries", "customers")


class Script:
    """A pgbench script and its variables. Each value is a parameter of its statement, as it is for the driver."""

    def __init__(self, captured: Captured) -> None:
        self._own = varying(captured)
        self._customer = captured.customers[0]
        self.entry = _entry_of(captured, self._customer)
        self._now = min(value for value in self._own if isinstance(value, int))
        self.variables: dict[str, str] = {}
        lines: list[str] = []
        for transaction in captured.charges[0]:
            lines += ["BEGIN;", *map(self._statement, transaction), "COMMIT;"]
        self.statements = lines

    def text(self, customers: int) -> str:
        """The script for a database with so many customers."""
        sets = (
            r"\set n :n + 1",
            r"\set id 1000000000000000000 + :n * 1000 + :client_id",
            rf"\set now {self._now} + :n",
            rf"\set customer random(1, {customers})",
        )
        return "\n".join([*sets, *self.statements]) + "\n"

    def _statement(self, sent: Sent) -> str:
        def value(found: re.Match[str]) -> str:
            return self._value(sent.values[int(found[1]) - 1])

        return re.sub(r"\$(\d+)", value, " ".join(sent.sql.split())) + ";"

    def _value(self, value: Any) -> str:
        if value is None:
            return "NULL"
        if value in (self._customer, self.entry):
            return ":customer"
        if value in self._own and isinstance(value, str):
            return ":id"
        if value in self._own and isinstance(value, int):
            return ":now"
        text = rf"\x{value.hex()}" if isinstance(value, bytes) else str(value)
        for name, known in self.variables.items():
            if known == text:
                return f":{name}"
        name = f"v{len(self.variables)}"
        self.variables[name] = text
        return f":{name}"


def _entry_of(captured: Captured, customer: str) -> str:
    """The vault entry of a charge's customer: what the statement after the customer's looks up."""
    reads = [sent for sent in captured.charges[0][0] if sent.sql.startswith("SELECT")]
    assert customer in reads[0].values
    return next(value for value in reads[1].values if value in varying(captured))


class Bar:
    """pgbench on fresh copies of a template."""

    def __init__(self, template: Template, server: int) -> None:
        self._template = template
        self._server = server
        self._captured = capture(template)
        self.script = Script(self._captured)

    @contextmanager
    def ready(self) -> Iterator["Running"]:
        """A database to run it on."""
        with copied(self._template) as (home, database):
            assert database is not None
            count = len(self._template.customers)
            asyncio.run(_number(database, self._captured.customers[0], self.script.entry, count))
            path = home / "charge.sql"
            path.write_text(self.script.text(count))
            before = asyncio.run(_captured(database))
            running = Running(database, path, self.script, self._server)
            yield running
            # A script whose guarded updates met no row would be fast, and no bar.
            captured = asyncio.run(_captured(database)) - before
            if captured != running.charged:
                raise RuntimeError(f"pgbench made {running.charged} charges and captured {captured}")


class Running:
    """A database with its script. charged: how often it has run."""

    def __init__(self, database: str, path: Path, script: Script, server: int) -> None:
        self._database = database
        self._path = path
        self._script = script
        self._server = server
        self.charged = 0

    def window(self, connections: int, window: Window) -> Measured:
        """So many clients, each with one charge after another. Its CPU time is that of pgbench itself."""
        self._run(connections, window.warm_up)
        cpu, server_cpu = _children_cpu(), processes.cpu_seconds(self._server)
        shown = self._run(connections, window.seconds)
        spent, server_spent = _children_cpu() - cpu, processes.cpu_seconds(self._server) - server_cpu
        count = _processed(shown)
        return Measured(
            per_second=float(_found(r"tps = ([\d.]+)", shown)),
            mean_ms=float(_found(r"latency average = ([\d.]+)", shown)),
            errors=int(_found(r"failed transactions: (\d+)", shown)),
            cpu_us=1e6 * spent / count,
            database_cpu_us=1e6 * server_spent / count,
        )

    def _run(self, connections: int, seconds: float) -> str:
        parts = urlsplit(self._database)
        variables = {**self._script.variables, "n": str(time.time_ns() // 1_000_000 % 10**9 * 1_000)}
        command = [
            _program(),
            "-n",
            "-M",
            "prepared",
            "-c",
            str(connections),
            "-j",
            "2",
            "-T",
            str(max(1, round(seconds))),
            "-h",
            parse_qs(parts.query)["host"][0],
            "-U",
            str(parts.username),
            "-f",
            str(self._path),
            *(f"-D{name}={value}" for name, value in variables.items()),
            parts.path.lstrip("/"),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"pgbench: {done.stderr[-2_000:]}")
        self.charged += _processed(done.stdout)
        return done.stdout


def _processed(shown: str) -> int:
    return int(_found(r"actually processed: (\d+)", shown))


def _children_cpu() -> float:
    """User and system time of the programs we ran that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


def _program() -> str:
    return str(postgres._readable(Path(tempfile.gettempdir()), None) / "pgbench")


async def _captured(database: str) -> int:
    connection = await asyncpg.connect(database)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM payments WHERE status = 'captured'"))
    finally:
        await connection.close()


async def _number(database: str, customer: str, entry: str, count: int) -> None:
    """Copy a customer's rows under the numbers from 1 on."""
    connection = await asyncpg.connect(database)
    for table in _TABLES:
        known = customer if table == "customers" else entry
        await connection.execute(
            f"INSERT INTO {table} SELECT (jsonb_populate_record(it, jsonb_build_object('id', number::text, 'entry_id', "
            f"number::text))).* FROM {table} it, generate_series(1, {count}) number WHERE it.id = '{known}'"
        )
    await connection.execute("CHECKPOINT")
    await connection.close()
