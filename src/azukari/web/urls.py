"""Addresses that must not be written down: what stands in a URL ends up in every log on its way."""

import re
from urllib.parse import unquote

from azukari.core.errors import BadRequest
from azukari.core.pan import looks_like_card_number

_DIGITS = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,3}[0-9]){12}")
_SECRET_KEY = re.compile(r"sk_(?:live|test)_[0-9A-Za-z]{10}")
#: An address may have been escaped again by each program that passed it on.
_DECODINGS = 3


def url_is_clean(path: str, query: bytes) -> None:
    """Refuse a URL that holds a card number or a secret key.

    path: decoded, as ASGI has it. query: as it came. Raises BadRequest, also for NUL: no database takes it as text.
    """
    if "\0" in path:
        raise BadRequest
    text = f"{path}?{query.decode(errors='replace')}" if query else path
    if "sk_" in text or "%" in text or not text.isascii() or _DIGITS.search(text):
        _look_closely(text)


def _look_closely(text: str) -> None:
    for _ in range(_DECODINGS):
        if _SECRET_KEY.search(text) or looks_like_card_number(text):
            raise BadRequest("A card number or a secret key must not be part of a URL.")
        if "%" not in text:
            return
        text = unquote(text)
