"""A file that several processes append lines to, each of them knowing all that the others wrote."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class SharedLines:
    """Append-only. What is read and written within :meth:`held` is one step, whoever else wants to.

    take: given each whole line once, in order, our own too.
    """

    def __init__(self, path: Path, take: Callable[[bytes], None]) -> None:
        self._path = path
        self._take = take
        self._file = -1
        self._read = 0
        self._cut_off = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else writes meanwhile, and all that was written is known."""
        if self._file < 0:
            self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._catch_up()
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def append(self, line: bytes) -> None:
        """Write a line; within :meth:`held`."""
        # A line that a crash cut short is ended first, so that it spoils no other.
        os.write(self._file, (b"\n" if self._cut_off else b"") + line + b"\n")
        self._catch_up()

    def _catch_up(self) -> None:
        size = os.fstat(self._file).st_size
        if size == self._read:
            return
        data = os.pread(self._file, size - self._read, self._read)
        whole, end, rest = data.rpartition(b"\n")
        self._read += len(whole) + len(end)
        self._cut_off = bool(rest)
        for line in whole.split(b"\n") if end else ():
            self._take(line)
