"""The members of a card in a request, read one by one. Source: contract 4.1; SEC-18; ``docs/security.md`` 9."""

import time
import unicodedata
from collections.abc import Callable, Mapping

from azukari.core import mail
from azukari.core.clock import SECOND, end_of_month
from azukari.core.errors import InvalidParameter, MissingParameter
from azukari.core.pan import holds_card_number, luhn
from azukari.core.secret import Secret

MAX_TEXT = 255
#: Two digits mean this century, so four may not mean another.
FIRST_YEAR, LAST_YEAR = 2000, 2099
#: Characters that turn the direction of writing (Unicode Bidi_Control): a name must not read other than it is.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROL = frozenset(("Cc", "Cs", "Zl", "Zp"))


class Reader:
    """Reads members of one object; errors name ``param[member]`` and never a value."""

    def __init__(self, tree: Mapping[str, object], param: str) -> None:
        self._tree = tree
        self._param = param

    def name(self, member: str) -> str:
        """How errors name a member."""
        return f"{self._param}[{member}]" if self._param else member

    def given(self, member: str) -> object:
        """The member's value; None for null and the empty string too, which stand for "not given" (contract 1.1)."""
        value = self._tree.get(member)
        return None if value == "" else value

    def number(self) -> str:
        """The card number: 12 to 19 digits, without the blanks and dashes people put in."""
        value = self._required("number")
        if not isinstance(value, str):
            raise self._invalid("number", "Send the card number as text: in JSON it stands in quotes.")
        digits = value.replace(" ", "").replace("-", "")
        if not (_ascii_digits(digits) and 12 <= len(digits) <= 19 and luhn(digits)):
            raise self._invalid("number", "The card number is invalid.")
        return digits

    def expiry(self, now: int) -> tuple[int, int]:
        """Month and four-digit year of a card that is still good."""
        month = self._whole("month", 2)
        year = self._whole("year", 4)
        if not 1 <= month <= 12:
            raise self._invalid("month")
        if year < 100:
            year += FIRST_YEAR
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise self._invalid("year")
        past_year = year < time.gmtime(now // SECOND).tm_year
        self.check_still_good(month, year, now, "year" if past_year else "month")
        return month, year

    def check_still_good(self, month: int, year: int, now: int, member: str) -> None:
        """Raises InvalidParameter, naming the member: the month is over."""
        if end_of_month(year, month) <= now:
            raise self._invalid(member, "The card has expired.")

    def verification_value(self) -> Secret | None:
        """Three or four digits. As a JSON number it must still show that many."""
        value = self.given("verification_value")
        if value is None:
            return None
        text = str(value) if type(value) is int else value
        if not (isinstance(text, str) and _ascii_digits(text) and len(text) in (3, 4)):
            raise self._invalid("verification_value", "The security code is invalid.")
        return Secret(text)

    def text(self, member: str, looks_wrong: Callable[[str], bool] = holds_card_number) -> str | None:
        """Optional text of at most 255 characters, without control characters, and not a card number (SEC-18).

        A number stands for its digits, as in all texts of the API.
        """
        value = self.given(member)
        if value is None:
            return None
        text = str(value) if type(value) is int else value
        if not isinstance(text, str) or len(text) > MAX_TEXT or _has_control(text) or looks_wrong(text):
            raise self._invalid(member)
        return text

    def email(self, member: str) -> str | None:
        """An optional mail address."""
        value = self.given(member)
        if value is None:
            return None
        address = mail.read(value)
        if address is None:
            raise self._invalid(member, f"The value of {self.name(member)} is invalid: {mail.RULE}.")
        return address or None

    def secret(self, member: str, fits: Callable[[str], object]) -> Secret | None:
        """An optional text that nobody may see. fits: what it must look like."""
        value = self.given(member)
        if value is None:
            return None
        text = str(value) if type(value) is int else value
        if not (isinstance(text, str) and fits(text)):
            raise self._invalid(member)
        return Secret(text)

    def word(self, member: str) -> str | None:
        """Optional text as :meth:`text`, or a number or flag that stands for one."""
        value = self.given(member)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if type(value) is int and 0 <= value < 10**9 else self.text(member)

    def refuse(self, member: str, message: str | None = None) -> InvalidParameter:
        """The error about a member."""
        return self._invalid(member, message)

    def _required(self, member: str) -> object:
        value = self.given(member)
        if value is None:
            raise MissingParameter(self.name(member))
        return value

    def _whole(self, member: str, digits: int) -> int:
        value = self._required(member)
        # bool is an int to Python, not to JSON.
        if type(value) is int:
            return value
        if not (isinstance(value, str) and _ascii_digits(value) and len(value) <= digits and len(value) != 3):
            raise self._invalid(member)
        return int(value)

    def _invalid(self, member: str, message: str | None = None) -> InvalidParameter:
        return InvalidParameter(self.name(member), message)


def _ascii_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _has_control(text: str) -> bool:
    if text.isascii():
        return not text.isprintable()
    return any(sign in _BIDI or unicodedata.category(sign) in _CONTROL for sign in text)
