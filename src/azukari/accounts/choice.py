"""Which processor, and which account with it, a new payment goes to."""

from collections.abc import Sequence
from typing import NamedTuple

from azukari.db import Owner
from azukari.processors.account import Account, fields_of
from azukari.processors.base import Processor
from azukari.processors.registry import NoProcessor, Processors


class Choice(NamedTuple):
    """account: None for a processor that needs none."""

    processor: Processor
    account: Account | None

    @property
    def account_id(self) -> str | None:
        return None if self.account is None else self.account.id


def choose(
    processors: Processors,
    owner: Owner,
    accounts: Sequence[Account],
    type: str,
    *,
    currency: str = "",
    amount: int = 0,
    brand: str | None = None,
) -> Choice:
    """The first processor, in their order, that takes a payment and with which the owner has an account that does.

    accounts: the owner's; of several with one processor the oldest that covers it. amount: in the currency's smallest
    unit. brand: of a card. Raises NoProcessor.
    """
    for processor in processors.candidates(owner, type):
        if fields_of(processor) is None:
            return Choice(processor, None)
        for account in accounts:
            if (
                account.processor == processor.name
                and account.takes_payments
                and account.narrowed.refuses(type, currency, amount, brand) is None
            ):
                return Choice(processor, account)
    raise NoProcessor
