"""Addresses that must not be written down: what stands in a URL ends up in every log on its way."""

import re
from urllib.parse import unquote

from azukari.core.errors import BadRequest
from azukari.core.pan import looks_like_card_number

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
    _refuse_secrets(text)
    plain = text
    for _ in range(_DECODINGS):
        if "%" not in plain:
            break
        plain = unquote(plain)
    if plain != text:
        _refuse_secrets(plain)


def _refuse_secrets(text: str) -> None:
    if _SECRET_KEY.search(text) or looks_like_card_number(text):
        raise BadRequest("A card number or a secret key must not be part of a URL.")
