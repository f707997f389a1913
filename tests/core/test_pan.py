"""What looks like a card number."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azukari.core.errors import BadRequest
from azukari.core.pan import looks_like_card_number, luhn, luhn_runs
from azukari.core.scrub import scrub
from azukari.wire.pan_screening import suspicious
from azukari.wire.urls import url_is_clean


@pytest.mark.parametrize("text", ["4111111111111111", "378282246310005", "30569309025904", "0", "18", "79927398713"])
def test_a_right_check_digit_passes(text: str) -> None:
    assert luhn(text)


@pytest.mark.parametrize("text", ["4111111111111112", "1411111111111111", "1", "81", "79927398710"])
def test_a_wrong_check_digit_fails(text: str) -> None:
    assert not luhn(text)


@given(st.text("0123456789", min_size=1, max_size=30))
def test_exactly_one_check_digit_fits(digits: str) -> None:
    assert sum(luhn(f"{digits}{last}") for last in range(10)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111 - 1111 1111  1111",
        "3782 822463 10005",
        "４１１１　１１１１　１１１１　１１１１",
        "٤١١١١١١١١١١١١١١١",
        "Card: 4111111111111111.",
        "order 17 4111 1111 1111 1111 02/28",
        "4222222222222",
        "6304000000000000000",
        "5555555555554444",
        "2223003122003222",
        "3530111333300000",
        "6200000000000005",
        "4111.1111.1111.1111",
        "4111_1111_1111_1111",
        "4111/1111/1111/1111",
        "4111,1111,1111,1111",
        "4111 – 1111 – 1111 – 1111",
        "4111・1111・1111・1111",
        "4111    1111    1111    1111",
        "4111 - 1111\n1111\t \t1111",
        "4111\u200b1111\u200b1111\u200b1111",
        "4\u00ad111\u2060111\ufeff111111111",
        "(4111) [1111] {1111} <1111>",
        "4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1",
        "④①①①①①①①①①①①①①①①",
        "カード番号4111111111111111です",
        "2026.11.30 4111.1111.1111.1111 12:00",
    ],
)
def test_a_card_number_is_seen_in_any_dress(text: str) -> None:
    assert looks_like_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111111111111112",
        "411111111111",
        "41111111111111111111",
        "7111111111111111114",
        "x4111111111111111",
        "4111111111111111x",
        "4111.....1111.....1111.....1111",
        "4111a1111b1111c1111",
        "4111年1111年1111年1111",
        "2026-03-01 12:00:00",
        "+81 90 1234 5678",
    ],
)
def test_other_text_is_not_taken_for_one(text: str) -> None:
    assert not looks_like_card_number(text)


@pytest.mark.parametrize(
    "text", ["order4111111111111111", "4111111111111111x", "a4111-1111-1111-1111b", "№x4111111111111111"]
)
def test_letters_beside_a_number_hide_it_only_where_they_make_an_id(text: str) -> None:
    assert looks_like_card_number(text, anywhere=True)
    assert not looks_like_card_number(text)


#: A row of groups, as the scanner means it, read without any haste.
_SLOW_ROW = re.compile(r"[0-9]+(?:(?:\s+|[^\w\s]|_){1,3}[0-9]+)*")


def _slowly(text: str) -> list[tuple[int, int]]:
    found = []
    for row in _SLOW_ROW.finditer(text):
        groups = [group.span() for group in re.finditer("[0-9]+", row[0])]
        for first, (begin, _) in enumerate(groups):
            for last in range(first, len(groups)):
                digits = "".join(row[0][start:end] for start, end in groups[first : last + 1])
                if 13 <= len(digits) <= 19 and luhn(digits):
                    found.append((row.start() + begin, row.start() + groups[last][1]))
    return sorted(found)


@given(st.text("0123456789012345678901234567890123456789- ./x_", max_size=80))
def test_every_choice_of_groups_is_tried(text: str) -> None:
    assert sorted(luhn_runs(text, anywhere=True)) == _slowly(text)


def test_where_a_number_stands_is_told_in_the_text_as_it_was() -> None:
    text = "番号\u200b４１１１\u200b-1111\u00ad1111 1111\u200bです"

    ((begin, end),) = luhn_runs(text)

    assert text[begin:end] == "４１１１\u200b-1111\u00ad1111 1111"


WORST = {
    "5-": 256, "55-": 256, "4-0-": 256, "5": 256, "0-": 256, "5   ": 256, "5---": 256, "_5": 256, ".": 256, "５‐": 128,
    "5\u200b": 128, " ": 256, "4111111111111111 ": 256, "%35-": 256, "%2535%252d": 256,
}  # fmt: skip
#: Every reader of texts that anybody sends.
READERS: dict[str, Callable[[str], object]] = {
    "a text": looks_like_card_number,
    "a person's text": lambda text: looks_like_card_number(text, anywhere=True),
    "every run": lambda text: list(luhn_runs(text, anywhere=True)),
    "an address": lambda text: _is_refused(lambda: url_is_clean("/" + text, text.encode())),
    "a merchant's text": lambda text: suspicious(text, metadata={text[:30]: text}),
    "the log": scrub,
}


def _is_refused(check: Callable[[], object]) -> bool:
    try:
        check()
    except BadRequest:
        return True
    return False


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("bit", WORST)
def test_a_text_of_256_kib_takes_time_that_grows_with_its_length_alone(
    bit: str, reader: Callable[[str], object]
) -> None:
    text = bit * (WORST[bit] * 1024 // len(bit))

    began = time.process_time()
    reader(text)

    # 5 ms for 8 KiB, with a lot of room for a machine that is slow or busy; a reader that tries anew from each digit
    # takes minutes.
    assert time.process_time() - began < 3


@pytest.mark.parametrize("text", ["1 " * 100_000, "1" * 200_000, "1-" * 100_000 + "x", "1   " * 50_000])
def test_long_rows_of_digits_come_to_an_end(text: str) -> None:
    assert not looks_like_card_number(text)
    assert looks_like_card_number(text + "....4111111111111111")
