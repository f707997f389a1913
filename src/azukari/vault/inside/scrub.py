"""Takes the card out of a processor's reply, in whatever spelling it was echoed (SEC-28).

Two steps, because nearly every reply is clean: a quick search that may cry wolf, then the exact one that replaces. What
is still there afterwards cannot be let through.
"""

import base64
import re
from collections.abc import Iterator, Mapping

from azukari.vault.inside.numbers import masked

#: What may stand between the digits of one number; the quick search drops these bytes from the whole text. The last
#: two are a no-break space.
_GAPS = b" -._+/\t\r\n\x00\xc2\xa0"
#: The same, and the start of a digit, as URLs (``%34``) and JSON (``\\u0034``) spell them.
_PERCENT = (b"%20", b"%2D", b"%2d", b"%2B", b"%2b", b"%2E", b"%2e", b"%2F", b"%2f", b"%3")
_ESCAPED = (b"\\u0020", b"\\u002d", b"\\u002D", b"\\u00a0", b"\\u00A0", b"\\/", b"\\n", b"\\t", b"\\u003")

_DIGIT = re.compile(rb"%3([0-9])|\\u003([0-9])|([0-9])")
_GAP = re.compile(
    rb"(?:[ \-._+/\t\r\n\x00\xc2\xa0]|%2[0BbDdEeFf]|\\u0020|\\u002[dD]|\\u00[aA]0|\\[/nt])*"
)  # fmt: skip

_HIDDEN = "***"
#: What stands around a whole value in JSON (also inside a JSON string), in a form or a query, and in XML.
_BEFORE = (b'"', b"=", b">")
_AFTER = (b'"', b"\\", b"&", b"<")


class CardInReply(Exception):
    """The card is in the reply in a form that cannot be replaced."""


class Scrubber:
    """Takes one card's number and verification value out of replies."""

    def __init__(self, digits: str, verification_value: str | None) -> None:
        self._digits = digits.encode()
        self._mask = masked(digits).encode()
        self._encoded = tuple(_encodings(digits))
        self._code = verification_value.encode() if verification_value else None

    def body(self, body: bytes) -> bytes:
        """The body without the card. Raises CardInReply."""
        return self._without_code(self._without_number(body))

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The same for headers, names too; names come back in lower case. Raises CardInReply."""
        return {self._text(name).lower(): self._text(value) for name, value in headers.items()}

    def _text(self, text: str) -> str:
        data = text.encode(errors="surrogateescape")
        if self._code is not None and data.strip() == self._code:
            return _HIDDEN
        return self.body(data).decode(errors="surrogateescape")

    def _may_hold_number(self, data: bytes) -> bool:
        if b"%" in data:
            for spelling in _PERCENT:
                data = data.replace(spelling, b"")
        if b"\\" in data:
            for spelling in _ESCAPED:
                data = data.replace(spelling, b"")
        flat = data.translate(None, _GAPS)
        return self._digits in flat or any(encoded in flat for encoded in self._encoded)

    def _without_number(self, data: bytes) -> bytes:
        if not self._may_hold_number(data):
            return data
        for start, end in reversed(list(self._spans(data))):
            data = data[:start] + self._mask + data[end:]
        for encoded in self._encoded:
            data = data.replace(encoded, self._mask)
        if self._may_hold_number(data):
            raise CardInReply
        return data

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where the number stands: its digits in order, nothing but gaps between them."""
        digits, last = bytearray(), 0
        starts: list[int] = []
        for found in _DIGIT.finditer(data):
            if digits and _GAP.fullmatch(data, last, found.start()) is None:
                digits.clear()
                starts.clear()
            digits += found[found.lastindex or 0]
            starts.append(found.start())
            last = found.end()
            if digits.endswith(self._digits):
                yield starts[-len(self._digits)], last
                digits.clear()
                starts.clear()

    def _without_code(self, data: bytes) -> bytes:
        code = self._code
        if code is None or code not in data:
            return data
        for before in _BEFORE:
            for after in _AFTER:
                data = data.replace(before + code + after, before + _HIDDEN.encode() + after)
            if data.endswith(before + code):
                data = data[: -len(code)] + _HIDDEN.encode()
        return data


def _encodings(digits: str) -> Iterator[bytes]:
    """The number in hex and in base64, alone or within other text, in one piece and in the groups people write."""
    for text in _spellings(digits):
        yield text.hex().encode()
        yield text.hex().upper().encode()
        for shift in range(3):
            # Three bytes make four letters, so there are three ways for the number to fall on them. Letters that
            # also hold bits of what stands around it are left out.
            letters = base64.b64encode(bytes(shift) + text)
            yield letters[(0, 2, 3)[shift] : (shift + len(text)) * 8 // 6]


def _spellings(digits: str) -> Iterator[bytes]:
    sizes = (4, 6, 5) if len(digits) < 16 else (4, 4, 4, 4, 3)
    groups, start = [], 0
    for size in sizes:
        groups.append(digits[start : start + size])
        start += size
    for between in ("", " ", "-"):
        yield between.join(group for group in groups if group).encode()
