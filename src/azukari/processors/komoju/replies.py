"""What KOMOJU's replies say: errors by status and code, payments by status. Source: contract 2, 3.5, 5."""

from collections.abc import Iterable
from typing import Any

from azukari.processors.base import Approved, Expired, NotSent, Outcome, Refused, Unknown
from azukari.processors.capabilities import Kind
from azukari.processors.declines import DECLINES
from azukari.processors.kit import at, declined, json_of, of_status, text_at, unless_done
from azukari.vault import Reply

#: ``bad_gateway`` is what any proxy says too: looking it up costs little.
CODES = frozenset(DECLINES) - {"bad_gateway"}
#: Parameters that say this ref is known there already: what became of it has to be looked up.
_KNOWN_REF = frozenset(("external_order_num", "X-KOMOJU-IDEMPOTENCY"))
#: No changes of a payment in its present status.
_NOT_NOW = frozenset(("not_capturable", "not_refundable"))


def outcome_of(reply: Reply, kind: Kind, ref: str) -> Outcome:
    """What became of a request that this is the reply to."""
    if reply.status in (200, 202):
        return unless_done(of_payment(json_of(reply), kind, ref))
    code = text_at(json_of(reply), "/error/code")
    if code is None or reply.status not in (402, 422, 502):
        return of_status(reply)
    if code in CODES:
        return declined(code)
    return _invalid(code, text_at(json_of(reply), "/error/param") or "") if reply.status == 422 else Unknown()


def _invalid(code: str, param: str) -> Outcome:
    """A 422 that is no decline."""
    if param in _KNOWN_REF:
        return Unknown()
    if code in _NOT_NOW:
        return declined("other_error", code)
    if param.startswith("payment_details"):
        return declined("invalid_number" if "number" in param else "other_invalid", code)
    return Refused("unsupported")


def of_payment(payment: Any, kind: Kind, ref: str) -> Outcome:
    """What a payment shows of a request: of the one that made it, or of a change with it."""
    status, payment_id = text_at(payment, "/status"), text_at(payment, "/id")
    if status is None or payment_id is None:
        return Unknown()
    if kind == "refund":
        return _refund(at(payment, "/refunds"), payment_id, ref)
    if kind == "capture":
        return _capture(status, payment_id)
    if kind == "cancel":
        return _cancel(status, payment_id)
    return _charge(status, payment_id, payment)


def _refund(refunds: Any, payment_id: str, ref: str) -> Outcome:
    if not isinstance(refunds, list):
        return Unknown()
    made = [each for each in refunds if at(each, "/description") == ref]
    return Approved(text_at(made[0], "/id") or payment_id) if made else NotSent()


def _capture(status: str, payment_id: str) -> Outcome:
    if status in ("captured", "refunded"):
        return Approved(payment_id)
    return NotSent() if status in ("authorized", "cancelled", "expired", "failed") else Unknown()


def _cancel(status: str, payment_id: str) -> Outcome:
    if status == "cancelled":
        return Approved(payment_id)
    return NotSent() if status in ("pending", "authorized") else declined("not_cancellable", status)


def _charge(status: str, payment_id: str, payment: Any) -> Outcome:
    if status in ("captured", "authorized"):
        return Approved(payment_id, cvc_result=text_at(payment, "/payment_details/verification_value"))
    if status == "failed":
        return declined("other_error", status)  # a payment does not say why
    if status in ("cancelled", "refunded"):
        return NotSent()  # nothing of it is left
    return Expired() if status == "expired" else Unknown()


#: Which payment of a ref counts: a failed one says nothing where another one stands.
_ORDER = ("captured", "authorized", "pending", "refunded", "cancelled", "expired", "failed")


def found_by_ref(reply: Reply, ref: str) -> Any:
    """The payment of a ref in a list's reply: None for none, the text ``unknown`` where the list cannot be read."""
    listed = at(json_of(reply), "/data")
    if reply.status != 200 or not isinstance(listed, list):
        return UNREADABLE
    ours = [payment for payment in listed if at(payment, "/external_order_num") == ref]
    if listed and not ours:
        return UNREADABLE  # its filter was not followed
    return min(ours, key=lambda payment: _place(at(payment, "/status"), _ORDER), default=None)


UNREADABLE = "unknown"


def _place(status: object, order: Iterable[str]) -> int:
    return next((place for place, known in enumerate(order) if known == status), -1)
