"""What the machine draws from, and how it is written in a request."""

from typing import Any

import hypothesis.strategies as st

from tests.machine.things import FULL, REFUSED, Means, Payment, Token

GOOD = ("4111111111111111", "5555555555554444", "3530111333300000")
GOOD_CARDS = [Means("credit_card", number) for number in GOOD]
CARDS = [*GOOD_CARDS, *GOOD_CARDS, *(Means("credit_card", number) for number in REFUSED)]
KONBINI, PAYPAY = Means("konbini"), Means("paypay")
#: One that everybody types, two that nobody has used, and one that is refused.
PREPAID = [
    Means("web_money", number) for number in (FULL, FULL, "abcd1234efgh5678", "efgh1234abcd9999", "e111111111111112")
]
MEANS = [*CARDS, *[KONBINI, PAYPAY] * 5, *PREPAID]
#: What a session is paid with, or that it is cancelled.
FOR_SESSIONS = [*GOOD_CARDS, *[PAYPAY, PAYPAY, KONBINI] * 3, *["cancel", "token"] * 2, *CARDS, *PREPAID]
AMOUNTS = st.sampled_from([1000, 300, 2500, 5000, 1])
PARTS = st.sampled_from([None, None, 300, 1000, 1, 5000])
CURRENCIES = st.sampled_from(["JPY"] * 5 + ["USD"])
KEYS = st.sampled_from([None, None, None, None, "key-1", "key-2"])
NUMBERS = st.sampled_from([None, None, "order-1", "order-2"])
SCENARIOS = st.sampled_from([None] * 6 + ["insufficient_funds", "fraudulent"])
WHOSE = st.sampled_from([0, 0, 0, 1])
MESSAGES = st.sampled_from(["Tea", "二つ"])
MODES = st.sampled_from(["payment", "payment", "customer", "customer_payment"])
#: Mostly what was made last.
WHICH = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 5, 8])
KINDS = ["payments", "customers", "sessions"]
ACCOUNT = {
    "customer_name": "ヤマダ タロウ", "bank_name": "テスト銀行", "branch_number": "001", "account_type": "normal",
    "account_number": "1234567",
}  # fmt: skip

Given = Means | Token


def wire(given: Given) -> object:
    """As ``payment_details`` says it."""
    return given.id if isinstance(given, Token) else given.wire


def remember_page(payment: Payment, shown: dict[str, Any]) -> None:
    """Where a shopper decides about a payment."""
    payment.ref = (shown["payment_details"].get("redirect_url") or "").rpartition("/")[2]
