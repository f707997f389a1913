"""What goes with a webhook's body. Source: contract section 14, ``docs/security.md``."""

from collections.abc import Sequence
from typing import Protocol

from azukari.core.clock import SECOND


class Signs(Protocol):
    """Whoever holds a secret."""

    def sign(self, message: bytes) -> str:
        """HMAC-SHA-256 in lower-case hex."""
        ...


def headers(delivery_id: str, event_type: str, body: bytes, signers: Sequence[Signs], now: int) -> dict[str, str]:
    """The headers of one try. signers: the secret in force first. now: the machine's time, which receivers check."""
    second = now // SECOND
    message = f"{second}.{delivery_id}.".encode() + body
    return {
        "Content-Type": "application/json",
        "User-Agent": "Komoju-Webhook",
        "X-Komoju-ID": delivery_id,
        "X-Komoju-Event": event_type,
        "X-Komoju-Signature": signers[0].sign(body),
        "X-Komoju-Signature-V2": ",".join([f"t={second}", *(f"v1={signer.sign(message)}" for signer in signers)]),
    }
