"""Money: whole numbers of a currency's smallest unit, beside the currency. No float, anywhere."""

from collections.abc import Mapping

#: The currencies of the wire and how many decimals each has (ISO 4217; a test holds them against a library's table).
#: Source: contract 1.7.
CURRENCIES: Mapping[str, int] = {
    "JPY": 0, "USD": 2, "EUR": 2, "TWD": 2, "KRW": 0, "PLN": 2, "GBP": 2, "HKD": 2, "SGD": 2, "NZD": 2,
    "AUD": 2, "IDR": 2, "MYR": 2, "PHP": 2, "THB": 2, "CNY": 2, "BRL": 2, "CHF": 2, "CAD": 2, "VND": 0,
}  # fmt: skip

#: The largest amount we take, in the smallest unit.
MAX_AMOUNT = 10**12
