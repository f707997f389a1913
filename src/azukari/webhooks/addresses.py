"""Where a webhook may go: the open internet, never our own network.

One parser reads an address, at save and at each send, and what it returns is what is connected to: nobody reads the
text a second time. A name is resolved each time, and refused when any of its addresses is not a global one; the
connection then goes to an address that was looked at. Source: ``docs/security.md``, "Webhooks and outgoing requests".
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

import idna

from azukari.core.pan import looks_like_card_number
from azukari.webhooks.names import Lookup, Names

LONGEST = 2_000
_PORTS = {"https": 443, "http": 80}
_LOWEST_FREE_PORT = 1_024

_URL = re.compile(r"(https?)://([^/?#@\\\s]+)((?:/[!$-;=@-\[\]_a-z~%]*)?(?:\?[!$-;=?@-\[\]_a-z~%]*)?)", re.ASCII)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([^\[\]:%]+))(?::([1-9][0-9]{0,4}))?", re.ASCII)
#: A last label that some reader takes for a number makes the whole name an address to it. Source: WHATWG URL, 3.5.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

#: Global to the standard library, and yet not the open internet: tunnels and translators to other addresses, the
#: metadata of clouds, and what stands for a whole protocol.
_OUT_OF_BOUNDS_4 = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "240.0.0.0/4")))
_OUT_OF_BOUNDS_6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")))
_UNICAST_6 = ip_network("2000::/3")


class AddressRefused(Exception):
    """No webhook goes there. ``reason``: a sentence that repeats nothing of the address."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Unresolved(AddressRefused):
    """The name has no address, for now or for ever."""


class Target(NamedTuple):
    """An address, read. host: a name in its ASCII form, or an address without brackets. path: with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The host, and the port where it is not the scheme's own: the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as it is kept."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse(text: str, *, loopback: bool) -> Target:
    """Read an address. loopback: plain HTTP may go to this machine. Raises AddressRefused."""
    match = _URL.fullmatch(text[:8].lower() + text[8:]) if len(text) <= LONGEST else None
    if match is None:
        raise AddressRefused("It must be an https:// address without user name, fragment and unescaped characters.")
    if looks_like_card_number(text):
        raise AddressRefused("It must not hold a card number.")
    scheme, rest = match[1], _AUTHORITY.fullmatch(match[2])
    if rest is None:
        raise AddressRefused("Its host or its port cannot be read.")
    if scheme == "http" and not loopback:
        raise AddressRefused("It must start with https://.")
    port = int(rest[3]) if rest[3] else _PORTS[scheme]
    if not (port == _PORTS[scheme] or _LOWEST_FREE_PORT <= port <= 65_535):
        raise AddressRefused("Its port must be 443, or above 1023.")
    host = _address(rest[1]) if rest[1] else _name(rest[2], single=scheme == "http")
    target = Target(scheme, host, port, match[3] if match[3].startswith("/") else f"/{match[3]}")
    if (address := _literal(host)) is not None:
        _hold_to_bounds(scheme, [address])
    return target


def _address(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise AddressRefused("Its host cannot be read.") from None


def _name(text: str, *, single: bool) -> str:
    try:
        name = idna.encode(text, uts46=True, std3_rules=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        raise AddressRefused("Its host is not a name.") from None
    if name.endswith(".") or len(name) > 253:
        raise AddressRefused("Its host is not a name.")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise AddressRefused("Its host is a number.") from None
    if "." not in name and not (single and name == "localhost"):
        raise AddressRefused("Its host must be a whole name.")
    return name


def _literal(host: str) -> str | None:
    """A host that is an address already."""
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def is_global(text: str) -> bool:
    """Whether an address is one of the open internet, for every reader of it."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _OUT_OF_BOUNDS_4)
    return (
        address.scope_id is None
        and address in _UNICAST_6
        and not any(address in network for network in _OUT_OF_BOUNDS_6)
    )


def _hold_to_bounds(scheme: str, found: Sequence[str]) -> None:
    """Every address, or none. Raises AddressRefused."""
    fits = _is_loopback if scheme == "http" else is_global
    if not all(fits(address) for address in found):
        raise AddressRefused("Its host is not on the open internet.")


def _is_loopback(text: str) -> bool:
    return text == "::1" or text.startswith("127.")


async def resolve(target: Target, lookup: Lookup) -> Sequence[str]:
    """The addresses that may be connected to, the system's choice first. Raises AddressRefused, Unresolved."""
    literal = _literal(target.host)
    try:
        found = [literal] if literal is not None else await lookup(target.host, target.port)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise Unresolved("Its host cannot be found.")
    _hold_to_bounds(target.scheme, found)
    return found


#: For somebody who asks for himself alone, on his own machine.
system_lookup: Lookup = Names(seconds=10).of(None)
