"""What the frame's script sends, and what it is told."""

import msgspec

from azukari.checkout.schemas import ConsentIn
from azukari.checkout.wording import ErrorNotice


class PayIn(msgspec.Struct, kw_only=True):
    """One press of the shop's button. nonce: once for each press, and the same for a press again without an answer."""

    session: str
    nonce: str
    payment_details: object
    locale: str = ""
    consent: ConsentIn | None = None


class Error(msgspec.Struct):
    """What the shop's page learns of a failure: the API's own words."""

    code: str
    message: str
    param: str | None = None


class Failed(msgspec.Struct):
    """A failed try, and how the shopper is told."""

    error: Error
    at: str
    h: str
    p: str
    status: str = "error"

    @classmethod
    def of(cls, error: Error, shown: ErrorNotice) -> "Failed":
        return cls(error, shown.at, shown.h, shown.p)
