"""What brands and stores are called. Names only say what is accepted: no owner's marks."""

from collections.abc import Mapping
from typing import NamedTuple

from azukari import payment_types
from azukari.payment_types import STORES


class Brand(NamedTuple):
    """A card brand as the form knows it.

    name: short enough for a line with others. tile: 44 points wide. The rest: as in the table of payment types.
    """

    slug: str
    name: str
    tile: str
    begins: str
    lengths: tuple[int, ...]


_NAMES = {
    "visa": ("Visa", "VISA"), "master": ("Mastercard", "MC"), "american_express": ("Amex", "AMEX"),
    "jcb": ("JCB", "JCB"), "diners_club": ("Diners", "DINERS"), "discover": ("Discover", "DISC"),
    "unionpay": ("UnionPay", "UPAY"),
}  # fmt: skip
#: By the API's slugs.
BRANDS: Mapping[str, Brand] = {
    slug: Brand(slug, *names, payment_types.BRANDS[slug].begins, payment_types.BRANDS[slug].lengths)
    for slug, names in _NAMES.items()
}


def store(language: str, slug: str) -> str:
    """A convenience store's name."""
    return STORES[slug].names.in_(language) if slug in STORES else slug


def listed(language: str, names: list[str]) -> str:
    """Names one after the other."""
    return ("、" if language in ("ja", "zh") else ", ").join(names)
