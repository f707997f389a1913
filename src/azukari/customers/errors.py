"""What can be wrong with a customer's details. Source: contract 4.7."""

from azukari.core.errors import Unprocessable


class NotKept(Unprocessable):
    """Details that a customer cannot keep, or only by the hosted page, where the shopper agrees to it."""

    code, param = "invalid_payment_type", "payment_details[type]"
    message = "Payment method was invalid. Only cards can be stored here; wallets are, by a session."


class NoAgreement(Unprocessable):
    """The customer keeps no wallet."""

    message = "This customer has no wallet."
