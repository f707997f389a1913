"""The members of a request: types for the Structs of ``schemas.py``, each with the rule that reads it off the wire.

A form gives every leaf as a string and JSON clients send numbers as strings too, so each type takes both. What a reader
refuses it refuses in words of its own: no message holds a value the caller sent. Source: contract 1.1, 1.7;
``docs/security.md``, "What every bad input gets".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from azukari.core import mail
from azukari.core.clock import EARLIEST, LATEST, parse_iso
from azukari.core.money import CURRENCIES, MAX_AMOUNT
from azukari.core.pan import holds_card_number

MAX_PAGE = 1_000_000
MAX_METADATA = 100


class Number:
    """A JSON number with a fraction or an exponent, as it was written: money never becomes a float."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "Number(***)"


class InvalidValue(Exception):
    """A value that cannot be read.

    message: a sentence to show, in which ``{}`` is the parameter's name as a sentence begins and ``{name}`` as it is.
    """

    def __init__(self, message: str | None = None, code: str | None = None) -> None:
        super().__init__()
        self.message = message
        #: Of the error, where it has one of its own.
        self.code = code
        #: Where it stands, innermost step first.
        self.path: list[str | int] = []


def unfit(rule: str, code: str | None = None) -> InvalidValue:
    """The refusal of a value that breaks a rule: ``it must be true or false``."""
    return InvalidValue(f"The value of {{name}} is invalid: {rule}.", code)


@dataclass(frozen=True, slots=True)
class Reader:
    """How a member is read: from ``str``, ``int``, ``bool``, Number, list or object to its Python value.

    ``read`` raises Refused.
    """

    read: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Explicit:
    """Marks a parameter whose absence means a lot, as "all of it": ``Annotated[Amount, MEANT]``.

    One that is there and empty is no absence: it was lost on its way, so it is refused. So is one that stands where it
    is not read, or in other letters.
    takes_null: JSON's null is an absence all the same.
    """

    takes_null: bool = False


MEANT = Explicit()
NOT_BLANK = Explicit(takes_null=True)


_WHOLE = re.compile(r"([0-9]{1,16})(?:\.0{1,16})?")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
#: And as Ruby writes a Time: ``2018-11-13 15:20:21 +0900``, ``2018-11-13 06:20:21 UTC``.
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)(?: ?(Z|UTC|[+ -][0-9]{2}:?[0-9]{2}))?)?"
)
_EXPIRATION = re.compile(r"(?:0[1-9]|1[0-2])[0-9]{2}")


def whole(value: object, most: int = MAX_AMOUNT) -> int:
    """A whole number from 0 to ``most``. Raises InvalidValue."""
    if type(value) is int:
        number = value
    else:
        text = value.text if isinstance(value, Number) else value
        match = _WHOLE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise unfit("it must be a whole number, in digits")
        number = int(match[1])
    if not 0 <= number <= most:
        raise unfit(f"it must be a whole number from 0 to {most}")
    return number


def _signed(value: object) -> int:
    if type(value) is int:
        return whole(value) if value >= 0 else -whole(-value)
    text = value.text if isinstance(value, Number) else value
    if isinstance(text, str) and text.startswith("-"):
        return -whole(text[1:])
    return whole(value)


def _positive(value: object) -> int:
    number = whole(value)
    if number == 0:
        raise InvalidValue("{} must be greater than 0")
    return number


def _tax(value: object) -> int | str:
    return "auto" if value == "auto" else whole(value)


def _flag(value: object) -> bool:
    if value is True or value is False:
        return value
    if type(value) is int:
        value = str(value)
    found = _FLAGS.get(value) if isinstance(value, str) else None
    if found is None:
        raise unfit("it must be true or false")
    return found


def _text(value: object, most: int = 255) -> str:
    if type(value) is int:
        value = str(value)
    elif isinstance(value, Number):
        value = value.text
    if not isinstance(value, str):
        raise unfit("it must be text")
    if len(value) > most:
        raise unfit(f"it must have at most {most} characters")
    return value


def _long_text(value: object) -> str:
    return _text(value, 2_000)


def _name(value: object) -> str:
    text = _text(value)
    if _UNSEEN.search(text):
        raise unfit("it must not hold control characters")
    if holds_card_number(text):
        raise unfit("it must not hold a card number")
    return text


#: The rule of :data:`Name`, for whoever reads members by hand. Raises Refused.
NAME = _name


