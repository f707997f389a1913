"""The barcode a cashier scans: Code 128 as a PNG picture. Source: ISO/IEC 15417, ISO/IEC 15948."""

import re
import struct
import zlib
from collections.abc import Iterator

#: What the API gives out, in pixels. Source: contract section 12.
WIDE, HIGH = 750, 150
#: Empty modules on both sides, without which a scanner finds no beginning.
_QUIET = 10
_TO_C, _TO_B, _START_B, _START_C, _STOP = 99, 100, 104, 105, 106
#: Widths of bars and gaps, in modules, of each symbol character.
_TABLE = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112"
)
_WIDTHS = _TABLE.split()
#: Pairs of digits are half as long, once there are enough of them to pay for the change.
_PIECES = re.compile(r"(?:[0-9]{2}){2,}|[\x20-\x7e]")


def png(number: str) -> bytes:
    """A black and white picture of a number, 750 × 150. Raises ValueError: nothing a barcode can say, or too long."""
    modules = "".join(_drawn(_checked([*_characters(number)])))
    pixels = WIDE // (len(modules) + 2 * _QUIET)
    if pixels < 2:
        raise ValueError("too long for a scanner to read")
    row = "".join(pixels * module for module in modules).center(WIDE, "1")
    # Each row starts with its filter, none, and ends at a whole byte.
    packed = b"\0" + int(row.ljust(-WIDE % 8 + WIDE, "1"), 2).to_bytes((WIDE + 7) // 8, "big")
    header = struct.pack(">IIBBBBB", WIDE, HIGH, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(packed * HIGH, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _characters(number: str) -> Iterator[int]:
    """The start, then the symbol characters, in sets C (two digits each) and B (one sign each)."""
    pieces = _PIECES.findall(number)
    if not pieces or "".join(pieces) != number:
        raise ValueError("nothing a barcode can say")
    now = None
    for piece in pieces:
        pairs = len(piece) > 1
        if pairs is not now:
            yield (_START_C if pairs else _START_B) if now is None else (_TO_C if pairs else _TO_B)
        yield from (int(piece[at : at + 2]) for at in range(0, len(piece), 2)) if pairs else (ord(piece) - 32,)
        now = pairs


def _checked(characters: list[int]) -> list[int]:
    total = characters[0] + sum(place * character for place, character in enumerate(characters))
    return [*characters, total % 103, _STOP]


def _drawn(characters: list[int]) -> Iterator[str]:
    """A ``0`` for each black module, ``1`` for each white one."""
    for character in characters:
        for place, width in enumerate(_WIDTHS[character]):
            yield int(width) * "01"[place % 2]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
