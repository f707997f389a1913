"""Request bodies: bytes to a tree (:func:`parse`), and the tree to a Struct (``convert``).

The tree holds objects, lists, strings, booleans, ``None``, ``int`` and :class:`~azukari.wire.fields.Number`.
"""

import json
import re
from typing import Never

from azukari.core.errors import BadRequest, UnsupportedMediaType
from azukari.wire import forms
from azukari.wire.binding import convert, convert_query
from azukari.wire.fields import (
    COMMAS,
    MEANT,
    NOT_BLANK,
    Amount,
    Currency,
    Email,
    Expiration,
    Flag,
    InvalidValue,
    LongText,
    Metadata,
    Name,
    Number,
    PageNumber,
    PerPage,
    PositiveAmount,
    Reader,
    ShortText,
    SignedAmount,
    Tax,
    Timestamp,
    Whole,
)
from azukari.wire.return_urls import ReturnUrl
from azukari.wire.urls import url_is_clean

__all__ = [
    "COMMAS",
    "MEANT",
    "NOT_BLANK",
    "Amount",
    "Currency",
    "Email",
    "Expiration",
    "Flag",
    "InvalidValue",
    "LongText",
    "Metadata",
    "Name",
    "Number",
    "PageNumber",
    "PerPage",
    "PositiveAmount",
    "Reader",
    "ReturnUrl",
    "ShortText",
    "SignedAmount",
    "Tax",
    "Timestamp",
    "Whole",
    "convert",
    "convert_query",
    "parse",
    "url_is_clean",
]  # fmt: skip

MAX_DEPTH = forms.MAX_DEPTH
#: Of a number in JSON. Python needs quadratic time to read an integer.
MAX_DIGITS = 64


def parse(content_type: str | None, raw: bytes) -> dict[str, object]:
    """What a body holds: JSON or a form. An empty one is ``{}``, whatever its content type. Source: contract 1.1.

    Nothing that was sent is lost: a body in which no parameters can be seen, because it is mislabelled or mangled, is
    refused. To whoever acts on it an empty one would mean "all".
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


def _mislabelled(what: str, media_type: str) -> BadRequest:
    return BadRequest(f"The body is {what}. Send it with the header Content-Type: {media_type}.")


#: What a form's names are made of, up to their first bracket.
_FORM_NAME = re.compile(r"[A-Za-z0-9_.-]+")
#: A form that is no list of parameters: one cartridge sends the id of what it means, and nothing else.
_BARE_ID = re.compile(rb"[a-z0-9]{25}|tok_[a-z0-9]{25}")
#: A parameter behind something else than ``&``: its value would become the end of another's.
_MISDIVIDED = re.compile(rb"[;\r\n][ \t]*+[a-z_]++(?:\[[a-z_]*+\])*+=")
_BOM = "\ufeff"
_WORDS = ("null", "undefined")


def parse_form(raw: bytes) -> dict[str, object]:
    """A form. The words ``null`` and ``undefined`` stand for the empty string, except in ``metadata``: its members are
    the merchant's own text. Raises BadRequest. Source: contract 1.1.
    """
    _check_form(raw)
    tree = forms.parse(raw)
    for name in tree:
        if not _FORM_NAME.fullmatch(name):
            if name.lstrip()[:1] in ("{", "["):
                raise _mislabelled("JSON", "application/json")
            raise BadRequest("A name in the form holds signs that no parameter's name has.")
    if b"null" not in raw and b"undefined" not in raw:
        return tree
    return {
        name: value if name == "metadata" and isinstance(value, dict) else _without_words(value)
        for name, value in tree.items()
    }


def _check_form(raw: bytes) -> None:
    """Refuse what is labelled as a form and is none, or would be read otherwise than it was meant."""
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        raise _mislabelled("JSON", "application/json")
    if b"=" not in raw and b"&" not in raw and not _BARE_ID.fullmatch(raw):
        raise BadRequest("The form holds no parameters: write them as name=value, with & between them.")
    if raw.startswith(b"=") or b"&=" in raw:
        raise BadRequest("A value in the form has no name: write it as name=value.")
    if _MISDIVIDED.search(raw):
        raise BadRequest("Write & between the parameters of a form, and escape what is part of a value.")


def _without_words(value: object) -> object:
    """The same tree with the empty string for the words in objects, and without them in lists."""
    if isinstance(value, str):
        return "" if value in _WORDS else value
    if isinstance(value, dict):
        return {name: _without_words(held) for name, held in value.items()}
    assert isinstance(value, list)
    return [held for held in map(_without_words, value) if held != ""]


def parse_json(raw: bytes) -> dict[str, object]:
    """A JSON object, read strictly.

    Raises BadRequest: not UTF-8, NUL, lone surrogates, NaN, a key given twice, more than 20 levels, a number of more
    than 64 digits, anything but an object at the top. ``[]`` is one: PHP writes an empty object so. So is ``null``:
    axios writes it where there is no body to send.
    """
    try:
        text = raw.decode()
        tree = _JSON.decode(text)
    except (ValueError, RecursionError):
        if raw.startswith(_BOM.encode()):
            raise BadRequest("The body begins with a byte order mark: leave it out.") from None
        if _LIKE_A_FORM.match(raw):
            raise _mislabelled("a form", "application/x-www-form-urlencoded") from None
        raise BadRequest("The body is not JSON that can be read.") from None
    if tree is None or tree == []:
        return {}
    if type(tree) is not dict:
        raise BadRequest("The body must be a JSON object.")
    # Without escapes there is nothing in the text that the decoding of UTF-8 and of JSON let through.
    if b"\\u" in raw or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _check(tree, 1)
    return tree


_LIKE_A_FORM = re.compile(rb"[a-z_]++(?:\[[a-z_]*+\])*+=")


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
