"""What a processor is: the contract every one keeps, ours or a third party's.

A processor never sees a card. It writes a request with blanks, and the vault fills the blanks and sends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import msgspec

from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.processors.account import AccountUse
from azukari.processors.capabilities import Capabilities, Kind
from azukari.processors.methods import CREDIT_CARD, MethodDetails
from azukari.processors.three_ds import ThreeDs
from azukari.vault import AccessGrant


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
    account: of a processor that needs one; None: it is closed.
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
    account: AccountUse | None = None

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
    """The bank's no; ``code`` is one of the wire's.

    raw, network_code: the processor's and the network's own words for it. soft: another try may go through.
    advice: what the network says of other tries: none ever, later, or with the shopper authenticated.
    """

    code: str
    raw: str | None = None
    network_code: str | None = None
    advice: Literal["never", "later", "authenticate"] | None = None
    soft: bool = False


class NotSent(msgspec.Struct, frozen=True):
    """Provably nothing happened: no byte of the request left, or the processor says it knows of none."""


class Refused(NotSent, frozen=True):
    """The processor did not take it, provably: nothing happened, and another may be asked.

    reason: our ``credentials`` are not good there, it is ``busy`` or ``down``, or such a request is ``unsupported``.
    """

    reason: Literal["credentials", "busy", "down", "unsupported"]


class Unknown(msgspec.Struct, frozen=True):
    """It is not known yet: a timeout, a reset, an unreadable reply, a bug."""


class Accepted(Unknown, frozen=True):
    """The processor has taken it, and it ends later without the shopper. ask_at: when to ask, milliseconds."""

    processor_ref: str
    ask_at: int


Outcome = Approved | Declined | NotSent | Unknown | Pending | PartiallyPaid | Expired


class AttemptQuery(msgspec.Struct, frozen=True):
    """A request as it stands in our books: enough to find it at the far side.

    processor_ref: the processor's own id of it, where it was told. parent: of what it captures, refunds or cancels.
    sent_at: milliseconds; None: it is not known to have left. account: as in the request.
    """

    owner: Owner
    ref: str
    kind: Kind
    amount: int
    currency: str
    sent_at: int | None = None
    processor_ref: str | None = None
    parent: str | None = None
    account: AccountUse | None = None


class Processor(Protocol):
    """One way to move money."""

    name: str
    can: Capabilities

    async def perform(self, request: ProcessorRequest) -> Outcome:
        """Do it, once. Raises the vault's RequestNotSent and ReplyUnknown; any other exception counts as Unknown.

        A ``verify`` that a processor has no such thing for is Approved without a call. A ``cancel`` of an order that
        waited, and that was paid a moment ago, is Declined ``not_cancellable``.
        """
        ...

    async def lookup(self, query: AttemptQuery) -> Outcome:
        """What became of a request: NotSent when the processor has none such, Unknown when it cannot say.

        Of one that waits, again and again: Pending until it is paid, declined or Expired.
        """
        ...

    async def void(self, query: AttemptQuery) -> bool:
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
        """Begin. Raises the vault's RequestNotSent and ReplyUnknown."""
        ...

    async def finish_authentication(self, owner: Owner, ref: str, answer: Secret | None) -> AuthenticationResult:
        """The shopper is back with an answer, or has come to the challenge: None. ``CHALLENGE``: it goes on.

        Asked again after it has ended, it says the same. Raises RequestNotSent, ReplyUnknown.
        """
        ...
