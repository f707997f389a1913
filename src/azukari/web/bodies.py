"""Request bodies: bytes to a tree (:func:`parse`), and the tree to a Struct (``convert``).

The tree holds objects, lists, strings, booleans, ``None``, ``int`` and :class:`~azukari.web.members.Number`.
"""

import json
import re
from typing import Never

from azukari.core.errors import BadRequest, UnsupportedMediaType
from azukari.web import forms
from azukari.web.converting import convert, convert_query
from azukari.web.members import (
    COMMAS,
    Amount,
    Currency,
    Expiration,
    Flag,
    LongText,
    Metadata,
    Name,
    Number,
    PageNumber,
    PerPage,
    PositiveAmount,
    Reader,
    Refused,
    ShortText,
    SignedAmount,
    Tax,
    Timestamp,
    Whole,
)
from azukari.web.return_urls import ReturnUrl
from azukari.web.urls import url_is_clean

__all__ = [
    "COMMAS", "Amount", "Currency", "Expiration", "Flag", "LongText", "Metadata", "Name", "Number", "PageNumber",
    "PerPage", "PositiveAmount", "Reader", "Refused", "ReturnUrl", "ShortText", "SignedAmount", "Tax", "Timestamp",
    "Whole", "convert", "convert_query", "parse", "url_is_clean",
]  # fmt: skip

MAX_DEPTH = forms.MAX_DEPTH
#: Of a number in JSON. Python needs quadratic time to read an integer.
MAX_DIGITS = 64


def parse(content_type: str | None, raw: bytes) -> dict[str, object]:
    """What a body holds: JSON or a form. An empty one is ``{}``, whatever its content type. Source: contract 1.1.

    Raises BadRequest (cannot be read), UnsupportedMediaType (neither JSON nor a form).
    """
    if not raw:
        return {}
    if content_type == "application/json":
        return parse_json(raw)
    essence, _, parameters = (content_type or "").lower().partition(";")
    essence = essence.strip()
    charset = _CHARSET.search(parameters)
    if charset is not None and charset[1] not in ("utf-8", "utf8"):
        raise UnsupportedMediaType
    if essence == "application/x-www-form-urlencoded":
        return parse_form(raw)
    if essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json")):
        return parse_json(raw)
    raise UnsupportedMediaType


_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s\";]*)")


def parse_form(raw: bytes) -> dict[str, object]:
    """A form. The words ``null`` and ``undefined`` stand for nothing and go, except in ``metadata``: that text is the
    merchant's own. Raises BadRequest. Source: contract 1.1.
    """
    tree = forms.parse(raw)
    if b"null" in raw or b"undefined" in raw:
        for name, value in list(tree.items()):
            if name != "metadata":
                tree[name] = _without_words(value)
        tree = {name: value for name, value in tree.items() if value is not None}
    return tree


def _without_words(value: object) -> object:
    """The same tree with the words replaced by None in objects and dropped from lists."""
    if isinstance(value, str):
        return None if value in ("null", "undefined") else value
    if isinstance(value, dict):
        kept = {name: _without_words(held) for name, held in value.items()}
        return {name: held for name, held in kept.items() if held is not None}
    assert isinstance(value, list)
    return [held for held in map(_without_words, value) if held is not None]


def parse_json(raw: bytes) -> dict[str, object]:
    """A JSON object, read strictly.

    Raises BadRequest: not UTF-8, NUL, lone surrogates, NaN, a key given twice, more than 20 levels, a number of more
    than 64 digits, anything but an object at the top. ``[]`` is one: PHP writes an empty object so. So is ``null``:
    axios writes it where there is no body to send.
    """
    try:
        tree = _JSON.decode(raw.decode())
    except (ValueError, RecursionError):
        raise BadRequest from None
    if tree is None or tree == []:
        return {}
    if type(tree) is not dict:
        raise BadRequest
    # Without escapes there is nothing in the text that the decoding of UTF-8 and of JSON let through.
    if b"\\u" in raw or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _check(tree, 1)
    return tree


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError
    return tree


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError
    return int(text)


def _number(text: str) -> Number:
    if len(text) > MAX_DIGITS:
        raise ValueError
    return Number(text)


def _constant(_: str) -> Never:
    raise ValueError


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_int=_integer, parse_constant=_constant)
_UNFIT = re.compile("[\x00\ud800-\udfff]")


def _check(value: object, depth: int) -> None:
    """Refuse what an escape can smuggle in, and too many levels."""
    if isinstance(value, str):
        if _UNFIT.search(value):
            raise BadRequest
    elif isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            raise BadRequest
        for key in value if isinstance(value, dict) else ():
            _check(key, depth)
        for held in value.values() if isinstance(value, dict) else value:
            _check(held, depth + 1)
