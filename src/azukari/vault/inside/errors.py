"""What can go wrong in the room. No message here holds a value of a card."""

from azukari.core.errors import Unavailable


class VaultError(Exception):
    """The vault cannot do what it was asked, and trying again will not help."""


class Unreadable(VaultError):
    """A sealed value is not what was sealed here: too short, of an unknown kind, changed, or moved from its row.

    reason: ``short``, ``version``, ``algorithm``, ``tag``, ``padding`` or ``content``.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"A sealed value cannot be opened ({reason}).")


class EntryGone(VaultError):
    """The record or its key is not there: never was, another owner's, or shredded."""

    def __init__(self) -> None:
        super().__init__("The vault has no such entry.")


class KeyMissing(VaultError):
    """A wrapped key is not in its store."""


class WrongKey(VaultError):
    """The provider's key is not the one this key was wrapped by; the text says which one is."""


class NotFitForLive(VaultError):
    """Live cards are not sealed under a key that lies beside them."""

    def __init__(self) -> None:
        super().__init__("The vault's key lies in the data directory: live cards are refused until it is elsewhere.")


class HostRefused(VaultError):
    """A processor may not declare this host. host: the one."""

    def __init__(self, host: str, reason: str) -> None:
        self.host = host
        super().__init__(f"A processor declares the host {host}: {reason}.")


class HostTaken(HostRefused):
    """Another processor has declared it: which of their transports carried an order would be chance."""

    def __init__(self, host: str) -> None:
        super().__init__(host, "another one has declared it already")


class HostsFixed(HostRefused):
    """The processors are built, and no host is added any more."""

    def __init__(self, host: str) -> None:
        super().__init__(host, "hosts are fixed once the processors are built")


class KeyFileError(VaultError):
    """The key file cannot be used; the text says why and what to do."""


class ProviderDown(Unavailable):
    """The key provider does not answer: 503, and nothing was charged."""


class UseRefused(RuntimeError):
    """A permission to open an entry was used twice, or without its audit line: a bug.

    What a first use sent may have arrived, so this says nothing of the order's fate.
    """

    def __init__(self) -> None:
        super().__init__("A permission to open an entry is good for one order, once its audit line is written.")
