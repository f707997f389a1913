"""An account: one merchant's contract with one processor, and what a processor says of the accounts it needs."""

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

import msgspec

from azukari.db import Owner
from azukari.vault import AccountKey

#: ``draining``: nothing new is charged by it, and what was charged is still captured, refunded and looked up.
#: ``closed``: its secrets are gone.
State = Literal["open", "draining", "closed"]
#: What a processor says of an account that does not work: the secrets are not good there, it is ``busy`` or ``down``,
#: or the contract does not cover what we need (``unsupported``).
Fault = Literal["credentials", "busy", "down", "unsupported"]
#: Which part of a payment a contract does not cover.
Part = Literal["type", "brand", "currency", "amount"]


class AccountFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a processor has to be told of an account with it.

    secrets, profile: the names of its values, the secret ones and the others. hosts: where its requests go, by mode;
    a mode that is not there has no accounts.
    """

    secrets: tuple[str, ...]
    profile: tuple[str, ...] = ()
    hosts: Mapping[str, str]


class Narrowed(msgspec.Struct, frozen=True):
    """What a contract does not cover of all that its processor can do.

    types: of payment details. brands: of cards. currencies: of payments. greatest: the largest amount of one payment by
    currency, in its smallest unit.
    """

    types: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    currencies: frozenset[str] = frozenset()
    greatest: Mapping[str, int] = {}

    def refuses(self, type: str, currency: str, amount: int, brand: str | None = None) -> Part | None:
        """Which part of a payment the contract does not cover; None: it covers all of it.

        amount: in the currency's smallest unit. brand: of a card.
        """
        if type in self.types:
            return "type"
        if brand in self.brands:
            return "brand"
        if currency in self.currencies:
            return "currency"
        return "amount" if amount > self.greatest.get(currency, amount) else None


class AccountUse(msgspec.Struct, frozen=True):
    """An account, one merchant's contract with one processor, as requests run on it. Its secrets stay in the vault.

    host: where requests go. profile: values that are no secrets, by their names. access: what the vault authenticates
    them by.
    """

    owner: Owner
    id: str
    host: str
    access: AccountKey
    profile: Mapping[str, str] = {}


class Account(msgspec.Struct, frozen=True):
    """One merchant's contract with one processor. Its secrets are in the vault, never here.

    name: the merchant's own for it. host: where requests go. profile: values that are no secrets, by their names.
    entry_id: the vault's entry of the secrets; None: it is closed. secrets: since when each is set, milliseconds.
    version: raised by every change.
    """

    owner: Owner
    id: str
    name: str
    processor: str
    host: str
    profile: Mapping[str, str]
    narrowed: Narrowed
    state: State
    entry_id: str | None
    secrets: Mapping[str, int]
    created_at: int
    updated_at: int
    version: int = 1

    @property
    def use(self) -> AccountUse | None:
        """It as requests run on it; None: it is closed."""
        if self.entry_id is None:
            return None
        return AccountUse(self.owner, self.id, self.host, AccountKey(self.owner, self.entry_id), self.profile)

    @property
    def takes_payments(self) -> bool:
        """Whether new payments may go to it."""
        return self.state == "open"

    @property
    def serves_old_payments(self) -> bool:
        """Whether what was charged by it can be captured, refunded, cancelled and looked up."""
        return self.entry_id is not None


@runtime_checkable
class Probing(Protocol):
    """What a processor can do besides: try an account without moving money."""

    async def probe(self, account: Account) -> Fault | None:
        """Whether the processor knows the account; None: it does. Raises the vault's RequestNotSent, ReplyUnknown."""
        ...


def fields_of(processor: object) -> AccountFields | None:
    """What a processor's ``account_fields`` say; None: it needs no account."""
    found = getattr(processor, "account_fields", None)
    return found if isinstance(found, AccountFields) else None
