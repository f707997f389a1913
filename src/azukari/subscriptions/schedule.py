"""When a subscription's charges fall due: a pure function of where it began.

Every moment is counted from the anchor, never from the one before: 31 January is followed by 28 February and then by
31 March. The date is counted on the merchant's calendar and clock. Source: contract 11.3; ``docs/security.md``, REL-8.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from azukari.core.clock import LATEST, SECOND

Period = Literal["weekly", "monthly", "yearly"]

_MONTHS = {"monthly": 1, "yearly": 12}
#: A date behind this is never reached: calendars end with the year 9999.
_LAST_YEAR = 9_998


def moment(anchor: int, period: Period, zone: str, number: int) -> int:
    """When charge ``number`` falls due, the anchor being number 0. Milliseconds, whole seconds.

    zone: its name in the time zone database. A day the month lacks is its last day. A time of day that a clock skips is
    as much later as the clock goes forward, one that comes twice is the first.
    """
    if number == 0:
        return anchor - anchor % SECOND
    here = ZoneInfo(zone)
    began = datetime.fromtimestamp(anchor // SECOND, here).replace(tzinfo=None, fold=0)
    day = _date(began.date(), period, number)
    if day is None:
        return LATEST
    due = datetime.combine(day, began.time(), here)
    return int(due.astimezone(UTC).timestamp()) * SECOND


def _date(began: date, period: Period, number: int) -> date | None:
    """None: beyond the end of the calendar."""
    if period == "weekly":
        if number > (date(_LAST_YEAR, 12, 31) - began).days // 7:
            return None
        return began + timedelta(weeks=number)
    months = began.year * 12 + began.month - 1 + number * _MONTHS[period]
    year, month = divmod(months, 12)
    if year > _LAST_YEAR:
        return None
    return date(year, month + 1, min(began.day, monthrange(year, month + 1)[1]))


def day_of(anchor: int, period: Period, zone: str) -> int:
    """The wire's ``day``: of the week for weekly ones, 0 being Sunday, else of the month. Source: contract 11.2."""
    began = datetime.fromtimestamp(anchor // SECOND, ZoneInfo(zone))
    return began.isoweekday() % 7 if period == "weekly" else began.day
