"""Who is calling: HTTP Basic with the API key as user name and no password.

Clients leave the trailing colon out, or the word ``Basic``; both are taken. Source: contract 1.2.
"""

import binascii
import enum
from ipaddress import IPv4Network, IPv6Network, ip_address

from azukari.core.errors import Forbidden, Unauthorized
from azukari.merchants.keys import ApiKey
from azukari.merchants.service import Keyring


class Access(enum.Enum):
    """Which keys may call a route."""

    SECRET = "secret"  # noqa: S105 - a kind of key, not one
    PUBLISHABLE = "publishable"  # or a secret one


async def authenticate(header: bytes | None, access: Access, client: str | None, keyring: Keyring) -> ApiKey:
    """The key of a request. Raises Unauthorized, Forbidden."""
    key = await keyring.resolve(key_text(header), client)
    if access is Access.SECRET and not key.is_secret:
        raise Forbidden
    return key


def key_text(header: bytes | None) -> str:
    """The API key in an Authorization header. Raises Unauthorized."""
    if not header:
        raise Unauthorized
    scheme, _, credentials = header.strip().rpartition(b" ")
    if scheme != b"Basic" and scheme.strip().lower() not in (b"basic", b""):
        raise Unauthorized
    try:
        text = binascii.a2b_base64(credentials, strict_mode=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise Unauthorized from None
    user, _, password = text.partition(":")
    if password:
        raise Unauthorized
    return user


def client_address(
    peer: str | None, forwarded_for: bytes | None, trusted: tuple[IPv4Network | IPv6Network, ...]
) -> str | None:
    """The caller's address: the connection's, or what proxies of ours say, read from the right."""
    if peer is None or not trusted or forwarded_for is None:
        return peer
    hops = [hop.strip() for hop in forwarded_for.decode("latin-1").split(",")] + [peer]
    for hop in reversed(hops):
        try:
            address = ip_address(hop)
        except ValueError:
            return None
        if not any(address in network for network in trusted):
            return hop
    return hops[0]
