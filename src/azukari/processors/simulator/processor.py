"""Our side of the simulator: an order with blanks goes out, a reply comes in."""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from azukari.core.clock import SECOND
from azukari.core.errors import Unavailable
from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.processors.base import (
    Approved,
    AttemptQuery,
    AuthenticationRequest,
    AuthenticationResult,
    Declined,
    Expired,
    NotSent,
    Outcome,
    PartiallyPaid,
    Pending,
    ProcessorRequest,
    Unknown,
)
from azukari.processors.capabilities import KINDS, Capabilities, Recovery, TypeCapability
from azukari.processors.methods import METHODS, MethodDetails
from azukari.processors.simulator import issuer
from azukari.processors.simulator.bank import HOST
from azukari.processors.simulator.issuer import IssuerReply
from azukari.processors.simulator.offsite import Decision, OffsiteBackend
from azukari.processors.simulator.orders import NOW, PREFIX
from azukari.vault import CARDS, TERMINAL, AccessGrant, Blank, Outbound, Reply, ReplyUnknown, RequestNotSent, Vault

#: Types whose orders wait, and so go by the merchant's time.
_OFFSITE = METHODS | {TERMINAL}
#: Tells a merchant's time. Raises Unavailable.
TimeOf = Callable[[Owner], Awaitable[int]]


class BankReply(msgspec.Struct):
    """What the bank answers."""

    result: Literal["approved", "declined", "waiting", "short", "lapsed", "unknown_ref"]
    id: str = ""
    code: str = "card_declined"
    network_id: str | None = None
    cvc_result: str | None = None
    details: dict[str, object] | None = None
    deadline: int | None = None
    redirect_url: str | None = None
    short_amount: int = 0
    agreement: str | None = None


@dataclass(frozen=True, slots=True)
class OffsitePage:
    """An order as the far side's own page shows it to its shopper. state: ``waiting`` until it is decided."""

    ref: str
    kind: str
    type: str
    amount: int
    currency: str
    label: str
    return_url: str
    store: bool
    locale: str
    state: str


_CARD = {
    "number": Blank.NUMBER,
    "month": Blank.MONTH,
    "year": Blank.YEAR,
    "verification_value": Blank.VERIFICATION_VALUE,
    "name": Blank.NAME,
}
#: Cards of some countries and from terminals come with more; what was not given is left out.
_MORE = {
    blank.value: blank
    for blank in (
        Blank.CPF_OR_CNPJ,
        Blank.SOCIAL_ID,
        Blank.PIN_DIGITS,
        Blank.TRACK2,
        Blank.FIELD55,
    )
}
_PROVES = Blank.AUTHENTICATION_VALUE
_decode = msgspec.json.Decoder(BankReply).decode
_decode_issuer = msgspec.json.Decoder(IssuerReply).decode


_AS_CARDS = TypeCapability(
    kinds=frozenset(KINDS) - {"agree", "top_up"},
    capture="once",
    later=frozenset(("number",)),
    gives_network_id=frozenset(("visa", "master", "jcb", "american_express", "diners_club", "discover")),
    three_ds=frozenset(("imported",)),
)
_AS_METHODS = TypeCapability(
    kinds=frozenset(KINDS) - {"verify", "finalize"}, capture="once", later=frozenset(("agreement",))
)


