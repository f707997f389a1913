"""The merchant's clock, moved by the fixture."""

from datetime import UTC, datetime, timedelta

import pytest

from azukari.testing import Azukari


def created(azukari: Azukari) -> datetime:
    """By the merchant's time."""
    made = azukari.client.post("/customers", json={}).json()
    return datetime.fromisoformat(made["created_at"])


def test_time_passes_as_it_is_told_to(azukari: Azukari) -> None:
    start = azukari.clock.freeze()
    assert azukari.clock.now() == start == created(azukari)

    assert azukari.clock.advance(timedelta(days=40, hours=3, seconds=5)) == start + timedelta(40, 5, hours=3)
    assert azukari.clock.advance("P1Y").replace(year=start.year) != start
    assert azukari.clock.set("2061-01-31T09:00:00+09:00") == datetime(2061, 1, 31, tzinfo=UTC)
    assert azukari.clock.set(datetime(2061, 2, 1, tzinfo=UTC)) == created(azukari) == datetime(2061, 2, 1, tzinfo=UTC)
    assert azukari.clock.unfreeze() >= datetime(2061, 2, 1, tzinfo=UTC)
    assert azukari.clock.reset() < datetime(2061, 1, 1, tzinfo=UTC)


def test_each_test_has_a_clock_of_its_own(azukari: Azukari) -> None:
    azukari.clock.set("2061-01-31")
    azukari.reset()

    assert azukari.clock.now().year < 2061


def test_what_the_clock_cannot_do_is_said(azukari: Azukari) -> None:
    with pytest.raises(ValueError, match="advance"):
        azukari.clock.advance("a while")


def test_webhooks_of_the_future_come(azukari: Azukari) -> None:
    azukari.clock.set("2061-01-31")
    azukari.client.post("/customers", json={"email": "hanako@example.jp"})

    assert azukari.webhooks.wait("customer.created").event["created_at"].startswith("2061-01-31")
    assert len(azukari.webhooks.all()) == 1
