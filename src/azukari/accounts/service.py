"""Accounts with processors: added, tried, narrowed, given other secrets, drained and closed.

``open <-> draining -> closed``. An open one is drained before it is closed, so that nothing is charged by it while the
last captures and refunds are made; one that was drained by mistake is opened again. A closed one stays closed, for its
secrets are gone, and keeps its name, which old payments go by.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from azukari.accounts import checks, probe, store
from azukari.accounts.errors import AccountRefused, NoSuchAccount
from azukari.core.clock import Clock
from azukari.core.errors import Locked
from azukari.core.ids import Ids
from azukari.core.secret import Secret
from azukari.db import Database, Owner, Tx, retry_on_conflict
from azukari.merchants import store as merchants
from azukari.processors.account import Account, AccountFields, AccountUse, Narrowed, Probing, State, fields_of
from azukari.processors.registry import SIMULATOR
from azukari.vault import NotFitForLive, SealedEntry, Vault


async def seal_secrets(vault: Vault, owner: Owner, secrets: Mapping[str, Secret]) -> SealedEntry:
    """Seal an account's secrets as one entry; it is kept by ``vault.add``. Raises ProviderDown, AccountRefused."""
    try:
        return await vault.seal_account(owner, secrets)
    except NotFitForLive:
        raise AccountRefused(
            "The secrets of a live account are not sealed under a key that lies beside them. Set AZUKARI_KEK_FILE to a "
            "file outside of the data directory first."
        ) from None


@dataclass(frozen=True, slots=True)
class _AuditContext:
    """What a change leaves beside it. at: by the machine's clock."""

    id: str
    at: int
    actor: str
    action: str


class Accounts:
    """The accounts of all merchants. actor, where it is asked for: the key or person that does it.

    processor_named: a processor that is loaded, by its name.
    """

    def __init__(
        self, db: Database, vault: Vault, processor_named: Callable[[str], object | None], clock: Clock, ids: Ids
    ) -> None:
        self._db = db
        self._vault = vault
        self._processor_named = processor_named
        self._clock = clock
        self._ids = ids

    def fields_of(self, processor: str) -> AccountFields:
        """What an account with a processor has to be told. Raises AccountRefused."""
        if processor == SIMULATOR:
            raise AccountRefused("The simulator needs no account.")
        found = self._processor_named(processor)
        if found is None:
            raise AccountRefused(
                f"The processor {processor} is not loaded. Install its package and name it in AZUKARI_PROCESSORS."
            )
        fields = fields_of(found)
        if fields is None:
            raise AccountRefused(f"{processor} needs no account.")
        return fields

    def host_of(self, processor: str, mode: str) -> str:
        """Where requests of an account go. Raises AccountRefused."""
        host = self.fields_of(processor).hosts.get(mode)
        if host is None:
            raise AccountRefused(f"{processor} has no {mode} mode, so there are no accounts of that mode with it.")
        return host

    async def of_owner(self, owner: Owner) -> list[Account]:
        """The owner's accounts, closed ones too, oldest first."""
        return await self._db.read(store.of_owner, owner)

    async def use_of(self, owner: Owner, account_id: str) -> AccountUse | None:
        """An account as requests run on it; None: it is closed."""
        account = await self._db.read(store.find, owner, account_id)
        return None if account is None else account.use

    async def get(self, owner: Owner, name: str) -> Account:
        """The owner's account of this name. Raises NoSuchAccount."""
        return await self._db.read(_get, owner, name)

    async def add(
        self,
        owner: Owner,
        name: str,
        processor: str,
        secrets: Mapping[str, Secret],
        profile: Mapping[str, str],
        actor: str,
    ) -> Account:
        """A new account, open from now on.

        Raises AccountRefused, NotFound (no such merchant), ProviderDown.
        """
        fields, host = self.fields_of(processor), self.host_of(processor, owner.mode)
        checks.check_name(name)
        checks.check_secrets(fields, secrets)
        checks.check_profile(fields, profile)
        await self._db.read(_check_free, owner, name)
        context = self._context(actor, "account.add")
        sealed = await seal_secrets(self._vault, owner, secrets)
        account = Account(
            owner=owner,
            id=self._ids.new(),
            name=name,
            processor=processor,
            host=host,
            profile=dict(profile),
            narrowed=Narrowed(),
            state="open",
            entry_id=sealed.id,
            secrets=dict.fromkeys(fields.secrets, context.at),
            created_at=context.at,
            updated_at=context.at,
        )
        await self._db.write(_add, self._vault, account, sealed, context)
        return account

    async def test(self, owner: Owner, name: str, actor: str) -> str | None:
        """Try an account at its processor; what is wrong with it, in a sentence. None: it works.

        Raises NoSuchAccount, AccountRefused (it cannot be tried).
        """
        account = await self.get(owner, name)
        if account.entry_id is None:
            raise AccountRefused(f"{name} is closed, and its secrets are gone. There is nothing to try.")
        self.fields_of(account.processor)
        processor = self._processor_named(account.processor)
        if not isinstance(processor, Probing):
            raise AccountRefused(
                f"{account.processor} has no way to try an account without a payment. Its first payment will tell."
            )
        # Before its secrets are opened.
        await self._db.write(_note, self._vault, account, self._context(actor, "account.test"))
        return await probe.what_is_wrong(processor, account)

    async def narrow(self, owner: Owner, name: str, more: Narrowed, actor: str, *, anew: bool = False) -> Account:
        """Add to what an account's contract does not cover. anew: in the place of what there was.

        Raises NoSuchAccount, AccountRefused.
        """
        checks.check_narrowed(more)

        def narrowed(read: Account) -> Account:
            return msgspec.structs.replace(read, narrowed=more if anew else _together(read.narrowed, more))

        return await self._change(owner, name, narrowed, self._context(actor, "account.narrow"))

    async def roll(self, owner: Owner, name: str, secrets: Mapping[str, Secret], actor: str) -> Account:
        """Put other secrets in the place of an account's. Raises NoSuchAccount, AccountRefused, ProviderDown."""
        account = await self.get(owner, name)
        if account.entry_id is None:
            raise AccountRefused(f"{name} is closed. Add another account.")
        checks.check_secrets(self.fields_of(account.processor), secrets)
        context = self._context(actor, "account.roll")
        sealed = await seal_secrets(self._vault, owner, secrets)

        def rolled(read: Account) -> Account:
            if read.entry_id is None:
                raise AccountRefused(f"{name} is closed. Add another account.")
            return msgspec.structs.replace(read, entry_id=sealed.id, secrets=dict.fromkeys(secrets, context.at))

        return await self._change(owner, name, rolled, context, sealed)

    async def open(self, owner: Owner, name: str, actor: str) -> Account:
        """Let an account that is draining take new payments again. Raises NoSuchAccount, AccountRefused."""
        return await self._move(owner, name, "open", self._context(actor, "account.open"))

    async def drain(self, owner: Owner, name: str, actor: str) -> Account:
        """Send an account no new payments; captures, refunds and lookups go on.

        Raises NoSuchAccount, AccountRefused.
        """
        return await self._move(owner, name, "draining", self._context(actor, "account.drain"))

    async def close(self, owner: Owner, name: str, actor: str) -> Account:
        """End an account that is draining, and its secrets. Raises NoSuchAccount, AccountRefused."""
        return await self._move(owner, name, "closed", self._context(actor, "account.close"))

    async def _move(self, owner: Owner, name: str, to: State, context: _AuditContext) -> Account:
        return await self._change(owner, name, lambda read: _moved(read, to), context)

    async def _change(
        self,
        owner: Owner,
        name: str,
        edit: Callable[[Account], Account],
        context: _AuditContext,
        sealed: SealedEntry | None = None,
    ) -> Account:
        read, changed = await retry_on_conflict(self._db, _edit, self._vault, owner, name, edit, context, sealed)
        if read.entry_id is not None and read.entry_id != changed.entry_id:
            self._vault.forget_account(read.entry_id)
            await self._vault.shred(owner, read.entry_id)
        return changed

    def _context(self, actor: str, action: str) -> _AuditContext:
        return _AuditContext(self._ids.new(), self._clock.now(), actor, action)


