"""``azukari tail``: requests and events of an installation, as they happen.

Requests come through a named pipe in the data directory, from every server process (``web/request_tail.py``); events
from the cursor, with a test key. What is shown names no person and no card.
"""

import asyncio
import fcntl
import fnmatch
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from rich.text import Text

from azukari.tools import screen as on
from azukari.tools.screen import Screen, Seen
from azukari.tools.server import Numbered, Server, ToolError, follow
from azukari.web import request_tail

#: How much a pipe holds while nobody looks, where the system lets us say.
_ROOM = 1024 * 1024
_CHUNK = 64 * 1024
#: What the tools themselves ask for all the time.
_POLLING = "/events"


class _Line(msgspec.Struct):
    """What a server process tells (``core/log.py``)."""

    time: str
    event: str
    request_id: str = ""
    method: str = ""
    route: str | None = None
    status: int = 0
    ms: int = 0
    code: str | None = None
    pid: int = 0
    count: int = 0


class Filter:
    """What is let through: each of some patterns must fit one of a line's words.

    patterns: with ``*`` for any characters, and commas between alternatives. No pattern lets everything through but the
    questions for events that tools ask all the time.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [[word.strip() for word in each.split(",") if word.strip()] for each in patterns]

    def passes(self, *words: str | None) -> bool:
        """Whether a line with these words is shown."""
        return all(self._fits(alternatives, words) for alternatives in self._patterns)

    def names(self, word: str) -> bool:
        """Whether it was asked for by its very name."""
        return any(word in alternatives for alternatives in self._patterns)

    @staticmethod
    def _fits(alternatives: Sequence[str], words: Sequence[str | None]) -> bool:
        return any(word is not None and fnmatch.fnmatchcase(word, each) for each in alternatives for word in words)


class Pipe:
    """A named pipe that servers find. Raises ToolError: it cannot be made."""

    def __init__(self, data: Path) -> None:
        folder = data / request_tail.FOLDER
        name = secrets.token_hex(8)
        making = folder / f".{name}"
        self._path = folder / name
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            os.mkfifo(making, 0o600)
            # For writing too: so it does not end when the last server does.
            self.handle = os.open(making, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            # Only now does anybody look at it: it would be taken away if nobody read it.
            making.rename(self._path)
        except OSError as error:
            raise ToolError(f"{folder} cannot be written: {error.strerror}.") from None
        with suppress(OSError, AttributeError):
            fcntl.fcntl(self.handle, fcntl.F_SETPIPE_SZ, _ROOM)
        self._rest = b""

    def read(self) -> list[bytes]:
        """The lines that have come."""
        try:
            *lines, self._rest = (self._rest + os.read(self.handle, _CHUNK)).split(b"\n")
        except BlockingIOError:
            return []
        return lines

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self.handle)


async def tail(server: Server, data: Path | None, patterns: Sequence[str], screen: Screen) -> None:
    """Show what happens, until cancelled. data: None: of a server elsewhere, so its events alone. Raises ToolError."""
    after = await server.first_contact()
    watcher = _Watcher(screen, Filter(patterns))
    pipe = None if data is None else Pipe(data)
    loop = asyncio.get_running_loop()
    try:
        if pipe is None:
            screen.notice(f"Events of {server.place.url}. Its requests are shown where its data directory is.")
        else:
            screen.notice(f"Requests and events of {server.place.url}. Ctrl-C ends.")
            loop.add_reader(pipe.handle, watcher.requests, pipe)
        async for page in follow(server, after, screen.notice):
            for event in page.data:
                watcher.event(event)
    finally:
        if pipe is not None:
            loop.remove_reader(pipe.handle)
            pipe.close()


class _Watcher:
    def __init__(self, screen: Screen, chosen: Filter) -> None:
        self._screen = screen
        self._chosen = chosen

    def requests(self, pipe: Pipe) -> None:
        for raw in pipe.read():
            with suppress(msgspec.DecodeError):
                self._told(msgspec.json.decode(raw, type=_Line))

    def _told(self, line: _Line) -> None:
        if line.event == "request":
            self._request(line)
        elif line.event == "tail.missed":
            self._screen.notice(f"{line.count} requests of process {line.pid} are not shown: they came too fast.")
        elif line.event == "tail.found":
            self._screen.notice(f"Server process {line.pid} is watched.")

    def _request(self, line: _Line) -> None:
        route, hundreds = line.route or "(no route)", f"{line.status // 100}xx"
        if (line.method, line.route) == ("GET", _POLLING) and not self._chosen.names(_POLLING):
            return
        if not self._chosen.passes("request", line.method, line.route, str(line.status), hundreds, line.code):
            return
        cells = on.request_cells(line.method, route, line.status, line.ms, line.code, line.request_id)
        self._screen.put(
            on.row(on.moment(), *cells),
            {
                "time": line.time,
                "event": "request",
                "request_id": line.request_id,
                "method": line.method,
                "route": line.route,
                "status": line.status,
                "ms": line.ms,
                "code": line.code,
            },
        )

    def event(self, event: Numbered) -> None:
        seen = Seen.of(event)
        if not self._chosen.passes("event", seen.type, seen.object, seen.id):
            return
        self._screen.put(
            on.row(on.moment(), Text("event  ", "cyan"), *on.event_cells(seen)),
            {
                "time": event.created_at,
                "event": "event",
                "sequence": event.sequence,
                "id": seen.id,
                "type": seen.type,
                "object": seen.object,
                "amount": seen.amount,
                "currency": seen.currency,
            },
        )
