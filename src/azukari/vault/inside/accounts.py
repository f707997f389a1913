"""Secrets of merchants' accounts with processors: opened for the authentication of requests, and for nothing else."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Never

from azukari.core.clock import MINUTE, Clock
from azukari.db import Owner

#: How long opened secrets are kept in memory, and of how many accounts.
KEPT_FOR, MOST_KEPT = 5 * MINUTE, 256


class AccountKey(NamedTuple):
    """Which account's secrets: whose, and their entry in the vault."""

    owner: Owner
    entry_id: str


class AccountSecrets:
    """An account's secrets in clear; they print masked and refuse pickle."""

    __slots__ = ("texts",)

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def __repr__(self) -> str:
        return "AccountSecrets(***)"

    def __reduce__(self) -> Never:
        raise TypeError("secrets in clear cannot be pickled")


class OpenedAccounts:
    """Opened secrets, so that a charge does not open its account's anew each time."""

    def __init__(self, read: Callable[[AccountKey], Awaitable[AccountSecrets]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._opened: OrderedDict[AccountKey, tuple[int, AccountSecrets]] = OrderedDict()

    async def of(self, key: AccountKey) -> AccountSecrets:
        """Raises what reading does."""
        now = self._clock.now()
        opened = self._opened.get(key)
        if opened is None or not 0 <= now - opened[0] < KEPT_FOR:
            opened = self._opened[key] = now, await self._read(key)
            self._opened.move_to_end(key)
            if len(self._opened) > MOST_KEPT:
                self._opened.popitem(last=False)
        return opened[1]

    def drop(self, entry_id: str) -> None:
        """Forget what is retired."""
        for key in [key for key in self._opened if key.entry_id == entry_id]:
            del self._opened[key]
