"""Signing with a secret that stays in the room."""

from typing import Never

from azukari.core.secret import Secret
from azukari.vault.inside import envelope


class Signer:
    """Signs messages with one secret, and shows neither."""

    __slots__ = ("_mac",)

    def __init__(self, secret: Secret) -> None:
        self._mac = envelope.keyed(secret.reveal().encode())

    def sign(self, message: bytes) -> str:
        """HMAC-SHA-256 in lower-case hex."""
        return envelope.mac(self._mac, message).hex()

    def __repr__(self) -> str:
        return "Signer(***)"

    def __reduce__(self) -> Never:
        raise TypeError("a signer cannot be pickled")
