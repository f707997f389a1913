"""Rates between the currency of an order and the one it is paid in, and amounts at a rate. Whole numbers, no floats."""

from collections.abc import Mapping

from azukari.core.money import CURRENCIES

YEN = "JPY"
#: Yen for one of a currency in test mode, where the merchant has set no rate of its own. Fixed for ever, so that tests
#: can count on them, and no market's: nothing in live mode reads them. Source: ``docs/operating.md``, "Types and rates
#: in test mode".
TEST_RATES: Mapping[str, str] = {
    "USD": "150", "EUR": "160", "GBP": "200", "CHF": "175", "CAD": "110", "AUD": "100", "NZD": "90", "SGD": "115",
    "HKD": "19", "CNY": "21", "TWD": "5", "KRW": "0.11", "MYR": "35", "THB": "4.5", "PHP": "2.6", "IDR": "0.01",
    "VND": "0.006", "PLN": "40", "BRL": "28",
}  # fmt: skip
#: Of a rate that is worked out from two others.
_DECIMALS = 12


def fixed_rate(ordered_in: str, paid_in: str, own: Mapping[str, str]) -> str:
    """Test mode's rate: how many of ``paid_in`` are paid for one of ``ordered_in``.

    own: the merchant's rates, yen for one of each; they go before ours.
    """
    yen = {YEN: "1", **TEST_RATES, **own}
    if paid_in == YEN:
        return yen[ordered_in]
    above, above_decimals = _whole(yen[ordered_in])
    below, below_decimals = _whole(yen[paid_in])
    above, below = above * 10 ** (_DECIMALS + below_decimals), below * 10**above_decimals
    whole, part = divmod((above + below // 2) // below, 10**_DECIMALS)
    return f"{whole}.{part:0{_DECIMALS}}".rstrip("0").rstrip(".")


def at_rate(amount: int, rate: str, ordered_in: str, paid_in: str) -> int:
    """What an order's amount is in the currency it is paid in: rounded to the nearest unit, at least 1 unless it is 0.

    rate: how many of ``paid_in`` for one of ``ordered_in``, as it is written.
    """
    number, decimals = _whole(rate)
    above = amount * number * 10 ** CURRENCIES[paid_in]
    below = 10 ** (decimals + CURRENCIES[ordered_in])
    return max(1, (above + below // 2) // below) if amount else 0


def _whole(rate: str) -> tuple[int, int]:
    """A rate without its point, and how many decimals it had."""
    whole, _, part = rate.partition(".")
    return int(whole + part), len(part)
