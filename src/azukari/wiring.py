"""Settings become a database, a vault and processors: the same for the app, the worker and the command line."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from azukari.accounts.service import Accounts
from azukari.core import log
from azukari.core.clock import Clock, Moment, SystemClock
from azukari.core.commit_signal import CommitSignal
from azukari.core.config import Settings
from azukari.core.ids import Ids, RandomIds
from azukari.db import Announce, Cursor, Database, Owner, Tx, quiet
from azukari.db.counts import Counts
from azukari.db.open import Stores, counts_of, open_stores, shelf_of
from azukari.merchants import clear_text, keys
from azukari.merchants.clock import Clocks
from azukari.merchants.due import Due
from azukari.merchants.service import ApiKeys, SettingsCache
from azukari.merchants.settings import MerchantSettings
from azukari.processors import registry
from azukari.processors.account import Account, AccountUse
from azukari.processors.registry import NoProcessor, Processors, load
from azukari.vault import FileKeyProvider, Vault

R = TypeVar("R")

#: The file provider's key when no setting names another place: good for test keys only.
KEK_NAME = "vault.key"


def key_file(settings: Settings) -> Path:
    """Where the file provider's key is."""
    return settings.kek_file or settings.data / KEK_NAME


def key_provider(settings: Settings) -> FileKeyProvider:
    """Who holds the key that wraps all others. Raises KeyFileError."""
    return FileKeyProvider.load(key_file(settings), data=settings.data, create=settings.kek_file is None)


def modes_served(settings: Settings) -> Collection[str]:
    """Live mode never where cards may travel in the clear, test mode unless it is switched off."""
    return [keys.LIVE] * (settings.insecure is None) + [keys.TEST] * settings.test_mode


class PaymentWebhooks(Protocol):
    """What an order asks for beside its payment, of a room above: written in the unit that begins the payment."""

    async def write(self, tx: Tx, owner: Owner, payment_id: str) -> None:
        """Within the caller's unit, which may run more than once."""
        ...


class NotConnected(Exception):
    """This process works without ``hooks.connect``: what a layer above has to do would be left undone."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Calls from a layer to those above it, which it does not know; ``hooks.connect`` fills them in.

    outcome_writers: of attempts that belong to a "session" or "subscription"; each is a ``payments`` OutcomeWriter.
    on_customer_deleted: end what lives by a customer's details, in the unit that deletes it; called with the customer,
    ids for events, and the time.
    payment_webhooks: reads the ``webhooks`` of a payment; called with the services, the owner, what was given, who
    asks, the API version and the time. Raises InvalidParameter, MissingParameter, ProviderDown.
    """

    outcome_writers: Mapping[str, Callable[..., Coroutine[Any, Any, Any]]]
    on_customer_deleted: Sequence[Callable[[Tx, Any, Ids, int], Awaitable[None]]]
    payment_webhooks: Callable[[Any, Owner, object, str, str, int], Awaitable[PaymentWebhooks]]


