"""Our side of the simulator: an order with blanks goes out, a reply comes in."""

from typing import Literal

import msgspec

from azukari.core.clock import SECOND
from azukari.db import Owner
from azukari.processors.base import Approved, Declares, DeclinedBy, NotDone, Order, Outcome, Unsettled
from azukari.processors.simulator.bank import HOST
from azukari.vault import Blank, Outbound, Reply, Vault


class BankReply(msgspec.Struct):
    """What the bank answers."""

    result: Literal["approved", "declined", "unknown_ref"]
    id: str = ""
    code: str = "card_declined"
    network_id: str | None = None
    cvc_result: str | None = None


_CARD = {
    "number": Blank.NUMBER,
    "month": Blank.MONTH,
    "year": Blank.YEAR,
    "verification_value": Blank.VERIFICATION_VALUE,
    "name": Blank.NAME,
}
_decode = msgspec.json.Decoder(BankReply).decode


class Simulator:
    """A processor whose bank is ours."""

    name = "simulator"
    declares = Declares(
        dedupes_by_ref=True,
        can_look_up=True,
        lookup_delay=SECOND,
        can_void_by_ref=True,
        timeout=10 * SECOND,
    )

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def perform(self, order: Order) -> Outcome:
        body: dict[str, object] = {
            "kind": order.kind,
            "amount": order.amount,
            "currency": order.currency,
            "parent": order.parent,
            "credential": None if order.credential is None else msgspec.to_builtins(order.credential),
            "orders": msgspec.to_builtins(order.test),
        }
        if order.use is not None:
            body["card"] = _CARD
        outbound = Outbound("POST", f"https://{HOST}/orders", headers={"Idempotency-Key": order.ref}, json=body)
        if order.use is None:
            return _read(await self._vault.send_plain(outbound))
        return _read(await self._vault.send(order.use, order.verification_value, outbound))

    async def lookup(self, owner: Owner, ref: str) -> Outcome:
        return _read(await self._vault.send_plain(Outbound("GET", f"https://{HOST}/orders/{ref}", headers={}, json={})))

    async def void(self, owner: Owner, ref: str) -> bool:
        outbound = Outbound("POST", f"https://{HOST}/orders/{ref}/void", headers={"Idempotency-Key": ref}, json={})
        return (await self._vault.send_plain(outbound)).status == 200


def _read(reply: Reply) -> Outcome:
    try:
        read = _decode(reply.body)
    except msgspec.DecodeError:
        return Unsettled()
    if read.result == "approved":
        return Approved(read.id, read.network_id, read.cvc_result)
    if read.result == "declined":
        return DeclinedBy(read.code)
    return NotDone()
