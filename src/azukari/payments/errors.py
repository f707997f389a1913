"""What can be wrong with a payment. Source: contract 2.2, 3.2, 3.5."""

from collections.abc import Iterable

from azukari.core.errors import InvalidParameter, Unprocessable


class NothingToCharge(Unprocessable):
    """The customer exists but has saved no payment details."""

    message = "This customer has no saved payment details."
    param = "customer"


class NotCapturable(Unprocessable):
    """Not a card hold, or no longer one."""

    code, message = "not_capturable", "The payment you requested is not capturable."


class NotCancellable(Unprocessable):
    """Neither pending nor authorized."""

    code, message = "not_cancellable", "This payment is noncancellable."


class NotShort(Unprocessable):
    """A payment that needs no further prepaid card."""

    message, param = "This payment does not wait for another prepaid card.", "payment_details"


class NotAtTerminal(Unprocessable):
    """A payment that waits for no chip."""

    message = "This payment does not wait for a terminal."


class NotEnabled(Unprocessable):
    """A type of payment details that the merchant has not chosen for this currency."""

    code, param = "invalid_payment_type", "payment_details[type]"

    def __init__(self, type: str, chosen: Iterable[str]) -> None:
        super().__init__(f"Payment method was invalid. {type} is not one of {', '.join(chosen)}.")


class NotWaiting(Unprocessable):
    """A payment that is not in its shopper's hands."""

    message = "This payment does not wait for its shopper."


class NotRefundable(Unprocessable):
    """Not captured, or less is left than was asked for."""

    code, message = "not_refundable", "The payment you requested is not refundable."


class OrderNumTaken(InvalidParameter):
    """The merchant has used this number for another payment."""

    def __init__(self) -> None:
        super().__init__("external_order_num", "external_order_num has already been taken.")


class TwoSources(InvalidParameter):
    """Both a customer and payment details."""

    def __init__(self) -> None:
        super().__init__("customer", "Give either customer or payment_details, not both.")
