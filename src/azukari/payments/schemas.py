"""Payments on the wire. Source: contract sections 3 and 5."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from azukari.core.clock import end_of_japanese_day, iso, iso_or_none
from azukari.core.errors import InvalidParameter
from azukari.payments.details import details_of
from azukari.payments.refund_requests import Account, RefundRequest, RefundRequestOut
from azukari.payments.refunds import NOT_CAPTURED, Refund
from azukari.payments.store import Payment, Status
from azukari.vault import CARDS, Masked
from azukari.wire.bodies import (
    COMMAS,
    MEANT,
    NOT_BLANK,
    Amount,
    Currency,
    Flag,
    LongText,
    Metadata,
    Name,
    PositiveAmount,
    ReturnUrl,
    ShortText,
    Tax,
)
from azukari.wire.lists import ListQuery
from azukari.wire.locales import Locale

#: The first version in which the part of a hold that was not captured no longer shows as a refund.
NO_PARTIAL_CAPTURE_REFUND = "2025-01-28"
CONSUMPTION_TAX_PERCENT = 10
#: From a captured card payment's creation to the deadline it shows. Source: contract 3.4, recorded live bodies.
DAYS_OF_CAPTURED_CARDS = 2


def tax_on(amount: int, tax: int | str | None) -> int:
    """``auto`` is Japan's consumption tax, rounded down."""
    return amount * CONSUMPTION_TAX_PERCENT // 100 if tax == "auto" else int(tax or 0)


