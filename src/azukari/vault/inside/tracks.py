"""A card as a terminal has read it. Source: ISO/IEC 7813 (track 2); EMV book 3, annexes A and B (tags)."""

import re
from binascii import unhexlify
from collections.abc import Mapping

from azukari.core.errors import MissingParameter
from azukari.core.pan import luhn
from azukari.core.secret import Secret
from azukari.vault.inside.cards import FIRST_YEAR, Reader
from azukari.vault.inside.transport import Blank

#: Number, year and month at the head of track 2, or of what a chip says in its stead.
_HEAD = re.compile(r";?([0-9]{12,19})[=D]([0-9]{2})(0[1-9]|1[0-2])", re.IGNORECASE)
_TRACK2, _NUMBER, _EXPIRY = 0x57, 0x5A, 0x5F24


def card_of(read: Reader, secret_fields: Mapping[Blank, Secret], now: int) -> tuple[str, tuple[int, int]]:
    """Number, month and year, from the stripe or from what the chip said.

    Raises MissingParameter (neither was given), InvalidParameter (they hold no card, or one that is over).
    """
    found = None
    for blank in (Blank.TRACK2, Blank.FIELD55):
        if blank not in secret_fields:
            continue
        member, text = blank.value, secret_fields[blank].reveal()
        found = _of_track(text) if blank is Blank.TRACK2 else _of_chip(text)
        if found is not None:
            break
    else:
        if not secret_fields:
            raise MissingParameter(read.name(Blank.TRACK2.value))
        raise read.refuse(member, "No card can be read in it.")
    digits, month, year = found
    if not luhn(digits):
        raise read.refuse(member, "The card number is invalid.")
    read.check_still_good(month, year, now, member)
    return digits, (month, year)


def _of_track(text: str) -> tuple[str, int, int] | None:
    head = _HEAD.match(text)
    return None if head is None else (head[1], int(head[3]), FIRST_YEAR + int(head[2]))


def _of_chip(text: str) -> tuple[str, int, int] | None:
    try:
        tags = _tags(unhexlify(text))
    except ValueError:
        return None
    if _TRACK2 in tags:
        return _of_track(tags[_TRACK2].hex())
    if _NUMBER not in tags or _EXPIRY not in tags:
        return None
    return _of_track(tags[_NUMBER].hex().rstrip("f") + "=" + tags[_EXPIRY].hex())


def _tags(data: bytes) -> dict[int, bytes]:
    """Tag, length, value, one after another; what a tag holds is not looked into. Raises ValueError."""
    found: dict[int, bytes] = {}
    at = 0
    try:
        while at < len(data):
            tag, at = data[at], at + 1
            if tag & 0x1F == 0x1F:
                tag, at = tag << 8 | data[at], at + 1
            length, at = data[at], at + 1
            if length == 0x81:
                length, at = data[at], at + 1
            elif length > 0x7F:
                raise ValueError
            found[tag], at = data[at : at + length], at + length
    except IndexError:
        raise ValueError from None
    if at != len(data):
        raise ValueError
    return found
