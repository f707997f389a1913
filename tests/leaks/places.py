"""The places that are searched: replies, the log, every file and every row."""

import io
import sqlite3
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from azukari.db.open import SqliteFiles
from tests.house import Api, House
from tests.leaks.scanner import (
    code_found_in,
    found_in,
)


async def rows_of(house: House) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, from outside of the server."""
    settings = house.services.settings
    if settings.database_url is not None:
        connection = await asyncpg.connect(settings.database_url.reveal())
        try:
            tables = await connection.fetch(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
            return {name: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {name}")] for (name,) in tables}
        finally:
            await connection.close()
    files = SqliteFiles.of(settings.data)
    found = {}
    for store in (files.main, files.keys, files.sad):
        assert store.path is not None
        connection = sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            found[f"{store.schema or 'main'}.{name}"] = connection.execute(f'SELECT * FROM "{name}"').fetchall()
        connection.close()
    return found


def cell_of(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


async def places(house: House, replies: list[httpx.Response], logged: io.StringIO, temporary: Path) -> dict[str, bytes]:
    """All that is to be searched."""
    found = {"log": logged.getvalue().encode()}
    for number, reply in enumerate(replies):
        shown = reply.reason_phrase.encode() + b"\n".join(b"%b: %b" % header for header in reply.headers.raw)
        found[f"reply {number}, {reply.request.method} {reply.status_code}"] = shown + b"\n\n" + reply.content
    folders = [house.services.settings.data, temporary]
    shared = SqliteFiles.of(house.services.settings.data).sad.path
    if shared is not None and shared.parent.exists():
        folders.append(shared.parent)
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file():
                found[file.name] = file.read_bytes()
    for table, rows in (await rows_of(house)).items():
        found[table] = b"\n".join(b"\t".join(map(cell_of, row)) for row in rows)
    return found


async def assert_nowhere(
    house: House,
    numbers: list[str],
    codes: list[str],
    replies: list[httpx.Response],
    logged: io.StringIO,
    temporary: Path,
) -> dict[str, bytes]:
    hay = await places(house, replies, logged, temporary)
    hits = [
        (place, number[:6], how) for place, raw in hay.items() for number in numbers if (how := found_in(raw, number))
    ]
    hits += [(place, code, how) for place, raw in hay.items() for code in codes if (how := code_found_in(raw, code))]
    cells = {(table, cell) for table, rows in (await rows_of(house)).items() for row in rows for cell in row}
    hits += [(table, code, ["a cell"]) for table, cell in cells for code in codes if cell in (code, code.encode())]
    assert hits == []
    return hay


def listening(api: Api) -> list[httpx.Response]:
    """Every reply from now on. What is broken on purpose is not held against the description."""
    replies: list[httpx.Response] = []

    async def keep(reply: httpx.Response) -> None:
        await reply.aread()
        replies.append(reply)

    api.event_hooks = {"response": [keep]}
    return replies
