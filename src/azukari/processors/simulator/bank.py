"""The far side: a bank that approves, declines, waits, forgets and loses replies as it is told."""

import asyncio
from pathlib import Path

import msgspec

from azukari.core.ids import Ids
from azukari.processors.base import NO_ORDERS, Credential, TestOrders
from azukari.processors.simulator.book import Book, Line
from azukari.processors.simulator.cards import DECLINED
from azukari.vault import Filled, NotSent, Reply, Unknown

HOST = "simulator"
#: Milliseconds an answer takes when ``slow`` is ordered.
SLOW = 3_000


class Card(msgspec.Struct):
    """A card as the vault filled it in."""

    number: str
    verification_value: str | None = None


class Proof(msgspec.Struct):
    """That the shopper was authenticated, as the vault filled it in."""

    ds_trans_id: str
    eci: str
    value: str | None = None


class BankOrder(msgspec.Struct):
    """What a processor may ask for."""

    kind: str
    amount: int
    currency: str
    parent: str | None = None
    card: Card | None = None
    credential: Credential | None = None
    proof: Proof | None = None
    orders: TestOrders = NO_ORDERS


_decode = msgspec.json.Decoder(BankOrder).decode


class Bank:
    """Answers the orders the vault sends to it.

    delay, fault: what every call does unless its request ordered otherwise.
    """

    def __init__(self, book: Path, ids: Ids, *, delay: int = 0, fault: str | None = None) -> None:
        self._book = Book(book)
        self._ids = ids
        self._delay = delay
        self._fault = fault

    async def send(self, request: Filled) -> Reply:
        """The transport's one method. Raises NotSent, Unknown, as a network would."""
        path = request.url.partition(HOST)[2].strip("/").split("/")
        if len(path) == 1:
            return await self._order(request.headers["Idempotency-Key"], _decode(request.body))
        line = await asyncio.to_thread(self._book.search, path[1])
        if len(path) == 3:
            return self._void(path[1], line)
        return _reply({"result": "unknown_ref"} if line is None or line.voided else line.reply)

    async def _order(self, ref: str, order: BankOrder) -> Reply:
        fault = order.orders.fault or self._fault
        if fault == "processor_down":
            raise NotSent("ProcessorDown")
        if fault == "lost_request":
            raise Unknown("LostRequest")
        # The bank books an order when it comes, not when it answers: whoever asks meanwhile is told the truth.
        line = self._carry_out(ref, order)
        delay = order.orders.delay if order.orders.delay is not None else self._delay
        if delay or fault == "slow":
            await asyncio.sleep((delay or SLOW) / 1_000)
        if fault == "lost_reply":
            raise Unknown("LostReply")
        return _reply(line.reply)

    def _carry_out(self, ref: str, order: BankOrder) -> Line:
        line = self._book.recall(ref)
        if line is None:
            line = Line(
                ref, order.kind, order.amount, order.currency, order.parent, self._decide(order),
                stored=order.credential is not None,
                network_id=order.credential.network_id if order.credential is not None else None,
                code=order.card is not None and order.card.verification_value is not None,
                authenticated=order.proof is not None and order.proof.value is not None,
                ds_trans_id=_authentication_named(order),
            )  # fmt: skip
            self._book.write(line)
        return line

    def _decide(self, order: BankOrder) -> dict[str, str | None]:
        code = order.orders.scenario
        if code is None and order.card is not None:
            code = DECLINED.get(order.card.number)
        if code is not None:
            return {"result": "declined", "code": code}
        reply: dict[str, str | None] = {"result": "approved", "id": self._ids.new()}
        if order.card is not None:
            reply["cvc_result"] = "Not Supplied" if order.card.verification_value is None else "Approved"
            if order.credential is None:
                reply["network_id"] = self._ids.new()[:15]
        return reply

    def _void(self, ref: str, line: Line | None) -> Reply:
        if line is not None:
            line.voided = True
            self._book.write(line)
        return _reply({"result": "approved", "id": ref})


def _authentication_named(order: BankOrder) -> str | None:
    """The order's own, or the one of the stored card's first transaction."""
    if order.proof is not None:
        return order.proof.ds_trans_id
    first = order.credential and order.credential.three_ds
    return first.ds_trans_id if first else None


def _reply(body: dict[str, str | None]) -> Reply:
    return Reply(200, {}, msgspec.json.encode(body))
