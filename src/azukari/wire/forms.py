"""``application/x-www-form-urlencoded`` with brackets, by the rules of Rack.

``a[b]=1`` is a member of an object, ``a[]=1`` an element of a list, ``a[][b]=1`` a member of the last object in a list;
a new object begins when the last one has that member already. Where Rack guesses (a name given twice, brackets that do
not close, two shapes under one name) we refuse: a guess about money is worse than a 400.

Source: Rack, ``QueryParser#normalize_params``; contract 1.1.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from azukari.core.errors import BadRequest

MAX_DEPTH = 20
MAX_PAIRS = 4_000

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def parse(raw: bytes) -> dict[str, object]:
    """The tree of objects, lists and strings a form stands for; ``abc123`` alone is ``{"abc123": ""}``.

    Pairs without a name are skipped, as Rack does.
    Raises BadRequest: not UTF-8, NUL, a broken escape, a name given twice, conflicting shapes, more than 20 levels,
    more than 4,000 pairs.
    """
    if b"\0" in raw or b"%00" in raw or raw.count(b"&") >= MAX_PAIRS:
        raise BadRequest
    try:
        pairs = _escaped_pairs(raw) if b"%" in raw or b"+" in raw else _plain_pairs(raw)
    except UnicodeDecodeError:
        raise BadRequest from None
    tree: dict[str, object] = {}
    for name, _, value in pairs:
        if "[" in name or "]" in name:
            _place(tree, name, value)
        elif name in tree:
            raise BadRequest(_twice(name))
        elif name:
            tree[name] = value
    return tree


_SHOWN = re.compile("[a-z_]{1,30}")


def _twice(name: str) -> str:
    """What is said of a name given twice. Only one that can be a parameter's is repeated."""
    known = name if _SHOWN.fullmatch(name) else "name"
    return f"A parameter is given twice. If it is a list, write {known}[]= each time."


def _plain_pairs(raw: bytes) -> list[tuple[str, str, str]]:
    # The common small body: one decoding for all of it.
    return [pair.partition("=") for pair in raw.decode().split("&")]


def _escaped_pairs(raw: bytes) -> list[tuple[str, str, str]]:
    if _BROKEN_ESCAPE.search(raw):
        raise BadRequest
    # Split first, decode after: an escaped "&" or "=" is text.
    halves = [pair.partition(b"=") for pair in raw.replace(b"+", b" ").split(b"&")]
    return [(_text(name), "=", _text(value)) for name, _, value in halves]


def _text(raw: bytes) -> str:
    return (unquote_to_bytes(raw) if b"%" in raw else raw).decode()


def _place(tree: dict[str, object], name: str, value: str) -> None:
    """Put a value where its bracketed name says."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadRequest
    key, brackets = match.groups()
    steps = brackets[1:-1].split("][")
    if len(steps) >= MAX_DEPTH:
        raise BadRequest
    _descend(tree, key, steps, value)


def _descend(here: dict[str, object], key: str, steps: Sequence[str], value: str) -> None:
    """Through members of objects to the end of the name, or to its first ``[]`` and into that list."""
    for position, step in enumerate(steps, 1):
        if not step:
            _append(_list_at(here, key), steps[position:], value)
            return
        here, key = _object_at(here, key), step
    if key in here:
        raise BadRequest(_twice(key))
    here[key] = value


def _append(elements: list[object], steps: Sequence[str], value: str) -> None:
    """Put a value into a list: at its end, or into the last object there as long as that lacks the member."""
    if not steps:
        elements.append(value)
    elif not steps[0]:
        inner: list[object] = []
        elements.append(inner)
        _append(inner, steps[1:], value)
    else:
        last = elements[-1] if elements else None
        if not isinstance(last, dict) or _has(last, steps):
            last = {}
            elements.append(last)
        _descend(last, steps[0], steps[1:], value)


def _has(here: object, steps: Sequence[str]) -> bool:
    """Whether an object has this member already. A list in it may always grow."""
    for step in steps:
        # At a list it ends: no object has the member "".
        if not isinstance(here, dict) or step not in here:
            return False
        here = here[step]
    return True


def _object_at(here: dict[str, object], key: str) -> dict[str, object]:
    found = here.setdefault(key, {})
    if not isinstance(found, dict):
        raise BadRequest
    return found


def _list_at(here: dict[str, object], key: str) -> list[object]:
    found = here.setdefault(key, [])
    if not isinstance(found, list):
        raise BadRequest
    return found
