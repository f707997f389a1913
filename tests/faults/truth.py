"""The independent truth: the book of the simulator's bank. Here the installation is held against it."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from azukari.core.clock import Clock, SystemClock
from azukari.processors.methods import CASH
from azukari.processors.simulator.journal import JournalEntry
from azukari.processors.simulator.offsite import OffsiteBackend, SimulatedOrder
from tests.faults.sites import Rows

OPEN_ATTEMPTS = """
    SELECT id, kind, state FROM attempts WHERE state IN ('prepared', 'sent', 'unknown', 'undo')
    UNION ALL SELECT id, 'authenticate', verification FROM tokens WHERE verification = 'CREATED'
"""
#: What endpoints have not been told yet.
TO_DELIVER = "SELECT id FROM webhook_deliveries WHERE due_at IS NOT NULL"
#: Where a verification value is that its token's attempt should have used up, or what proves an authentication. A token
#: that a secure token was made of has left its value to that one.
LEFT_VALUES = """
    SELECT s.id FROM azukari_sad.sad_values s JOIN tokens t
    ON t.merchant_id = s.merchant_id AND t.mode = s.mode AND (t.entry_id = s.id OR t.id = s.id)
    WHERE t.used_at IS NOT NULL AND t.used_by NOT LIKE 'tok_%'
"""
#: Cards and secrets that could be opened and that no customer, token, webhook endpoint or account has any more.
FORGOTTEN_CARDS = """
    SELECT e.id FROM vault_entries e WHERE e.shredded_at IS NULL AND e.retired_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM customers c WHERE c.entry_id = e.id)
    AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.entry_id = e.id)
    AND NOT EXISTS (SELECT 1 FROM webhook_endpoints w WHERE w.entry_id = e.id OR w.old_entry_id = e.id)
    AND NOT EXISTS (SELECT 1 FROM processor_accounts a WHERE a.entry_id = e.id)
"""


@dataclass
class Book:
    """What the bank did. offsite: the same of what is not a card."""

    by_ref: dict[str, JournalEntry] = field(default_factory=dict)
    offsite: dict[str, SimulatedOrder] = field(default_factory=dict)
    orders: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, data: Path, clock: Clock | None = None) -> "Book":
        book, path = cls(), data / "simulator.jsonl"
        for encoded in path.read_bytes().splitlines() if path.exists() else []:
            line = msgspec.json.decode(encoded, type=JournalEntry)
            book.by_ref[line.ref] = line
            book.orders[line.ref] += not line.voided
        path = data / "simulator-desk.jsonl"
        backend = OffsiteBackend(path, clock or SystemClock(), lambda text: hashlib.sha256(text).digest(), "")
        for encoded in path.read_bytes().splitlines() if path.exists() else []:
            order = msgspec.json.decode(encoded, type=SimulatedOrder)
            book.orders[order.ref] += not order.later
            book.offsite[order.ref] = backend.look_up(order.ref) or order
        return book

    def approved(self, ref: str) -> bool:
        """Whether an order has an effect that stands."""
        if ref in self.offsite:
            order = self.offsite[ref]
            # A further prepaid card was taken, even where it was not enough.
            return not order.voided and (order.state == "approved" or (order.kind, order.state) == ("top_up", "short"))
        line = self.by_ref.get(ref)
        return line is not None and line.reply["result"] == "approved" and not line.voided

    def declined(self, ref: str) -> bool:
        if ref in self.offsite:
            return self.offsite[ref].state == "declined"
        line = self.by_ref.get(ref)
        return line is not None and line.reply["result"] == "declined"

    def waiting(self, ref: str) -> bool:
        """Whether a shopper can still act."""
        order = self.offsite.get(ref)
        if order is None or order.voided or order.kind == "top_up":
            return False
        return order.state in ("waiting", "short")

    def let_go(self, ref: str) -> bool:
        """Whether it is not there any more because it was cancelled: before anything came of it, or as a hold."""
        return ref in self.offsite and self.offsite[ref].state == "cancelled"

    def every(self) -> dict[str, JournalEntry | SimulatedOrder]:
        """The orders of both books."""
        return {**self.by_ref, **self.offsite}

    def taken(self) -> int:
        """How many sales and authorisations stand."""
        return sum(self.approved(ref) for ref, line in self.every().items() if line.kind in ("sale", "authorize"))


@dataclass
class Balance:
    """A payment as the bank knows it."""

    status: str = "failed"
    captured: int = 0
    refunded: int = 0

    def add(self, kind: str, amount: int) -> None:
        match kind:
            case "sale" | "capture":
                self.status, self.captured = "captured", amount
            case "authorize":
                self.status = "authorized"
            case "cancel":
                self.status = "cancelled"
            case "refund":
                self.refunded += amount
                self.status = "refunded" if self.refunded == self.captured else self.status


async def hold_against_book(rows: Rows, data: Path, clock: Clock | None = None) -> Book:
    """Everything that has to agree when nothing is in flight. clock: the installation's, unless it is the system's."""
    book = Book.read(data, clock)
    attempts = await rows.all("SELECT * FROM attempts ORDER BY created_at, id")
    assert await rows.all(OPEN_ATTEMPTS) == []
    _no_order_without_intent(book, attempts)
    for attempt in attempts:
        _agrees(book, attempt)
    by_payment = defaultdict(list)
    for attempt in attempts:
        by_payment[attempt["payment_id"]].append(attempt)
    refunds: Counter[str] = Counter()
    for refund in await rows.all("SELECT payment_id, amount FROM refunds WHERE type = 'refund'"):
        refunds[refund["payment_id"]] += refund["amount"]
    requested: Counter[str] = Counter()
    transferred: Counter[str] = Counter()
    rejected: Counter[str] = Counter()  # the bank has nothing of it, and the payment neither
    for request in await rows.all("SELECT payment_id, amount, status FROM refund_requests"):
        found = {"pending": requested, "completed": transferred, "rejected": rejected}[request["status"]]
        found[request["payment_id"]] += request["amount"]
    for payment in await rows.all("SELECT * FROM payments"):
        id = payment["id"]
        _balances(book, payment, by_payment[id], refunds[id], requested[id], transferred[id])
    assert await rows.column("SELECT id FROM idempotency_keys WHERE state <> 'done'") == []
    assert await rows.column(LEFT_VALUES) == []
    assert await rows.column(FORGOTTEN_CARDS) == []
    return book


def _no_order_without_intent(book: Book, attempts: list[dict[str, Any]]) -> None:
    """At most one effect per intent: a ref is one attempt's, and was ordered once."""
    intents = {attempt["ref"]: (attempt["kind"], attempt["amount"]) for attempt in attempts}
    assert len(intents) == len(attempts)
    assert {ref: times for ref, times in book.orders.items() if times > 1} == {}
    for ref, line in book.every().items():
        assert intents[ref] == (line.kind, line.amount)


