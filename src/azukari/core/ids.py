"""Ids and randomness, injected.

A resource id is a UUIDv7 (RFC 9562) written as 25 characters of base 36: it sorts by time of creation and looks like
KOMOJU's (contract 1.7).
"""

import os
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from azukari.core.clock import Clock

LENGTH = 25
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TRIPLES = [a + b + c for a in _DIGITS for b in _DIGITS for c in _DIGITS]
_THREE, _SIX, _TWELVE = 36**3, 36**6, 36**12
_PAGE = 4_096
_VARIANT, _RANDOM = 1 << 63, (1 << 62) - 1
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Ids(Protocol):
    """Where new ids and secrets come from."""

    def new(self) -> str:
        """A resource id: 25 characters of ``[a-z0-9]``, later ones sort after earlier ones."""
        ...

    def token(self) -> str:
        """A token id: ``tok_`` and 25 characters."""
        ...

    def ref(self) -> str:
        """128 random bits in hex: a processor's idempotency key."""
        ...

    def base62(self, length: int) -> str:
        """Random letters and digits."""
        ...


def base36(number: int) -> str:
    """128 bits as 25 characters."""
    # Halved until the pieces are small, then three characters at a time: dividing a long integer is what takes time.
    high, low = divmod(number, _TWELVE)
    first, second = divmod(high, _SIX)
    third, fourth = divmod(low, _SIX)
    start, triples = first // _THREE, _TRIPLES
    return (
        f"{_DIGITS[start // _THREE]}{triples[start % _THREE]}{triples[first % _THREE]}"
        f"{triples[second // _THREE]}{triples[second % _THREE]}{triples[third // _THREE]}{triples[third % _THREE]}"
        f"{triples[fourth // _THREE]}{triples[fourth % _THREE]}"
    )


def earliest(moment: int) -> str:
    """No id made at this moment (milliseconds) or later sorts before this; every one made earlier does."""
    return base36(max(moment, 0) << 80)


class RandomIds:
    """UUIDv7 ids from a clock and the system's randomness.

    Ids of one process keep the order of creation even within a millisecond, and when the clock steps back: the 12 bits
    after the time count up, then the time itself is pushed on (RFC 9562, 6.2, method 1).
    """

    def __init__(self, clock: Clock, randomness: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._source = randomness
        self._drawn = b""
        self._used = 0
        self._tails: Iterator[int] = iter(())
        self._last = 0
        self._lock = threading.Lock()

    def _randomness(self, size: int) -> bytes:
        with self._lock:
            return self._draw(size)

    def _draw(self, size: int) -> bytes:
        """Bytes nobody has had before. Drawn by the page: a system call for each id costs more than the id."""
        if self._used + size > len(self._drawn):
            self._drawn, self._used = self._source(max(_PAGE, size)), 0
        start, self._used = self._used, self._used + size
        return self._drawn[start : self._used]

    def new(self) -> str:
        now = self._clock.now() << 12
        with self._lock:
            count = self._last + 1
            self._last = count = now if now > count else count
            tail = next(self._tails, None)
            if tail is None:
                self._tails = iter(memoryview(self._source(_PAGE)).cast("Q"))
                tail = next(self._tails)
        # 48 bits of time, the version, 12 bits of count; the variant, 62 random bits.
        return base36(((count & ~0xFFF) << 4 | 0x7000 | count & 0xFFF) << 64 | tail & _RANDOM | _VARIANT)

    def token(self) -> str:
        return "tok_" + self.new()

    def ref(self) -> str:
        return self._randomness(16).hex()

    def base62(self, length: int) -> str:
        drawn: list[str] = []
        while len(drawn) < length:
            # 248 is the largest multiple of 62 in a byte; what lies above would favour the first letters.
            drawn += [_BASE62[byte % 62] for byte in self._randomness(length) if byte < 248]
        return "".join(drawn[:length])
