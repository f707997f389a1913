"""What a subscription becomes after a charge, for every answer a bank may give (REL-9)."""

import pytest
from msgspec.structs import replace

from azukari.core.clock import DAY, HOUR
from azukari.processors.declines import DECLINES, FINAL
from azukari.subscriptions import transitions
from azukari.subscriptions.store import PeriodRow, Subscription

START = 1_800_000_000_000
DAYS = (1, 4, 8, 14)
ACTIVE = Subscription(
    merchant_id="m",
    mode="test",
    id="s",
    customer_id="c",
    status="active",
    amount=1000,
    currency="JPY",
    period="monthly",
    metadata="{}",
    time_zone="Asia/Tokyo",
    day=1,
    details_type="credit_card",
    api_version="2025-01-28",
    period_no=3,
    active_attempt="a",
    retry_count=0,
    retry_at=None,
    next_capture_at=START + 30 * DAY,
    due_at=None,
    version=7,
    created_at=START - 90 * DAY,
    ended_at=None,
)
PERIOD = PeriodRow("m", "test", "p", "s", 3, "open", 1, 0, "payment", START, None)


@pytest.mark.parametrize("code", sorted(DECLINES))
def test_a_code_is_either_tried_again_or_final(code: str) -> None:
    move = transitions.declined(ACTIVE, PERIOD, code, DAYS, START)
    after = move.subscription
    assert after.active_attempt is None
    if code in FINAL:
        assert (after.status, after.due_at, move.period) == ("suspended", None, "failed")
        assert move.events == ("subscription.failed", "subscription.suspended")
    else:
        assert (after.status, after.due_at, move.period) == ("retrying", START + DAY, "open")
        assert move.events == ("subscription.failed",)


def test_codes_of_a_card_or_account_that_will_not_do_are_final() -> None:
    assert {"card_expired", "fraudulent", "invalid_number", "restricted_account", "invalid_account"} <= FINAL
    assert not {"insufficient_funds", "exceeds_limit", "card_declined", "bad_gateway", "other_error"} & FINAL
    assert set(DECLINES) > FINAL


def test_the_default_is_four_retries_in_fourteen_days() -> None:
    subscription, period, now, tried = ACTIVE, PERIOD, START, []
    while subscription.status != "suspended":
        tried.append((now - START) // DAY)
        move = transitions.declined(subscription, period, "insufficient_funds", DAYS, now)
        subscription, period = move.subscription, replace(period, declines=move.declines)
        now = subscription.due_at or now
    assert tried == [0, 1, 4, 8, 14]
    assert subscription.retry_count == 4


def test_retries_that_come_late_keep_a_day_between_them() -> None:
    late = START + 20 * DAY
    again = transitions.declined(ACTIVE, replace(PERIOD, declines=1), "card_declined", DAYS, late).subscription
    assert again.due_at == late + DAY


def test_a_charge_that_was_not_sent_counts_as_nothing() -> None:
    for status in ("active", "retrying"):
        before = replace(ACTIVE, status=status, retry_count=2)
        move = transitions.not_sent(before, PERIOD, START)
        assert (move.subscription.status, move.subscription.retry_count) == (status, 2)
        assert (move.subscription.due_at, move.period, move.events) == (START + HOUR, "open", ())
        assert move.subscription.retry_at == (START + HOUR if status == "retrying" else None)


def test_one_that_has_ended_stays_ended_whatever_comes() -> None:
    ended = transitions.over(ACTIVE, START)
    assert ended.active_attempt == "a"
    for move in (
        transitions.paid(ended, PERIOD),
        transitions.declined(ended, PERIOD, "card_declined", DAYS, START),
        transitions.not_sent(ended, PERIOD, START),
    ):
        after = move.subscription
        assert (after.status, after.due_at, after.active_attempt, after.ended_at) == ("deleted", None, None, START)
        assert move.period != "open"
        assert transitions.DELETED not in move.events