@dataclass(slots=True)
class _Connection:
    hooks: Hooks | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """What one process is made of. clock: the machine's; for a merchant's time ask :meth:`time_of`."""

    settings: Settings
    clock: Clock
    ids: Ids
    stores: Stores
    vault: Vault
    api_keys: ApiKeys
    processors: Processors
    accounts: Accounts
    settings_cache: SettingsCache
    news: CommitSignal
    clocks: Clocks
    counts: Counts
    _connection: _Connection = field(default_factory=_Connection)

    @property
    def hooks(self) -> Hooks:
        """Calls to the layers above. Raises NotConnected."""
        if self._connection.hooks is None:
            raise NotConnected
        return self._connection.hooks

    def connect(self, hooks: Hooks) -> None:
        """Take the hooks of this process; see :func:`azukari.hooks.connect`."""
        self._connection.hooks = hooks

    @property
    def db(self) -> Database:
        """The main store."""
        return self.stores.main

    @property
    def modes_served(self) -> Collection[str]:
        """Whose keys are let in, and pages shown."""
        return modes_served(self.settings)

    @property
    def live_cards(self) -> str | None:
        """The processor that takes live cards; None: there is none, or no live key is let in."""
        if keys.LIVE not in self.modes_served:
            return None
        try:
            return self.processors.pick(Owner("", keys.LIVE)).name
        except NoProcessor:
            return None

    async def accounts_of(self, owner: Owner) -> Sequence[Account]:
        """The owner's accounts with processors; a test key runs on the simulator, without one. Raises DatabaseDown."""
        return () if owner.mode == keys.TEST else await self.accounts.of_owner(owner)

    async def account_use(self, owner: Owner, account_id: str | None) -> AccountUse | None:
        """The account of a request. None: it needs none, or is closed. Raises DatabaseDown."""
        return None if account_id is None else await self.accounts.use_of(owner, account_id)

    async def settings_of(self, owner: Owner) -> MerchantSettings:
        """The owner's settings, half a second old at most."""
        return await self.settings_cache.settings_of(owner.merchant_id)

    async def time_of(self, owner: Owner) -> int:
        """The owner's time: the machine's, or in test mode what its test clock shows. Raises DatabaseDown."""
        return await self.clocks.time_of(owner)

    async def moment_of(self, owner: Owner) -> Moment:
        """The owner's time with the machine's. Raises DatabaseDown."""
        return await self.clocks.moment_of(owner)

    def due_of(self, due: Due[R], owner: Owner | None, limit: int) -> Callable[[Cursor], Awaitable[list[R]]]:
        """Reads the next rows that are due: an owner's by its own clock, or everybody's by theirs and the machine's."""

        async def read(after: Cursor) -> list[R]:
            if owner is None:
                return await self.db.read(due.of_all, self.clock.now(), limit, after)
            return await self.db.read(due.of_owner, owner, await self.time_of(owner), limit, after)

        return read

    @classmethod
    async def assemble(cls, settings: Settings, announce: Announce = quiet, clock: Clock | None = None) -> Self:
        """Open everything. Raises SettingError, DatabaseDown, and what the vault says of a wrong key."""
        clock = clock or SystemClock()
        ids = RandomIds(clock)
        news = CommitSignal()
        stores = await open_stores(settings, news.beside(announce))
        provider = key_provider(settings)
        vault = Vault(
            main=stores.main,
            keys=stores.keys,
            sad=stores.sad,
            provider=provider,
            clock=clock,
            ids=ids,
            shelf=shelf_of(settings.data),
            announce=announce,
        )
        await vault.open()
        api_keys = ApiKeys(
            stores.main,
            clock,
            ids,
            lambda message: vault.mac("pepper", message),
            live_allowed=provider.fit_for_live,
            served=modes_served(settings),
        )
        clocks = Clocks(stores.main, clock)
        processors = load(settings, vault, clock, ids)
        if settings.test_mode:
            processors.simulator.go_by(clocks.time_of)
        return cls(
            settings,
            clock,
            ids,
            stores,
            vault,
            api_keys,
            processors,
            Accounts(stores.main, vault, processors.named, clock, ids),
            SettingsCache(stores.main, clock),
            news,
            clocks,
            counts_of(settings.data, clock, vault.mac("pepper", b"counts")),
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Around the time that this process serves, or works beside servers. The log hears who takes live cards.

        Raises LiveKeysThere (a setting lets cards travel in the clear), DatabaseDown.
        """
        self._log_live_processors()
        if self.settings.insecure is None:
            yield
            return
        async with clear_text.leased(self.db, self.clock, self.ids.ref()):
            yield

    def _log_live_processors(self) -> None:
        loaded, taker = self.processors.live_hosts, self.live_cards
        for name, hosts in loaded.items():
            log.event("processor.loaded", processor=name, host=", ".join(hosts))
        if taker is None:
            log.event("live_cards.refused", setting=self.settings.insecure or registry.SETTING)
        else:
            log.event("live_cards.taken", processor=taker, host=", ".join(loaded[taker]))

    async def close(self) -> None:
        """Let everything go, the vault before the database."""
        self.news.close()
        values_wait = await self.vault.values_wait()
        await self.vault.close()
        await self.stores.close(values_wait=values_wait)
