"""A file that several processes append lines to, each of them knowing all that the others wrote."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

#: Bytes up to which no shorter file takes the place of one. What is kept may be more: then it is twice that.
ROTATE = 16 * 1024 * 1024


class Reader(Protocol):
    """Who knows what stands in the file."""

    def take_in(self, line: bytes) -> None:
        """One whole line, our own too; each once, in order."""
        ...

    def kept(self) -> Iterable[bytes]:
        """The lines that are enough from now on, of all that was taken in."""
        ...

    def forget(self) -> None:
        """Begin anew: a shorter file has taken the place of the old one."""
        ...


class SharedLines:
    """Append-only, until a full file makes way for one with the lines that are enough.

    What is read and written within :meth:`held` is one step, whoever else wants to.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        self._path = path
        self._reader = reader
        self._file = -1
        self._read = 0
        self._full_at = ROTATE
        self._cut_off = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else writes meanwhile, and all that was written is known."""
        self._lock()
        try:
            self._catch_up()
            yield
            if self._read > self._full_at:
                self._make_way()
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def append(self, line: bytes) -> None:
        """Write a line; within :meth:`held`."""
        # A line that a crash cut short is ended first, so that it spoils no other.
        os.write(self._file, (b"\n" if self._cut_off else b"") + line + b"\n")
        self._catch_up()

    def _lock(self) -> None:
        """Hold the file that has the name now: another process may have put a shorter one in its place."""
        while True:
            if self._file < 0:
                self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self._path), os.fstat(self._file)):
                    return
            self._begin_anew()

    def _begin_anew(self) -> None:
        os.close(self._file)
        self._file, self._read, self._cut_off = -1, 0, False
        self._reader.forget()

    def _catch_up(self) -> None:
        size = os.fstat(self._file).st_size
        if size == self._read:
            return
        data = os.pread(self._file, size - self._read, self._read)
        whole, end, rest = data.rpartition(b"\n")
        if not self._read:
            # Of a file that was made with what is kept, not even half is more than that.
            self._full_at = max(ROTATE, 2 * len(whole))
        self._read += len(whole) + len(end)
        self._cut_off = bool(rest)
        for line in whole.split(b"\n") if end else ():
            self._reader.take_in(line)

    def _make_way(self) -> None:
        """Put a file with what is kept in the place of this one. Killed on the way, this one stays."""
        shorter = self._path.with_name(f"{self._path.name}.new")
        with suppress(FileNotFoundError):
            shorter.unlink()
        with os.fdopen(os.open(shorter, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.writelines(line + b"\n" for line in self._reader.kept())
            file.flush()
            os.fsync(file.fileno())
        shorter.replace(self._path)
