"""What the page's script sends, and what it is told."""

import msgspec
from msgspec import UNSET, UnsetType

from azukari.checkout.wording import ErrorNotice


class ConsentIn(msgspec.Struct, kw_only=True):
    """The sentence above the button, as it was shown."""

    text: str
    version: str


class PayIn(msgspec.Struct, kw_only=True):
    """One press of the button. nonce: once for each press, and the same for a press again without an answer."""

    csrf: str
    nonce: str
    payment_details: object
    locale: str = ""
    consent: ConsentIn | None = None


class ResumeIn(msgspec.Struct, kw_only=True):
    """Back from a step in between."""

    csrf: str
    locale: str = ""


class SimulateIn(msgspec.Struct, kw_only=True):
    """What a button of the test tools does."""

    csrf: str
    outcome: str


class DecideIn(msgspec.Struct, kw_only=True):
    """What a shopper does on the page that stands in for a wallet's."""

    csrf: str
    decision: str


class PasswordIn(msgspec.Struct, kw_only=True):
    """What a shopper types on the page that stands in for an issuer's."""

    token: str
    state: str
    password: str


class Went(msgspec.Struct):
    """A try that did not fail: how the session stands, and where the shopper goes."""

    status: str
    redirect_url: str


class Error(msgspec.Struct):
    """What stands in an answer of ours. message: the API's own words, for a shop's page; our page has its own."""

    code: str
    message: str | UnsetType = UNSET
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


class Redirect(msgspec.Struct):
    """Where the shopper goes, or that what was typed was wrong."""

    redirect_url: str | None
    wrong: bool = False


class BarcodeOut(msgspec.Struct, omit_defaults=True):
    """A barcode, or when to ask again. Source: contract section 12."""

    status: str
    expires_at: str | None = None
    image: str | None = None
    retry_after: int | None = None
