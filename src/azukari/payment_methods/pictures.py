"""Pictures of payment types, card brands and stores: our own drawings, by kind, and plain words for names.

No owner's colours, letterforms or shapes. Whoever may use official artwork puts it in the folder ``AZUKARI_ARTWORK``
names, as ``paypay.svg`` or ``konbini/lawson.png``; we ship none. Source: docs/operating.md, "Artwork".
"""

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

from azukari.core.config import SettingError
from azukari.payment_types import BRANDS, METHODS, STORES

SVG = "image/svg+xml"
_MEDIA_TYPES = {".svg": SVG, ".png": "image/png"}
_MOST_BYTES = 256 * 1024
#: A tile, and the gap between two. White with dark lines, so that it stands on any ground.
_WIDE, _HIGH, _GAP = 44, 26, 6
#: The most a name may take of its tile; longer ones are drawn narrower.
_LETTERS, _LONGEST = 38, 7

#: On a grid of 24.
_DRAWINGS = {
    "card": '<rect x="3" y="5.5" width="18" height="13" rx="2.5"/><path d="M3 10h18M6.5 15h3"/>',
    "konbini": '<path d="M4 10v8.5a1.5 1.5 0 0 0 1.5 1.5h13a1.5 1.5 0 0 0 1.5-1.5V10M3 8l2-4h14l2 4a3 3 0 0 1-6 0 3 3 '
    '0 0 1-6 0 3 3 0 0 1-6 0ZM10 20v-5h4v5"/>',
    "bank": '<path d="M4 9.5 12 4l8 5.5ZM5 20h14M6.5 12.5V17M12 12.5V17M17.5 12.5V17"/>',
    "offsite": '<rect x="7" y="3" width="10" height="18" rx="2.5"/><path d="M11 18h2"/>',
    "prepaid": '<path d="M3.5 7h17v3.2a1.8 1.8 0 0 0 0 3.6V17h-17v-3.2a1.8 1.8 0 0 0 0-3.6ZM14.5 7v10"/>',
}
_DRAWN_AS = {"payeasy": "bank", "other": "prepaid"}
#: Names short enough for a tile.
_SHORT = {
    "visa": "VISA", "master": "Master", "jcb": "JCB", "american_express": "Amex", "diners_club": "Diners",
    "discover": "Discover", "unionpay": "UnionPay",
}  # fmt: skip


class Picture(NamedTuple):
    """A picture's bytes and media type."""

    body: bytes
    media_type: str


class Gallery:
    """The pictures of one installation; drawn or read once, when the server starts.

    artwork: a folder of official pictures. Raises SettingError.
    """

    def __init__(self, artwork: Path | None) -> None:
        drawn = {slug: _tiles(method.names.en, [_drawing(method.group)]) for slug, method in METHODS.items()}
        stores = {slug: _tiles(store.names.en, [_word(store.names.en)]) for slug, store in STORES.items()}
        self._official = {} if artwork is None else _read(artwork, [*METHODS, *(f"konbini/{slug}" for slug in STORES)])
        self._methods = {slug: self._official.get(slug, picture) for slug, picture in drawn.items()}
        self._stores = {slug: self._official.get(f"konbini/{slug}", picture) for slug, picture in stores.items()}

    def method(self, slug: str, brands: Iterable[str] = ()) -> Picture | None:
        """A payment type's picture; of cards, a tile for each of these brands. None: there is no such type."""
        known = [brand for brand in dict.fromkeys(brands) if brand in BRANDS]
        if slug == "credit_card" and known and slug not in self._official:
            return _tiles(", ".join(BRANDS[brand].name for brand in known), [_word(_SHORT[brand]) for brand in known])
        return self._methods.get(slug)

    def store(self, slug: str) -> Picture | None:
        """A convenience store's picture. None: there is no such store."""
        return self._stores.get(slug)


def _tiles(label: str, insides: list[str]) -> Picture:
    wide = len(insides) * (_WIDE + _GAP) - _GAP
    tiles = "".join(
        f'<g transform="translate({place * (_WIDE + _GAP)})"><rect x=".5" y=".5" width="{_WIDE - 1}" '
        f'height="{_HIGH - 1}" rx="4" fill="#fff" stroke="#d5d2cc"/>{inside}</g>'
        for place, inside in enumerate(insides)
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{_HIGH}" viewBox="0 0 {wide} {_HIGH}" '
        f'role="img" aria-label="{escape(label)}">{tiles}</svg>'
    )
    return Picture(svg.encode(), SVG)


def _drawing(group: str) -> str:
    lines = _DRAWINGS[_DRAWN_AS.get(group, group)]
    return (
        '<g transform="translate(12 3) scale(.8333)" fill="none" stroke="#1d2126" stroke-width="1.6" '
        f'stroke-linecap="round" stroke-linejoin="round">{lines}</g>'
    )


def _word(name: str) -> str:
    """A name, two words below each other."""
    first, _, second = name.partition(" ")
    return _line(first, "11.8") + _line(second, "21.2") if second else _line(first, "16.5")


def _line(letters: str, y: str) -> str:
    narrow = f' textLength="{_LETTERS}" lengthAdjust="spacingAndGlyphs"' if len(letters) > _LONGEST else ""
    return (
        f'<text x="{_WIDE // 2}" y="{y}" text-anchor="middle" font-family="sans-serif" font-size="9" '
        f'font-weight="bold" fill="#1d2126"{narrow}>{escape(letters)}</text>'
    )


def _read(folder: Path, names: Iterable[str]) -> Mapping[str, Picture]:
    """The official pictures of a folder, by name; only names of ours are looked for."""
    found: dict[str, Picture] = {}
    for name in names:
        for ending, media_type in _MEDIA_TYPES.items():
            file = folder / f"{name}{ending}"
            if not file.is_file():
                continue
            if file.stat().st_size > _MOST_BYTES:
                raise SettingError(f"A picture in AZUKARI_ARTWORK ({name}{ending}) is over {_MOST_BYTES} bytes.")
            found.setdefault(name, Picture(file.read_bytes(), media_type))
    return found
