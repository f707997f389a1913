"""The vault: all that may be asked of the room."""

import base64
from collections.abc import Mapping

from cryptography.hazmat.primitives.hmac import HMAC

from azukari.core import log
from azukari.core.clock import Clock
from azukari.core.errors import Unavailable
from azukari.core.ids import Ids
from azukari.core.secret import Secret
from azukari.db import Announce, Database, Owner, Tx, quiet
from azukari.db.shelf import Shelf
from azukari.vault.inside import audit, entries, envelope, sweep
from azukari.vault.inside.accounts import AccountKey, AccountSecrets, OpenedAccounts
from azukari.vault.inside.details import PaymentDetails
from azukari.vault.inside.entries import AccessGrant, Plain, SealedEntry, Stored
from azukari.vault.inside.envelope import Cipher
from azukari.vault.inside.errors import ProviderDown, Unreadable, VaultError
from azukari.vault.inside.keys import FINGERPRINT, MerchantKeys, Purpose, add_dek, all_roots, drop_deks, load_roots
from azukari.vault.inside.provider import Health, KeyProvider
from azukari.vault.inside.relay import Relay
from azukari.vault.inside.sad import VerificationValues
from azukari.vault.inside.sad_keys import SadKeys
from azukari.vault.inside.signing import Signer
from azukari.vault.inside.tables import deks
from azukari.vault.inside.transport import NO_SECRET_FIELDS, Blank, Outbound, Reply, RequestNotSent, Transport


