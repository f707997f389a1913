"""Origins of shops' pages: which may show ours in theirs, and use the shop's publishable key."""

import re

from azukari.merchants.keys import LIVE, TEST
from azukari.merchants.settings import MerchantSettings

#: Test keys work on a developer's machine, whatever port the shop has there.
_LOCAL = re.compile(r"https?://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?")
#: Nothing else may stand in a policy: a setting that holds more than a host is no origin there.
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?")


def registered(settings: MerchantSettings, mode: str) -> list[str]:
    """The origins a merchant has named. Live cards are typed on pages that nobody on the way can change."""
    return [
        origin
        for origin in settings.origins
        if _ORIGIN.fullmatch(origin) and (mode != LIVE or origin.startswith("https://"))
    ]


def admits(settings: MerchantSettings, mode: str, origin: str) -> bool:
    """Whether a merchant's pages may have this origin. origin: as browsers write it. mode: ``live`` or ``test``."""
    return origin in registered(settings, mode) or (mode == TEST and _LOCAL.fullmatch(origin) is not None)
