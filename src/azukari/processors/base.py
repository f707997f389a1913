"""What a processor is: the contract every one keeps, ours or a third party's.

A processor never sees a card. It writes an order with blanks, and the vault fills the blanks and sends it.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.vault import Use

Kind = Literal["sale", "authorize", "verify", "capture", "refund", "cancel"]


class TestOrders(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a test request orders of the simulator, kept with its attempt; a live processor ignores it.

    scenario: ``Komoju-Scenario``, an error code. fault: ``Azukari-Fault``. delay: ``Azukari-Delay``, milliseconds.
    """

    __test__ = False

    scenario: str | None = None
    fault: str | None = None
    delay: int | None = None

    def encoded(self) -> str | None:
        """JSON, or None when nothing was ordered."""
        return None if self == NO_ORDERS else msgspec.json.encode(self).decode()


NO_ORDERS = TestOrders()


class Credential(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first transaction with a stored card, which the shopper took part in: later orders name it (SEC-22).

    It stays with the vault's entry, so it outlives an export and a change of processor. network_id: the network's id
    of it. scheme: whose. at: milliseconds. amount: in the currency's smallest unit. indicator: what later charges are.
    cvc_result: what the check of the code said, never the code.
    """

    processor: str
    scheme: str
    at: int
    amount: int
    currency: str
    network_id: str | None = None
    indicator: str = "unscheduled"
    cvc_result: str | None = None

    def encoded(self) -> str:
        """JSON, as the vault keeps it."""
        return msgspec.json.encode(self).decode()


class Order(msgspec.Struct, frozen=True):
    """What a processor is asked to do, once, under one ``ref``.

    ref: 128 random bits in hex, this attempt's idempotency key for ever.
    amount: in the currency's smallest unit; 0 for ``verify``.
    parent: the processor's own id of the sale or authorisation that is captured, refunded or cancelled.
    use: the card, for kinds that need one. verification_value: never with a stored card.
    credential: of a card that was stored before, the shopper being absent now (a merchant-initiated payment).
    """

    owner: Owner
    ref: str
    kind: Kind
    amount: int
    currency: str
    parent: str | None = None
    use: Use | None = None
    verification_value: Secret | None = None
    credential: Credential | None = None
    test: TestOrders = NO_ORDERS


class Approved(msgspec.Struct, frozen=True):
    """Done. processor_ref: the processor's own id of it. cvc_result: ``Approved``, ``Invalid``, ``Not Checked``…"""

    processor_ref: str
    network_id: str | None = None
    cvc_result: str | None = None


class DeclinedBy(msgspec.Struct, frozen=True):
    """The bank's no; ``code`` is one of the wire's."""

    code: str


class NotDone(msgspec.Struct, frozen=True):
    """Provably nothing happened: no byte of the request left, or the processor says it knows of none."""


class Unsettled(msgspec.Struct, frozen=True):
    """Nobody knows yet: a timeout, a reset, an unreadable reply, a bug."""


Outcome = Approved | DeclinedBy | NotDone | Unsettled


@dataclass(frozen=True, slots=True)
class Declares:
    """What a processor promises.

    dedupes_by_ref: a second order with the same ref is the first one's answer.
    can_look_up: ``lookup`` works; lookup_delay: milliseconds after the sending from which its "not found" can be
    believed: longer than an order may be under way.
    can_void_by_ref: ``void`` undoes an order we know nothing of but its ref.
    timeout: milliseconds within which ``perform`` has returned, whatever happens.
    """

    dedupes_by_ref: bool
    can_look_up: bool
    lookup_delay: int
    can_void_by_ref: bool
    timeout: int


class Processor(Protocol):
    """One way to move money."""

    name: str
    declares: Declares

    async def perform(self, order: Order) -> Outcome:
        """Do it, once. Raises the vault's NotSent and Unknown; any other exception counts as Unsettled.

        A ``verify`` that a processor has no such thing for is Approved without a call.
        """
        ...

    async def lookup(self, owner: Owner, ref: str) -> Outcome:
        """What became of an order: NotDone when the processor has none by this ref, Unsettled when it cannot say."""
        ...

    async def void(self, owner: Owner, ref: str) -> bool:
        """Undo whatever was done under a ref; whether it is certain that nothing of it is left."""
        ...