class StatementDescriptor(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What the cardholder's statement says."""

    statement_descriptor: Name | None = None
    statement_descriptor_alpha: Name | None = None
    statement_descriptor_kana: Name | None = None
    statement_city: Name | None = None
    contact_phone: Name | None = None


class Submerchant(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A part of a platform's payment."""

    submerchant_id: Name | None = None
    amount: Amount | None = None
    platform_fee: Amount | None = None


class PlatformDetails(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Platform accounts only."""

    submerchants: list[Submerchant] | None = None
    processing_merchant_id: Name | None = None


class PaymentCreate(msgspec.Struct, kw_only=True):
    """``payment_details``: an object for the vault to read, or a token id; or else ``customer``.

    webhooks: where its own events go, for another room to read.
    """

    amount: PositiveAmount
    currency: Currency
    payment_details: object = None
    customer: Annotated[ShortText, NOT_BLANK] | None = None
    capture: Annotated[Flag, MEANT] = True
    tax: Tax | None = None
    description: LongText | None = None
    external_order_num: ShortText | None = None
    locale: Locale | None = None
    return_url: ReturnUrl | None = None
    metadata: Metadata | None = None
    mcc: ShortText | None = None
    statement_descriptor: StatementDescriptor | None = None
    platform_details: PlatformDetails | None = None
    webhooks: object = None

    def tax_amount(self) -> int:
        return tax_on(self.amount, self.tax)


class PaymentUpdate(msgspec.Struct, kw_only=True):
    """Only words can be changed. ``payment_details``: one more prepaid card, while the payment is short of money."""

    payment_details: Annotated[object, NOT_BLANK] = None
    description: LongText | UnsetType | None = UNSET
    metadata: Metadata | None = None


class Capture(msgspec.Struct, kw_only=True):
    """amount: less than was authorised captures a part; absent: all of it."""

    amount: Annotated[PositiveAmount, MEANT] | None = None
    tax: Annotated[Tax, MEANT] | None = None


class Finalize(msgspec.Struct, kw_only=True):
    """What the chip of a card at a terminal has said in the end; the vault alone reads it.

    capture: whether the money is taken now; absent: as the payment was made.
    """

    ac_type: object
    field55: object
    track2: object
    capture: Annotated[Flag, MEANT] | None = None
    metadata: Metadata | None = None


class RefundCreate(msgspec.Struct, kw_only=True):
    """amount: tax included; absent: everything that is left."""

    amount: Annotated[PositiveAmount, MEANT] | None = None
    description: LongText | None = None


_DIGITS = re.compile("[0-9]+")


class RefundRequestCreate(msgspec.Struct, kw_only=True):
    """The bank account a payer's cash goes back to."""

    amount: PositiveAmount
    customer_name: Name
    bank_name: Name
    branch_number: ShortText
    account_type: Literal["normal", "checking", "savings"]
    account_number: ShortText
    include_payment_method_fee: Flag
    bank_code: ShortText | None = None
    branch_name: Name | None = None
    description: LongText | None = None

    def account(self) -> Account:
        """Raises InvalidParameter: a number has not the digits it must have."""
        for name, length in (("branch_number", 3), ("account_number", 7), ("bank_code", 4)):
            number = getattr(self, name)
            if number is not None and (len(number) != length or not _DIGITS.fullmatch(number)):
                raise InvalidParameter(name)
        return Account(**{name: getattr(self, name) for name in Account.__struct_fields__})


class Simulate(msgspec.Struct, kw_only=True):
    """What becomes of a waiting payment."""

    outcome: Literal["paid", "expired", "failed"]


class SimulateTransfer(msgspec.Struct, kw_only=True):
    """What becomes of a request to give cash back."""

    outcome: Literal["completed", "rejected"]


class Nothing(msgspec.Struct):
    """A body that is not read: ``cancel`` has none, and clients send one all the same."""


class PaymentQuery(ListQuery, kw_only=True):
    """status: one, or several with commas."""

    currency: Currency | None = None
    external_order_num: ShortText | None = None
    status: Annotated[list[Status], COMMAS] | None = None
    merchant_id: ShortText | None = None


class CardOut(msgspec.Struct):
    """``payment_details`` of a card: the number and the code never come back."""

    type: str
    email: str | None
    brand: str
    last_four_digits: str
    month: int
    year: int

    @classmethod
    def of(cls, card: Masked, email: str | None) -> "CardOut":
        return cls(card.type, email, card.brand, card.last4, card.month, card.year)


class PaymentExtras(msgspec.Struct, omit_defaults=True):
    """Members that few payments have."""

    customer_family_name: str | None = None
    customer_given_name: str | None = None
    mcc: str | None = None
    statement_descriptor: StatementDescriptor | None = None
    platform_details: PlatformDetails | None = None
    #: Where its shopper goes in the end; never shown.
    return_url: str | None = None


class RefundOut(msgspec.Struct):
    """A refund."""

    id: str
    resource: str
    amount: int
    currency: str
    payment: str
    description: str | None
    created_at: str
    chargeback: bool
    refund_type: str | UnsetType = UNSET

    @classmethod
    def of(cls, refund: Refund) -> "RefundOut":
        return cls(
            refund.id,
            "refund",
            refund.amount,
            refund.currency,
            refund.payment_id,
            refund.description,
            iso(refund.created_at),
            bool(refund.chargeback),
            refund.type if refund.type == NOT_CAPTURED else UNSET,
        )


_NO_MORE = PaymentExtras()
_more = msgspec.json.Decoder(PaymentExtras).decode


def _deadline(payment: Payment) -> int | None:
    """What ``payment_deadline`` says: of a captured card two days on; nothing happens then, so no row has it."""
    if payment.captured_at is not None and details_of(payment).type in CARDS:
        return end_of_japanese_day(payment.created_at, DAYS_OF_CAPTURED_CARDS)
    return payment.deadline


class PaymentOut(msgspec.Struct):
    """A payment, its members in the order of the wire."""

    id: str
    resource: str
    status: str
    amount: int
    tax: int
    customer: str | None
    payment_deadline: str | None
    payment_details: Raw
    payment_method_fee: int
    total: int
    currency: str
    description: str | None
    captured_at: str | None
    external_order_num: str | None
    metadata: Raw
    created_at: str
    amount_refunded: int
    locale: str
    session: str | None
    customer_family_name: str | None
    customer_given_name: str | None
    mcc: str | None
    statement_descriptor: StatementDescriptor | None
    refunds: list[RefundOut]
    refund_requests: list[RefundRequestOut]
    platform_details: PlatformDetails | UnsetType = UNSET

    @classmethod
    def of(
        cls, payment: Payment, refunds: list[Refund], requests: Sequence[RefundRequest], api_version: str
    ) -> "PaymentOut":
        more = _NO_MORE if payment.more is None else _more(payment.more)
        amount_refunded = payment.amount_refunded
        if refunds and api_version < NO_PARTIAL_CAPTURE_REFUND:
            amount_refunded += sum(refund.amount for refund in refunds if refund.type == NOT_CAPTURED)
        elif refunds:
            refunds = [refund for refund in refunds if refund.type != NOT_CAPTURED]
        return cls(
            payment.id,
            "payment",
            payment.status,
            payment.amount,
            payment.tax,
            payment.customer_id,
            iso_or_none(_deadline(payment)),
            Raw(payment.details.encode()),
            payment.fee,
            payment.total,
            payment.currency,
            payment.description,
            iso_or_none(payment.captured_at),
            payment.external_order_num,
            Raw(payment.metadata.encode()),
            iso(payment.created_at),
            amount_refunded,
            payment.locale,
            payment.session_id,
            more.customer_family_name,
            more.customer_given_name,
            more.mcc,
            more.statement_descriptor,
            [RefundOut.of(refund) for refund in refunds],
            [RefundRequestOut.of(request) for request in requests],
            UNSET if more.platform_details is None else more.platform_details,
        )
