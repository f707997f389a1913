"""The far side of 3-D Secure: the bank that issued a test card, which asks its customer or does not.

It keeps a book of its own, as the bank does: what it decided is true even when we died before we wrote it down. No card
stands in it, and no value that proves anything. Source: contract 16.2.
"""

import asyncio
import fcntl
import hashlib
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from azukari.core.clock import Clock
from azukari.processors.base import NO_DIRECTIVES, SimulatorDirectives
from azukari.processors.simulator.bank import SLOW
from azukari.processors.simulator.orders import CardOrder
from azukari.processors.three_ds import ThreeDs
from azukari.vault import Filled, Reply, ReplyUnknown, RequestNotSent

HOST = "issuer.simulator"
#: Wrong passwords after which the bank says no.
TRIES = 3

VERSION = "2.2.0"
_REMEMBERED = 20_000
#: Bytes after which a new file is begun.
ROTATE = 8 * 1024 * 1024

Plan = Literal["frictionless", "challenge", "visit", "fails", "errored", "not_enrolled"]
Status = Literal["OK", "SKIPPED", "CHALLENGE", "ERRORED"]

#: What happens to a card; every other one takes no part in 3-D Secure.
PLANS: Mapping[str, Plan] = {
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
AT_ONCE: Mapping[Plan, Status] = {
    "frictionless": "OK",
    "challenge": "CHALLENGE",
    "visit": "CHALLENGE",
    "fails": "CHALLENGE",
    "errored": "ERRORED",
    "not_enrolled": "SKIPPED",
}
#: The password a challenge ends with, well or badly.
PASSWORDS: Mapping[Plan, str] = {"challenge": "123456", "fails": "111111"}


class IssuerOrder(msgspec.Struct):
    """A shopper to be authenticated. brand: of the card, as its network tells the bank."""

    amount: int
    currency: str
    brand: str
    card: CardOrder
    orders: SimulatorDirectives = NO_DIRECTIVES


class IssuerAnswer(msgspec.Struct):
    """What the shopper typed; None: the page of the challenge was opened."""

    answer: str | None = None


class IssuerReply(msgspec.Struct, omit_defaults=True):
    """How an authentication stands, and what comes of one that has ended. value: the proof of a yes (CAVV)."""

    status: Status
    three_ds: ThreeDs | None = None
    value: str | None = None


class IssuerEntry(msgspec.Struct):
    """An authentication in the book. at: when it came to this, milliseconds."""

    ref: str
    amount: int
    currency: str
    brand: str
    plan: Plan
    status: Status
    at: int
    tries: int = 0


_read_order = msgspec.json.Decoder(IssuerOrder).decode
_read_answer = msgspec.json.Decoder(IssuerAnswer).decode
_read_line = msgspec.json.Decoder(IssuerEntry).decode
_encode = msgspec.json.Encoder().encode


class Issuer:
    """Answers the orders the vault sends to it.

    delay, fault: what every call does unless its request ordered otherwise.
    """

    def __init__(self, book: Path, clock: Clock, *, delay: int = 0, fault: str | None = None) -> None:
        self._book = IssuerJournal(book)
        self._clock = clock
        self._orders = SimulatorDirectives(fault=fault, delay=delay)

    async def send(self, request: Filled) -> Reply:
        """The transport's one method. Raises RequestNotSent, ReplyUnknown, as a network would."""
        path = request.url.partition(HOST)[2].strip("/").split("/")
        if len(path) == 1:
            order = _read_order(request.body)
            ref = request.headers["Idempotency-Key"]
            return await self._answer(order.orders, lambda: self._begin(ref, order))
        line = self._book.find(path[1])
        if line is None:
            return Reply(404, {}, b"{}")
        answer = _read_answer(request.body).answer
        return await self._answer(NO_DIRECTIVES, lambda: self._go_on(line, answer))

    async def _answer(self, orders: SimulatorDirectives, decide: Callable[[], IssuerEntry]) -> Reply:
        fault = orders.fault or self._orders.fault
        if fault == "processor_down":
            raise RequestNotSent("ProcessorDown")
        if fault == "lost_request":
            raise ReplyUnknown("LostRequest")
        line = decide()
        delay = orders.delay if orders.delay is not None else self._orders.delay
        if delay or fault == "slow":
            await asyncio.sleep((delay or SLOW) / 1_000)
        if fault == "lost_reply":
            raise ReplyUnknown("LostReply")
        return Reply(200, {}, _encode(self._reply(line)))

    def _begin(self, ref: str, order: IssuerOrder) -> IssuerEntry:
        line = self._book.find(ref)
        if line is not None:
            return line
        plan: Plan = PLANS.get(order.card.number, "not_enrolled")
        if order.orders.scenario is not None:
            plan = "errored"
        return self._book.write(
            IssuerEntry(ref, order.amount, order.currency, order.brand, plan, AT_ONCE[plan], self._clock.now())
        )

    def _go_on(self, line: IssuerEntry, answer: str | None) -> IssuerEntry:
        """The shopper has come to the page, or typed something there."""
        if line.status != "CHALLENGE":
            return line
        status: Status = line.status
        tries = line.tries
        if line.plan == "visit":
            status = "ERRORED"
        elif answer is not None:
            tries += 1
            if answer == PASSWORDS[line.plan]:
                status = "OK" if line.plan == "challenge" else "ERRORED"
            elif tries >= TRIES:
                status = "ERRORED"
        if (status, tries) == (line.status, line.tries):
            return line
        return self._book.write(msgspec.structs.replace(line, status=status, tries=tries, at=self._clock.now()))

    @staticmethod
    def _reply(line: IssuerEntry) -> IssuerReply:
        if line.status not in ("OK", "ERRORED"):
            return IssuerReply(line.status)
        yes = line.status == "OK"
        weak, strong = ("00", "02") if line.brand == "master" else ("07", "05")
        three_ds = ThreeDs(
            version=VERSION,
            trans_status="Y" if yes else "N",
            eci=strong if yes else weak,
            ds_trans_id=_id(line, "ds"),
            acs_trans_id=_id(line, "acs"),
            server_trans_id=_id(line, "server"),
            flow="frictionless" if AT_ONCE[line.plan] != "CHALLENGE" else "challenge",
            at=line.at,
            requestor_trans_id=_id(line, "requestor"),
            ds_reference="SIMULATED-DS-0001",
            acs_reference="SIMULATED-ACS-0001",
            authentication_type="02",
            acquirer_mid="SIMULATOR",
            acquirer_bin="400000",
        )
        return IssuerReply(line.status, three_ds, b64encode(_bytes(line, "value", 20)).decode() if yes else None)


def _id(line: IssuerEntry, of: str) -> str:
    """One of the ids an authentication has: the same whenever it is asked for."""
    return str(UUID(bytes=_bytes(line, of, 16), version=4))


def _bytes(line: IssuerEntry, of: str, length: int) -> bytes:
    return hashlib.blake2s(f"{of} {line.ref}".encode(), digest_size=length).digest()


class IssuerJournal:
    """One line of JSON for each change. Append-only; several processes may share one, each reads what others wrote.

    A full file makes way for a new one, and is kept until that is full too: more than are remembered fit into one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._older = path.with_suffix(".1.jsonl")
        self._file = -1
        self._read = 0
        self._known: dict[str, IssuerEntry] = {}

    def write(self, line: IssuerEntry) -> IssuerEntry:
        """Remember how an authentication stands now."""
        while not self._append(_encode(line) + b"\n"):
            pass
        return line

    def _append(self, line: bytes) -> bool:
        """False: the file made way for a new one while this process waited for it."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(self._path, file):
                return False
            os.write(file, line)
            if os.fstat(file).st_size > ROTATE:
                self._path.replace(self._older)
            return True
        finally:
            os.close(file)

    def find(self, ref: str) -> IssuerEntry | None:
        """The latest line of a ref."""
        self._read_on()
        while not self._is_newest():
            self._read_on()  # what was written just before it made way
            self._open_next()
            self._read_on()
        return self._known.get(ref)

    def _is_newest(self) -> bool:
        if self._file < 0:
            return not (self._path.exists() or self._older.exists())
        is_older = not self._path.exists() and _is_at(self._older, self._file)
        return is_older or _is_at(self._path, self._file)

    def _open_next(self) -> None:
        """The older one, unless it has been read."""
        path = self._path
        if self._older.exists() and not (self._file >= 0 and _is_at(self._older, self._file)):
            path = self._older
        with suppress(FileNotFoundError):  # it made way this moment
            behind, self._file, self._read = self._file, os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0
            if behind >= 0:
                os.close(behind)

    def _read_on(self) -> None:
        if self._file < 0:
            return
        data = os.pread(self._file, max(0, os.fstat(self._file).st_size - self._read), self._read)
        whole, end, _ = data.rpartition(b"\n")  # behind it is what somebody is writing
        self._read += len(whole) + len(end)
        for line in whole.split(b"\n") if end else ():
            with suppress(msgspec.DecodeError, UnicodeDecodeError):  # cut short by a crash
                self._remember(_read_line(line))

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def _remember(self, line: IssuerEntry) -> None:
        self._known.pop(line.ref, None)
        self._known[line.ref] = line
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]


def _is_at(path: Path, file: int) -> bool:
    """Whether an open file is the one of this name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False
