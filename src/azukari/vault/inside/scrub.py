"""Takes the card out of a processor's reply, in whatever spelling it was echoed (SEC-28).

Two steps, because nearly every reply is clean: a quick search that may cry wolf, then the exact one that replaces. What
is still there afterwards cannot be let through.
"""

import re
from binascii import b2a_base64, hexlify
from collections.abc import Iterable, Iterator, Mapping

from azukari.vault.inside.numbers import masked

#: What may stand between the digits of one number; the quick search drops these bytes from the whole text. The last
#: two are a no-break space.
_GAPS = b" -._+/\t\r\n\x00\xc2\xa0"
#: The same, and the start of a digit, as URLs (``%34``) and JSON (``\\u0034``) spell them.
_PERCENT = (b"%20", b"%2D", b"%2d", b"%2B", b"%2b", b"%2E", b"%2e", b"%2F", b"%2f", b"%3")
_ESCAPED = (b"\\u0020", b"\\u002d", b"\\u002D", b"\\u00a0", b"\\u00A0", b"\\/", b"\\n", b"\\t", b"\\u003")

#: One digit, or one thing that may stand between two: as they are, and as they may be spelt. The first reading is not
#: a part of the second: in ``%378282…`` it sees a number that begins with 3, the second one that begins with 7.
_AS_IT_IS = re.compile(rb"([0-9])|[ \-._+/\t\r\n\x00\xc2\xa0]")
_SPELT = re.compile(
    rb"%3([0-9])|\\u003([0-9])|%2[0BbDdEeFf]|\\u0020|\\u002[dD]|\\u00[aA]0|\\[/nt]"
    rb"|([0-9])|[ \-._+/\t\r\n\x00\xc2\xa0]"
)

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
        self._encoded = _encodings(self._digits)
        self._code = verification_value.encode() if verification_value else None

    def reply(self, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        """The reply without the card; header names in lower case. Raises CardInReply."""
        lines = {name.lower(): value for name, value in headers.items()}
        # One search for all of it: nearly every reply ends here.
        whole = _bytes("\x01".join((*lines, *lines.values(), ""))) + body if lines else body
        if not self._may_hold_number(whole):
            if self._code is None or self._code not in whole:
                return lines, body
            return {name: self._without_code_line(value) for name, value in lines.items()}, self._without_code(body)
        return {self._line(name): self._line(value) for name, value in lines.items()}, self._body(body)

    def _body(self, body: bytes) -> bytes:
        return self._without_code(self._without_number(body))

    def _line(self, line: str) -> str:
        return self._without_code_line(_text(self._without_number(_bytes(line))))

    def _without_code_line(self, line: str) -> str:
        data = _bytes(line)
        return _HIDDEN if data.strip() == self._code else _text(self._without_code(data))

    def _may_hold_number(self, data: bytes) -> bool:
        return self._in_flat(data) or ((b"%" in data or b"\\" in data) and self._in_flat(_unspelt(data)))

    def _in_flat(self, data: bytes) -> bool:
        flat = data.translate(None, _GAPS)
        if self._digits in flat:
            return True
        for encoded in self._encoded:  # noqa: SIM110 (any() with a generator takes three times as long)
            if encoded in flat:
                return True
        return False

    def _without_number(self, data: bytes) -> bytes:
        if not self._may_hold_number(data):
            return data
        mask = masked(self._digits.decode()).encode()
        for reading in (_AS_IT_IS, _SPELT):
            for start, end in reversed(list(self._spans(reading, data))):
                data = data[:start] + mask + data[end:]
        for encoded in self._encoded:
            data = data.replace(encoded, mask)
        if self._may_hold_number(data):
            raise CardInReply
        return data

    def _spans(self, reading: re.Pattern[bytes], data: bytes) -> Iterator[tuple[int, int]]:
        """Where the number stands: its digits in order, nothing but gaps between them."""
        digits, last = bytearray(), 0
        starts: list[int] = []
        for token in reading.finditer(data):
            if token.start() != last:
                digits.clear()
                starts.clear()
            last = token.end()
            if token.lastindex is None:
                continue
            digits += token[token.lastindex]
            starts.append(token.start())
            if digits.endswith(self._digits):
                yield starts[-len(self._digits)], last
                digits.clear()
                starts.clear()

    def _without_code(self, data: bytes) -> bytes:
        return data if self._code is None else _without_value(data, self._code)


class WordScrubber:
    """Takes other secrets out of replies: an agreement, a prepaid number, a password.

    long: words that stand for nothing else wherever they are found. short: taken out where they are a whole value.
    """

    def __init__(self, long: Iterable[str], short: Iterable[str]) -> None:
        self._long = [word.encode() for word in long]
        self._short = [word.encode() for word in short]

    def reply(self, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        """The reply without the words; header names in lower case. Raises CardInReply."""
        return {name.lower(): self._line(value) for name, value in headers.items()}, self._without(body)

    def _line(self, line: str) -> str:
        data = _bytes(line)
        return _HIDDEN if data.strip() in self._short else _text(self._without(data))

    def _without(self, data: bytes) -> bytes:
        for word in self._long:
            for form in (word, *_encodings(word)):
                data = data.replace(form, _HIDDEN.encode())
            if word in _unspelt(data).translate(None, _GAPS):
                raise CardInReply
        for word in self._short:
            data = _without_value(data, word)
        return data


class BothScrubbers:
    """Takes a card's other secrets out of replies, then the card."""

    def __init__(self, secret_fields: WordScrubber, card: Scrubber) -> None:
        self._words = secret_fields
        self._card = card

    def reply(self, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        """The reply without both; header names in lower case. Raises CardInReply."""
        return self._card.reply(*self._words.reply(headers, body))


def _without_value(data: bytes, value: bytes) -> bytes:
    """The data without a value too short to be looked for anywhere: only where it stands alone."""
    if value not in data:
        return data
    for before in _BEFORE:
        if before + value not in data:
            continue
        for after in _AFTER:
            data = data.replace(before + value + after, before + _HIDDEN.encode() + after)
        if data.endswith(before + value):
            data = data[: -len(value)] + _HIDDEN.encode()
    return data


def _unspelt(data: bytes) -> bytes:
    """The data with spelt gaps left out and spelt digits as digits; cheap, so not quite what :data:`_SPELT` reads."""
    for spelling in (*_PERCENT, *_ESCAPED):
        data = data.replace(spelling, b"")
    return data


def _encodings(digits: bytes) -> tuple[bytes, ...]:
    """The number in hex, and in base64 alone or within other text.

    Three bytes make four letters, so there are three ways for the number to fall on them. Letters that also hold bits
    of what stands around it are left out.
    """
    size = len(digits)
    return (
        hexlify(digits),
        b2a_base64(digits)[: size * 8 // 6],
        b2a_base64(b"\0" + digits)[2 : (size + 1) * 8 // 6],
        b2a_base64(b"\0\0" + digits)[3 : (size + 2) * 8 // 6],
    )


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
