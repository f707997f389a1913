"""What looks like a card number, in any text: whether it is one, only a bank knows."""

import re
import unicodedata
from collections.abc import Iterator

#: Thirteen digits or more, up to three blanks and dashes between any two.
_RUN = r"[0-9](?:[\s\-+]{0,3}[0-9]){12,}"
_ANYWHERE = re.compile(_RUN)
#: Letters around them make it something else: an id.
_ALONE = re.compile(f"(?<![0-9A-Za-z]){_RUN}(?![0-9A-Za-z])")
_ANY = re.compile("")
_GROUP = re.compile("[0-9]+")
#: First digits the card brands use (ISO/IEC 7812): Diners, JCB, Amex, Visa, Maestro, Mastercard, Mir,
#: Discover, UnionPay, RuPay, Troy.
_BRANDS = re.compile(
    "3(?:0[0-5]|095|088|096|112|158|337|5[2-9]|[4678])|4|5[0-8]|2(?:20[0-4]|22[1-9]|2[3-9]|[3-6]|7[01]|720)|6[0-9]|8[12]|9792"
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """Whether the last of these ASCII digits is their check digit (ISO/IEC 7812-1, annex B)."""
    values = digits.encode()[::-1]
    return (sum(values[::2]) - 48 * len(values[::2]) + sum(_DOUBLED[value - 48] for value in values[1::2])) % 10 == 0


def looks_like_card_number(text: str) -> bool:
    """Whether 13 to 19 digits that begin like a card's and pass Luhn stand in a text, in groups or in one."""
    return any(True for _ in luhn_runs(text, begins=_BRANDS))


def luhn_runs(text: str, *, begins: re.Pattern[str] = _ANY, anywhere: bool = False) -> Iterator[tuple[int, int]]:
    """Each run of 13 to 19 digits that begins so and passes Luhn: where it starts and ends.

    Groups count together ("4111 1111 ..."), and every choice of neighbouring groups is tried, so that a number before
    the card's hides nothing. Digits next to letters count only ``anywhere``.
    """
    for run in (_ANYWHERE if anywhere else _ALONE).finditer(text if text.isascii() else _ascii_digits(text)):
        signs = run[0]
        groups = [group.span() for group in _GROUP.finditer(signs)]
        for first, (begin, _) in enumerate(groups):
            digits = ""
            for start, end in groups[first : first + 19]:
                digits += signs[start:end]
                if len(digits) > 19:
                    break
                if len(digits) >= 13 and begins.match(digits) and luhn(digits):
                    yield run.start() + begin, run.start() + end


def _ascii_digits(text: str) -> str:
    """The same text, character by character, with every script's digits as ours."""
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)
