"""Test card numbers and what the bank says to them. All are published. Source: contract 16.1."""

from collections.abc import Mapping

#: Every other number that passes Luhn is approved.
DECLINED: Mapping[str, str] = {
    "4123111111111000": "insufficient_funds",
    "4123111111111018": "exceeds_limit",
    "4123111111111034": "bad_verification_value",
    "4123111111111042": "card_expired",
    "4123111111111059": "card_declined",
    "4123111111111067": "other_invalid",
    "4123111111111075": "other_invalid",
    "4123111111111083": "fraudulent",
}
