"""What must be remembered of the transaction that first used a stored card (SEC-22).

The networks let a merchant charge a stored card only as the follow-up of one the shopper took part in: each later order
names it. The facts stay with the vault's entry, so they outlive an export and a change of processor.
"""

import msgspec

from azukari.processors.attempts import Attempt
from azukari.processors.base import Approved


class Credential(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first transaction with a stored card.

    network_id: the network's id of it. scheme: whose. at: milliseconds. amount: in the currency's smallest unit.
    indicator: what later charges are for. cvc_result: the code's check, never the code.
    """

    processor: str
    scheme: str
    at: int
    amount: int
    currency: str
    network_id: str | None = None
    indicator: str = "unscheduled"
    cvc_result: str | None = None

    @classmethod
    def of(cls, attempt: Attempt, outcome: Approved, scheme: str, now: int) -> "Credential":
        return cls(
            processor=attempt.processor, scheme=scheme, at=now, amount=attempt.amount, currency=attempt.currency,
            network_id=outcome.network_id, cvc_result=outcome.cvc_result,
        )  # fmt: skip

    def encoded(self) -> str:
        """JSON, as the vault keeps it."""
        return msgspec.json.encode(self).decode()


decode = msgspec.json.Decoder(Credential).decode
