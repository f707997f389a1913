"""Who may show pages of ours inside a page of its own: the origins a merchant has registered, and nobody else."""

import re

from azukari.merchants.settings import MerchantSettings
from azukari.web import site
from azukari.web.answers import Answer

#: Where a shopper comes back to from a challenge that began in a shop's page.
RETURN = "/fields/return"
#: Of the frame in a shop's page: the module that starts it last, the others are those it imports.
MODULES = ("page.js", "card.js", "contact.js", "inputs.js", "theme.js", "frame.js")
#: Test keys work on a developer's machine, whatever port the shop has there.
_LOCAL = re.compile(r"https?://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?")
_LOCAL_SOURCES = tuple(f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1"))
#: Nothing else may stand in a policy: a setting that holds more than a host is no origin there.
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?")


def may_frame(settings: MerchantSettings, mode: str, origin: str) -> bool:
    """Whether pages of an origin may show ours. origin: as browsers write it. mode: ``live`` or ``test``."""
    return origin in _registered(settings) or (mode == "test" and _LOCAL.fullmatch(origin) is not None)


def framed(answer: Answer, settings: MerchantSettings, mode: str) -> Answer:
    """An answer that pages of those origins may show."""
    sources = [*_registered(settings), *(_LOCAL_SOURCES if mode == "test" else ())]
    kept = {name: value for name, value in answer.headers.items() if name not in site.PAGE_HEADERS}
    return answer._replace(headers={**kept, **site.framed_by(sources)})


def _registered(settings: MerchantSettings) -> list[str]:
    return [origin for origin in settings.origins if _ORIGIN.fullmatch(origin)]
