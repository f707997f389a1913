"""What can be wrong with a request for 3-D Secure. Source: contract 2.2, section 9."""

from azukari.core.errors import Forbidden, InvalidParameter, Unprocessable


class UnsupportedCardBrand(Unprocessable):
    """The processor has no 3-D Secure for it: clients go on without."""

    code, message = "unsupported_card_brand", "3-D Secure is not available for this card brand."
    param = "payment_details"


class NotACard(Unprocessable):
    """Details of a type that has no 3-D Secure."""

    code, message = "invalid_payment_type", "Payment method was invalid. It is not one of credit_card."
    param = "payment_details[type]"


class NothingToVerify(Unprocessable):
    """The customer exists but has saved no card."""

    message, param = "This customer has no saved payment details.", "customer"


class NotGranted(Forbidden):
    """A publishable key that names a customer, without a grant of the customer's that holds."""

    param = "customer_grant"
    message = (
        "With a publishable key a customer's saved card is verified by a grant alone, for half an hour. Make one on "
        "your server, with the secret key (POST /customers/{id}/grants), and give it as customer_grant."
    )


class TwoSources(InvalidParameter):
    """Both a customer and payment details."""

    def __init__(self) -> None:
        super().__init__("customer", "Give either customer or payment_details, not both.")
