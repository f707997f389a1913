"""Card numbers: their brands, and how much of one may be shown."""

import re

from azukari.core.pan import holds_card_number
from azukari.payment_types import BRANDS

_BEGINS = {slug: re.compile(brand.begins) for slug, brand in BRANDS.items()}
UNKNOWN = "unknown"


def brand_of(digits: str) -> str:
    """The brand's slug, or ``unknown``."""
    for brand in BRANDS.values():
        if len(digits) in brand.lengths and _BEGINS[brand.slug].match(digits):
            return brand.slug
    return UNKNOWN


def bin_of(digits: str) -> str:
    """The digits that name the issuer: 8, or 6 of a card shorter than 16. Source: SEC-3."""
    return digits[:8] if len(digits) >= 16 else digits[:6]


def masked(digits: str) -> str:
    """The one form a number is shown in: ``41111111****1111``."""
    shown = bin_of(digits)
    return shown + "*" * (len(digits) - len(shown) - 4) + digits[-4:]


def phone_is_card(text: str) -> bool:
    """Whether what is given as a telephone number is a card's instead.

    Thirteen digits are not enough here: German mobile numbers have as many, begin with a 4, and one in ten passes Luhn.
    """
    return holds_card_number(text) and sum(sign.isdecimal() for sign in text) > 13