class Simulator:
    """A processor whose bank is ours."""

    name = "simulator"
    can = Capabilities(
        types={type: _AS_CARDS if type in CARDS else _AS_METHODS for type in (*CARDS, *METHODS)},
        recovery=dict.fromkeys(KINDS, Recovery("by_ref", believe_after=SECOND)),
        timeout=10 * SECOND,
        dedupes_by_ref=True,
        voids_by_ref=True,
        authenticates=frozenset(("visa", "master", "jcb", "american_express")),
    )

    def __init__(self, vault: Vault, offsite: OffsiteBackend) -> None:
        self._vault = vault
        self.offsite = offsite
        self._tell: TimeOf | None = None

    def go_by(self, tell: TimeOf) -> None:
        """From now on each merchant's orders have its own time: what its test clock shows."""
        self._tell = tell

    async def _time_of(self, owner: Owner) -> int | None:
        try:
            return None if self._tell is None else await self._tell(owner)
        except Unavailable:
            raise RequestNotSent("NoTime") from None

    async def perform(self, request: ProcessorRequest) -> Outcome:
        body: dict[str, object] = {
            "kind": request.kind,
            "type": request.type,
            "amount": request.amount,
            "currency": request.currency,
            "parent": request.parent,
            "credential": None if request.credential is None else msgspec.to_builtins(request.credential),
            "directives": msgspec.to_builtins(request.test),
            "ordered_at": request.ordered_at,
        }
        if request.method is not None or request.type in _OFFSITE or (request.parent or "").startswith(PREFIX):
            body["now"] = await self._time_of(request.owner)
        if request.method is not None:
            body["method"] = _method(request.method)
        if request.visit is not None:
            body["visit"] = dataclasses.asdict(request.visit)
        if request.use is not None:
            is_card = request.type in CARDS
            body |= {"card": _CARD | _MORE | dict(request.use.extras)} if is_card else {"agreement": Blank.AGREEMENT}
        if request.use is not None and request.type == TERMINAL:
            said = request.use.extras
            body["method"] = {"type": TERMINAL, "flow": said.get("flowType")} | {
                name: said.get(name) for name in ("ac_type", "capture")
            }
        if request.three_ds is not None:
            body["proof"] = {"ds_trans_id": request.three_ds.ds_trans_id, "eci": request.three_ds.eci, "value": _PROVES}
        outbound = Outbound("POST", f"https://{HOST}/orders", headers={"Idempotency-Key": request.ref}, json=body)
        if request.use is None:
            return _read(await self._vault.send_plain(outbound, _lent(request.method)))
        return _read(
            await self._vault.send(request.use, request.verification_value, outbound, request.authentication_value)
        )

    async def lookup(self, query: AttemptQuery) -> Outcome:
        headers = {NOW: str(await self._time_of(query.owner))}
        question = Outbound("GET", f"https://{HOST}/orders/{query.ref}", headers=headers, json={})
        return _read(await self._vault.send_plain(question))

    async def void(self, query: AttemptQuery) -> bool:
        url, headers = f"https://{HOST}/orders/{query.ref}/void", {"Idempotency-Key": query.ref}
        outbound = Outbound("POST", url, headers=headers, json={})
        return (await self._vault.send_plain(outbound)).status == 200

    async def authenticate(self, request: AuthenticationRequest) -> AuthenticationResult:
        body: dict[str, object] = {
            "amount": request.amount,
            "currency": request.currency,
            "brand": request.use.masked.brand,
            "card": _CARD,
            "directives": msgspec.to_builtins(request.test),
        }
        url = f"https://{issuer.HOST}/authentications"
        outbound = Outbound("POST", url, headers={"Idempotency-Key": request.ref}, json=body)
        return _read_issuer(await self._vault.send(request.use, None, outbound))

    async def finish_authentication(self, owner: Owner, ref: str, answer: Secret | None) -> AuthenticationResult:
        body = {"answer": None if answer is None else answer.reveal()}
        outbound = Outbound("POST", f"https://{issuer.HOST}/authentications/{ref}", json=body)
        return _read_issuer(await self._vault.send_plain(outbound))

    # What its shoppers do: the far side's own page and the test routes ask for it.

    def order_of(self, ref: str, now: int | None = None) -> OffsitePage | None:
        """What a shopper who comes to the far side's page has before them. now: the merchant's time."""
        order = self.offsite.look_up(ref, now)
        if order is None or order.redirect_url is None:
            return None
        page = order.page
        return OffsitePage(
            order.ref,
            order.kind,
            order.type,
            order.amount,
            order.currency,
            page.label,
            page.return_url,
            page.store or order.kind == "agree",
            page.locale,
            "cancelled" if order.voided else order.state,
        )

    def decide(self, ref: str, decision: Decision, now: int | None = None) -> bool:
        """The shopper's decision about an order that waits; whether there is such an order.

        It is the far side's own truth, and ours once we ask. One that was decided before stays as it is.
        """
        return self.offsite.decide(ref, decision, now) is not None

    async def revoke(self, use: AccessGrant) -> None:
        """The shopper takes a wallet's agreement back. Raises RequestNotSent, ReplyUnknown."""
        body = {"agreement": Blank.AGREEMENT}
        await self._vault.send(use, None, Outbound("POST", f"https://{HOST}/revocations", headers={}, json=body))


def _read_issuer(reply: Reply) -> AuthenticationResult:
    if reply.status != 200:
        return AuthenticationResult("ERRORED")  # it has never heard of this shopper
    try:
        read = _decode_issuer(reply.body)
    except msgspec.DecodeError:
        raise ReplyUnknown("UnreadableReply") from None
    return AuthenticationResult(read.status, read.three_ds, None if read.value is None else Secret(read.value))


def _method(details: MethodDetails) -> dict[str, object]:
    return {
        "type": details.type,
        "store": details.store,
        "brand": details.brand,
        "expiry_days": details.expiry_days,
        "prepaid_number": Blank.PREPAID_NUMBER,
        "password": Blank.PASSWORD,
        "cpf": Blank.CPF_OR_CNPJ,
    }


def _lent(details: MethodDetails | None) -> dict[Blank, Secret]:
    """The secrets among the details."""
    if details is None:
        return {}
    lent = {
        Blank.PREPAID_NUMBER: details.prepaid_number,
        Blank.PASSWORD: details.password,
        Blank.CPF_OR_CNPJ: details.cpf,
    }
    return {blank: secret for blank, secret in lent.items() if secret is not None}


def _read(reply: Reply) -> Outcome:
    try:
        read = _decode(reply.body)
    except msgspec.DecodeError:
        return Unknown()
    match read.result:
        case "approved":
            agreement = None if read.agreement is None else Secret(read.agreement)
            return Approved(read.id, read.network_id, read.cvc_result, agreement, read.details)
        case "declined":
            return Declined(read.code)
        case "waiting":
            return Pending(read.id, read.details or {}, read.deadline, read.redirect_url)
        case "short":
            return PartiallyPaid(read.id, read.details or {}, read.short_amount, read.deadline)
        case "lapsed":
            return Expired()
        case "unknown_ref":
            return NotSent()
