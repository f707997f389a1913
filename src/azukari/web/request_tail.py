"""Who watches this process's requests: ``azukari tail``, in the same data directory.

A tail makes a named pipe in a folder that only the installation's own user can enter. Every server process looks into
that folder once a second, and writes a line for each of its requests into every pipe it finds: what the log says of a
request, and the error's code. It never waits for a reader: what does not fit is counted and left out. A pipe that
nobody reads any more is taken away. Where there is none, a request costs one comparison.
"""

import asyncio
import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from azukari.core import log

FOLDER = "tails"
LOOK_SECONDS = 1.0
#: Pipes served at the same time, the oldest first.
MOST = 8
#: What a pipe takes in one piece or not at all, on every system. Source: POSIX, ``PIPE_BUF``.
LONGEST = 512


class RequestTail:
    """The pipes of one process."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER
        self._pipes: dict[str, _Pipe] = {}

    @property
    def open(self) -> bool:
        """Whether anybody watches."""
        return bool(self._pipes)

    def tell(self, line: str) -> None:
        """Write a line, its end included, to whoever watches."""
        for name, pipe in list(self._pipes.items()):
            if not pipe.put(line):
                self._remove(name)

    async def watch(self) -> None:
        """Look for pipes, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Find those that have come, and let go of those that have gone."""
        try:
            # A name that begins with a dot is one in the making.
            found = sorted(name for name in os.listdir(self._folder) if not name.startswith("."))
        except OSError:
            found = []
        for name in self._pipes.keys() - set(found):
            self._pipes.pop(name).close()
        for name in found:
            if name not in self._pipes and len(self._pipes) < MOST:
                self._try(name)

    def close(self) -> None:
        """Let all of them go."""
        while self._pipes:
            self._pipes.popitem()[1].close()

    def _try(self, name: str) -> None:
        try:
            pipe = _Pipe(self._folder / name)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nobody reads it: who did was killed
                self._unlink(name)
            return
        except ValueError:
            return
        self._pipes[name] = pipe
        pipe.put(log.line("tail.found", pid=os.getpid()))

    def _remove(self, name: str) -> None:
        self._pipes.pop(name).close()
        self._unlink(name)

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            (self._folder / name).unlink()


class _Pipe:
    """One of them, open for writing. Raises OSError (nobody reads it), ValueError (not a pipe)."""

    def __init__(self, path: Path) -> None:
        if not stat.S_ISFIFO(path.lstat().st_mode):
            raise ValueError
        self._handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._missed = 0

    def put(self, line: str) -> bool:
        """Whether it is still read."""
        try:
            if self._missed:
                self._write(log.line("tail.missed", pid=os.getpid(), count=self._missed))
                self._missed = 0
            self._write(line)
        except BlockingIOError:
            self._missed += 1
        except OSError:
            return False
        return True

    def _write(self, line: str) -> None:
        raw = line.encode()
        if len(raw) <= LONGEST:
            os.write(self._handle, raw)

    def close(self) -> None:
        os.close(self._handle)
