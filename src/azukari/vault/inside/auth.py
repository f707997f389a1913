"""Authentication of requests to processors: from a closed list, applied in the room after the blanks are filled.

A processor names the secrets of its account and never holds one; it can bring no way of its own, which would see the
card in the request.
"""

import base64
from collections.abc import Mapping

import msgspec

from azukari.vault.inside.transport import RequestRefused


class Basic(msgspec.Struct, frozen=True):
    """HTTP Basic. user, password: names of the account's secrets; no password: an empty one. Source: RFC 7617."""

    user: str
    password: str | None = None


class Bearer(msgspec.Struct, frozen=True):
    """A bearer token. secret: its name among the account's. Source: RFC 6750."""

    secret: str


class Header(msgspec.Struct, frozen=True):
    """A secret as it is, in a header of its own. secret: its name among the account's."""

    name: str
    secret: str


Auth = Basic | Bearer | Header
_KINDS = (Basic, Bearer, Header)


def header_of(auth: object, secrets: Mapping[str, str]) -> tuple[str, str]:
    """Name and value of the header. Raises RequestRefused: none of ours, or without its secret."""
    if type(auth) not in _KINDS:
        raise RequestRefused("The request's authentication is none of the vault's.")
    if isinstance(auth, Header):
        return auth.name, _one_line(_secret(secrets, auth.secret))
    if isinstance(auth, Bearer):
        return "Authorization", "Bearer " + _one_line(_secret(secrets, auth.secret))
    assert isinstance(auth, Basic)
    user, password = _secret(secrets, auth.user), "" if auth.password is None else _secret(secrets, auth.password)
    if ":" in user:
        raise RequestRefused("A secret of the account is not fit for its authentication.")
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _secret(secrets: Mapping[str, str], name: str) -> str:
    if name not in secrets:
        raise RequestRefused("The account lacks a secret.")
    return secrets[name]


def _one_line(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise RequestRefused("A secret of the account is not fit for its authentication.")
    return text
