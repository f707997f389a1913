"""What a caller may give as ``payment_details``: the id of a token or secure token, or the details themselves."""

import msgspec

from azukari.core.clock import Moment
from azukari.core.errors import InvalidToken, Unprocessable
from azukari.core.secret import Secret
from azukari.db import Owner, Tx
from azukari.payment_methods.details import decoded, read_details
from azukari.processors import three_ds as results
from azukari.processors.methods import MethodDetails
from azukari.processors.three_ds import ThreeDs
from azukari.tokens import store
from azukari.tokens.store import Token
from azukari.vault import AccessGrant, EntryGone, PaymentDetails, Vault

PaymentSource = str | PaymentDetails | MethodDetails


class WrongCurrency(Unprocessable):
    """The token was made for another currency."""

    code, message, param = "invalid_currency", "This token was made for another currency.", "currency"


def read(value: object, now: int) -> PaymentSource:
    """A token's id or checked details of any type. Raises InvalidToken, MissingParameter, InvalidParameter."""
    if isinstance(value, str):
        if not value.startswith("tok_"):
            raise InvalidToken
        return value
    return read_details(value, now)


class CardSource(msgspec.Struct, frozen=True):
    """Details found fit for one attempt.

    token: where they come from, or None for raw ones. value: the verification value of raw ones; a token's lies in the
    vault until the call.
    """

    use: AccessGrant
    email: str | None
    token: Token | None = None
    value: Secret | None = None

    @property
    def type(self) -> str:
        return self.use.masked.type

    @property
    def three_ds(self) -> ThreeDs | None:
        """What a charge may say of the shopper's authentication. A card that was skipped is charged without."""
        token = self.token
        if token is None or token.verification != "OK" or token.three_ds is None:
            return None
        return results.decode(token.three_ds)

    @property
    def waits_for_value(self) -> bool:
        """Whether the verification value has to be fetched between the intent and the call."""
        return self.token is not None and self.token.has_verification_value == 1

    @property
    def has_proof(self) -> bool:
        """Whether the same goes for what proves an authentication."""
        return self.token is not None and self.token.has_authentication_value == 1

    @property
    def token_id(self) -> str:
        return "" if self.token is None else self.token.id


class Names(msgspec.Struct, frozen=True):
    """Who a token is about, as far as it was told."""

    family_name: str | None = None
    given_name: str | None = None


_names = msgspec.json.Decoder(Names | None).decode


def names_of(token: Token) -> Names:
    """Of one about a customer's saved card there are none."""
    return _names(token.details) or Names()


class MethodSource(msgspec.Struct, frozen=True):
    """Details of any other type, found fit for one attempt."""

    details: MethodDetails
    token: Token | None = None

    @property
    def type(self) -> str:
        return self.details.type

    @property
    def email(self) -> str | None:
        return self.details.email


def method_of(token: Token) -> MethodDetails:
    """The details of a token that is not about a card."""
    return decoded(token.method or "")


def needs_two_steps(source: PaymentSource) -> bool:
    """Whether its attempt is born ``prepared``: a token's verification value leaves its store before the call."""
    return isinstance(source, str)


async def resolve(
    tx: Tx,
    vault: Vault,
    owner: Owner,
    source: PaymentSource,
    now: int,
    currency: str | None,
    *,
    total: int | None = None,
    saved: bool = False,
    ordered_in: str | None = None,
) -> CardSource | MethodSource:
    """What is behind what is given. Reads only.

    ordered_in: the order's currency, where ``currency`` is a method's own: a token may be locked to either.
    total: what is to be paid with it, tax included; None where it is only kept.
    saved: a secure token about a customer's saved card will do: its owner asks, with the secret key.
    Raises InvalidToken (unknown, used, expired, or not verified for just this), WrongCurrency.
    """
    if isinstance(source, PaymentDetails):
        return CardSource(vault.grant_unsaved(owner, source), source.email, value=source.verification_value)
    if isinstance(source, MethodDetails):
        return MethodSource(source)
    token = await store.get_unspent(tx, owner, source, now)
    if token.verification is not None:
        _check_verified(token, currency, total, saved)
    elif currency is not None and token.currency not in (None, currency, ordered_in):
        raise WrongCurrency
    if token.method is not None:
        return MethodSource(method_of(token), token)
    try:
        use = await vault.find(tx, owner, token.entry_id or "")
    except EntryGone:
        raise InvalidToken from None
    return CardSource(use, token.email, token)


def _check_verified(token: Token, currency: str | None, total: int | None, saved: bool) -> None:
    """What the shopper agreed to is charged, or nothing (SEC-23). Raises InvalidToken."""
    if token.verification not in store.VERIFIED:
        raise InvalidToken
    if total is not None and (token.amount, token.currency) != (total, currency):
        raise InvalidToken
    if token.customer_id is not None and not saved:
        raise InvalidToken
    if token.verification == "OK" and not (token.three_ds and results.decode(token.three_ds).authenticated):
        raise InvalidToken


async def redeem(
    tx: Tx,
    vault: Vault,
    owner: Owner,
    card: CardSource | MethodSource,
    *,
    by: str,
    action: str,
    actor: str,
    moment: Moment,
    audit_id: str,
) -> None:
    """Use up the token, where it is one, and leave the vault's audit line of a card. Raises InvalidToken.

    audit_id: the attempt's own id serves, one line belongs to one attempt.
    """
    if card.token is not None:
        await store.redeem(tx, owner, card.token.id, moment, by)
    if isinstance(card, CardSource):
        await vault.audit_access(
            tx, card.use, action=action, object_id=by, actor=actor, now=moment.system_now, audit_id=audit_id
        )
