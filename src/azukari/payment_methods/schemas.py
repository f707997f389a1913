"""Payment types on the wire. Source: contract 6.4, 12 and 15.7."""

import msgspec
from msgspec import UNSET, UnsetType

from azukari.payment_methods.offer import Offer
from azukari.payment_types import SUBTYPES


class Icon(msgspec.Struct):
    """Where a store's picture is, on our host."""

    icon: str


class SessionPaymentMethod(msgspec.Struct):
    """An entry of a session's ``payment_methods``.

    brands: of cards a list, of konbini an object by store. exchange_rate: yen for one of the session's currency.
    """

    type: str
    hashed_gateway: str
    offsite: bool
    customer_fee: int
    amount: int | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    exchange_rate: msgspec.Raw | UnsetType = UNSET
    additional_fields: tuple[str, ...] | UnsetType = UNSET
    brands: tuple[str, ...] | dict[str, Icon] | UnsetType = UNSET


def entry(offer: Offer, amount: int | None) -> SessionPaymentMethod:
    """amount: the session's, in its own currency; None in customer mode, where nothing is paid."""
    out = SessionPaymentMethod(offer.type, offer.gateway, offer.method.offsite, offer.fee)
    if offer.method.offsite:
        out.additional_fields = offer.method.additional_fields
    if offer.method.group == "card":
        out.brands = offer.brands
    elif offer.method.group == "konbini":
        out.brands = {store: Icon(f"/assets/konbini/{store}.svg") for store in offer.brands}
    if amount is not None:
        out.amount, out.currency = offer.amount_of(amount), offer.currency
        # A number as it was written: it never becomes a float.
        out.exchange_rate = msgspec.Raw((offer.rate or "1").encode())
    return out


class PaymentMethodOut(msgspec.Struct):
    """What ``GET /payment_methods`` says of one type in one currency."""

    type_slug: str
    name_en: str
    name_ja: str
    name_ko: str
    currency: str
    subtypes: tuple[str, ...] | UnsetType = UNSET
    payment_method_fee: int | UnsetType = UNSET
    secure_token_supported: tuple[str, ...] | UnsetType = UNSET

    @classmethod
    def of(cls, offer: Offer, authenticates: frozenset[str]) -> "PaymentMethodOut":
        """authenticates: the card brands that there is 3-D Secure for."""
        names = offer.method.names
        out = cls(offer.type, names.en, names.ja, names.ko, offer.currency)
        if offer.method.group == "card":
            out.subtypes = SUBTYPES
            out.secure_token_supported = tuple(brand for brand in SUBTYPES if brand in authenticates)
        if offer.fee:
            out.payment_method_fee = offer.fee
        return out
