"""The bar for SQLite: the statements of one of our charges from a tight loop, with nothing around them.

The same file, settings and statements as the engine's (``capture.py``), values and all, in groups of as many charges as
there are callers, or one by one: first all intents of a group in one durable commit, then all outcomes.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

from azukari.core.clock import SystemClock
from azukari.core.ids import RandomIds
from azukari.db.open import SqliteFiles
from bench.capture import Captured, Sent, capture, varying
from bench.house import Template, copied
from bench.load import Measured, Window

#: Values are made before they are needed, as the bar is the database's and not Python's.
_MADE = 256


class Bar:
    """The loop on fresh copies of a template."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._captured = capture(template)

    @contextmanager
    def ready(self) -> Iterator["Running"]:
        """A database to run it on."""
        with copied(self._template) as (data, _):
            connection = SqliteFiles.of(data).main.open()
            before = _captured(connection)
            running = Running(connection, self._captured)
            yield running
            captured = _captured(connection) - before
            connection.close()
            # Guarded updates that met no row would be fast, and no bar.
            if captured != running.charged:
                raise RuntimeError(f"the loop made {running.charged} charges and captured {captured}")


def _captured(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM payments WHERE status = 'captured'").fetchone()[0])


class Running:
    """An open database. charged: how many charges it has had."""

    def __init__(self, connection: Any, captured: Captured) -> None:
        self._connection = connection
        self._charges = [_Charge.of(captured, number) for number in range(len(captured.charges))]
        self._ids = RandomIds(SystemClock())
        self._turn = count()
        self.charged = 0

    def window(self, group: int, window: Window) -> Measured:
        """Groups of so many charges in one commit each."""
        self._loop(group, window.warm_up)
        cpu = time.process_time()
        charges, seconds = self._loop(group, window.seconds)
        return Measured(per_second=charges / seconds, cpu_us=1e6 * (time.process_time() - cpu) / charges)

    def _loop(self, group: int, seconds: float) -> tuple[int, float]:
        done, spent = 0, 0.0
        while spent < seconds:
            made = [self._made() for _ in range(max(group, _MADE // group * group))]
            began = time.perf_counter()
            for start in range(0, len(made), group):
                self._commit([charge[0] for charge in made[start : start + group]])
                self._commit([charge[1] for charge in made[start : start + group]])
            spent += time.perf_counter() - began
            done += len(made)
        self.charged += done
        return done, spent

    def _commit(self, transactions: list[list[Sent]]) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        for transaction in transactions:
            execute("SAVEPOINT unit")
            for sent in transaction:
                execute(sent.sql, sent.values).fetchall()
            execute("RELEASE unit")
        execute("COMMIT")

    def _made(self) -> list[list[Sent]]:
        """A charge with ids of its own; of the captured customers, each in turn."""
        charge = self._charges[next(self._turn) % len(self._charges)]
        new = {old: self._ids.new() for old in charge.ids}
        return [
            [Sent(sent.sql, tuple(new.get(value, value) for value in sent.values)) for sent in transaction]
            for transaction in charge.transactions
        ]


class _Charge(NamedTuple):
    """A captured charge, and which of its values are new in every charge."""

    transactions: list[list[Sent]]
    ids: list[str]

    @classmethod
    def of(cls, captured: Captured, number: int) -> "_Charge":
        transactions = captured.charges[number]
        # What the reads look up is there already and stays.
        reads = [sent for sent in transactions[0] if sent.sql.startswith("SELECT")]
        there = {value for sent in reads for value in sent.values}
        own = varying(captured, number)
        return cls(transactions, [value for value in own if isinstance(value, str) and value not in there])
