"""Secure tokens on the wire. Source: contract section 9."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from azukari.core.clock import Moment, iso
from azukari.processors import three_ds as results
from azukari.processors.three_ds import ThreeDs
from azukari.tokens.store import Token
from azukari.wire.bodies import NOT_BLANK, Amount, Currency, ShortText
from azukari.wire.return_urls import ReturnUrl


class SecureTokenCreate(msgspec.Struct, kw_only=True):
    """``payment_details``: a card for the vault to read, or a token's id; or else ``customer``: its saved card.

    customer_grant: with a publishable key and a customer, what says that this may be done.
    """

    amount: Amount
    currency: Currency
    return_url: ReturnUrl
    payment_details: object = None
    customer: Annotated[ShortText, NOT_BLANK] | None = None
    customer_grant: ShortText | None = None
    tax: Amount | None = None


class Account(msgspec.Struct, omit_defaults=True):
    """Who authenticated, as the card's network knows them."""

    acquirer_mid: str | UnsetType = UNSET
    acquirer_bin: str | UnsetType = UNSET

    @classmethod
    def of(cls, result: ThreeDs) -> "Account":
        return cls(_given(result.acquirer_mid), _given(result.acquirer_bin))


class AuthResultOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """The result. ``authenticationValue``, what proves it, is empty but for a secret key, as long as it is kept."""

    ds_reference_number: str | UnsetType = UNSET
    acs_reference_number: str | UnsetType = UNSET
    requestor_trans_id: str | UnsetType = msgspec.field(default=UNSET, name="threeDSRequestorTransID")
    acs_trans_id: str | UnsetType = msgspec.field(default=UNSET, name="acsTransID")
    ds_trans_id: str | UnsetType = msgspec.field(default=UNSET, name="dsTransID")
    eci: str | UnsetType = UNSET
    message_version: str | UnsetType = UNSET
    authentication_type: str | UnsetType = UNSET
    authentication_value: str | UnsetType = UNSET
    trans_status: str | UnsetType = UNSET
    server_trans_id: str | UnsetType = msgspec.field(default=UNSET, name="threeDSServerTransID")

    @classmethod
    def of(cls, result: ThreeDs) -> "AuthResultOut":
        return cls(
            _given(result.ds_reference),
            _given(result.acs_reference),
            _given(result.requestor_trans_id),
            _given(result.acs_trans_id),
            _given(result.ds_trans_id),
            _given(result.eci),
            result.version,
            _given(result.authentication_type),
            "",
            result.trans_status,
            _given(result.server_trans_id),
        )


def _given(value: str | None) -> str | UnsetType:
    return UNSET if value is None else value


class SecureTokenOut(msgspec.Struct):
    """A secure token. Clients read its id under either name."""

    id: str
    secure_token: str
    verification_status: str
    authentication_url: str | None
    created_at: str
    three_d_secure_account: Account | UnsetType = UNSET
    three_ds_auth_result: AuthResultOut | UnsetType = UNSET

    @classmethod
    def of(cls, token: Token, authentication_url: str | None, moment: Moment) -> "SecureTokenOut":
        """authentication_url: shown while the shopper has to go there."""
        status = token.verification_at(moment) or ""
        out = cls(
            token.id, token.id, status, authentication_url if status == "NEEDS_VERIFY" else None, iso(token.created_at)
        )
        if token.three_ds is not None:
            result = results.decode(token.three_ds)
            out.three_d_secure_account = Account.of(result)
            out.three_ds_auth_result = AuthResultOut.of(result)
        return out
