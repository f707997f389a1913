"""What goes over the wire and comes back, and the two ways it can fail."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Never, Protocol

import msgspec

from azukari.core.secret import Secret


class Blank(Enum):
    """Where the vault puts a secret into an order's JSON. All are filled with text; one without a value is left out.

    The first six are a card's: MONTH has two digits (``08``), YEAR four, AUTHENTICATION_VALUE proves its shopper.
    AGREEMENT is a stored wallet's, PREPAID_NUMBER and PASSWORD are lent for one order. The last five come with cards of
    some countries and from terminals, for one order too.
    """

    NUMBER = "number"
    MONTH = "month"
    YEAR = "year"
    VERIFICATION_VALUE = "verification_value"
    NAME = "name"
    AUTHENTICATION_VALUE = "authentication_value"
    AGREEMENT = "agreement"
    PREPAID_NUMBER = "prepaid_number"
    PASSWORD = "password"  # noqa: S105 - the blank's name
    CPF_OR_CNPJ = "cpf_or_cnpj"
    SOCIAL_ID = "social_id"
    PIN_DIGITS = "first_two_digits_of_pin"
    TRACK2 = "track2"
    FIELD55 = "field55"

    __hash__ = object.__hash__  # each is one object; Enum's own hash is a call in Python


#: For an order that none are lent for.
NO_SECRET_FIELDS: Mapping[Blank, Secret] = MappingProxyType({})


class Outbound(msgspec.Struct, frozen=True):
    """A processor's order, with blanks where the card goes.

    url: https, to a host the processor has declared; never with a blank.
    json: the body; None for none. Blanks stand for values, at any depth.
    auth: how the account it is sent for is authenticated, one of ``auth.Auth``.
    timeout_seconds: for the whole call.
    """

    method: str
    url: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    json: Mapping[str, object] | None = None
    timeout_seconds: float = 30.0
    auth: object = None


class Filled:
    """An order with the card in it: what a transport gets, and nobody else. Prints without its body."""

    __slots__ = ("body", "headers", "method", "timeout_seconds", "url")

    def __init__(self, request: Outbound, headers: Mapping[str, str], body: bytes) -> None:
        self.method = request.method
        self.url = request.url
        self.headers = headers
        self.body = body
        self.timeout_seconds = request.timeout_seconds

    def __repr__(self) -> str:
        return f"Filled({self.method} {self.url})"

    def __reduce__(self) -> Never:
        raise TypeError("a filled order cannot be pickled")


class Reply(msgspec.Struct, frozen=True):
    """A processor's answer. From the vault: without the card, header names in lower case."""

    status: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Reply({self.status})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("status", self.status)]

    def json(self) -> Any:
        """The decoded body. Raises ReplyUnknown: an answer nobody can read says nothing of what was done."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ReplyUnknown("UnreadableReply") from None


class RequestNotSent(Exception):
    """Provably no byte of the order left: it may be tried again. The text is a word for the log, never a value."""


class RequestRefused(RequestNotSent):
    """The relay does not send such an order: its host was not declared, or a header would break its line."""


class ReplyUnknown(Exception):
    """Whether the order was carried out cannot be told. The text is a word for the log, never a value."""


class Transport(Protocol):
    """Carries filled orders to a host."""

    async def send(self, request: Filled) -> Reply:
        """Return the answer as it came, redirects too. Raises RequestNotSent; all else raised means ReplyUnknown."""
        ...
