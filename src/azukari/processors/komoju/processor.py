"""Requests to KOMOJU. ``external_order_num`` and the idempotency key are the attempt's ref, so it is charged once.

Cards alone: other types wait for their shoppers, and the way back from KOMOJU's pages is not there yet.
Source: contract 1.5, 3, 5.
"""

from typing import Any

from azukari.core.clock import MINUTE, SECOND, Clock
from azukari.core.money import CURRENCIES
from azukari.processors.account import Account, AccountFields, AccountUse, Fault
from azukari.processors.base import (
    Approved,
    AttemptQuery,
    Credential,
    Declined,
    Expired,
    NotSent,
    Outcome,
    ProcessorRequest,
    Refused,
    Unknown,
)
from azukari.processors.capabilities import Amounts, Capabilities, Recovery, TypeCapability
from azukari.processors.kit import CALL_SECONDS, LOOKUP_SECONDS, json_of, of_status, send, text_at
from azukari.processors.komoju.replies import UNREADABLE, found_by_ref, of_payment, outcome_of
from azukari.processors.methods import CREDIT_CARD
from azukari.vault import Basic, Blank, Outbound, Reply, ReplyUnknown, Vault

#: The same for both modes: the key decides.
HOST = "komoju.com"
SECRET_KEY = "secret_key"  # noqa: S105 - the secret's name
#: In older versions the part of an authorisation that is not captured looks like a refund.
API_VERSION = "2025-01-28"
_BY_REF, _BY_PARENT = Recovery("by_ref", believe_after=MINUTE), Recovery("by_parent", believe_after=MINUTE)
_CARD = {
    "type": CREDIT_CARD,
    "number": Blank.NUMBER,
    "month": Blank.MONTH,
    "year": Blank.YEAR,
    "verification_value": Blank.VERIFICATION_VALUE,
    "name": Blank.NAME,
}


class Komoju:
    """A merchant's account at KOMOJU."""

    name = "komoju"
    account_fields = AccountFields(secrets=(SECRET_KEY,), hosts={"live": HOST, "test": HOST})
    can = Capabilities(
        types={
            CREDIT_CARD: TypeCapability(
                kinds=frozenset(("sale", "authorize", "verify", "capture", "refund", "cancel")),
                currencies=dict.fromkeys(CURRENCIES, Amounts()),
                capture="once",
                hold_days=30,
                later=frozenset(("number",)),
            )
        },
        recovery={
            "sale": _BY_REF,
            "authorize": _BY_REF,
            "capture": _BY_PARENT,
            "refund": _BY_PARENT,
            "cancel": _BY_PARENT,
            "verify": Recovery("void"),
        },
        timeout=CALL_SECONDS * SECOND,
        voids_by_ref=True,
    )

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def perform(self, request: ProcessorRequest) -> Outcome:
        if request.kind == "verify":
            return Approved(request.ref)  # there is no such call: a card is looked at when it is charged
        if request.account is None:
            return Refused("credentials")
        if request.kind not in self.can.types[CREDIT_CARD].kinds or request.type != CREDIT_CARD:
            return Refused("unsupported")
        path, body = _order_of(request)
        reply = await self._call(request.account, path, body, request.ref, request)
        return outcome_of(reply, request.kind, request.ref)

    async def lookup(self, query: AttemptQuery) -> Outcome:
        if query.account is None:
            return Unknown()
        if query.kind in ("sale", "authorize"):
            payment = await self._find(query.account, query.ref)
            return NotSent() if payment is None else of_payment(payment, query.kind, query.ref)
        payment = await self._get(query.account, query.parent)
        return of_payment(payment, query.kind, query.ref)

    async def void(self, query: AttemptQuery) -> bool:
        if query.kind == "verify":
            return True
        found = await self.lookup(query)
        if query.account is None or not isinstance(found, Approved):
            return isinstance(found, Declined | Expired) or (isinstance(found, NotSent) and self._believed(query))
        if query.kind in ("refund", "cancel"):
            return False
        undo, undone = ("cancel", "cancelled") if query.kind == "authorize" else ("refund", "refunded")
        path = f"payments/{found.processor_ref}/{undo}"
        reply = await self._call(query.account, path, key=f"{query.ref}-{undo}")
        return reply.status == 200 and text_at(json_of(reply), "/status") == undone

    def _believed(self, query: AttemptQuery) -> bool:
        """Whether a "not found" proves that nothing is under way."""
        return query.sent_at is None or self._clock.now() >= query.sent_at + MINUTE

    async def probe(self, account: Account) -> Fault | None:
        """A list of one payment is asked for, which a publishable key may not."""
        if account.use is None:
            return "credentials"
        reply = await self._call(account.use, "payments?per_page=1")
        if reply.status == 200:
            return None
        found = of_status(reply)
        if isinstance(found, Refused):
            return found.reason
        if reply.status == 503:
            return "down"
        raise ReplyUnknown("UnexpectedStatus")

    async def _find(self, account: AccountUse, ref: str) -> Any:
        return found_by_ref(await self._call(account, f"payments?external_order_num={ref}"), ref)

    async def _get(self, account: AccountUse, payment_id: str | None) -> Any:
        reply = await self._call(account, f"payments/{payment_id}")
        return json_of(reply) if reply.status == 200 else UNREADABLE

    async def _call(
        self,
        account: AccountUse,
        path: str,
        body: dict[str, object] | None = None,
        key: str | None = None,
        request: ProcessorRequest | None = None,
    ) -> Reply:
        """key: of a POST. Raises RequestNotSent, ReplyUnknown."""
        headers = {"X-KOMOJU-API-VERSION": API_VERSION} | ({} if key is None else {"X-KOMOJU-IDEMPOTENCY": key})
        method, seconds = ("GET", LOOKUP_SECONDS) if key is None else ("POST", CALL_SECONDS)
        url = f"https://{account.host}/api/v1/{path}"
        return await send(
            self._vault, account, Outbound(method, url, headers, body, seconds, auth=Basic(SECRET_KEY)), request
        )


def _order_of(request: ProcessorRequest) -> tuple[str, dict[str, object] | None]:
    """Path and body."""
    if request.kind == "capture":
        return f"payments/{request.parent}/capture", {"amount": request.amount}
    if request.kind == "refund":
        return f"payments/{request.parent}/refund", {"amount": request.amount, "description": request.ref}
    if request.kind == "cancel":
        return f"payments/{request.parent}/cancel", None
    return "payments", {
        "amount": request.amount,
        "currency": request.currency,
        "capture": request.kind == "sale",
        "external_order_num": request.ref,
        "payment_details": _CARD | _later(request.credential),
    }


def _later(credential: Credential | None) -> dict[str, str]:
    """What tells KOMOJU that the card was stored before and its shopper is absent. Source: contract 4.1."""
    if credential is None:
        return {}
    intent = "subscription" if credential.indicator == "recurring" else "card_on_file"
    return {"intent": intent, "initiator": "merchant", "usage": "used"}
