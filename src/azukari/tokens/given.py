"""What a caller may give as ``payment_details``: a token's id, or the details themselves."""

import msgspec

from azukari.core.errors import ApiError, InvalidToken, Unavailable, Unprocessable
from azukari.core.secret import Secret
from azukari.db import Owner, Tx
from azukari.processors import attempts, machine
from azukari.processors.attempts import Attempt
from azukari.processors.base import NotDone, Outcome, Processor
from azukari.tokens import store
from azukari.tokens.store import Token
from azukari.vault import EntryGone, PaymentDetails, Use, Vault
from azukari.wiring import Parts

Given = str | PaymentDetails


class WrongCurrency(Unprocessable):
    """The token was made for another currency."""

    code, message, param = "invalid_currency", "This token was made for another currency.", "currency"


def read(value: object, now: int) -> Given:
    """A token's id or checked details. Raises InvalidToken, MissingParameter, InvalidParameter."""
    if isinstance(value, str):
        if not value.startswith("tok_"):
            raise InvalidToken
        return value
    return PaymentDetails.parse(value, now=now)


class Card(msgspec.Struct, frozen=True):
    """Details found fit for one attempt.

    token: where they come from, or None for raw ones. value: the verification value of raw ones; a token's lies in the
    vault until the call.
    """

    use: Use
    email: str | None
    token: Token | None = None
    value: Secret | None = None

    @property
    def waits_for_value(self) -> bool:
        """Whether the verification value has to be fetched between the intent and the call."""
        return self.token is not None and self.token.has_verification_value == 1


def needs_two_steps(given: Given) -> bool:
    """Whether its attempt is born ``prepared``: a token's verification value leaves its store before the call."""
    return isinstance(given, str)


async def look(tx: Tx, vault: Vault, owner: Owner, given: Given, now: int, currency: str | None) -> Card:
    """The card behind what is given. Reads only. Raises InvalidToken (unknown, used, expired), WrongCurrency."""
    if isinstance(given, PaymentDetails):
        return Card(vault.borrow(owner, given), given.email, value=given.verification_value)
    token = await store.get_unspent(tx, owner, given, now)
    if token.currency is not None and currency is not None and token.currency != currency:
        raise WrongCurrency
    try:
        use = await vault.find(tx, owner, token.entry_id)
    except EntryGone:
        raise InvalidToken from None
    return Card(use, token.email, token)


async def spend(
    tx: Tx, vault: Vault, owner: Owner, card: Card, *, by: str, why: str, who: str, now: int, audit_id: str
) -> None:
    """Use up the token, where it is one, and leave the vault's audit line. Raises InvalidToken.

    audit_id: the attempt's own id serves, one line belongs to one attempt.
    """
    if card.token is not None:
        await store.spend(tx, owner, card.token.id, now, by)
    await vault.note(tx, card.use, why=why, object_id=by, who=who, now=now, audit_id=audit_id)


class NotBegun(Exception):
    """An attempt that ended before its call: nothing was sent. refusal: what the caller is told."""

    def __init__(self, refusal: ApiError) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


async def send(parts: Parts, processor: Processor, attempt: Attempt, card: Card) -> Outcome:
    """The call of a fresh attempt: first the verification value leaves its store, then the row says ``sent`` (T2).

    Raises NotBegun: the value is gone (never charge silently without it), or a store is away.
    """
    value = card.value
    try:
        if card.waits_for_value:
            value = await parts.vault.take_verification_value(attempt.owner, card.use.entry_id)
            if value is None:
                raise NotBegun(InvalidToken())
        if attempt.state == "prepared":
            now = parts.clock.now()
            due = now + processor.declares.timeout + attempts.GRACE
            sent = await parts.db.write(attempts.mark_sent, attempt, due, now)
            if sent is None:
                return NotDone()
            attempt = sent
    except Unavailable as away:
        raise NotBegun(away) from away
    return await machine.carry_out(processor, attempt, parts.clock, use=card.use, verification_value=value)


async def drop_value(parts: Parts, attempt: Attempt) -> None:
    """Destroy the verification value of an attempt whose owner died before the call: nobody will need it (SEC-2)."""
    by = attempt.payment_id or attempt.customer_id or ""
    for token in await parts.db.read(store.spent, attempt.owner, by, attempt.created_at):
        if token.has_verification_value:
            await parts.vault.take_verification_value(attempt.owner, token.entry_id)
