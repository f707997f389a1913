"""What brands and stores are called. Names only say what is accepted: no owner's marks."""

from collections.abc import Mapping
from typing import NamedTuple

from azukari.payment_methods.catalogue import STORES

_LONG = (16, 17, 18, 19)


class Brand(NamedTuple):
    """A card brand as the form knows it.

    name: short enough for a line with others. tile: 44 points wide. begins: its first digits, a pattern of browsers.
    lengths: how many digits. Source: ISO/IEC 7812 issuer ranges.
    """

    slug: str
    name: str
    tile: str
    begins: str
    lengths: tuple[int, ...]


_BRANDS = (
    Brand("visa", "Visa", "VISA", "4", (13, 16, 19)),
    Brand("master", "Mastercard", "MC", "5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
    Brand("american_express", "Amex", "AMEX", "3[47]", (15,)),
    Brand("jcb", "JCB", "JCB", "352[89]|35[3-8]", _LONG),
    Brand("diners_club", "Diners", "DINERS", "3(?:0[0-5]|095|[689])", (14, 15, *_LONG)),
    Brand("discover", "Discover", "DISC", "6011|64[4-9]|65", _LONG),
    Brand("unionpay", "UnionPay", "UPAY", "62|81", _LONG),
)
#: By the API's slugs.
BRANDS: Mapping[str, Brand] = {brand.slug: brand for brand in _BRANDS}

#: Carriers of ``japan_mobile``.
CARRIERS: Mapping[str, str] = {"au": "au", "docomo": "docomo", "softbank": "SoftBank"}


def store(language: str, slug: str) -> str:
    """A convenience store's name."""
    return STORES[slug].names.in_(language) if slug in STORES else slug


def listed(language: str, names: list[str]) -> str:
    """Names one after the other."""
    return ("、" if language in ("ja", "zh") else ", ").join(names)
