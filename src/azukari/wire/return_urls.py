"""Where a shopper is sent back to: the merchant's address, on the web or in an app of its own.

Which of them a merchant's call may name, and a page with its publishable key, is in ``return_targets.py``.
Source: contract 6.2; ``docs/security.md``, "Pages".
"""

import re
import unicodedata
from typing import Annotated
from urllib.parse import quote, unquote, unquote_plus, urlsplit

import idna

from azukari.core.pan import looks_like_card_number
from azukari.merchants.schemes import OF_THE_BROWSER, may_be_an_apps
from azukari.wire.fields import InvalidValue, Reader

__all__ = ["OF_THE_BROWSER", "ReturnUrl", "return_url", "with_query"]

LONGEST = 2_000

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(.+)")
#: ``//host``, the host not empty; nobody's name or password before it.
_WEB = re.compile(r"//(?:[A-Za-z0-9._~\-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:[/?#].*)?")
_HOST = re.compile(r"//([^/?#@:]+)(.*)")
_FIT = "!#$%&'()*+,/:;=?@[]~"
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def return_url(value: object) -> str:
    """The address as it is kept: what may not stand in one is escaped, a host's name in any script is written by IDNA.

    Raises InvalidValue.
    """
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST:
        raise InvalidValue
    if "\\" in value or any(unicodedata.category(character)[0] in "CZ" for character in value):
        raise InvalidValue
    match = _SCHEME.fullmatch(value)
    if match is None:
        raise InvalidValue
    scheme, rest = match[1].lower(), match[2]
    on_the_web = scheme in ("http", "https")
    if not on_the_web and not may_be_an_apps(scheme):
        raise InvalidValue
    rest = _escaped(_with_plain_host(rest) if on_the_web else rest)
    if on_the_web and not _is_on_the_web(rest):
        raise InvalidValue
    address = f"{scheme}:{rest}"
    # IDNA writes more digits as ours than a text's reader takes for digits.
    if any(looks_like_card_number(text) for text in (value, unquote(value), address)):
        raise InvalidValue
    return address


def _with_plain_host(rest: str) -> str:
    match = _HOST.fullmatch(rest)
    if match is None or match[1].isascii():
        return rest
    try:
        return f"//{idna.encode(match[1], uts46=True, std3_rules=True).decode()}{match[2]}"
    except (idna.IDNAError, UnicodeError):
        raise InvalidValue from None


def _is_on_the_web(rest: str) -> bool:
    match = _WEB.fullmatch(rest)
    return match is not None and int(match[1] or 0) <= 65_535


def _escaped(text: str) -> str:
    before, mark, fragment = quote(_BROKEN_ESCAPE.sub("%25", text), safe=_FIT).partition("#")
    return before + mark + fragment.replace("#", "%23")


#: The address a shopper comes back to: http, https, or an app's own scheme.
ReturnUrl = Annotated[str, Reader(return_url)]


def with_query(url: str, name: str, value: str) -> str:
    """The address with a parameter, which takes the place of any of that name; the rest of the query stays as it is
    written, and so does the fragment. The value is one of ours: it is plain.
    """
    before, mark, fragment = url.partition("#")
    path, _, query = before.partition("?")
    others = "&".join(pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) != name)
    between = "" if not others or others.endswith("&") else "&"
    return f"{path}?{others}{between}{name}={value}{mark}{fragment}"


def origin_of(url: str) -> str:
    """The origin of an address, as browsers write it."""
    parts = urlsplit(url)
    port = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc}".lower().removesuffix(port)
