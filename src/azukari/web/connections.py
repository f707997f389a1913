"""Who is connected to a server process: so many at once, and so many of them from one address.

A connection that waits for its caller gives way to a new one; one that we are answering never does. So the silent, and
those who send or read bit by bit, keep nobody out, however many they are.
"""

import functools
import resource
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

from azukari.core import log

#: As many files as are worth having open.
ENOUGH_FILES = 65_536
#: Seconds between two lines in the log that there is no more room.
_SAID_AGAIN = 10


Networks = tuple[IPv4Network | IPv6Network, ...]


class Connection(Protocol):
    """What is asked of a connection.

    place: see :func:`place_of`. is_idle: no request has begun. waits: for its caller to send, or to read. idle_since:
    a loop's time; 0: it has never asked for anything.
    """

    place: str | None

    @property
    def is_idle(self) -> bool: ...

    @property
    def waits(self) -> bool: ...

    @property
    def idle_since(self) -> float: ...

    def drop(self) -> None:
        """End it at once."""


@functools.lru_cache(4_096)
def place_of(peer: str | None, proxies: Networks = ()) -> str | None:
    """What counts as one caller: an address, of IPv6 the /64 that one household has.

    None: this machine and our own proxies, who speak for everybody.
    """
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if any(each in network for network in proxies for each in (address, mapped) if each is not None):
        return None
    address = mapped or address
    if address.is_loopback:
        return None
    return str(address) if address.version == 4 else str(ip_network((int(address), 64), strict=False))


def files_allowed() -> int:
    """How many files and connections this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH_FILES if soft == resource.RLIM_INFINITY else soft


def allow_more_files() -> None:
    """As many as the system lets us have: what a shell gives by default is for programs of one user."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Connections:
    """Those of one server process.

    most: at once. Half of the files we may open at most: the other half is for what we do for those who call. of_one:
    from one place, half of all at most.
    """

    def __init__(self, most: int, of_one: int) -> None:
        self._most = max(1, min(most, files_allowed() // 2))
        self._of_one = max(1, min(of_one, self._most // 2))
        self._all: dict[Connection, None] = {}  # the oldest first
        self._places: Counter[str] = Counter()
        self._say_again_at = 0.0

    def admit(self, new: Connection) -> bool:
        """Whether there is room for it, now that others have given way."""
        place = new.place
        if place is not None and self._places[place] >= self._of_one:
            self._make_room(1, lambda each: each.place == place)
            if self._places[place] >= self._of_one:
                return False
        if len(self._all) >= self._most:
            # Some at a time: it takes a look at all of them.
            self._make_room(max(1, self._most // 16), lambda _: True)
            if len(self._all) >= self._most:
                return False
        self._all[new] = None
        if place is not None:
            self._places[place] += 1
        return True

    def remove(self, each: Connection) -> None:
        """It is over, or was never admitted."""
        if each not in self._all:
            return
        del self._all[each]
        if each.place is not None:
            self._places[each.place] -= 1
            if not self._places[each.place]:
                del self._places[each.place]

    def _make_room(self, count: int, among: Callable[[Connection], bool]) -> None:
        """End so many that wait for their callers: those that never asked for anything, then the longest idle, then
        those in the middle of something, the oldest first."""
        waiting = [each for each in self._all if among(each) and each.waits]
        waiting.sort(key=lambda each: (not each.is_idle, each.idle_since if each.is_idle else 0))
        for each in waiting[:count]:
            self.remove(each)
            each.drop()
        if (now := time.monotonic()) >= self._say_again_at:
            self._say_again_at = now + _SAID_AGAIN
            log.warning("connections.full", count=len(self._all))
