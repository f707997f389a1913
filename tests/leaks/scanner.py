"""The scanner: how a card number, a code or a word stands in some bytes."""

import base64
import json
import secrets
import zlib
from collections.abc import Iterator

from azukari.core.pan import luhn


def spread(digits: str, between: str) -> str:
    return between.join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _base64_core(raw: bytes, shift: int) -> bytes:
    """The characters of base 64 that are the same whatever surrounds the text, which begins ``shift`` bytes in."""
    encoded = base64.b64encode(b"\0" * shift + raw)
    return encoded[(0, 2, 3)[shift] : (len(raw) + shift) * 8 // 6]


def dresses(digits: str) -> dict[str, bytes]:
    """Every way a number may be written down."""
    plain = digits.encode()
    number = int(digits)
    found = {
        "raw": plain,
        "spaced": spread(digits, " ").encode(),
        "dashed": spread(digits, "-").encode(),
        "spaced, in a query": spread(digits, "+").encode(),
        "spaced, URL-encoded": spread(digits, "%20").encode(),
        "URL-encoded": "".join(f"%{byte:02x}" for byte in plain).encode(),
        "escaped as in JSON": "".join(f"\\u{byte:04x}" for byte in plain).encode(),
        "hex": plain.hex().encode(),
        "UTF-16, little end first": digits.encode("utf-16-le"),
        "UTF-16, big end first": digits.encode("utf-16-be"),
        "packed": bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits),
        "an integer, big end first": number.to_bytes(8, "big"),
        "an integer, little end first": number.to_bytes(8, "little"),
        "full-width": "".join(chr(ord(digit) + 0xFEE0) for digit in digits).encode(),
        "backwards": plain[::-1],
    }
    for shift in range(3):
        found[f"base 64, {shift} bytes in"] = _base64_core(plain, shift)
    return found


def _unpacked(hay: bytes) -> Iterator[bytes]:
    """What is compressed in it, by gzip or zlib."""
    for magic, bits in ((b"\x1f\x8b\x08", 31), (b"\x78\x01", 15), (b"\x78\x9c", 15), (b"\x78\xda", 15)):
        at = hay.find(magic)
        while at >= 0:
            try:
                yield zlib.decompressobj(bits).decompress(hay[at:], 10_000_000)
            except zlib.error:
                pass
            at = hay.find(magic, at + 1)


def found_in(hay: bytes, digits: str) -> list[str]:
    """How a number stands in some bytes; nothing when it does not."""
    lower = hay.lower()
    found = []
    for name, needle in dresses(digits).items():
        folded = name in ("hex", "URL-encoded", "escaped as in JSON")
        if needle in (lower if folded else hay):
            found.append(name)
    return found + [f"compressed, {name}" for inner in _unpacked(hay) for name in found_in(inner, digits)]


def code_found_in(hay: bytes, code: str) -> list[str]:
    """How a security code stands there. Four digits alone may be anything: these are the ways only a text has."""
    ways = [f'"{code}"', f"'{code}'", f'\\"{code}\\"', f"%22{code}%22", f"verification_value={code}",
            f"verification_value]={code}", f"verification_value%5D={code}", f'verification_value":{code}',
            f'verification_value": {code}', f"Secret({code}", f"cvc={code}", f"code {code}"]  # fmt: skip
    sealed = json.dumps({"v": code}, separators=(",", ":"))
    needles = {way: way.encode() for way in ways}
    needles |= {f"{way} in UTF-16": way.encode("utf-16-le") for way in ways[:2]}
    needles |= {f"{way} in hex": way.encode().hex().encode() for way in (*ways[:2], sealed)}
    needles |= {f"{sealed} in base 64, {shift}": _base64_core(sealed.encode(), shift) for shift in range(3)}
    found = [name for name, needle in needles.items() if needle in hay]
    return found + [f"compressed, {name}" for inner in _unpacked(hay) for name in code_found_in(inner, code)]


def new_number(begins: str = "411111", length: int = 16) -> str:
    """A number nobody has, of a range published for tests."""
    while True:
        body = begins + "".join(secrets.choice("0123456789") for _ in range(length - len(begins) - 1))
        digits = next(body + last for last in "0123456789" if luhn(body + last))
        # One that reads the same in another dress would be found twice.
        if len(set(digits[6:])) > 4:
            return digits


def word_found_in(hay: bytes, word: str) -> list[str]:
    """How a secret word stands in some bytes."""
    plain = word.encode()
    ways = {
        "raw": plain,
        "hex": plain.hex().encode(),
        "UTF-16": word.encode("utf-16-le"),
        "backwards": plain[::-1],
        "spaced": spread(word, " ").encode(),
        "dashed": spread(word, "-").encode(),
    }
    ways |= {f"base 64, {shift} bytes in": _base64_core(plain, shift) for shift in range(3)}
    found = [name for name, needle in ways.items() if needle in hay]
    return found + [f"compressed, {name}" for inner in _unpacked(hay) for name in word_found_in(inner, word)]
