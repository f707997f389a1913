"""What a processor is: the contract every one keeps, ours or a third party's.

A processor never sees a card. It writes an order with blanks, and the vault fills the blanks and sends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import msgspec

from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.processors.methods import CREDIT_CARD, MethodDetails
from azukari.processors.three_ds import ThreeDs
from azukari.vault import AccessGrant

#: ``agree``: the shopper allows later charges by a wallet. ``top_up``: one more prepaid card for a short order.
#: ``finalize``: what the chip of a card at a terminal has said in the end.
Kind = Literal["sale", "authorize", "verify", "capture", "refund", "cancel", "agree", "top_up", "finalize"]


class SimulatorDirectives(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a test request orders of the simulator, kept with its attempt; a live processor ignores it.

    scenario: ``Komoju-Scenario``, an error code. fault: ``Azukari-Fault``. delay: ``Azukari-Delay``, milliseconds.
    """

    __test__ = False

    scenario: str | None = None
    fault: str | None = None
    delay: int | None = None

    def encoded(self) -> str | None:
        """JSON, or None when nothing was ordered."""
        return None if self == NO_DIRECTIVES else msgspec.json.encode(self).decode()


NO_DIRECTIVES = SimulatorDirectives()


class Consent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a shopper agreed to on our page when details were kept.

    text: the words, in ``language``; version: of the words. at: milliseconds. client: the address it came from.
    """

    text: str
    version: str
    language: str
    at: int
    client: str | None = None
    purpose: str = "unscheduled"


class Credential(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first transaction with a stored card, which the shopper took part in: later orders name it (SEC-22).

    It stays with the vault's entry, so it outlives an export and a change of processor. network_id: the network's id
    of it. scheme: whose. at: milliseconds. amount: in the currency's smallest unit. indicator: what later charges are.
    cvc_result: what the check of the code said, never the code. three_ds: where the shopper was authenticated then.
    """

    processor: str
    scheme: str
    at: int
    amount: int
    currency: str
    network_id: str | None = None
    indicator: str = "unscheduled"
    cvc_result: str | None = None
    three_ds: ThreeDs | None = None

    def encoded(self) -> str:
        """JSON, as the vault keeps it."""
        return msgspec.json.encode(self).decode()


class KeptCredential(Credential, frozen=True, omit_defaults=True):
    """What the vault keeps beside it, and no processor gets. consent: what the shopper agreed to, where we asked."""

    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """What a method's own page has to know of a shopper who is sent there.

    return_url: ours, where the far side sends the browser when all is done. label: the merchant's name.
    store: whether the shopper is asked to allow later charges too.
    """

    return_url: str
    locale: str = "ja"
    label: str = ""
    store: bool = False


class ProcessorRequest(msgspec.Struct, frozen=True):
    """What a processor is asked to do, once, under one ``ref``.

    ref: 128 random bits in hex, this attempt's idempotency key for ever.
    amount: in the currency's smallest unit; 0 for ``verify`` and ``agree``.
    parent: the processor's own id of the order that is captured, refunded, topped up, finalized or cancelled; one that
    waits for its shopper is cancelled too.
    use: the card or wallet agreement, for kinds that need one. verification_value: never with a stored card.
    credential: of details that were stored before, the shopper being absent now (a merchant-initiated payment).
    method: details of any type but a card's. visit: for methods with a page of their own.
    three_ds: the shopper was authenticated for this order. authentication_value: what proves it (CAVV), for a blank.
    ordered_at: by the merchant's clock, for a card that was stored before and may have expired since.
    """

    owner: Owner
    ref: str
    kind: Kind
    amount: int
    currency: str
    parent: str | None = None
    use: AccessGrant | None = None
    verification_value: Secret | None = None
    credential: Credential | None = None
    test: SimulatorDirectives = NO_DIRECTIVES
    method: MethodDetails | None = None
    visit: Visit | None = None
    three_ds: ThreeDs | None = None
    authentication_value: Secret | None = None
    ordered_at: int | None = None

    @property
    def type(self) -> str:
        """Of the payment details."""
        if self.method is not None:
            return self.method.type
        return CREDIT_CARD if self.use is None else self.use.masked.type


#: What the wire shows beside the details that were given: numbers to pay with, names of banks.
Details = Mapping[str, object]


class Approved(msgspec.Struct, frozen=True):
    """Done. processor_ref: the processor's own id of it. cvc_result: ``Approved``, ``Invalid``, ``Not Checked``…

    agreement: what later charges of a wallet are made by, where one was asked for and given.
    """

    processor_ref: str
    network_id: str | None = None
    cvc_result: str | None = None
    agreement: Secret | None = None
    details: Details | None = None


