"""What a caller may give as ``payment_details``: the id of a token or secure token, or the details themselves."""

import msgspec

from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.clock import Moment
from azukari.core.errors import ApiError, InvalidToken, Unavailable, Unprocessable
from azukari.core.secret import Secret
from azukari.db import Owner, Tx
from azukari.payment_methods.details import decoded, read_details
from azukari.processors import three_ds as results
from azukari.processors.base import NotSent, Outcome, Processor, Visit
from azukari.processors.methods import MethodDetails
from azukari.processors.three_ds import ThreeDs
from azukari.tokens import store
from azukari.tokens.store import Token
from azukari.vault import AccessGrant, EntryGone, PaymentDetails, Vault
from azukari.wiring import Services

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
        return CardSource(vault.borrow(owner, source), source.email, value=source.verification_value)
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
    why: str,
    who: str,
    moment: Moment,
    audit_id: str,
) -> None:
    """Use up the token, where it is one, and leave the vault's audit line of a card. Raises InvalidToken.

    audit_id: the attempt's own id serves, one line belongs to one attempt.
    """
    if card.token is not None:
        await store.spend(tx, owner, card.token.id, moment, by)
    if isinstance(card, CardSource):
        await vault.note(tx, card.use, why=why, object_id=by, who=who, now=moment.real, audit_id=audit_id)


class NotBegun(Exception):
    """An attempt that ended before its call: nothing was sent. refusal: what the caller is told."""

    def __init__(self, refusal: ApiError) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


async def send(
    services: Services,
    processor: Processor,
    attempt: Attempt,
    card: CardSource | MethodSource,
    *,
    visit: Visit | None = None,
) -> Outcome:
    """The call of a fresh attempt: first what waits for it leaves its store, then the row says ``sent`` (T2).

    That is the verification value, and what proves an authentication. Raises NotBegun: one of them is gone (never
    charge silently without it), or a store is away.
    """
    value, proof = None, None
    try:
        if isinstance(card, CardSource):
            value, proof = await _values(services, attempt, card)
        if attempt.state == "prepared":
            now = services.clock.now()
            due = now + processor.declares.timeout + attempts.GRACE
            sent = await services.db.write(attempts.mark_sent, attempt, due, now)
            if sent is None:
                return NotSent()
            attempt = sent
    except Unavailable as away:
        raise NotBegun(away) from away
    if isinstance(card, MethodSource):
        return await execute.execute(processor, attempt, services.clock, method=card.details, visit=visit)
    return await execute.execute(
        processor,
        attempt,
        services.clock,
        use=card.use,
        verification_value=value,
        three_ds=card.three_ds,
        authentication_value=proof,
    )


async def _values(services: Services, attempt: Attempt, card: CardSource) -> tuple[Secret | None, Secret | None]:
    """The verification value, and what proves an authentication. Raises NotBegun: one of them is gone."""
    value, proof = card.value, None
    if card.waits_for_value:
        value = await services.vault.take_verification_value(attempt.owner, card.use.entry_id)
    if card.has_proof:
        proof = await services.vault.take_authentication_value(attempt.owner, card.token_id)
    if (card.waits_for_value and value is None) or (card.has_proof and proof is None):
        raise NotBegun(InvalidToken())
    return value, proof


async def drop_value(services: Services, attempt: Attempt) -> None:
    """Destroy what waits for an attempt whose owner died before the call: nobody will need it (SEC-2)."""
    by = attempt.payment_id or attempt.customer_id or ""
    for token in await services.db.read(store.spent, attempt.owner, by, attempt.created_at):
        if token.has_verification_value and token.entry_id is not None:
            await services.vault.take_verification_value(attempt.owner, token.entry_id)
        if token.has_authentication_value:
            await services.vault.take_authentication_value(attempt.owner, token.id)
