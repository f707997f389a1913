"""What one charge really sends to its database: recorded from a running installation, so that a bar cannot drift.

A few charges are made in this process, one after another, on a connection that notes down every statement. Values that
differ from charge to charge are told from those that do not by comparing the charges.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import asyncpg

from azukari.core.config import Settings
from azukari.core.secret import Secret
from bench.fill import calling
from bench.house import Template, copied

CHARGE = {"amount": "1000", "currency": "JPY"}

_BEGINS = ("BEGIN",)


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement and its values, in their order."""

    sql: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Captured:
    """Charges, each as its transactions, each of these as its statements, ``BEGIN`` and ``COMMIT`` left out.

    customers: whom each charge charged.
    """

    charges: list[list[list[Sent]]]
    customers: list[str]


def capture(template: Template, charges: int = 3) -> Captured:
    """Charge some customers of a fresh copy, alone, and see what is sent."""
    sent: list[Sent] = []
    with copied(template) as (data, database), _recording(sent):
        settings = Settings(data=data, database_url=Secret(database) if database else None)
        return asyncio.run(_charge(settings, template, sent, charges))


async def _charge(settings: Settings, template: Template, sent: list[Sent], charges: int) -> Captured:
    found = []
    customers = template.customers[: charges + 1]
    async with calling(settings, template.key) as (_, client):
        for customer in customers:
            sent.clear()
            reply = await client.post("/payments", data={**CHARGE, "customer": customer})
            reply.raise_for_status()
            found.append(list(_transactions(sent)))
    # The first one also looks the key up.
    return Captured(found[1:], customers[1:])


def _transactions(sent: list[Sent]) -> Iterator[list[Sent]]:
    current: list[Sent] | None = None
    for each in sent:
        if each.sql.startswith(_BEGINS):
            current = []
        elif each.sql == "COMMIT" and current is not None:
            # What the worker or the keyring read meanwhile is no part of a charge.
            if any(_writes(statement.sql) for statement in current):
                yield current
            current = None
        elif current is not None and not each.sql.startswith(("SAVEPOINT", "RELEASE")):
            current.append(each)


def _writes(sql: str) -> bool:
    return sql.startswith(("INSERT", "UPDATE", "DELETE"))


@contextmanager
def _recording(sent: list[Sent]) -> Iterator[None]:
    """Every connection of either driver notes down what it sends."""
    connect, connect_sqlite = asyncpg.connect, sqlite3.connect

    async def recorded(*args: Any, **kwargs: Any) -> Any:
        connection = await connect(*args, **kwargs)
        connection.add_query_logger(lambda query: sent.append(Sent(query.query, tuple(query.args))))
        return connection

    class Recorder(sqlite3.Connection):
        def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
            sent.append(Sent(sql, tuple(values)))
            return super().execute(sql, values)

    with (
        mock.patch.object(asyncpg, "connect", recorded),
        mock.patch.object(
            sqlite3, "connect", lambda *args, **kwargs: connect_sqlite(*args, factory=Recorder, **kwargs)
        ),
    ):
        yield


def varying(captured: Captured, number: int = 0) -> set[object]:
    """Values of one of the charges that no other has in their place: ids, moments, its customer's."""
    mine, *others = [
        [value for transaction in charge for sent in transaction for value in sent.values]
        for charge in (captured.charges[number:] + captured.charges[:number])
    ]
    return {value for value, *rest in zip(mine, *others, strict=True) if any(other != value for other in rest)}
