"""The bank's no, in the words of the wire. Source: contract 2.2."""

from collections.abc import Mapping
from typing import NamedTuple

from azukari.core.errors import ApiError


class _Decline(NamedTuple):
    status: int
    message: str


#: Codes a processor may decline with, and what the caller is told.
DECLINES: Mapping[str, _Decline] = {
    "request_failed": _Decline(402, "The request failed"),
    "fraudulent": _Decline(422, "The payment could not be completed."),
    "insufficient_funds": _Decline(502, "There are insufficient funds on this card."),
    "card_declined": _Decline(502, "Your card has been declined."),
    "bad_verification_value": _Decline(502, "The security code you have entered is incorrect."),
    "exceeds_limit": _Decline(502, "Exceeds card limit"),
    "card_expired": _Decline(502, "Your card has expired."),
    "invalid_number": _Decline(502, "The card number is invalid."),
    "other_invalid": _Decline(502, "Invalid card"),
    "used_number": _Decline(502, "Prepaid number already used"),
    "invalid_password": _Decline(502, "The password is invalid."),
    "invalid_account": _Decline(502, "The account is invalid."),
    "restricted_account": _Decline(502, "The account is restricted."),
    "invalid_user_key": _Decline(502, "The user key is invalid."),
    "other_error": _Decline(502, "The payment could not be completed."),
    "not_cancellable": _Decline(422, "This payment is noncancellable."),
    "bad_gateway": _Decline(502, "The processor could not complete the request."),
}

#: Declines that will not change by themselves: the same details are not charged again for the same (REL-9).
FINAL = frozenset({
    "fraudulent", "card_expired", "invalid_number", "other_invalid", "used_number", "invalid_password",
    "invalid_account", "restricted_account", "invalid_user_key", "bad_verification_value",
})  # fmt: skip

#: What ``Komoju-Scenario`` may order.
SCENARIOS = frozenset(DECLINES) - {"not_cancellable"}


class DeclinedError(ApiError):
    """A processor said no; the attempt is over and nothing was taken."""

    def __init__(self, code: str) -> None:
        known = DECLINES.get(code, DECLINES["other_error"])
        self.status = known.status
        super().__init__(known.message, code=code if code in DECLINES else "other_error")


class NotSentError(ApiError):
    """The processor was not reached: nothing was charged, and it is safe to try again."""

    status, code = 504, "gateway_timeout"
    message = "The processor could not be reached. Nothing was charged; please try again."


class NoAnswer(ApiError):
    """The processor gave no readable answer to something that moves no money."""

    status, code = 502, "bad_gateway"
    message = "The processor gave no answer. Nothing was stored; please try again."
