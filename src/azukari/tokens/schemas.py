"""Tokens on the wire. Source: contract section 8."""

import msgspec

from azukari.core.clock import iso
from azukari.processors.methods import MethodDetails
from azukari.tokens.store import Token
from azukari.vault import PaymentDetails
from azukari.wire.bodies import Currency


class TokenCreate(msgspec.Struct, kw_only=True):
    """``payment_details`` is read by the vault alone."""

    payment_details: object
    currency: Currency | None = None


class TokenDetails(msgspec.Struct):
    """What a token shows: no number, and no brand or last four digits either."""

    type: str
    email: str | None
    phone: str | None
    given_name: str | None
    family_name: str | None

    @classmethod
    def of(cls, details: PaymentDetails) -> "TokenDetails":
        return cls(details.type, details.email, details.phone, details.given_name, details.family_name)


class MethodTokenDetails(msgspec.Struct, omit_defaults=True):
    """What a token of any other type shows: the words it was given."""

    type: str
    email: str | None = None
    phone: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    given_name_kana: str | None = None
    family_name_kana: str | None = None
    store: str | None = None

    @classmethod
    def of(cls, details: MethodDetails) -> "MethodTokenDetails":
        return cls(**{name: getattr(details, name) for name in cls.__struct_fields__})


class TokenOut(msgspec.Struct):
    """A token."""

    id: str
    resource: str
    created_at: str
    payment_details: msgspec.Raw

    @classmethod
    def of(cls, token: Token) -> "TokenOut":
        return cls(token.id, "token", iso(token.created_at), msgspec.Raw(token.details.encode()))
