"""What 3-D Secure says of a shopper, in a processor's words: bound to one card, amount, currency and merchant.

Names of members: EMVCo 3-D Secure protocol; which of them stay: SEC-22.
"""

from typing import Literal

import msgspec

#: The only answers with which a card may be charged as authenticated: yes, and "an attempt was made" (SEC-23).
AUTHENTICATED = frozenset("YA")


class ThreeDs(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of an authentication, without the value that proves it.

    trans_status: ``Y`` authenticated, ``A`` attempted, ``N`` not, ``R`` refused, ``U`` could not be tried.
    flow: whether the shopper was asked. at: milliseconds.
    """

    version: str
    trans_status: str
    eci: str | None = None
    ds_trans_id: str | None = None
    acs_trans_id: str | None = None
    server_trans_id: str | None = None
    flow: Literal["frictionless", "challenge"] = "frictionless"
    at: int = 0
    requestor_trans_id: str | None = None
    ds_reference: str | None = None
    acs_reference: str | None = None
    authentication_type: str | None = None
    acquirer_mid: str | None = None
    acquirer_bin: str | None = None

    @property
    def authenticated(self) -> bool:
        """Whether a charge may name it."""
        return self.trans_status in AUTHENTICATED

    def encoded(self) -> str:
        """JSON, as it is kept."""
        return msgspec.json.encode(self).decode()


decode = msgspec.json.Decoder(ThreeDs).decode