class Vault:
    """Keeps cards, and sends them where they are to be charged. One per process; :meth:`open` it first.

    main, keys, sad: the three stores. ``main`` can read the schema of ``keys``.
    shelf: where the machine's processes share the keys of verification values; None for one process alone.
    loopback_http: let orders go to ``http://`` hosts on this machine (tests).
    """

    def __init__(
        self,
        *,
        main: Database,
        keys: Database,
        sad: Database,
        provider: KeyProvider,
        clock: Clock,
        ids: Ids,
        shelf: Shelf | None = None,
        announce: Announce = quiet,
        loopback_http: bool = False,
    ) -> None:
        self._main = main
        self._keys = keys
        self._provider = provider
        self._health = Health(provider, clock)
        self._clock = clock
        self._ids = ids
        self._merchant_keys = MerchantKeys(keys, provider, clock)
        self._sad_keys = SadKeys(sad, shelf or Shelf(), provider, clock)
        self._codes = VerificationValues(sad, self._sad_keys, clock)
        self._wiped = True
        self._relay = Relay(announce, loopback_http=loopback_http)
        self._accounts = OpenedAccounts(self._open_account, clock)
        self._roots: dict[str, bytes] = {}
        self._macs: dict[str, HMAC] = {}

    async def open(self) -> None:
        """Load the installation's own keys. Raises WrongKey, with a sentence that helps; ProviderDown; DatabaseDown."""
        self._roots = await load_roots(self._keys, self._provider, self._clock)
        self._macs = {name: envelope.keyed(key) for name, key in self._roots.items()}

    async def values_wait(self) -> bool:
        """Whether verification values wait for their use, or may."""
        try:
            return await self._codes.any_left()
        except Unavailable:
            return True

    async def close(self) -> None:
        """Let connections and keys go."""
        self._roots, self._macs = {}, {}
        self._merchant_keys.forget()
        await self._relay.close()

    @property
    def fit_for_live(self) -> bool:
        """Whether the key provider may guard live cards."""
        return self._provider.fit_for_live

    def allow(self, host: str, transport: Transport | None = None) -> None:
        """Declare a host orders may go to: ``api.acme.example``, with ``:port`` unless it is 443.

        transport: what carries them; None for HTTPS. Raises HostTaken (another has declared it), HostsFixed.
        """
        self._relay.allow(host, transport)

    @property
    def hosts(self) -> frozenset[str]:
        """Those that were declared until now, in small letters."""
        return self._relay.hosts

    def fix_hosts(self) -> None:
        """All processors are built: no host is added from now on."""
        self._relay.fix_hosts()

    def mac(self, purpose: Purpose, message: bytes) -> bytes:
        """HMAC-SHA-256 with the installation's key of that purpose."""
        return envelope.mac(self._macs[purpose], message)

    def fingerprint(self, owner: Owner, details: PaymentDetails) -> bytes:
        """32 bytes that are equal for equal numbers of one merchant and mode, and tell nothing else (SEC-4)."""
        return self._fingerprint(owner, b"pan", details)

    def public_fingerprint(self, owner: Owner, details: PaymentDetails) -> str:
        """The one that may be shown: 26 letters and digits (base 32, RFC 4648, without padding)."""
        return base64.b32encode(self._fingerprint(owner, b"ext", details)[:16]).decode().rstrip("=")

    def _fingerprint(self, owner: Owner, use: bytes, details: PaymentDetails) -> bytes:
        key = envelope.fingerprint_key(self._roots[FINGERPRINT], owner)
        return envelope.hmac(key, use + b"\x00" + details.number.reveal().encode())

    # Keeping

    async def ready(self, owner: Owner) -> None:
        """Raises ProviderDown (503) when this owner's cards could not be opened now: ask before anything is charged."""
        await self._merchant_keys.newest(owner)

    async def seal(self, owner: Owner, details: PaymentDetails) -> SealedEntry:
        """Seal a card under a new data key, which is durable when this returns; :meth:`add` keeps it.

        The verification value is not in it. Raises ProviderDown, NotFitForLive.
        """
        entry_id, dek = await self._new_dek(owner)
        return entries.seal_card(owner, entry_id, details, dek, self.fingerprint(owner, details))

    async def seal_agreement(self, owner: Owner, type: str, agreement: Secret) -> SealedEntry:
        """The same for a wallet's agreement. type: of the payment details, ``paypay``."""
        entry_id, dek = await self._new_dek(owner)
        key = envelope.fingerprint_key(self._roots[FINGERPRINT], owner)
        fingerprint = envelope.hmac(key, b"wallet\x00" + agreement.reveal().encode())
        return entries.seal_wallet(owner, entry_id, type, agreement, dek, fingerprint)

    async def seal_secret(self, owner: Owner, secret: Secret) -> SealedEntry:
        """The same for a secret of a merchant's webhooks, which only :meth:`signer` opens."""
        entry_id, dek = await self._new_dek(owner)
        key = envelope.fingerprint_key(self._roots[FINGERPRINT], owner)
        fingerprint = envelope.hmac(key, b"secret\x00" + secret.reveal().encode())
        return entries.seal_secret(owner, entry_id, secret, dek, fingerprint)

    async def seal_account(self, owner: Owner, secrets: Mapping[str, Secret]) -> SealedEntry:
        """The same for the secrets of an account with a processor, by their names: they authenticate its requests.

        They are never given out.
        """
        entry_id, dek = await self._new_dek(owner)
        key = envelope.fingerprint_key(self._roots[FINGERPRINT], owner)
        fingerprint = envelope.hmac(key, b"account\x00" + entry_id.encode())
        return entries.seal_account(owner, entry_id, secrets, dek, fingerprint)

    async def _new_dek(self, owner: Owner) -> tuple[str, Cipher]:
        """The id of a new entry and its data key, which is durable when this returns."""
        merchant_key = await self._merchant_keys.newest(owner)
        entry_id, dek = self._ids.new(), envelope.new_key()
        aad = envelope.dek_aad(owner, entry_id, entries.FIRST_GEN, merchant_key.version)
        wrapped = envelope.seal(merchant_key.cipher, dek, aad)
        await self._keys.write(
            add_dek, owner, entry_id, entries.FIRST_GEN, merchant_key.version, wrapped, self._clock.now()
        )
        return entry_id, envelope.cipher(dek)

    async def add(self, tx: Tx, owner: Owner, sealed: SealedEntry, now: int) -> None:
        """Within the caller's unit: keep a sealed entry."""
        await entries.add_entry(tx, owner, sealed, now)

    async def keep_verification_value(self, owner: Owner, entry_id: str, value: Secret) -> None:
        """Keep it until it is taken, and for a day at most. Raises ProviderDown."""
        await self._codes.keep(owner, entry_id, value)

    async def take_verification_value(self, owner: Owner, entry_id: str) -> Secret | None:
        """The value, no longer stored when this returns (SEC-2); None where none is kept, or no more.

        Raises ProviderDown, Unreadable; it is gone then too.
        """
        return await self._codes.take(owner, entry_id)

    async def keep_authentication_value(self, owner: Owner, token_id: str, value: Secret) -> None:
        """Keep what proves a 3-D Secure authentication (CAVV), beside the verification values and for as long as they.

        Keeping it again replaces it. Raises ProviderDown.
        """
        await self._codes.keep(owner, token_id, value)

    async def take_authentication_value(self, owner: Owner, token_id: str) -> Secret | None:
        """It, no longer stored when this returns; None where none is kept, or no more. Raises ProviderDown."""
        return await self._codes.take(owner, token_id)

    async def read_authentication_value(self, owner: Owner, token_id: str, *, actor: str) -> Secret | None:
        """It, as it waits for its charge, where it stays: for the merchant it was made for. None where none is kept.

        actor: the key that asks. Its audit line is durable before the value is opened. Raises ProviderDown, Unreadable.
        """
        sealed = await self._codes.find(owner, token_id)
        if sealed is None:
            return None
        await self._main.write(_note_read, owner, self._ids.new(), self._clock.now(), actor, token_id)
        return await self._codes.open(owner, token_id, sealed)

    async def set_credential(self, tx: Tx, owner: Owner, entry_id: str, credential: str) -> None:
        """Within the caller's unit: keep JSON text (stored-credential data) with an entry. Raises EntryGone."""
        await entries.set_credential(tx, owner, entry_id, credential)

    async def retire(self, tx: Tx, owner: Owner, entry_id: str, now: int) -> None:
        """Within the caller's unit: nothing needs an entry any more. :meth:`shred` it when the unit is committed.

        Should nobody live to do so, the sweep does.
        """
        await entries.retire(tx, owner, entry_id, now)

    def forget_account(self, entry_id: str) -> None:
        """Let go of an account's opened secrets; other processes do after five minutes."""
        self._accounts.drop(entry_id)

    async def shred(self, owner: Owner, entry_id: str) -> None:
        """Make an entry unreadable for ever, in backups too; doing it again changes nothing.

        The key goes first: from there on the record is noise, whatever becomes of the rest. The row stays, emptied.
        """
        await self._keys.write(drop_deks, owner, entry_id)
        await self._codes.drop(owner, entry_id)
        await self._main.write(entries.erase, owner, entry_id, self._clock.now())

    async def remove(self, tx: Tx, owner: Owner, entry_id: str) -> None:
        """Within the caller's unit, once nothing refers to it: drop the emptied row of a shredded entry."""
        await entries.remove(tx, owner, entry_id)

    async def sweep(self, now: int) -> int:
        """Shred what is retired, destroy data keys without a record after an hour, verification values after a day.

        How many there were.
        """
        count = await self._codes.sweep(now)
        retired = await self._main.read(sweep.retired)
        for owner, entry_id in retired:
            await self.shred(owner, entry_id)
        return count + len(retired) + await sweep.drop_strays(self._main, self._keys, now)

    async def wipe(self) -> None:
        """See that the wrapped keys of what was shredded, and verification values, leave the databases' files too.

        The records where that costs nothing.
        """
        wiped = await self._keys.wipe(deks)
        # Once more after the last time: a record is emptied after its key.
        if wiped or self._wiped:
            await self._main.wipe()
        self._wiped = wiped
        await self._codes.wipe()

    async def serve_machines(self) -> None:
        """Give the keys of verification values to other machines of this installation that have not got them."""
        await self._sad_keys.serve()

    # Using

    async def find(self, tx: Tx, owner: Owner, entry_id: str) -> AccessGrant:
        """Within the caller's unit: the permission to open an entry once, from :meth:`note` on. Raises EntryGone."""
        return await entries.find(tx, owner, entry_id)

    def grant_unsaved(self, owner: Owner, details: PaymentDetails) -> AccessGrant:
        """The same permission for a card that is not stored."""
        return AccessGrant(owner, "", details)

    async def audit_access(
        self, tx: Tx, use: AccessGrant, *, action: str, object_id: str, actor: str, now: int, audit_id: str
    ) -> None:
        """Within the caller's unit: the audit line of a use, without which :meth:`send` does not follow it.

        action: ``charge``, ``verify``, … object_id: the payment or customer it is for. actor: the key or person that
        asked.
        """
        use.note()
        await audit.write_line(
            tx,
            use.owner,
            id=audit_id,
            at=now,
            actor=actor,
            action=action,
            object_id=object_id,
            entry_id=use.entry_id or None,
            result="permitted" if use.entry_id else "lent",
        )

    async def healthy(self) -> bool:
        """Whether the key provider and the two other stores answer. Raises DatabaseDown."""
        try:
            await self._health.check()
        except ProviderDown:
            return False
        await self._keys.read(all_roots)
        await self._codes.reachable()
        return True

    async def audit(
        self, tx: Tx, owner: Owner, *, id: str, at: int, actor: str, action: str, object_id: str | None, result: str
    ) -> None:
        """Within the caller's unit: an audit line about anything else."""
        await audit.write_line(tx, owner, id=id, at=at, actor=actor, action=action, object_id=object_id, result=result)

    # Sending

    async def send(
        self,
        use: AccessGrant,
        verification_value: Secret | None,
        request: Outbound,
        authentication_value: Secret | None = None,
        *,
        account: AccountKey | None = None,
    ) -> Reply:
        """Fill the order's blanks with the card or agreement, send it, take that out of the reply.

        account: of a request with ``auth``. Raises RequestNotSent (the entry cannot be opened, the request is refused,
        no connection), ReplyUnknown, and UseRefused (a bug).
        """
        secret_fields = use.secret_fields
        # Before the card: what is opened last lies in memory for the shortest time.
        secrets = await self._secrets_of(account)
        opened = await self._open(use)
        if isinstance(opened, Secret):
            return await self._relay.send(request, None, None, secret_fields={Blank.AGREEMENT: opened}, account=secrets)
        return await self._relay.send(
            request, opened, verification_value, authentication_value, secret_fields, account=secrets
        )

    async def send_plain(
        self,
        request: Outbound,
        secret_fields: Mapping[Blank, Secret] = NO_SECRET_FIELDS,
        *,
        account: AccountKey | None = None,
    ) -> Reply:
        """Send an order without stored details in it, by the same rules. secret_fields: lent for it, by their blanks.

        account: of a request with ``auth``. Raises RequestNotSent, ReplyUnknown.
        """
        secrets = await self._secrets_of(account)
        return await self._relay.send(request, None, None, secret_fields=secret_fields, account=secrets)

    async def _secrets_of(self, account: AccountKey | None) -> AccountSecrets | None:
        """Raises RequestNotSent: they cannot be opened."""
        if account is None:
            return None
        try:
            return await self._accounts.of(account)
        except (VaultError, Unavailable) as error:
            log.warning("entry.not_opened", entry=account.entry_id, reason=type(error).__name__)
            raise RequestNotSent(type(error).__name__) from error

    async def _open_account(self, key: AccountKey) -> AccountSecrets:
        """Raises EntryGone, ProviderDown, Unreadable."""
        stored = await self._main.read(entries.stored_of, key.owner, key.entry_id)
        merchant_key = await self._merchant_keys.of_version(key.owner, stored.mk_version)
        return AccountSecrets(entries.open_account(key.owner, key.entry_id, stored, merchant_key.cipher))

    # Signing

    async def signer(self, use: AccessGrant) -> Signer:
        """What signs with a sealed secret; the secret itself stays in the room.

        Raises ProviderDown, EntryGone, Unreadable (also for an entry of another kind), UseRefused.
        """
        stored = use.redeem()
        if not isinstance(stored, Stored):
            raise Unreadable("content")
        merchant_key = await self._merchant_keys.of_version(use.owner, stored.mk_version)
        return Signer(entries.open_secret(use.owner, use.entry_id, stored, merchant_key.cipher))

    async def _open(self, use: AccessGrant) -> Plain | Secret:
        card = use.redeem()
        if isinstance(card, PaymentDetails):
            return Plain.of(card)
        try:
            merchant_key = await self._merchant_keys.of_version(use.owner, card.mk_version)
            if card.kind == entries.WALLET:
                return entries.open_wallet(use.owner, use.entry_id, card, merchant_key.cipher)
            return entries.open_card(use.owner, use.entry_id, card, merchant_key.cipher)
        except (VaultError, ProviderDown) as error:
            # The caller hears what he hears when a processor is away: that a record was changed or moved, only we know.
            log.warning("entry.not_opened", entry=use.entry_id, reason=type(error).__name__)
            raise RequestNotSent(type(error).__name__) from error


async def _note_read(tx: Tx, owner: Owner, id: str, at: int, actor: str, token_id: str) -> None:
    await audit.write_line(
        tx, owner, id=id, at=at, actor=actor, action="read_authentication_value", object_id=token_id, result="permitted"
    )
