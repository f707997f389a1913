"""The scanner finds what it is to find, in every dress."""

import base64
import gzip
import secrets
import zlib

import pytest

from tests.leaks.scanner import code_found_in, dresses, found_in, new_number, spread, word_found_in


@pytest.mark.parametrize("digits", ["4242424242424242", "378282246310005", "6221260012345678906"])
def test_the_scanner_finds_a_number_in_every_dress(digits: str) -> None:
    around = b'\x00{"a": "b"}\xff'
    for name, needle in dresses(digits).items():
        assert name in found_in(around + needle + around, digits), name
    for shift, before in enumerate((b"", b"a", b"ab")):
        text = base64.b64encode(before + digits.encode() + b"and more")
        assert f"base 64, {shift} bytes in" in found_in(text, digits)
    assert "hex" in found_in(digits.encode().hex().upper().encode(), digits)
    for packed in (gzip.compress(around + digits.encode()), zlib.compress(digits.encode() * 2, 1)):
        assert "compressed, raw" in found_in(around + packed + around, digits)
    assert "compressed, compressed, raw" in found_in(gzip.compress(gzip.compress(digits.encode())), digits)


def test_the_scanner_is_silent_where_nothing_is() -> None:
    digits = new_number()
    other = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    assert found_in(secrets.token_bytes(200_000), digits) == []
    assert found_in(f"{digits[:8]}****{digits[-4:]} {other} {digits[:8]}{digits[-4:]}".encode(), digits) == []


def test_the_scanner_finds_a_code_and_not_any_four_digits() -> None:
    for text in (
        '{"verification_value":"7391"}',
        "verification_value=7391&a=b",
        "{'verification_value': '7391'}",
        'say \\"7391\\"',
        '"verification_value": 7391',
        base64.b64encode(b'ab{"v":"7391"}').decode(),
        b'{"v":"7391"}'.hex(),
    ):
        assert code_found_in(text.encode(), "7391"), text
    assert code_found_in('"7391"'.encode("utf-16-le"), "7391")
    assert code_found_in(gzip.compress(b'"7391"'), "7391")
    assert code_found_in(b'{"ms":7391,"id":"a7391b","time":"12:00:00.7391Z"}', "7391") == []


def test_the_scanner_finds_a_word_in_every_dress() -> None:
    word = "q7Zk2mVx9LpB4tRw"
    for hay in (word, spread(word, "-"), word.encode().hex(), base64.b64encode(b"ab" + word.encode()).decode()):
        assert word_found_in(f"around {hay} it".encode(), word), hay
    assert word_found_in(gzip.compress(word.encode()), word)
    assert word_found_in(f"{word[:15]} {word[-4:]}".encode(), word) == []
