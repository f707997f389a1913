"""Who is calling: HTTP Basic with the API key as user name and no password.

Clients leave the trailing colon out, or the word ``Basic``; both are taken. Source: contract 1.2.
"""

import binascii
import enum
import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from azukari.core.errors import Forbidden, Unauthorized
from azukari.merchants.keys import ApiKey
from azukari.merchants.service import ApiKeys
from azukari.web.connections import Networks, place_of
from azukari.web.dispatch import Scope

#: The place of those whom a proxy of ours names by what is no address.
UNNAMED = "unnamed"
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([0-9a-fA-F:.]+)\](?::[0-9]{1,5})?")


class Access(enum.Enum):
    """Which keys may call a route."""

    SECRET = "secret"  # noqa: S105 - a kind of key, not one
    PUBLISHABLE = "publishable"  # or a secret one


async def authenticate(header: bytes | None, access: Access, client: str | None, api_keys: ApiKeys) -> ApiKey:
    """The key of a request. Raises Unauthorized, Forbidden."""
    key = await api_keys.resolve(key_text(header), client)
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


def client_address(peer: str | None, forwarded_for: bytes | None, trusted: Networks) -> str | None:
    """The caller's address: the connection's, or what proxies of ours say, read from the right.

    None: they say what is no address.
    """
    if peer is None or not trusted or forwarded_for is None:
        return peer
    address = None
    for hop in (peer, *(hop for hop in reversed(forwarded_for.decode("latin-1").split(",")) if hop.strip())):
        address = _address(hop.strip())
        if address is None or not any(address in network for network in trusted):
            break
    return None if address is None else str(address)


def _address(hop: str) -> IPv4Address | IPv6Address | None:
    """What a proxy wrote, some with the port; an IPv4 address is one in the disguise of IPv6 too."""
    if match := _WITH_PORT.fullmatch(hop):
        hop = match[1] or match[2]
    try:
        address = ip_address(hop)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def caller_of(scope: Scope, trusted: Networks) -> tuple[str | None, str | None]:
    """A request's address, and its place (:func:`azukari.web.connections.place_of`)."""
    peer = scope["client"][0] if scope.get("client") else None
    if not trusted:
        return peer, place_of(peer)
    # A proxy may add a line of its own to those that came.
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    client = client_address(peer, b",".join(lines) if lines else None, trusted)
    # Whom a proxy does not name all share one place: none is not watched at all.
    return client, UNNAMED if client is None and peer is not None else place_of(client, trusted)