class Pending(msgspec.Struct, frozen=True):
    """The far side has it, and the shopper must act: pay with the numbers in ``details``, or go to ``redirect_url``.

    deadline: milliseconds, after which nobody may pay it any more.
    """

    processor_ref: str
    details: Details
    deadline: int | None = None
    redirect_url: str | None = None


class PartiallyPaid(msgspec.Struct, frozen=True):
    """The far side has taken what was on a prepaid card, and it is not enough: another card, or a cancellation."""

    processor_ref: str
    details: Details
    short_amount: int
    deadline: int | None = None


class Expired(msgspec.Struct, frozen=True):
    """Nobody paid in time. undo: so we say, and the far side must hear of it yet."""

    undo: bool = False


class Declined(msgspec.Struct, frozen=True):
    """The bank's no; ``code`` is one of the wire's."""

    code: str


class NotSent(msgspec.Struct, frozen=True):
    """Provably nothing happened: no byte of the request left, or the processor says it knows of none."""


class Unknown(msgspec.Struct, frozen=True):
    """Nobody knows yet: a timeout, a reset, an unreadable reply, a bug."""


Outcome = Approved | Declined | NotSent | Unknown | Pending | PartiallyPaid | Expired


@dataclass(frozen=True, slots=True)
class Declares:
    """What a processor promises.

    dedupes_by_ref: a second order with the same ref is the first one's answer.
    can_look_up: ``lookup`` works; lookup_delay: milliseconds after the sending from which its "not found" can be
    believed: longer than an order may be under way.
    can_void_by_ref: ``void`` undoes an order we know nothing of but its ref.
    timeout: milliseconds within which ``perform`` has returned, whatever happens.
    methods: the types of payment details it takes; None: cards alone.
    authenticates: the card brands it has 3-D Secure for; where there are any, it is an :class:`Authenticator` too.
    """

    dedupes_by_ref: bool
    can_look_up: bool
    lookup_delay: int
    can_void_by_ref: bool
    timeout: int
    methods: frozenset[str] | None = None
    authenticates: frozenset[str] = frozenset()

    def takes(self, type: str) -> bool:
        """Whether orders with such details may be sent to it."""
        return type == CREDIT_CARD if self.methods is None else type in self.methods


class Processor(Protocol):
    """One way to move money."""

    name: str
    declares: Declares

    async def perform(self, request: ProcessorRequest) -> Outcome:
        """Do it, once. Raises the vault's NotSent and Unknown; any other exception counts as Unknown.

        A ``verify`` that a processor has no such thing for is Approved without a call. A ``cancel`` of an order that
        waited, and that was paid a moment ago, is DeclinedBy ``not_cancellable``.
        """
        ...

    async def lookup(self, owner: Owner, ref: str) -> Outcome:
        """What became of an order: NotDone when the processor has none by this ref, Unsettled when it cannot say.

        Of one that waits, again and again: Waiting until it is paid, declined or Lapsed.
        """
        ...

    async def void(self, owner: Owner, ref: str) -> bool:
        """Undo whatever was done under a ref; whether it is certain that nothing of it is left."""
        ...


@dataclass(frozen=True, slots=True)
class AuthenticationRequest:
    """A shopper to be authenticated, once, under one ``ref``.

    amount, currency: what the shopper is asked to agree to. use: the card.
    """

    owner: Owner
    ref: str
    amount: int
    currency: str
    use: AccessGrant
    test: SimulatorDirectives = NO_DIRECTIVES


@dataclass(frozen=True, slots=True)
class AuthenticationResult:
    """What came of it.

    status: ``OK``; ``SKIPPED``, the card or its bank takes no part; ``CHALLENGE``, the shopper has to answer;
    ``ERRORED``, the try failed. three_ds: where the bank has decided. value: what proves it (CAVV), with ``OK``.
    """

    status: Literal["OK", "SKIPPED", "CHALLENGE", "ERRORED"]
    three_ds: ThreeDs | None = None
    value: Secret | None = None

    @property
    def could_not_be_asked(self) -> bool:
        """Whether it failed without the bank having said no: it was away, or could not tell (``U``)."""
        return self.status == "ERRORED" and (self.three_ds is None or self.three_ds.trans_status == "U")


@runtime_checkable
class Authenticator(Protocol):
    """What a processor with 3-D Secure can do besides. It moves no money, so a call may be given up at any time."""

    async def authenticate(self, request: AuthenticationRequest) -> AuthenticationResult:
        """Begin. Raises the vault's NotSent and Unknown."""
        ...

    async def finish_authentication(self, owner: Owner, ref: str, answer: Secret | None) -> AuthenticationResult:
        """The shopper is back with an answer, or has come to the challenge: None. ``CHALLENGE``: it goes on.

        Asked again after it has ended, it says the same. Raises NotSent, Unknown.
        """
        ...
