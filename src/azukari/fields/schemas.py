"""What the frame's script sends. What it is told is what the page's is told."""

import msgspec

from azukari.checkout.schemas import ConsentIn


class PayIn(msgspec.Struct, kw_only=True):
    """One press of the shop's button. nonce: once for each press, and the same for a press again without an answer."""

    session: str
    nonce: str
    payment_details: object
    locale: str = ""
    consent: ConsentIn | None = None
