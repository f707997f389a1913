"""Settings become a database, a vault and processors: the same for the app, the worker and the command line."""

from dataclasses import dataclass
from typing import Self

from azukari.core.clock import Clock, SystemClock
from azukari.core.config import Settings
from azukari.core.ids import Ids, RandomIds
from azukari.core.news import News
from azukari.db import Announce, Database, Owner, quiet
from azukari.db.open import Stores, open_stores
from azukari.merchants.service import Keyring, Shops
from azukari.merchants.settings import MerchantSettings
from azukari.processors.registry import Processors, load
from azukari.vault import FileKeyProvider, Vault

#: The file provider's key when no setting names another place: good for test keys only.
KEK_NAME = "vault.key"


@dataclass(frozen=True, slots=True)
class Parts:
    """What one process is made of."""

    settings: Settings
    clock: Clock
    ids: Ids
    stores: Stores
    vault: Vault
    keyring: Keyring
    processors: Processors
    shops: Shops
    news: News

    @property
    def db(self) -> Database:
        """The main store."""
        return self.stores.main

    async def settings_of(self, owner: Owner) -> MerchantSettings:
        """The owner's settings, half a second old at most."""
        return await self.shops.settings_of(owner.merchant_id)

    @classmethod
    async def assemble(cls, settings: Settings, announce: Announce = quiet, clock: Clock | None = None) -> Self:
        """Open everything. Raises SettingError, DatabaseDown, and what the vault says of a wrong key."""
        clock = clock or SystemClock()
        ids = RandomIds(clock)
        news = News()
        stores = await open_stores(settings, news.beside(announce))
        provider = FileKeyProvider.load(
            settings.kek_file or settings.data / KEK_NAME, data=settings.data, create=settings.kek_file is None
        )
        vault = Vault(
            main=stores.main, keys=stores.keys, sad=stores.sad,
            provider=provider, clock=clock, ids=ids, announce=announce,
        )  # fmt: skip
        await vault.open()
        keyring = Keyring(
            stores.main, clock, ids, lambda message: vault.mac("pepper", message), live_allowed=provider.fit_for_live
        )
        return cls(
            settings, clock, ids, stores, vault, keyring, load(settings, vault, clock, ids), Shops(stores.main, clock),
            news,
        )  # fmt: skip

    async def close(self) -> None:
        """Let everything go, the vault before the database."""
        self.news.close()
        await self.vault.close()
        await self.stores.close()
