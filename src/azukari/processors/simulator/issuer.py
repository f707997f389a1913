"""The far side of 3-D Secure: the bank that issued a test card, which asks its customer or does not.

It keeps a journal of its own, as the bank does: what it decided is true even when we died before we wrote it down. No
card stands in it, and no value that proves anything. Source: contract 16.2.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from azukari.core.clock import Clock
from azukari.processors.base import NO_DIRECTIVES, SimulatorDirectives
from azukari.processors.simulator import faults
from azukari.processors.simulator.journal import Journal
from azukari.processors.simulator.orders import CardOrder
from azukari.processors.three_ds import ThreeDs
from azukari.vault import Filled, Reply

HOST = "issuer.simulator"
#: Wrong passwords after which the bank says no.
TRIES = 3

VERSION = "2.2.0"
_REMEMBERED = 20_000
#: Bytes after which a new file is begun.
FULL_AT = 8 * 1024 * 1024

IssuerPlan = Literal["frictionless", "challenge", "visit", "fails", "errored", "not_enrolled"]
Status = Literal["OK", "SKIPPED", "CHALLENGE", "ERRORED"]

#: What happens to a card; every other one takes no part in 3-D Secure.
PLANS: Mapping[str, IssuerPlan] = {
    "4100000000000100": "frictionless",
    "5100000000000107": "frictionless",
    "3528000000000106": "frictionless",
    "4100000000005000": "challenge",
    "5100000000005007": "challenge",
    "3528000000005006": "challenge",
    "4100000000500000": "visit",
    "5100000000500007": "visit",
    "3528000000500006": "visit",
    "4100000000300005": "fails",
    "5100000000300002": "fails",
    "3528000000300001": "fails",
}
#: How each begins.
AT_ONCE: Mapping[IssuerPlan, Status] = {
    "frictionless": "OK",
    "challenge": "CHALLENGE",
    "visit": "CHALLENGE",
    "fails": "CHALLENGE",
    "errored": "ERRORED",
    "not_enrolled": "SKIPPED",
}
#: The password a challenge ends with, well or badly.
PASSWORDS: Mapping[IssuerPlan, str] = {"challenge": "123456", "fails": "111111"}


class IssuerOrder(msgspec.Struct):
    """A shopper to be authenticated. brand: of the card, as its network tells the bank."""

    amount: int
    currency: str
    brand: str
    card: CardOrder
    directives: SimulatorDirectives = NO_DIRECTIVES


class IssuerAnswer(msgspec.Struct):
    """What the shopper typed; None: the page of the challenge was opened."""

    answer: str | None = None


class IssuerReply(msgspec.Struct, omit_defaults=True):
    """How an authentication stands, and what comes of one that has ended. value: the proof of a yes (CAVV)."""

    status: Status
    three_ds: ThreeDs | None = None
    value: str | None = None


class IssuerEntry(msgspec.Struct):
    """An authentication in the journal. at: when it came to this, milliseconds."""

    ref: str
    amount: int
    currency: str
    brand: str
    plan: IssuerPlan
    status: Status
    at: int
    tries: int = 0


_read_order = msgspec.json.Decoder(IssuerOrder).decode
_read_answer = msgspec.json.Decoder(IssuerAnswer).decode
_encode = msgspec.json.Encoder().encode


def journal(path: Path) -> Journal[IssuerEntry]:
    """Open the journal of authentications."""
    return Journal(path, IssuerEntry, FULL_AT, _REMEMBERED)


class Issuer:
    """Answers the orders the vault sends to it.

    delay, fault: what every call does unless its request ordered otherwise.
    """

    def __init__(self, path: Path, clock: Clock, *, delay: int = 0, fault: str | None = None) -> None:
        self._journal = journal(path)
        self._clock = clock
        self._defaults = SimulatorDirectives(fault=fault, delay=delay)

    async def send(self, request: Filled) -> Reply:
        """The transport's one method. Raises RequestNotSent, ReplyUnknown, as a network would."""
        path = request.url.partition(HOST)[2].strip("/").split("/")
        if len(path) == 1:
            order = _read_order(request.body)
            ref = request.headers["Idempotency-Key"]
            return await self._answer(order.directives, lambda: self._begin(ref, order))
        entry = self._journal.find(path[1])
        if entry is None:
            return Reply(404, {}, b"{}")
        answer = _read_answer(request.body).answer
        return await self._answer(NO_DIRECTIVES, lambda: self._go_on(entry, answer))

    async def _answer(self, directives: SimulatorDirectives, decide: Callable[[], IssuerEntry]) -> Reply:
        return Reply(200, {}, _encode(self._reply(await faults.answer(directives, self._defaults, decide))))

    def _begin(self, ref: str, order: IssuerOrder) -> IssuerEntry:
        entry = self._journal.find(ref)
        if entry is not None:
            return entry
        plan: IssuerPlan = PLANS.get(order.card.number, "not_enrolled")
        if order.directives.scenario is not None:
            plan = "errored"
        return self._journal.write(
            IssuerEntry(ref, order.amount, order.currency, order.brand, plan, AT_ONCE[plan], self._clock.now())
        )

    def _go_on(self, entry: IssuerEntry, answer: str | None) -> IssuerEntry:
        """The shopper has come to the page, or typed something there."""
        if entry.status != "CHALLENGE":
            return entry
        status: Status = entry.status
        tries = entry.tries
        if entry.plan == "visit":
            status = "ERRORED"
        elif answer is not None:
            tries += 1
            if answer == PASSWORDS[entry.plan]:
                status = "OK" if entry.plan == "challenge" else "ERRORED"
            elif tries >= TRIES:
                status = "ERRORED"
        if (status, tries) == (entry.status, entry.tries):
            return entry
        return self._journal.write(msgspec.structs.replace(entry, status=status, tries=tries, at=self._clock.now()))

    @staticmethod
    def _reply(entry: IssuerEntry) -> IssuerReply:
        if entry.status not in ("OK", "ERRORED"):
            return IssuerReply(entry.status)
        yes = entry.status == "OK"
        weak, strong = ("00", "02") if entry.brand == "master" else ("07", "05")
        three_ds = ThreeDs(
            version=VERSION,
            trans_status="Y" if yes else "N",
            eci=strong if yes else weak,
            ds_trans_id=_id(entry, "ds"),
            acs_trans_id=_id(entry, "acs"),
            server_trans_id=_id(entry, "server"),
            flow="frictionless" if AT_ONCE[entry.plan] != "CHALLENGE" else "challenge",
            at=entry.at,
            requestor_trans_id=_id(entry, "requestor"),
            ds_reference="SIMULATED-DS-0001",
            acs_reference="SIMULATED-ACS-0001",
            authentication_type="02",
            acquirer_mid="SIMULATOR",
            acquirer_bin="400000",
        )
        return IssuerReply(entry.status, three_ds, b64encode(_bytes(entry, "value", 20)).decode() if yes else None)


def _id(entry: IssuerEntry, of: str) -> str:
    """One of the ids an authentication has: the same whenever it is asked for."""
    return str(UUID(bytes=_bytes(entry, of, 16), version=4))


def _bytes(entry: IssuerEntry, of: str, length: int) -> bytes:
    return hashlib.blake2s(f"{of} {entry.ref}".encode(), digest_size=length).digest()
