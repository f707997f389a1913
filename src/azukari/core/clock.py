"""Time, injected: integers of milliseconds since 1970 (UTC) inside, ISO 8601 on the wire."""

import functools
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple, Protocol

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: What :func:`iso` can write.
EARLIEST, LATEST = -62_135_596_800 * SECOND, 253_402_300_799 * SECOND

JAPAN_AHEAD = 9 * HOUR
JAPAN = timezone(timedelta(milliseconds=JAPAN_AHEAD), "JST")


class Clock(Protocol):
    """What time it is."""

    def now(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""
        ...


class Moment(NamedTuple):
    """One moment by two clocks. now: the merchant's, which a test may have set. system_now: the machine's."""

    now: int
    system_now: int


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


def iso(moment: int) -> str:
    """``2018-11-13T06:20:21Z``: UTC, whole seconds, from year 1 to 9999. Source: contract 1.7."""
    return _iso(moment // SECOND)


# Whatever happens now happens in the same few seconds.
@functools.lru_cache(1_024)
def _iso(second: int) -> str:
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
    return text.zfill(20)  # the C library leaves the zeros of early years away


def iso_or_none(moment: int | None) -> str | None:
    """:func:`iso` of a time that may not be there."""
    return None if moment is None else iso(moment)


def japanese(moment: int) -> str:
    """``2020-08-17T18:03:53.000+09:00``: Japan's time with milliseconds. Source: contract 1.7."""
    there = datetime.fromtimestamp(moment // SECOND, JAPAN).replace(microsecond=moment % SECOND * 1_000)
    return there.isoformat(timespec="milliseconds")


def japanese_or_none(moment: int | None) -> str | None:
    """:func:`japanese` of a time that may not be there."""
    return None if moment is None else japanese(moment)


def parse_iso(text: str) -> int:
    """Milliseconds of an ISO 8601 time; one without an offset is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND + moment.microsecond // 1_000


def end_of_japanese_day(moment: int, days: int) -> int:
    """The last second of the day in Japan that is ``days`` after ``moment``: ``…T14:59:59Z``. Source: contract 3.4."""
    day = (moment + JAPAN_AHEAD) // DAY + days
    return (day + 1) * DAY - SECOND - JAPAN_AHEAD


def end_of_month(year: int, month: int) -> int:
    """The first moment after a month, anywhere on Earth: a card is good through its last day in every time zone."""
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=timezone(timedelta(hours=-12)))
    return int(following.timestamp()) * SECOND
