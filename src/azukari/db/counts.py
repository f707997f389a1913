"""How often something happened lately, counted by all processes of one machine in a table of one size.

A name has a count from the first time it is counted until its time is over. Where there is no room for a new name, the
one gives way that is furthest from its limit: however many names somebody brings, those at their limits stay there, and
nobody else gets there.

Nothing waits for anything here. Should two processes count the same name in the same moment, one of the two may not be
counted; that is no limit's business.
"""

import mmap
import os
import secrets
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from azukari.core import log
from azukari.core.clock import Clock
from azukari.core.errors import TooManyRequests

#: Names of a table that share a part of it, and the numbers kept of one: its hash, when its time is over, how much of
#: its limit is used, and how much of that the other machines know.
_WAYS, _NUMBERS = 8, 4
_SLOT = 8 * _NUMBERS
#: A limit, used up.
_FULL = 1 << 48
#: So much of a limit that other machines are told (:mod:`azukari.db.telling`), and of how many names at once.
_HOT, _MOST_TOLD = _FULL // 4, 200
#: As many wait to be told.
_MOST_HOT = 10_000
#: What is counted under names that callers bring (who they are), under names we give, and under names of few and large
#: things that must not give way to either.
CALLERS, NAMED, KEYS = range(3)
_SLOTS = (131_072, 16_384, 8_192)
_SIZE = sum(_SLOTS) * _SLOT


class Count(NamedTuple):
    """What is told of a name: its hash, how much more of its limit is used, when its time is over."""

    tag: int
    used: int
    ends: int


class Counts:
    """The counts of one installation.

    key: names are kept as hashes under it. memory: see :func:`shared`; None: this process counts for itself.
    """

    def __init__(self, clock: Clock, key: bytes | None = None, memory: mmap.mmap | None = None) -> None:
        self.now: Callable[[], int] = clock.now
        self._key = key or secrets.token_bytes(32)
        self._numbers = memoryview(memory or mmap.mmap(-1, _SIZE)).cast("Q")
        self._first, at = [], 0
        for slots in _SLOTS:
            self._first.append(at)
            at += slots * _NUMBERS
        #: The tables of names to tell, and of those that are being told.
        self._hot: dict[int, int] = {}
        self._told: dict[int, int] = {}

    def tag(self, name: str) -> int:
        """What a name is known by: never 0."""
        return int.from_bytes(blake2b(name.encode(), digest_size=8, key=self._key).digest(), "little") or 1

    def take(self, table: int, tag: int, most: int, per: int) -> int:
        """Count one more, unless there have been so many: then how long until it would be counted, else 0.

        per, and what comes back: in milliseconds.
        """
        numbers, now = self._numbers, self.now()
        at = self._find(table, tag)
        if at is None:
            at = self._make_room(table, tag, now)
        used, ends = numbers[at + 2], numbers[at + 1]
        # A clock that was set back does not make a time longer.
        if not 0 < ends - now <= per:
            used, ends = 0, now + per
            numbers[at + 1], numbers[at + 3] = ends, 0
        used += _FULL // most if most else _FULL + 1
        if used > _FULL:
            return ends - now
        numbers[at + 2] = used
        if used > _HOT and len(self._hot) < _MOST_HOT:
            self._hot[tag] = table
        return 0

    def knows(self, table: int, tag: int) -> bool:
        """Whether it has been counted, and its time is not over."""
        at = self._find(table, tag)
        return at is not None and self._numbers[at + 1] > self.now()

    def drop(self, table: int, tag: int) -> None:
        """As if it had never been counted."""
        if (at := self._find(table, tag)) is not None:
            self._clear(at)

    # Between machines

    def to_tell(self) -> list[Count]:
        """What this process has counted up to a quarter of its limit or more, and no other machine knows."""
        numbers, now = self._numbers, self.now()
        hot, self._hot = self._hot, {}
        found: list[Count] = []
        for tag in sorted(hot):
            at = self._find(hot[tag], tag)
            if at is None or numbers[at + 1] <= now:
                continue
            more = numbers[at + 2] - numbers[at + 3]
            if len(found) == _MOST_TOLD:
                self._hot[tag] = hot[tag]
            elif more > 0:
                numbers[at + 3] += more
                found.append(Count(tag, more, numbers[at + 1]))
                self._told[tag] = hot[tag]
        return found

    def told(self, count: Count, total: Count | None) -> None:
        """What all machines together have counted of a name that was told; None: it could not be told."""
        numbers, table = self._numbers, self._told.pop(count.tag)
        at = self._find(table, count.tag)
        if at is None or numbers[at + 1] != count.ends:
            return
        if total is None:
            numbers[at + 3] = max(0, numbers[at + 3] - count.used)
            self._hot[count.tag] = table
        elif (others := total.used - numbers[at + 3]) > 0:
            numbers[at + 2] += others
            numbers[at + 3] += others
            # Of all windows the one that ends first.
            numbers[at + 1] = min(numbers[at + 1], total.ends)

    def count_named(self, name: str, most: int, per: int) -> None:
        """Count something of ours that may happen so often: ``count_named(f"authentication {customer}", 3, HOUR)``.

        Not within a unit of work, which may run twice. name: what is counted, and of whom. It must name something that
        exists, else anybody may bring names without end. per: in milliseconds, from the first time on.
        Raises TooManyRequests.
        """
        if wait := self.take(NAMED, self.tag(name), most, per):
            raise TooManyRequests(retry_after=-(-wait // 1_000))

    def admits(self, name: str, most: int, per: int) -> bool:
        """:meth:`count_named` for what need not be done."""
        return not self.take(NAMED, self.tag(name), most, per)

    def _find(self, table: int, tag: int) -> int | None:
        numbers = self._numbers
        start = self._start(table, tag)
        for at in range(start, start + _WAYS * _NUMBERS, _NUMBERS):
            if numbers[at] == tag:
                return at
        return None

    def _start(self, table: int, tag: int) -> int:
        return self._first[table] + tag % (_SLOTS[table] // _WAYS) * _WAYS * _NUMBERS

    def _make_room(self, table: int, tag: int, now: int) -> int:
        """A place for a new name: one whose time is over, or else the one that is furthest from its limit."""
        numbers, start = self._numbers, self._start(table, tag)

        def weight(at: int) -> tuple[int, int]:
            return (numbers[at + 2], numbers[at + 1]) if numbers[at + 1] > now else (-1, 0)

        at = min(range(start, start + _WAYS * _NUMBERS, _NUMBERS), key=weight)
        # The name last: in between nobody's count is another's.
        self._clear(at)
        numbers[at] = tag
        return at

    def _clear(self, at: int) -> None:
        for number in range(at, at + _NUMBERS):
            self._numbers[number] = 0


def shared(path: Path) -> mmap.mmap | None:
    """The memory of a file, the same for all processes that ask; None where it cannot be had.

    All of it is taken at once: what is short of memory later is not the process that counts.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _SIZE)
            return mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
    except OSError as error:
        log.warning("counts.not_shared", reason=error.strerror or "")
        return None
