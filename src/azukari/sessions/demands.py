"""What is asked of a shopper before a card pays a session: 3-D Secure, where the merchant demands it.

The server decides, and not the browser: whatever comes from one, by our page, the fields or a publishable key, is a raw
card or a token that has to be authenticated first. A secret key is the merchant's own server, which knows its duties.
"""

from typing import NamedTuple

from azukari.merchants.keys import LIVE, ApiKey
from azukari.merchants.settings import MerchantSettings, ThreeDSecure
from azukari.tokens.sources import CardSource
from azukari.vault import CREDIT_CARD
from azukari.wire.call import Call


class Demand(NamedTuple):
    """level: see :class:`~azukari.merchants.settings.MerchantSettings`. skipped: a bank that takes no part will do."""

    level: ThreeDSecure = "off"
    skipped: bool = True

    @property
    def asks(self) -> bool:
        return self.level != "off"

    @property
    def goes_on_without(self) -> bool:
        """Whether a card that nobody can authenticate may pay."""
        return self.level != "required"

    def takes(self, status: str) -> bool:
        """Whether this is how an authentication may end."""
        return status == "OK" or (status == "SKIPPED" and self.skipped)

    def is_met_by(self, card: CardSource) -> bool:
        """Whether the card comes with an authentication, or needs none."""
        if not self.asks or card.use.masked.type != CREDIT_CARD:
            return True
        return card.token is not None and card.token.verification is not None

    def refuses(self, card: CardSource) -> bool:
        """Whether the authentication it comes with is not enough."""
        token = card.token
        return self.asks and token is not None and token.verification is not None and not self.takes(token.verification)


NONE = Demand()


def demanded(settings: MerchantSettings, caller: ApiKey | Call, *, by_default: bool) -> Demand:
    """What a merchant demands of this caller. by_default: asked in test mode where the merchant has chosen nothing."""
    if caller.is_secret:
        return NONE
    mode = caller.owner.mode
    level = settings.three_d_secure.get(mode) or ("attempted" if mode == LIVE or by_default else "off")
    return Demand(level, level != "required" or settings.three_d_secure_skipped)
