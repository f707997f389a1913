"""Customers on the wire. Source: contract section 10."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from azukari.core.clock import iso
from azukari.customers.store import Customer
from azukari.vault import Masked
from azukari.wire.bodies import NOT_BLANK, Currency, Email, Expiration, Metadata
from azukari.wire.lists import ListQuery


class CustomerWrite(msgspec.Struct, kw_only=True):
    """Create and update take the same. ``payment_details``: an object for the vault to read, or a token id."""

    payment_details: Annotated[object, NOT_BLANK] = None
    email: Email | UnsetType | None = UNSET
    metadata: Metadata | None = None
    currency: Currency | None = None


class CustomerQuery(ListQuery, kw_only=True):
    """expiration: ``MMYY``."""

    expiration: Expiration | None = None

    def month_and_year(self) -> tuple[int, int] | None:
        """Of the card's end."""
        return None if self.expiration is None else (int(self.expiration[:2]), 2000 + int(self.expiration[2:]))


class Source(msgspec.Struct, omit_defaults=True):
    """What a customer shows of saved details: a card's five members, a wallet's type."""

    type: str
    brand: str = ""
    last_four_digits: str = ""
    month: int = 0
    year: int = 0

    @classmethod
    def of(cls, card: Masked) -> "Source":
        return cls(card.type, card.brand, card.last4, card.month, card.year)


class CustomerOut(msgspec.Struct):
    """A customer. ``source``, not ``payment_details``."""

    id: str
    resource: str
    email: str | None
    source: msgspec.Raw | None
    metadata: msgspec.Raw
    created_at: str

    @classmethod
    def of(cls, customer: Customer) -> "CustomerOut":
        source = None if customer.source is None else msgspec.Raw(customer.source.encode())
        metadata = msgspec.Raw(customer.metadata.encode())
        return cls(customer.id, "customer", customer.email, source, metadata, iso(customer.created_at))


class GrantOut(msgspec.Struct):
    """What lets a page have a customer's saved card verified. ``expires_at``: by the machine's clock."""

    resource: str
    customer: str
    grant: str
    expires_at: str


class Nothing(msgspec.Struct):
    """A body that is not read."""


class Forgotten(msgspec.Struct):
    """The answer to ``DELETE /external_customers/{id}``."""

    id: str
