"""The test clock on the wire."""

import calendar
import re
from datetime import MAXYEAR, UTC, datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from azukari.core.clock import DAY, HOUR, MINUTE, SECOND, iso
from azukari.merchants.clock import TestClock
from azukari.wire.bodies import MEANT, Flag, InvalidValue, Reader, Timestamp

_DURATION = re.compile(
    r"P(?=.)(?:(\d{1,5})Y)?(?:(\d{1,5})M)?(?:(\d{1,6})W)?(?:(\d{1,7})D)?"
    r"(?:T(?=.)(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,11})(?:\.(\d{1,3}))?S)?)?",
    re.ASCII,
)


class Duration(NamedTuple):
    """A length of time. months: of the calendar, years among them."""

    months: int
    milliseconds: int

    def after(self, moment: int) -> int:
        """So much later. The last day of a month stands in for days the month does not have. Raises OverflowError."""
        if self.months:
            day = datetime.fromtimestamp(moment // SECOND, UTC)
            years, month = divmod(day.month - 1 + self.months, 12)
            year = day.year + years
            if year > MAXYEAR:
                raise OverflowError
            last = calendar.monthrange(year, month + 1)[1]
            there = day.replace(year=year, month=month + 1, day=min(day.day, last))
            moment = int(there.timestamp()) * SECOND + moment % SECOND
        return moment + self.milliseconds


def duration(value: object) -> Duration:
    """``P1Y2M3W4DT5H6M7.8S`` or a part of it. Source: ISO 8601. Raises InvalidValue."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidValue
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:7])
    fraction = int((match[8] or "").ljust(3, "0"))
    milliseconds = (weeks * 7 + days) * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND + fraction
    return Duration(years * 12 + months, milliseconds)


class ClockSet(msgspec.Struct, kw_only=True):
    """One of them. now: any time; a later one is advanced to. freeze: ``false`` lets the clock run again."""

    now: Annotated[Timestamp, MEANT] | None = None
    advance: Annotated[Duration, Reader(duration), MEANT] | None = None
    freeze: Annotated[Flag, MEANT] | None = None
    reset: Annotated[Flag, MEANT] | None = None


class ClockOut(msgspec.Struct):
    """What a merchant's clock shows. real: it is the machine's time."""

    resource: Literal["test_clock"]
    now: str
    frozen: bool
    real: bool

    @classmethod
    def of(cls, clock: TestClock, system_now: int) -> "ClockOut":
        return cls("test_clock", iso(clock.at(system_now)), clock.frozen_at is not None, clock.is_real)