def _agrees(book: Book, attempt: dict[str, Any]) -> None:
    """A check of a card is over, whatever the bank made of it: it moved nothing."""
    allowed = {"not_done", "undone"}
    if book.approved(attempt["ref"]):
        allowed = {"succeeded"}
    elif book.declined(attempt["ref"]):
        # A shopper may have said no, and something else have ended it before anybody asked.
        allowed = {"declined", "not_done", "undone"} if attempt["ref"] in book.offsite else {"declined"}
    elif book.waiting(attempt["ref"]):
        allowed = {"waiting"}
    elif attempt["kind"] == "authorize" and book.let_go(attempt["ref"]):
        allowed.add("succeeded")
    if attempt["kind"] == "verify":
        allowed.add("not_done")
    assert attempt["state"] in allowed, attempt


def _balances(
    book: Book, payment: dict[str, Any], attempts: list[dict[str, Any]], refunds: int, requested: int, transferred: int
) -> None:
    """requested, transferred: from our own account, so the bank knows nothing of it."""
    true = Balance()
    for attempt in attempts:
        if book.approved(attempt["ref"]):
            true.add(attempt["kind"], attempt["amount"])
        elif book.waiting(attempt["ref"]):
            true.status = "authorized" if book.offsite[attempt["ref"]].type in CASH else "pending"
        elif attempt["ref"] in book.offsite and payment["status"] == "expired":
            true.status = "authorized"  # nobody came, and nothing was taken
    if transferred:
        true.add("refund", transferred)
    stored = "authorized" if payment["status"] == "expired" else payment["status"]
    assert (stored, payment["amount_captured"], payment["amount_refunded"]) == (
        true.status,
        true.captured,
        true.refunded,
    ), payment
    assert refunds == true.refunded
    assert (payment["amount_reserved"], payment["active_attempt"]) == (requested, None)
    waiting = [attempt["id"] for attempt in attempts if attempt["state"] == "waiting"]
    assert waiting == ([payment["waiting_attempt"]] if payment["waiting_attempt"] else [])
    charges = [attempt for attempt in attempts if attempt["kind"] in ("sale", "authorize")]
    assert len(charges) == 1


async def states(rows: Rows) -> list[str]:
    """Of all attempts but checks of cards, in the order in which they were made."""
    return await rows.column("SELECT state FROM attempts WHERE kind <> 'verify' ORDER BY created_at, id")
