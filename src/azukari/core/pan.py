"""What looks like a card number, in any text: whether it is one, only a bank knows.

One scanner for all who look: addresses, bodies, the log's filter. Its time grows with the text's length and nothing
else, since anybody may send the text.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate

#: Fewest and most digits of a card number (ISO/IEC 7812-1).
_FEWEST, _MOST = 13, 19
#: What people put between the digits of one number: up to three signs that are no letters or digits. Blanks that stand
#: together are one. Nothing here matches in two ways, so nothing is tried twice.
_GAP = r"(?:\s++|[^\w\s]|_){1,3}+"
_ROW = re.compile(rf"[0-9]++(?:{_GAP}[0-9]++)*+")
_GROUP = re.compile("[0-9]+")
_ANY = re.compile("")
#: First digits the card brands use (ISO/IEC 7812): Diners, JCB, Amex, Visa, Maestro, Mastercard, Mir,
#: Discover, UnionPay, RuPay, Troy.
_BRANDS = re.compile(
    "3(?:0[0-5]|095|088|096|112|158|337|5[2-9]|[4678])|4|5[0-8]|2(?:20[0-4]|22[1-9]|2[3-9]|[3-6]|7[01]|720)|6[0-9]|8[12]|9792"
)
_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))
#: What a digit counts twice, as a table for ``bytes.translate`` too.
_DOUBLED = bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)).ljust(256, b"\0")


def luhn(digits: str) -> bool:
    """Whether the last of these ASCII digits is their check digit (ISO/IEC 7812-1, annex B)."""
    values = digits.encode()[::-1]
    return (sum(values[::2]) - 48 * len(values[::2]) + sum(_DOUBLED[value - 48] for value in values[1::2])) % 10 == 0


def looks_like_card_number(text: str, *, anywhere: bool = False) -> bool:
    """Whether 13 to 19 digits that begin like a card's and pass Luhn stand in a text, in groups or in one.

    anywhere: also where a letter stands beside them: in a person's text it hides a number, elsewhere it makes an id.
    """
    return any(True for _ in luhn_runs(text, begins=_BRANDS, anywhere=anywhere))


def holds_card_number(text: str) -> bool:
    """The same for a text about a person (SEC-18): a letter beside a number does not make an id of it."""
    return looks_like_card_number(text, anywhere=True)


def luhn_runs(text: str, *, begins: re.Pattern[str] = _ANY, anywhere: bool = False) -> Iterator[tuple[int, int]]:
    """Each run of 13 to 19 digits that begins so and passes Luhn: where it starts and ends.

    Groups count together ("4111 1111 ...", "4111.1111"), and every choice of neighbouring groups is tried, so that a
    number before the card's hides nothing. Digits next to letters count only ``anywhere``.
    """
    if len(text) < _FEWEST:
        return
    if text.isascii():
        yield from _in_rows(text, begins, anywhere)
        return
    plain, places = _without_disguise(text)
    for begin, end in _in_rows(plain, begins, anywhere):
        yield places[begin], places[end - 1] + 1


def _in_rows(text: str, begins: re.Pattern[str], anywhere: bool) -> Iterator[tuple[int, int]]:
    for row in _ROW.finditer(text):
        begin, end = row.span()
        if end - begin < _FEWEST:
            continue
        groups = [group.span() for group in _GROUP.finditer(text, begin, end)]
        if not anywhere:
            # Only at its ends can a row of digits touch letters.
            if _is_letter(text[begin - 1 : begin]):
                del groups[0]
            if groups and _is_letter(text[end : end + 1]):
                del groups[-1]
        yield from _in_groups(text, groups, begins)


def _is_letter(sign: str) -> bool:
    return sign.isascii() and sign.isalpha()


def _in_groups(text: str, groups: list[tuple[int, int]], begins: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Windows of whole groups, by sums of all digits before a place: a window's own sum is the difference of two.

    There are two such sums, since which digits are doubled is counted from a window's end.
    """
    digits = "".join([text[begin:end] for begin, end in groups])
    values = digits.encode().translate(_VALUES)
    sums = []
    for first_doubled in (1, 0):
        weighted = bytearray(values)
        weighted[first_doubled::2] = values[first_doubled::2].translate(_DOUBLED)
        sums.append(bytes([total % 10 for total in accumulate(weighted, initial=0)]))
    starts = list(accumulate((end - begin for begin, end in groups), initial=0))
    ends = {after: group[1] for after, group in zip(starts[1:], groups, strict=True)}
    for start, (begin, _) in zip(starts, groups, strict=False):
        parity = start & 1
        same, other = sums[parity], sums[1 - parity]
        # First whether any window from here can pass, its ends left aside: mostly none does.
        if not (
            same[start] in same[start + _FEWEST : start + _MOST + 1 : 2]
            or other[start] in other[start + _FEWEST + 1 : start + _MOST + 1 : 2]
        ) or not begins.match(digits, start):
            continue
        for after in range(start + _FEWEST, min(start + _MOST, len(digits)) + 1):
            weighted_sums = sums[(after - 1) & 1]
            if after in ends and weighted_sums[after] == weighted_sums[start]:
                yield begin, ends[after]


def _without_disguise(text: str) -> tuple[str, list[int]]:
    """The same text without signs that take no room and with every script's digits as ours, and where each sign was."""
    signs, places = [], []
    for place, sign in enumerate(text):
        if not sign.isascii():
            if unicodedata.category(sign) == "Cf":
                continue
            digit = unicodedata.digit(sign, None)
            sign = sign if digit is None else str(digit)
        signs.append(sign)
        places.append(place)
    return "".join(signs), places
