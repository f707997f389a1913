"""Card numbers: their brands, and how much of one may be shown."""

import re

from azukari.core.pan import holds_card_number

#: First digits and lengths of each brand (ISO/IEC 7812 issuer ranges), by the API's slugs. Source: contract 4.1.
_BRANDS = (
    ("visa", re.compile("4"), (13, 16, 19)),
    ("master", re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    ("american_express", re.compile("3[47]"), (15,)),
    ("jcb", re.compile("352[89]|35[3-8]"), (16, 17, 18, 19)),
    ("diners_club", re.compile("30[0-5]|3095|3[689]"), (14, 15, 16, 17, 18, 19)),
    ("discover", re.compile("6011|64[4-9]|65"), (16, 17, 18, 19)),
    ("unionpay", re.compile("62|81"), (16, 17, 18, 19)),
)
UNKNOWN = "unknown"


def brand_of(digits: str) -> str:
    """The brand's slug, or ``unknown``."""
    for brand, prefix, lengths in _BRANDS:
        if len(digits) in lengths and prefix.match(digits):
            return brand
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
