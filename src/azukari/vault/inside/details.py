"""Payment details as they come in: the one type for raw input, and the masked form that may be shown and stored."""

from collections.abc import Mapping
from typing import Never, Self

import msgspec

from azukari.core.errors import InvalidParameter, MissingParameter, Unprocessable
from azukari.core.secret import Secret
from azukari.vault.inside import cards, numbers, tracks, variants
from azukari.vault.inside.transport import Blank

CREDIT_CARD = "credit_card"
TERMINAL = variants.TERMINAL
#: Every type that is a card. Only the first can be kept.
CARDS = (CREDIT_CARD, variants.BRAZIL, variants.KOREA, TERMINAL)


class Masked(msgspec.Struct, frozen=True):
    """What may be shown and stored of payment details.

    brand: ``visa``, ``master``, ``american_express``, ``jcb``, ``diners_club``, ``discover``, ``unionpay`` or
    ``unknown``. bin: the first 8 digits; 6 of a card shorter than 16. year: four digits.
    """

    type: str
    brand: str
    bin: str
    last4: str
    month: int
    year: int
    name: str | None = None
    email: str | None = None


class PaymentDetails:
    """Raw payment details: they print masked and refuse JSON and pickle. The secrets open with ``reveal()``.

    secret_fields: secrets that some types bring beside the card, by the blanks they fill. extras: what else they
    bring, by its name on the wire. Neither is ever kept.
    """

    __slots__ = (
        "email",
        "extras",
        "family_name",
        "given_name",
        "masked",
        "name",
        "number",
        "phone",
        "secret_fields",
        "verification_value",
    )  # fmt: skip

    masked: Masked
    number: Secret
    verification_value: Secret | None
    name: str | None
    given_name: str | None
    family_name: str | None
    email: str | None
    phone: str | None
    secret_fields: Mapping[Blank, Secret]
    extras: Mapping[str, str]

    @classmethod
    def parse(cls, tree: object, *, now: int, param: str = "payment_details") -> Self:
        """Read decoded JSON or form values: an object; members not named here are ignored.

        now: a card whose month is over is refused.
        param: what errors name, with the member in brackets.
        Raises MissingParameter, InvalidParameter, Unprocessable ``invalid_payment_type``; none repeats a value.
        Source: contract 4.1; SEC-18.
        """
        if tree is None or tree == "":
            raise MissingParameter(param)
        if not isinstance(tree, Mapping):
            raise InvalidParameter(param)
        read = cards.Reader(tree, param)
        type_ = _type_of(read)
        details = cls()
        details.secret_fields = variants.secret_fields_of(type_, read)
        details.extras = variants.extras_of(type_, read, details.secret_fields)
        digits, (month, year) = _card(type_, read, details.secret_fields, now)
        details.number = Secret(digits)
        details.verification_value = read.verification_value()
        details.name = read.text("name")
        details.given_name = read.text("given_name")
        details.family_name = read.text("family_name")
        details.email = read.email("email")
        details.phone = read.text("phone", looks_wrong=numbers.phone_is_card)
        details.masked = Masked(
            type_,
            numbers.brand_of(digits),
            numbers.bin_of(digits),
            digits[-4:],
            month,
            year,
            details.holder,
            details.email,
        )
        return details

    @property
    def type(self) -> str:
        return self.masked.type

    @property
    def brand(self) -> str:
        return self.masked.brand

    @property
    def bin(self) -> str:
        return self.masked.bin

    @property
    def last4(self) -> str:
        return self.masked.last4

    @property
    def month(self) -> int:
        return self.masked.month

    @property
    def year(self) -> int:
        return self.masked.year

    @property
    def holder(self) -> str | None:
        """The name on the card: ``name`` wins over the pair. Source: contract 4.1."""
        return self.name or " ".join(part for part in (self.given_name, self.family_name) if part) or None

    def __repr__(self) -> str:
        shown = self.masked
        return f"PaymentDetails({shown.type} {shown.brand} {shown.bin}…{shown.last4} {shown.month:02}/{shown.year})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Never:
        raise TypeError("payment details cannot be pickled")


def _type_of(read: cards.Reader) -> str:
    """The type, one we can take. Another one's fields would be read here, by type."""
    value = read.given("type")
    if value is None:
        raise MissingParameter(read.name("type"))
    if not isinstance(value, str):
        raise InvalidParameter(read.name("type"))
    if value in CARDS:
        return value
    message = "Payment method was invalid. It is not one of the types of the API."
    raise Unprocessable(message, param=read.name("type"), code="invalid_payment_type")


def _card(
    type_: str, read: cards.Reader, secret_fields: Mapping[Blank, Secret], now: int
) -> tuple[str, tuple[int, int]]:
    """Number, month and year: as they are given, or what a terminal has read of them."""
    if type_ == TERMINAL and read.given("number") is None:
        return tracks.card_of(read, secret_fields, now)
    return read.number(), read.expiry(now)
