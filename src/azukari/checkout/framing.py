"""Who may show pages of ours inside a page of its own: the origins a merchant has registered, and nobody else."""

from azukari.merchants import origins
from azukari.merchants.settings import MerchantSettings
from azukari.web import assets
from azukari.wire.answers import Answer

#: Where a shopper comes back to from a challenge that began in a shop's page.
RETURN = "/fields/return"
#: Of the frame in a shop's page: the module that starts it last, the others are those it imports.
MODULES = ("dom.js", "card.js", "contact.js", "inputs.js", "theme.js", "frame.js")
#: As a policy writes them.
_LOCAL_SOURCES = tuple(f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1"))


def framed(answer: Answer, settings: MerchantSettings, mode: str) -> Answer:
    """An answer that pages of those origins may show."""
    sources = [*origins.registered(settings, mode), *(_LOCAL_SOURCES if mode == "test" else ())]
    kept = {name: value for name, value in answer.headers.items() if name not in assets.PAGE_HEADERS}
    return answer._replace(headers={**kept, **assets.framed_by(sources)})
