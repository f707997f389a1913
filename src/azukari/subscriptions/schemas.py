"""Subscriptions on the wire. Source: contract section 11."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from azukari.core.clock import iso, iso_or_none, japanese, japanese_or_none
from azukari.customers.schemas import Source
from azukari.customers.store import Customer
from azukari.subscriptions.schedule import Period
from azukari.subscriptions.store import Subscription
from azukari.wire.bodies import Currency, Metadata, PositiveAmount, ShortText

DEFAULT_LOCALE = "ja"


class SubscriptionCreate(msgspec.Struct, kw_only=True):
    """customer: one with saved details. amount: of each charge."""

    customer: ShortText
    amount: PositiveAmount
    currency: Currency
    period: Period
    metadata: Metadata | None = None


class CustomerOut(msgspec.Struct):
    """A customer as subscriptions show it: an object, its numbers made of its ids. ``uuid`` is the public id."""

    id: int
    uuid: str
    merchant_id: int
    created_at: str
    updated_at: str
    email: str | None
    currency: str
    locale: str
    name: str | None
    phone: str | None
    archived_at: str | None

    @classmethod
    def of(cls, customer: Customer, currency: str) -> "CustomerOut":
        return cls(
            number_of(customer.id),
            customer.id,
            number_of(customer.merchant_id),
            japanese(customer.created_at),
            japanese(customer.updated_at or customer.created_at),
            customer.email,
            currency,
            DEFAULT_LOCALE,
            None,
            None,
            japanese_or_none(customer.deleted_at),
        )


def number_of(id: str) -> int:
    """Always the same number for an id, for clients that declare one. It fits into 31 bits, and finds nothing."""
    return int.from_bytes(hashlib.blake2s(id.encode(), digest_size=4).digest(), "big") >> 1


class DetailsOut(msgspec.Struct):
    """What is charged next. month, year: of a card, and strings here."""

    type: str
    email: str | None
    month: str | UnsetType = UNSET
    year: str | UnsetType = UNSET

    @classmethod
    def of(cls, subscription: Subscription, customer: Customer) -> "DetailsOut":
        if customer.source is None:
            return cls(subscription.details_type, customer.email)
        source = msgspec.json.decode(customer.source, type=Source)
        if not source.month:
            return cls(source.type, customer.email)
        return cls(source.type, customer.email, f"{source.month:02}", f"{source.year}")


class SubscriptionOut(msgspec.Struct):
    """A subscription, its members in the order of the wire."""

    id: str
    resource: str
    status: str
    amount: int
    currency: str
    customer: CustomerOut
    period: str
    day: int
    payment_details: DetailsOut
    retry_count: int
    retry_at: str | None
    next_capture_at: str
    created_at: str
    ended_at: str | None
    metadata: Raw
    payments: list[str]


class SubscriptionView(NamedTuple):
    """A subscription, whose it is, and the ids of its payments."""

    subscription: Subscription
    customer: Customer
    payments: Sequence[str]

    def out(self) -> SubscriptionOut:
        """As it goes over the wire."""
        found = self.subscription
        return SubscriptionOut(
            found.id,
            "subscription",
            found.status,
            found.amount,
            found.currency,
            CustomerOut.of(self.customer, found.currency),
            found.period,
            found.day,
            DetailsOut.of(found, self.customer),
            found.retry_count,
            iso_or_none(found.retry_at),
            iso(found.next_capture_at),
            iso(found.created_at),
            iso_or_none(found.ended_at),
            Raw(found.metadata.encode()),
            list(self.payments),
        )

    def encoded(self) -> bytes:
        """Its JSON."""
        return msgspec.json.encode(self.out())