def _moved(read: Account, to: State) -> Account:
    """The account in its next state. Raises AccountRefused."""
    if read.state == to:
        return read
    if read.state == "closed":
        raise AccountRefused(f"{read.name} is closed for good: its secrets are gone. Add another account.")
    if to == "closed":
        if read.state == "open":
            raise AccountRefused(
                f"{read.name} is open. Drain it first, and close it when its last captures and refunds are made."
            )
        return msgspec.structs.replace(read, state=to, entry_id=None, secrets={})
    return msgspec.structs.replace(read, state=to)


def _together(old: Narrowed, more: Narrowed) -> Narrowed:
    return Narrowed(
        types=old.types | more.types,
        brands=old.brands | more.brands,
        currencies=old.currencies | more.currencies,
        greatest={**old.greatest, **more.greatest},
    )


# Units


async def _get(tx: Tx, owner: Owner, name: str) -> Account:
    found = await store.named(tx, owner, name)
    if found is None:
        raise NoSuchAccount
    return found


async def _check_free(tx: Tx, owner: Owner, name: str) -> None:
    """Raises NotFound (no such merchant), AccountRefused (the name is taken)."""
    await merchants.get_merchant(tx, owner.merchant_id)
    if await store.named(tx, owner, name) is not None:
        raise AccountRefused(
            f"There is an account {name} already. Closed ones keep their names too, for old payments go by them."
        )


async def _add(tx: Tx, vault: Vault, account: Account, sealed: SealedEntry, context: _AuditContext) -> None:
    await _check_free(tx, account.owner, account.name)
    await vault.add(tx, account.owner, sealed, context.at)
    if not await store.add(tx, account):
        raise AccountRefused(f"There is an account {account.name} already.")
    await _note(tx, vault, account, context)


async def _edit(
    tx: Tx,
    vault: Vault,
    owner: Owner,
    name: str,
    edit: Callable[[Account], Account],
    context: _AuditContext,
    sealed: SealedEntry | None,
) -> tuple[Account, Account]:
    """The account as it was, and as it is now. An edit that changes nothing leaves no line. Raises Locked."""
    read = await _get(tx, owner, name)
    changed = edit(read)
    if changed == read:
        return read, read
    changed = msgspec.structs.replace(changed, updated_at=context.at, version=read.version + 1)
    if sealed is not None:
        await vault.add(tx, owner, sealed, context.at)
    if not await store.update(tx, read, changed):
        raise Locked
    if read.entry_id is not None and read.entry_id != changed.entry_id:
        await vault.retire(tx, owner, read.entry_id, context.at)
    await _note(tx, vault, read, context)
    return read, changed


async def _note(tx: Tx, vault: Vault, account: Account, context: _AuditContext) -> None:
    """The audit line."""
    await vault.audit(
        tx,
        account.owner,
        id=context.id,
        at=context.at,
        actor=context.actor,
        action=context.action,
        object_id=account.id,
        result="done",
    )
