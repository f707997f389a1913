"""Our side of the simulator: an order with blanks goes out, a reply comes in."""

from typing import Literal

import msgspec

from azukari.core.clock import SECOND
from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.processors.base import (
    Approved,
    AuthOrder,
    AuthResult,
    Declares,
    DeclinedBy,
    NotDone,
    Order,
    Outcome,
    Unsettled,
)  # fmt: skip
from azukari.processors.simulator import issuer
from azukari.processors.simulator.bank import HOST
from azukari.processors.simulator.issuer import IssuerReply
from azukari.vault import Blank, Outbound, Reply, Unknown, Vault


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
_PROVES = Blank.AUTHENTICATION_VALUE
_decode = msgspec.json.Decoder(BankReply).decode
_decode_issuer = msgspec.json.Decoder(IssuerReply).decode


class Simulator:
    """A processor whose bank is ours."""

    name = "simulator"
    declares = Declares(
        dedupes_by_ref=True,
        can_look_up=True,
        lookup_delay=SECOND,
        can_void_by_ref=True,
        timeout=10 * SECOND,
        authenticates=frozenset(("visa", "master", "jcb", "american_express")),
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
        if order.three_ds is not None:
            body["proof"] = {"ds_trans_id": order.three_ds.ds_trans_id, "eci": order.three_ds.eci, "value": _PROVES}
        outbound = Outbound("POST", f"https://{HOST}/orders", headers={"Idempotency-Key": order.ref}, json=body)
        if order.use is None:
            return _read(await self._vault.send_plain(outbound))
        return _read(
            await self._vault.send(order.use, order.verification_value, outbound, order.authentication_value)
        )  # fmt: skip

    async def lookup(self, owner: Owner, ref: str) -> Outcome:
        return _read(await self._vault.send_plain(Outbound("GET", f"https://{HOST}/orders/{ref}", headers={}, json={})))

    async def void(self, owner: Owner, ref: str) -> bool:
        outbound = Outbound("POST", f"https://{HOST}/orders/{ref}/void", headers={"Idempotency-Key": ref}, json={})
        return (await self._vault.send_plain(outbound)).status == 200

    async def authenticate(self, order: AuthOrder) -> AuthResult:
        body: dict[str, object] = {
            "amount": order.amount,
            "currency": order.currency,
            "brand": order.use.masked.brand,
            "card": _CARD,
            "orders": msgspec.to_builtins(order.test),
        }
        url = f"https://{issuer.HOST}/authentications"
        outbound = Outbound("POST", url, headers={"Idempotency-Key": order.ref}, json=body)
        return _read_issuer(await self._vault.send(order.use, None, outbound))

    async def finish_authentication(self, owner: Owner, ref: str, answer: Secret | None) -> AuthResult:
        body = {"answer": None if answer is None else answer.reveal()}
        outbound = Outbound("POST", f"https://{issuer.HOST}/authentications/{ref}", json=body)
        return _read_issuer(await self._vault.send_plain(outbound))


def _read_issuer(reply: Reply) -> AuthResult:
    if reply.status != 200:
        return AuthResult("ERRORED")  # it has never heard of this shopper
    try:
        read = _decode_issuer(reply.body)
    except msgspec.DecodeError:
        raise Unknown("UnreadableReply") from None
    return AuthResult(read.status, read.three_ds, None if read.value is None else Secret(read.value))


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
