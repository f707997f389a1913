"""What can be wrong with a session. Source: contract 2.2, 6; codes of our own where the contract has none."""

from azukari.core.errors import InvalidParameter, Unprocessable
from azukari.payments import errors as payments


class NotCancellable(payments.NotCancellable):
    """Completed, or cancelled before."""

    message = "This session is noncancellable."


class OrderNumTaken(InvalidParameter):
    """The merchant has used this number for another session or payment."""

    def __init__(self) -> None:
        super().__init__("payment_data[external_order_num]", "external_order_num has already been taken.")


class NoMethod(Unprocessable):
    """Nothing this order may be paid with is offered."""

    code, message = "invalid_payment_type", "No payment method is left for this session."
    param = "payment_types"


class UnknownType(Unprocessable):
    """A payment type that is none of the contract's."""

    code, message = "invalid_payment_type", "Payment method was invalid. It is not one of the known types."
    param = "payment_types"


class NotOffered(Unprocessable):
    """A payment type that this session does not offer."""

    code, message = "invalid_payment_type", "Payment method was invalid. This session does not offer it."
    param = "payment_details[type]"


class Completed(Unprocessable):
    """It was paid, or its details were stored."""

    code, message = "session_completed", "This session is already completed."


class Cancelled(Unprocessable):
    """The merchant has taken it back."""

    code, message = "session_cancelled", "This session was cancelled."


class Expired(Unprocessable):
    """Its time has run out."""

    code, message = "session_expired", "This session has expired."


class TooManyTries(Unprocessable):
    """Five tries were declined (SEC-14)."""

    code, message = "locked", "Too many attempts. This session takes no more."


class NotAuthenticated(Unprocessable):
    """3-D Secure said no."""

    code, message = "verification_status_errored", "The card could not be verified with 3-D Secure."
    param = "payment_details"


class CustomerGone(InvalidParameter):
    """The customer whose details were to be stored does not exist."""

    def __init__(self) -> None:
        super().__init__("customer_id", "This customer does not exist.")
