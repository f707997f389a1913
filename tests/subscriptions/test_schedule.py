"""When charges fall due: counted from the anchor, on the merchant's calendar (REL-8)."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azukari.core.clock import DAY, HOUR, LATEST, SECOND, iso, parse_iso
from azukari.subscriptions.schedule import Period, day_of, moment

ZONES = ("Asia/Tokyo", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC")
PERIODS: tuple[Period, ...] = ("weekly", "monthly", "yearly")
anchors = st.integers(parse_iso("2001-01-01T00:00:00Z"), parse_iso("2060-01-01T00:00:00Z"))


def dates(anchor: str, period: Period, zone: str, numbers: range) -> list[str]:
    """The first so many, in UTC."""
    return [iso(moment(parse_iso(anchor), period, zone, number)) for number in numbers]


def test_a_day_the_month_lacks_is_its_last_day() -> None:
    assert dates("2027-01-31T03:00:00Z", "monthly", "Asia/Tokyo", range(6)) == [
        "2027-01-31T03:00:00Z",
        "2027-02-28T03:00:00Z",
        "2027-03-31T03:00:00Z",
        "2027-04-30T03:00:00Z",
        "2027-05-31T03:00:00Z",
        "2027-06-30T03:00:00Z",
    ]
    assert dates("2027-12-30T03:00:00Z", "monthly", "Asia/Tokyo", range(2, 4)) == [
        "2028-02-29T03:00:00Z",
        "2028-03-30T03:00:00Z",
    ]


def test_a_leap_day_comes_back_in_leap_years() -> None:
    assert dates("2028-02-29T12:00:00Z", "yearly", "Asia/Tokyo", range(5)) == [
        "2028-02-29T12:00:00Z",
        "2029-02-28T12:00:00Z",
        "2030-02-28T12:00:00Z",
        "2031-02-28T12:00:00Z",
        "2032-02-29T12:00:00Z",
    ]


def test_the_date_is_the_merchants_and_not_utcs() -> None:
    # In Tokyo it is the 31st already.
    assert dates("2027-01-30T20:00:00Z", "monthly", "Asia/Tokyo", range(3)) == [
        "2027-01-30T20:00:00Z",
        "2027-02-27T20:00:00Z",
        "2027-03-30T20:00:00Z",
    ]
    assert day_of(parse_iso("2027-01-30T20:00:00Z"), "monthly", "Asia/Tokyo") == 31


def test_the_time_of_day_stays_when_clocks_change() -> None:
    assert dates("2027-03-10T14:00:00Z", "weekly", "America/New_York", range(2)) == [
        "2027-03-10T14:00:00Z",
        "2027-03-17T13:00:00Z",
    ]


def test_a_time_that_a_clock_skips_comes_later_and_one_that_comes_twice_comes_first() -> None:
    # Half past two in New York: skipped on 14 March 2027, twice on 7 November... at half past one.
    assert dates("2027-03-07T07:30:00Z", "weekly", "America/New_York", range(3)) == [
        "2027-03-07T07:30:00Z",
        "2027-03-14T07:30:00Z",
        "2027-03-21T06:30:00Z",
    ]
    assert dates("2027-10-31T05:30:00Z", "weekly", "America/New_York", range(1, 2)) == ["2027-11-07T05:30:00Z"]
    # One that was made in the second of the two hours falls due in its own second hour first of all.
    assert dates("2027-11-07T06:30:00Z", "weekly", "America/New_York", range(2)) == [
        "2027-11-07T06:30:00Z",
        "2027-11-14T06:30:00Z",
    ]


@pytest.mark.parametrize(("date", "day"), [("2027-01-03", 0), ("2027-01-04", 1), ("2027-01-09", 6)])
def test_the_day_of_a_weekly_one_counts_from_sunday(date: str, day: int) -> None:
    assert day_of(parse_iso(f"{date}T03:00:00Z"), "weekly", "Asia/Tokyo") == day


def test_what_lies_behind_the_calendars_end_never_comes() -> None:
    for period in PERIODS:
        assert moment(parse_iso("2027-01-31T00:00:00Z"), period, "Asia/Tokyo", 1_000_000) == LATEST


@given(anchors, st.sampled_from(PERIODS), st.sampled_from(ZONES), st.integers(0, 600))
def test_moments_follow_each_other_and_are_counted_from_the_anchor(
    anchor: int, period: Period, zone: str, number: int
) -> None:
    due, following = (moment(anchor, period, zone, each) for each in (number, number + 1))
    assert due % SECOND == 0
    apart = {"weekly": (7, 7), "monthly": (28, 31), "yearly": (365, 366)}[period]
    slack = 2 * HOUR
    assert apart[0] * DAY - slack <= following - due <= apart[1] * DAY + slack
    here = ZoneInfo(zone)
    began, then = (datetime.fromtimestamp(each / SECOND, here) for each in (anchor - anchor % SECOND, due))
    if period == "weekly":
        assert then.date() == began.date() + timedelta(weeks=number)
    else:
        months = number * (12 if period == "yearly" else 1)
        assert then.year * 12 + then.month == began.year * 12 + began.month + months
        assert then.day == min(began.day, monthrange(then.year, then.month)[1])
    # The same time of day, or one that is right after a skipped hour.
    skipped = datetime.combine(then, began.time(), here).astimezone(UTC).astimezone(here).time() != began.time()
    assert then.time() == began.time() or (skipped and then.time() > began.time())
