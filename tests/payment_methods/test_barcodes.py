"""The barcode is read again by a reader of our own that knows the standard's other half: what a scanner sees."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azukari.payment_methods import barcode

#: The symbol characters as 11 modules each, in hexadecimal, bars as ones. Source: ISO/IEC 15417, table 1.
TABLE = (
    "6CC 66C 666 498 48C 44C 4C8 4C4 464 648 644 624 59C 4DC 4CE 5CC 4EC 4E6 672 65C 64E 6E4 674 76E 74C 72C 726 764 "
    "734 732 6D8 6C6 636 518 458 446 588 468 462 688 628 622 5B8 58E 46E 5D8 5C6 476 776 68E 62E 6E8 6E2 6EE 758 746 "
    "716 768 762 71A 77A 642 78A 530 50C 4B0 486 42C 426 590 584 4D0 4C2 434 432 612 650 7BA 614 47A 53C 4BC 49E 5E4 "
    "4F4 4F2 7A4 794 792 6DE 6F6 7B6 578 51E 45E 5E8 5E2 7A8 7A2 5DE 5EE 75E 7AE 684 690 69C"
)
MODULES = TABLE.split()
STOP = "1100011101011"
TO_C, TO_B, START_B, START_C = 99, 100, 104, 105


def pixels(picture: bytes) -> list[str]:
    """The rows of a picture of one bit for each pixel, black as ``1``."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        kind, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", picture, at + 8 + length) == (zlib.crc32(kind + data),)
        chunks[kind] = data
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    wide, high, *kind = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (wide, high, kind) == (750, 150, [1, 0, 0, 0, 0])
    raw = zlib.decompress(chunks[b"IDAT"])
    step = len(raw) // high
    rows = [raw[at : at + step] for at in range(0, len(raw), step)]
    assert all(row[0] == 0 for row in rows)
    bits = ["".join(f"{byte:08b}" for byte in row[1:])[:wide] for row in rows]
    return [row.translate(str.maketrans("01", "10")) for row in bits]


def read(picture: bytes) -> str:
    """What a scanner makes of it."""
    rows = pixels(picture)
    assert len(set(rows)) == 1
    bars = rows[0].strip("0")
    module = len(bars) - len(bars.lstrip("1"))
    assert module % 2 == 0  # every symbol begins with a bar of two modules
    module //= 2
    assert min(len(rows[0]) - len(rows[0].lstrip("0")), len(rows[0]) - len(rows[0].rstrip("0"))) >= 10 * module
    modules = bars[::module]
    assert bars == "".join(module * each for each in modules)
    assert modules.endswith(STOP)
    body = modules[: -len(STOP)]
    assert len(body) % 11 == 0
    start, *characters, check = (MODULES.index(f"{int(body[at : at + 11], 2):03X}") for at in range(0, len(body), 11))
    assert check == (start + sum(place * each for place, each in enumerate(characters, 1))) % 103
    said, pairs = "", {START_B: False, START_C: True}[start]
    for each in characters:
        if each == (TO_B if pairs else TO_C):
            pairs = not pairs
        else:
            said += f"{each:02}" if pairs else chr(each + 32)
    return said


def test_the_reader_knows_106_characters_apart() -> None:
    assert len(set(MODULES)) == len(MODULES) == 106


@pytest.mark.parametrize("number", ["1234567890123", "12345678901", "123-456-789", "0000", "7", "77", "A1B2345678-X"])
def test_a_payment_number_is_read_again(number: str) -> None:
    assert read(barcode.png(number)) == number


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text("0123456789", min_size=1, max_size=60),
        st.text([chr(sign) for sign in range(32, 127)], min_size=1, max_size=20),
    )
)
def test_whatever_fits_is_read_again(number: str) -> None:
    assert read(barcode.png(number)) == number


def test_digits_go_in_pairs() -> None:
    """A scanner reads wide bars better: thirteen digits leave five pixels for each module."""
    row = pixels(barcode.png("1234567890123"))[0].strip("0")
    assert row.startswith("1" * 10 + "0")


@pytest.mark.parametrize("number", ["", "１２３", "12\n34", "12\t", "a" * 40, "0" * 70])
def test_what_a_barcode_cannot_say_is_refused(number: str) -> None:
    with pytest.raises(ValueError):
        barcode.png(number)


def test_a_picture_is_small() -> None:
    assert len(barcode.png("1234567890123")) < 300
