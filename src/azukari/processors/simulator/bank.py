"""The far side: a bank that approves, declines, waits, forgets and loses replies as it is told."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec

from azukari.core.ids import Ids
from azukari.processors.simulator.book import Journal, JournalEntry
from azukari.processors.simulator.cards import DECLINED
from azukari.processors.simulator.desk import OffsiteBackend, SimulatedOrder
from azukari.processors.simulator.orders import NOW, BankOrder
from azukari.vault import BRAZIL, Filled, Reply, ReplyUnknown, RequestNotSent

HOST = "simulator"
#: Milliseconds an answer takes when ``slow`` is ordered.
SLOW = 3_000


class Revocation(msgspec.Struct):
    """A shopper takes an agreement back."""

    agreement: str


_decode = msgspec.json.Decoder(BankOrder).decode
_decode_revocation = msgspec.json.Decoder(Revocation).decode


class Bank:
    """Answers the orders the vault sends to it: those about cards itself, all others at its desk.

    delay, fault: what every call does unless its request ordered otherwise.
    """

    def __init__(self, book: Path, desk: OffsiteBackend, ids: Ids, *, delay: int = 0, fault: str | None = None) -> None:
        self._book = Journal(book)
        self.desk = desk
        self._ids = ids
        self._delay = delay
        self._fault = fault

    async def send(self, request: Filled) -> Reply:
        """The transport's one method. Raises RequestNotSent, ReplyUnknown, as a network would."""
        path = request.url.partition(HOST)[2].strip("/").split("/")
        if path[0] == "revocations":
            self.desk.revoke(_decode_revocation(request.body).agreement)
            return _reply({"result": "approved"})
        if len(path) == 1:
            return await self._order(request.headers["Idempotency-Key"], _decode(request.body))
        if (slip := self.desk.look_up(path[1], _time_of(request))) is not None:
            return self._about(slip, void=len(path) == 3)
        line = await asyncio.to_thread(self._book.search, path[1])
        if len(path) == 3:
            return self._void(path[1], line)
        return _reply({"result": "unknown_ref"} if line is None or line.voided else line.reply)

    def _about(self, slip: SimulatedOrder, *, void: bool) -> Reply:
        if void:
            self.desk.void(slip.ref)
            return _reply({"result": "approved", "id": slip.id})
        return _reply({"result": "unknown_ref"} if slip.voided else self._told(slip))

    def _told(self, slip: SimulatedOrder) -> dict[str, object]:
        """What the desk says of an order."""
        told = {
            "result": "unknown_ref" if slip.state == "cancelled" else slip.state,
            "id": slip.id,
            "code": slip.code,
            "details": slip.details,
            "deadline": slip.deadline,
            "redirect_url": slip.redirect_url,
            "short_amount": slip.short,
            "agreement": self.desk.agreement_of(slip),
        }
        return {name: value for name, value in told.items() if value is not None}

    async def _order(self, ref: str, order: BankOrder) -> Reply:
        fault = order.orders.fault or self._fault
        if fault == "processor_down":
            raise RequestNotSent("ProcessorDown")
        if fault == "lost_request":
            raise ReplyUnknown("LostRequest")
        # The bank books an order when it comes, not when it answers: whoever asks meanwhile is told the truth.
        told = self._told(self.desk.take(ref, order)) if order.for_desk else self._carry_out(ref, order).reply
        delay = order.orders.delay if order.orders.delay is not None else self._delay
        if delay or fault == "slow":
            await asyncio.sleep((delay or SLOW) / 1_000)
        if fault == "lost_reply":
            raise ReplyUnknown("LostReply")
        return _reply(told)

    def _carry_out(self, ref: str, order: BankOrder) -> JournalEntry:
        line = self._book.recall(ref)
        if line is None:
            line = JournalEntry(
                ref,
                order.kind,
                order.amount,
                order.currency,
                order.parent,
                self._decide(order),
                stored=order.credential is not None,
                network_id=order.credential.network_id if order.credential is not None else None,
                code=order.card is not None and order.card.verification_value is not None,
                authenticated=order.proof is not None and order.proof.value is not None,
                ds_trans_id=_authentication_named(order),
            )
            self._book.write(line)
        return line

    def _decide(self, order: BankOrder) -> dict[str, object]:
        code = order.orders.scenario
        if code is None and order.card is not None:
            code = DECLINED.get(order.card.number)
            if code is None and order.ordered_at is not None and order.card.has_expired(order.ordered_at):
                code = "card_expired"
        if code is not None:
            return {"result": "declined", "code": code}
        reply: dict[str, object] = {"result": "approved", "id": self._ids.new()}
        if order.card is not None:
            reply["cvc_result"] = "Not Supplied" if order.card.verification_value is None else "Approved"
            if order.credential is None:
                reply["network_id"] = self._ids.new()[:15]
        if order.type == BRAZIL:
            reply["details"] = {"remote_payment_id": reply["id"]}
        return reply

    def _void(self, ref: str, line: JournalEntry | None) -> Reply:
        if line is not None:
            line.voided = True
            self._book.write(line)
        return _reply({"result": "approved", "id": ref})


def _time_of(request: Filled) -> int | None:
    """The merchant's, where a question comes with it."""
    told = request.headers.get(NOW)
    return None if told is None else int(told)


def _authentication_named(order: BankOrder) -> str | None:
    """The order's own, or the one of the stored card's first transaction."""
    if order.proof is not None:
        return order.proof.ds_trans_id
    first = order.credential and order.credential.three_ds
    return first.ds_trans_id if first else None


def _reply(body: Mapping[str, object]) -> Reply:
    return Reply(200, {}, msgspec.json.encode(body))
