"""An account as it is shown: all of it but its secrets."""

from collections.abc import Mapping
from typing import Self

import msgspec

from azukari.core.clock import iso
from azukari.processors.account import Account, Narrowed, State


class AccountOut(msgspec.Struct, frozen=True):
    """secrets: since when each is set. narrowed: what the contract does not cover."""

    id: str
    merchant: str
    mode: str
    name: str
    processor: str
    host: str
    state: State
    profile: Mapping[str, str]
    secrets: Mapping[str, str]
    narrowed: Narrowed
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, account: Account) -> Self:
        """What may be shown of an account."""
        return cls(
            id=account.id,
            merchant=account.owner.merchant_id,
            mode=account.owner.mode,
            name=account.name,
            processor=account.processor,
            host=account.host,
            state=account.state,
            profile=account.profile,
            secrets={name: iso(since) for name, since in account.secrets.items()},
            narrowed=account.narrowed,
            created_at=iso(account.created_at),
            updated_at=iso(account.updated_at),
        )
