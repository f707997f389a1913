"""What a browser needs to hear before a page of another origin may call us, and to read what we say.

Any origin, and no credentials: who calls says so with a key. Source: the Fetch standard, "CORS protocol"; SEC-10.
"""

import re
from collections.abc import Mapping

from azukari.core.errors import Forbidden
from azukari.core.pan import holds_card_number
from azukari.wire.answers import Answer

#: With answers a page may read: those of routes for publishable keys, and all errors, so that a developer sees why.
READABLE = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-request-id, retry-after, x-idempotent-replayed"),
]
#: Headers of the API; whatever else a page's tracing adds is allowed by its name.
_HEADERS = "accept, authorization, content-type, komoju-via, x-komoju-api-version, x-komoju-idempotency"
_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}){0,63}")


class SecretKeyInBrowser(Forbidden):
    """A page of another origin that calls with a secret key, which everybody who opens it can read."""

    message = "A secret key must not be used in a browser. Use a publishable key there, and a secret one on a server."


class ForeignPage(Forbidden):
    """A page whose origin the merchant has not registered, though it has registered some."""

    message = "Pages of this origin may not use this key. `azukari merchants set --origin` registers it."


def preflight(headers: Mapping[bytes, bytes]) -> Answer:
    """The answer to ``OPTIONS``. It carries no key, so every path says the same, and the call itself is refused."""
    asked = headers.get(b"access-control-request-headers", b"")
    is_fit = len(asked) <= 2_000 and _NAMES.fullmatch(asked) and not holds_card_number(asked.decode())
    more = f", {asked.decode()}" if is_fit else ""
    return Answer(
        204,
        b"",
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": _HEADERS + more,
            "Access-Control-Max-Age": "7200",
            "Vary": "Access-Control-Request-Headers",
        },
    )


def refuse_page(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a call with a secret key by a page of another origin, which could not read what became of it.

    Browsers say where a call comes from, and no script can change it. Raises SecretKeyInBrowser.
    """
    if headers.get(b"sec-fetch-site") == b"cross-site" and b"origin" in headers:
        raise SecretKeyInBrowser
