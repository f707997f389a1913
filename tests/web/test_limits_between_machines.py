"""Machines count calls together through their database."""

from contextlib import suppress
from dataclasses import dataclass

import pytest

from azukari.core.clock import HOUR, MINUTE
from azukari.core.errors import TooManyRequests
from azukari.db import DatabaseDown, telling
from azukari.db.counts import Counts
from azukari.web import limits
from azukari.web.limits import Limiter
from tests.house import House
from tests.web.callers import ELSEWHERE, HERE, api_key


@dataclass
class Machines:
    """Two that count apart, and tell each other through one database."""

    house: House

    def __post_init__(self) -> None:
        self.counts = [Counts(self.house.clock, b"the installation's") for _ in range(2)]
        self.limiters = [Limiter(self.house.clock, counts) for counts in self.counts]

    async def talk(self) -> list[bool]:
        return [await telling.tell(counts, self.house.services.db, self.house.clock.now()) for counts in self.counts]

    async def admitted(self, tries: int, place: str = HERE) -> int:
        """Of so many calls to each, in between which they talk."""
        admitted = 0
        for number in range(tries):
            for limiter in self.limiters:
                with suppress(TooManyRequests):
                    limiter.admit(place)
                    admitted += 1
            if number % 10 == 9:
                await self.talk()
        return admitted


@pytest.fixture
def machines(house: House) -> Machines:
    return Machines(house)


async def test_machines_count_together_through_their_database(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 100)
    # Each by itself would let 100 through; they hear of each other after each ten calls.
    assert 100 <= await machines.admitted(100) <= 120
    assert await machines.admitted(10) == 0
    assert await machines.admitted(10, ELSEWHERE) == 20

    machines.house.clock.advance(MINUTE)
    assert 100 <= await machines.admitted(100) <= 120


async def test_while_nobody_comes_near_a_limit_machines_say_nothing(machines: Machines) -> None:
    for number in range(2_000):
        machines.limiters[0].admit(f"203.0.{number % 250}.1")
        machines.limiters[0].count(api_key("a", "m1"), None)
    assert await machines.talk() == [False, False]


async def test_what_was_told_is_not_told_again(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 100)
    for _ in range(60):
        machines.limiters[0].admit(HERE)
    assert [await machines.talk(), await machines.talk()] == [[True, False], [False, False]]
    for _ in range(60):
        with suppress(TooManyRequests):
            machines.limiters[1].admit(HERE)
    assert [await machines.talk(), await machines.talk()] == [[False, True], [False, False]]
    with pytest.raises(TooManyRequests):
        machines.limiters[1].admit(HERE)


async def test_what_cannot_be_told_is_told_later(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 100)

    async def away(*_: object) -> None:
        raise DatabaseDown

    for _ in range(60):
        machines.limiters[0].admit(HERE)
    with monkeypatch.context() as patch:
        patch.setattr(machines.house.services.db, "write", away)
        with pytest.raises(DatabaseDown):
            await machines.talk()
    assert await machines.talk() == [True, False]
    for _ in range(45):
        machines.limiters[1].admit(HERE)
    await machines.talk()
    with pytest.raises(TooManyRequests):
        machines.limiters[1].admit(HERE)


async def test_what_may_happen_three_times_an_hour_does_so_on_all_machines_together(machines: Machines) -> None:
    one, other = machines.counts
    for counts in (one, one, other):
        counts.count_named("authentication c1", 3, HOUR)
        await machines.talk()
    for counts in (one, other):
        counts.count_named("authentication c2", 3, HOUR)
        with suppress(TooManyRequests):
            counts.count_named("authentication c1", 3, HOUR)
        await machines.talk()
        with pytest.raises(TooManyRequests):
            counts.count_named("authentication c1", 3, HOUR)


async def test_what_is_over_is_deleted(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 100)
    await machines.admitted(50)
    db, clock = machines.house.services.db, machines.house.clock
    assert await db.write(telling.forget, clock.now()) == 0
    clock.advance(MINUTE)
    assert [await db.write(telling.forget, clock.now()) for _ in range(2)] == [1, 0]
