"""The far side: a bank that approves, declines, waits, forgets and loses replies as it is told."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec

from azukari.core.ids import Ids
from azukari.processors.base import SimulatorDirectives
from azukari.processors.simulator import faults
from azukari.processors.simulator.cards import DECLINED
from azukari.processors.simulator.journal import Journal, JournalEntry
from azukari.processors.simulator.offsite import OffsiteBackend, SimulatedOrder
from azukari.processors.simulator.orders import NOW, BankOrder
from azukari.vault import BRAZIL, Filled, Reply

HOST = "simulator"
#: Bytes after which a new file is begun; the one before is kept.
FULL_AT = 64 * 1024 * 1024
_REMEMBERED = 10_000


class Revocation(msgspec.Struct):
    """A shopper takes an agreement back."""

    agreement: str


_decode = msgspec.json.Decoder(BankOrder).decode
_decode_revocation = msgspec.json.Decoder(Revocation).decode


def journal(path: Path) -> Journal[JournalEntry]:
    """Open the journal of card orders. What other processes write is searched for in the files, and not followed."""
    return Journal(path, JournalEntry, FULL_AT, _REMEMBERED, follows=False)


class Bank:
    """Answers the orders the vault sends to it: those about cards itself, the off-site backend all others.

    delay, fault: what every call does unless its request ordered otherwise.
    """

    def __init__(
        self, path: Path, offsite: OffsiteBackend, ids: Ids, *, delay: int = 0, fault: str | None = None
    ) -> None:
        self._journal = journal(path)
        self.offsite = offsite
        self._ids = ids
        self._defaults = SimulatorDirectives(fault=fault, delay=delay)

    async def send(self, request: Filled) -> Reply:
        """The transport's one method. Raises RequestNotSent, ReplyUnknown, as a network would."""
        path = request.url.partition(HOST)[2].strip("/").split("/")
        if path[0] == "revocations":
            self.offsite.revoke(_decode_revocation(request.body).agreement)
            return _reply({"result": "approved"})
        if len(path) == 1:
            return await self._order(request.headers["Idempotency-Key"], _decode(request.body))
        if (order := self.offsite.look_up(path[1], _time_of(request))) is not None:
            return self._about(order, void=len(path) == 3)
        entry = await asyncio.to_thread(self._journal.search, path[1])
        if len(path) == 3:
            return self._void(path[1], entry)
        return _reply({"result": "unknown_ref"} if entry is None or entry.voided else entry.reply)

    def _about(self, order: SimulatedOrder, *, void: bool) -> Reply:
        if void:
            self.offsite.void(order.ref)
            return _reply({"result": "approved", "id": order.id})
        return _reply({"result": "unknown_ref"} if order.voided else self._told(order))

    def _told(self, order: SimulatedOrder) -> dict[str, object]:
        """What the off-site backend says of an order."""
        told = {
            "result": "unknown_ref" if order.state == "cancelled" else order.state,
            "id": order.id,
            "code": order.code,
            "details": order.details,
            "deadline": order.deadline,
            "redirect_url": order.redirect_url,
            "short_amount": order.short,
            "agreement": self.offsite.agreement_of(order),
        }
        return {name: value for name, value in told.items() if value is not None}

    async def _order(self, ref: str, body: BankOrder) -> Reply:
        def decide() -> dict[str, object]:
            return self._told(self.offsite.take(ref, body)) if body.is_offsite else self._execute(ref, body).reply

        return _reply(await faults.answer(body.directives, self._defaults, decide))

    def _execute(self, ref: str, body: BankOrder) -> JournalEntry:
        entry = self._journal.find_recent(ref)
        if entry is None:
            entry = JournalEntry(
                ref,
                body.kind,
                body.amount,
                body.currency,
                body.parent,
                self._decide(body),
                stored=body.credential is not None,
                network_id=body.credential.network_id if body.credential is not None else None,
                code=body.card is not None and body.card.verification_value is not None,
                authenticated=body.proof is not None and body.proof.value is not None,
                ds_trans_id=_authentication_named(body),
            )
            self._journal.write(entry)
        return entry

    def _decide(self, body: BankOrder) -> dict[str, object]:
        code = body.directives.scenario
        if code is None and body.card is not None:
            code = DECLINED.get(body.card.number)
            if code is None and body.ordered_at is not None and body.card.has_expired(body.ordered_at):
                code = "card_expired"
        if code is not None:
            return {"result": "declined", "code": code}
        reply: dict[str, object] = {"result": "approved", "id": self._ids.new()}
        if body.card is not None:
            reply["cvc_result"] = "Not Supplied" if body.card.verification_value is None else "Approved"
            if body.credential is None:
                reply["network_id"] = self._ids.new()[:15]
        if body.type == BRAZIL:
            reply["details"] = {"remote_payment_id": reply["id"]}
        return reply

    def _void(self, ref: str, entry: JournalEntry | None) -> Reply:
        if entry is not None:
            entry.voided = True
            self._journal.write(entry)
        return _reply({"result": "approved", "id": ref})


def _time_of(request: Filled) -> int | None:
    """The merchant's, where a question comes with it."""
    told = request.headers.get(NOW)
    return None if told is None else int(told)


def _authentication_named(body: BankOrder) -> str | None:
    """The body's own, or the one of the stored card's first transaction."""
    if body.proof is not None:
        return body.proof.ds_trans_id
    first = body.credential and body.credential.three_ds
    return first.ds_trans_id if first else None


def _reply(body: Mapping[str, object]) -> Reply:
    return Reply(200, {}, msgspec.json.encode(body))
