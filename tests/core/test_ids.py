"""Ids: UUIDv7 in base 36, in the order in which they were made."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from azukari.core.ids import LENGTH, RandomIds, base36


class _Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.moment = 1_700_000_000_000

    def now(self) -> int:
        return self.moment


@given(st.integers(0, 2**128 - 1))
def test_128_bits_are_25_characters_that_read_back(number: int) -> None:
    assert len(base36(number)) == LENGTH
    assert int(base36(number), 36) == number


def test_an_id_is_a_uuid_of_version_7() -> None:
    clock = _Clock()

    for clock.moment in (0, 1, 1_700_000_000_000, 2**48 - 1):
        number = int(RandomIds(clock).new(), 36)
        assert number >> 80 == clock.moment
        assert number >> 76 & 0xF == 7
        assert number >> 62 & 0b11 == 0b10


def test_later_ids_sort_after_earlier_ones_whatever_the_clock_does() -> None:
    clock = _Clock()
    ids = RandomIds(clock)

    made = []
    for step in (0, 0, 1, -5, 0, 10_000, -1):
        clock.moment += step
        made += [ids.new() for _ in range(5_000)]

    assert all(earlier < later for earlier, later in pairwise(made))


def test_the_random_part_uses_all_of_its_62_bits_and_no_draw_twice() -> None:
    ids = RandomIds(_Clock())

    tails = [int(ids.new(), 36) & (1 << 62) - 1 for _ in range(2_000)]

    assert len(set(tails)) == len(tails)
    for bit in range(62):
        assert 800 < sum(tail >> bit & 1 for tail in tails) < 1_200
