"""What many ask for and hardly anybody changes, on SQLite: read once, and again when any process has changed it.

All processes map one number from a file beside the database. It is even while nothing changes; who changes something
makes it odd before the commit and even after it, and so never what it was. What was read while the number was even is
true as long as the number stays: an answer from memory is as good as one from the database, and costs next to nothing.
Should a process die in between, the number stays odd: then everybody reads from the database, until the next change.
"""

import asyncio
import fcntl
import mmap
import os
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

R = TypeVar("R")

#: Answers that are remembered.
_MOST = 10_000
_SIZE = 8


class SharedCache:
    """The number of one database, and this process's answers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                os.ftruncate(descriptor, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        self._number = memoryview(self._map).cast("Q")
        self._answers: dict[Hashable, tuple[int, Any]] = {}
        self._changing = asyncio.Lock()

    def answer(self, question: Hashable, read: Callable[[], R]) -> R:
        """What was read before, while it is still true; else what ``read`` says."""
        number = self._number[0]
        known = self._answers.get(question)
        if known is not None and known[0] == number:
            return known[1]  # type: ignore[no-any-return]
        found = read()
        if number % 2 == 0:
            if len(self._answers) >= _MOST:
                self._answers.clear()
            self._answers[question] = number, found
        return found

    @asynccontextmanager
    async def change(self) -> AsyncIterator[None]:
        """Around a commit after which other answers are true. One at a time, in all processes."""
        async with self._changing:
            descriptor = await asyncio.to_thread(self._lock)
            try:
                self._number[0] += 1 + self._number[0] % 2
                yield
            finally:
                self._number[0] += 1
                os.close(descriptor)

    def _lock(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def close(self) -> None:
        """Let go of the file."""
        self._number.release()
        self._map.close()
