"""The vault's door: all that the rest of the house may know of it. The rules of the room: ``README.md`` here."""

from azukari.core.pan import looks_like_card_number
from azukari.vault.inside.accounts import AccountKey
from azukari.vault.inside.auth import Auth, Basic, Bearer, Header
from azukari.vault.inside.details import CARDS, CREDIT_CARD, TERMINAL, Masked, PaymentDetails
from azukari.vault.inside.entries import AccessGrant, SealedEntry
from azukari.vault.inside.errors import (
    EntryGone,
    HostRefused,
    HostsFixed,
    HostTaken,
    KeyFileError,
    KeyMissing,
    NotFitForLive,
    ProviderDown,
    Unreadable,
    UseRefused,
    VaultError,
    WrongKey,
)
from azukari.vault.inside.file_provider import FileKeyProvider
from azukari.vault.inside.keys import root_mac
from azukari.vault.inside.provider import Context, KeyProvider, Wrapped
from azukari.vault.inside.signing import Signer
from azukari.vault.inside.transport import (
    Blank,
    Filled,
    Outbound,
    Reply,
    ReplyUnknown,
    RequestNotSent,
    RequestRefused,
    Transport,
)
from azukari.vault.inside.variants import BRAZIL, CHIP
from azukari.vault.inside.vault import Vault

__all__ = [
    "BRAZIL",
    "CARDS",
    "CHIP",
    "CREDIT_CARD",
    "TERMINAL",
    "AccessGrant",
    "AccountKey",
    "Auth",
    "Basic",
    "Bearer",
    "Blank",
    "Context",
    "EntryGone",
    "FileKeyProvider",
    "Filled",
    "Header",
    "HostRefused",
    "HostTaken",
    "HostsFixed",
    "KeyFileError",
    "KeyMissing",
    "KeyProvider",
    "Masked",
    "NotFitForLive",
    "Outbound",
    "PaymentDetails",
    "ProviderDown",
    "Reply",
    "ReplyUnknown",
    "RequestNotSent",
    "RequestRefused",
    "SealedEntry",
    "Signer",
    "Transport",
    "Unreadable",
    "UseRefused",
    "Vault",
    "VaultError",
    "Wrapped",
    "WrongKey",
    "looks_like_card_number",
    "root_mac",
]  # fmt: skip
