"""Limits that a few calls reach."""

import pytest

from azukari.web import limits


@pytest.fixture
def three_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls a minute from one place."""
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 3)
