"""A subscription's moves after a charge: pure functions of what was and what came of it.

Source: contract 11.3; ``docs/security.md``, REL-8, REL-9; ``docs/subscriptions.md``, "When a charge is declined".
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from azukari.core.clock import DAY, HOUR
from azukari.processors.declines import FINAL
from azukari.subscriptions.store import PeriodRow, PeriodState, Subscription

#: After this a charge that provably did not reach the processor is made anew. It was no decline, and counts as none.
NOT_SENT_PAUSE = HOUR
#: Two charges of one period are at least so far apart.
LEAST_PAUSE = DAY
DELETED = "subscription.deleted"


class Move(NamedTuple):
    """What the rows are to become. events: types of what happened, in order."""

    subscription: Subscription
    period: PeriodState
    declines: int
    events: tuple[str, ...]


def paid(subscription: Subscription, period: PeriodRow) -> Move:
    """The period's charge was captured. One that was ended meanwhile stays ended."""
    if subscription.status == "deleted":
        after = replace(subscription, active_attempt=None, due_at=None)
    else:
        after = replace(
            subscription,
            status="active",
            active_attempt=None,
            retry_count=0,
            retry_at=None,
            due_at=subscription.next_capture_at,
        )
    return Move(after, "paid", period.declines, ("subscription.captured",))


def declined(
    subscription: Subscription, period: PeriodRow, code: str | None, retry_days: Sequence[int], now: int
) -> Move:
    """The bank's no; code None: there was nothing that could be charged. The first charge decides on all of it."""
    declines = period.declines + 1
    failed: tuple[str, ...] = ("subscription.failed",)
    free = replace(subscription, active_attempt=None, retry_at=None, due_at=None)
    if subscription.status == "deleted":
        return Move(free, "failed", declines, failed)
    if subscription.status == "pending":
        return Move(over(free, now), "failed", declines, (*failed, DELETED))
    counted = replace(free, retry_count=declines - 1)
    if code in FINAL or declines > len(retry_days):
        return Move(replace(counted, status="suspended"), "failed", declines, (*failed, "subscription.suspended"))
    again = max(period.created_at + retry_days[declines - 1] * DAY, now + LEAST_PAUSE)
    return Move(replace(counted, status="retrying", retry_at=again, due_at=again), "open", declines, failed)


def not_sent(subscription: Subscription, period: PeriodRow, now: int) -> Move:
    """The charge did not reach the processor, so nothing was declined; a first charge has to be asked for anew."""
    free = replace(subscription, active_attempt=None, due_at=None)
    if subscription.status == "deleted":
        return Move(free, "failed", period.declines, ())
    if subscription.status == "pending":
        return Move(over(free, now), "failed", period.declines, ("subscription.failed", DELETED))
    return Move(put_off(free, now + NOT_SENT_PAUSE), "open", period.declines, ())


def put_off(subscription: Subscription, until: int) -> Subscription:
    """Nothing is charged before that moment."""
    retry_at = until if subscription.status == "retrying" else None
    return replace(subscription, due_at=until, retry_at=retry_at)


def over(subscription: Subscription, now: int) -> Subscription:
    """Nothing is charged any more. A charge that is under way goes on, and what comes of it is written down."""
    return replace(subscription, status="deleted", retry_at=None, due_at=None, ended_at=now)