def _email(value: object) -> str:
    address = mail.read(value)
    if address is None:
        raise unfit(mail.RULE)
    return address


_CURRENCIES = f"it must be one of {', '.join(CURRENCIES)}"


def _currency(value: object) -> str:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise unfit(_CURRENCIES, code="invalid_currency")
    return value


def _metadata(value: object) -> dict[str, str]:
    if value == []:
        return {}  # PHP's empty object
    if not isinstance(value, dict):
        raise unfit("it must be an object: metadata[key]=value in a form")
    if len(value) > MAX_METADATA:
        raise unfit(f"it must have at most {MAX_METADATA} keys")
    return {_metadata_key(key): _metadata_value(held) for key, held in value.items()}


def _metadata_key(key: str) -> str:
    if not 1 <= len(key) <= 30:
        raise unfit("its keys must have 1 to 30 characters")
    return key


def _metadata_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _long_text(value)


def _page(value: object) -> int:
    return _from_one(value, MAX_PAGE)


def _per_page(value: object) -> int:
    return _from_one(value, 100)


def _from_one(value: object, most: int) -> int:
    number = whole(value, most)
    if number == 0:
        raise unfit(f"it must be a whole number from 1 to {most}")
    return number


_TIME = "it must be a time in ISO 8601, as 2026-03-01T09:00:00Z"


def _moment(value: object) -> int:
    match = _ISO.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise unfit(_TIME)
    day, hour, offset = match.groups()
    # In a query an unescaped "+" has become a space.
    offset = "Z" if offset in (None, "UTC") else offset.replace(" ", "+")
    try:
        moment = parse_iso(f"{day}T{hour or '00:00'}{offset}")
    except (ValueError, OverflowError):
        raise unfit(_TIME) from None
    # An offset may lead out of the years that can be written down.
    return min(max(moment, EARLIEST), LATEST)


def _expiration(value: object) -> str:
    if not isinstance(value, str) or not _EXPIRATION.fullmatch(value):
        raise InvalidValue
    return value


def unindexed(value: object) -> object:
    """A list as PHP writes it, an object with the keys "0", "1", …, as a list; anything else as it is."""
    return list(value.values()) if isinstance(value, dict) and all(map(str.isdecimal, value)) else value


def _listed(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else unindexed(value)


#: Whole units, 0 to 10**12: an integer or an integral decimal (``1000``, ``"1000.00"``, ``500.0``).
Amount = Annotated[int, Reader(whole)]
#: An amount, or what is taken off.
SignedAmount = Annotated[int, Reader(_signed)]
#: An amount that is not 0.
PositiveAmount = Annotated[int, Reader(_positive)]
#: An amount, or ``auto``: worked out by us.
Tax = Annotated[int | Literal["auto"], Reader(_tax)]
#: Any other count; what a bare ``int`` is read as.
Whole = Amount
#: ``true``/``false``, or ``1``/``0``; what a bare ``bool`` is read as.
Flag = Annotated[bool, Reader(_flag)]
#: At most 255 characters, numbers become text; what a bare ``str`` is read as.
ShortText = Annotated[str, Reader(_text)]
#: At most 2,000 characters.
LongText = Annotated[str, Reader(_long_text)]
#: Short text about a person (a name, an address, a phone): no control characters, nothing that turns the reading
#: direction, and no card number (SEC-18).
Name = Annotated[str, Reader(_name)]
#: One mail address, without the blanks around it, in plain signs, and no card number (SEC-18).
Email = Annotated[str, Reader(_email)]
#: One of ours, in capitals.
Currency = Annotated[str, Reader(_currency)]
#: At most 100 strings; numbers and booleans become text. ``""`` (also for null) means: remove the key.
Metadata = Annotated[dict[str, str], Reader(_metadata)]

# In queries of lists.
PageNumber = Annotated[int, Reader(_page)]
PerPage = Annotated[int, Reader(_per_page)]
#: ISO 8601 to milliseconds, or as Ruby writes it; without an offset it is UTC.
Timestamp = Annotated[int, Reader(_moment)]
#: ``MMYY``.
Expiration = Annotated[str, Reader(_expiration)]
#: ``Annotated[list[Literal["a", "b"]], COMMAS]``: ``a``, ``a,b`` or ``[]=a&[]=b``.
COMMAS = Reader(_listed)
