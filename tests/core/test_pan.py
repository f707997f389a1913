"""What looks like a card number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azukari.core.pan import looks_like_card_number, luhn


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
        "4111/1111/1111/1111",
        "4111    1111    1111    1111",
        "2026-03-01 12:00:00",
        "+81 90 1234 5678",
    ],
)
def test_other_text_is_not_taken_for_one(text: str) -> None:
    assert not looks_like_card_number(text)


@pytest.mark.parametrize("text", ["1 " * 100_000, "1" * 200_000, "1-" * 100_000 + "x", "1   " * 50_000])
def test_long_rows_of_digits_come_to_an_end(text: str) -> None:
    assert not looks_like_card_number(text)
    assert looks_like_card_number(text + "/4111111111111111")
