"""Rate limits of all routes, counted by all processes of a machine together (SEC-10, SEC-14).

By place (:func:`azukari.web.connections.place_of`): each call that brings no key we have found good from there lately.
So whoever guesses keys, or has none, is slowed down, and a shop's server behind the same address is not. By place and
publishable key, which anybody holds who has seen a shop's page. By key, and by merchant and mode.
"""

import functools

from azukari.core.clock import HOUR, MINUTE, SECOND, Clock
from azukari.core.config import Settings
from azukari.core.errors import TooManyRequests
from azukari.db.counts import CALLERS, KEYS, Counts
from azukari.merchants.keys import ApiKey
from azukari.web.connections import Networks, place_of
from azukari.wire.call import Call

#: Calls a minute from one place. Many people share an address, and a payment page takes some ten calls.
PLACE_PER_MINUTE = 1_200
#: Calls a minute from one place with one publishable key, or on one merchant's pages.
LIVE_PER_MINUTE = 60
TEST_PER_MINUTE = 1_200
#: Calls a minute with one key from everywhere: no load test comes near. The secret keys of a merchant together have
#: twice as many in each mode.
KEY_PER_MINUTE = 600_000
#: How long a key that was good from a place is not counted against that place.
TRUSTED = HOUR
#: No key of ours is longer in a header.
_MOST_CREDENTIALS = 200


class Limiter:
    """Counts calls. counts: shared by all processes; None: this one's own. settings: other figures than ours."""

    def __init__(self, clock: Clock, counts: Counts | None = None, settings: Settings | None = None) -> None:
        self._counts = counts or Counts(clock)
        self._proxies: Networks = settings.trusted_proxies if settings else ()
        rates = (settings.rate_address, settings.rate_publishable, settings.rate_key) if settings else (None,) * 3
        self._place_rate, self._publishable_rate, self._key_rate = rates
        self._tag = functools.lru_cache(4_096)(self._counts.tag)

    def admit(self, place: str | None, credentials: bytes | None = None) -> bool:
        """Count a call against its place, before anything is done for it. Raises TooManyRequests.

        credentials: the header that brings a key. What comes back: whether it is trusted, and so was not counted.
        """
        if place is None:
            return False
        if credentials and self._counts.knows(CALLERS, self._pair(place, credentials)):
            return True
        self._take(CALLERS, self._counts.tag(f"place {place}"), _chosen(self._place_rate, PLACE_PER_MINUTE))
        return False

    def trust(self, place: str, credentials: bytes) -> None:
        """It has brought a good key."""
        self._counts.take(CALLERS, self._pair(place, credentials), KEY_PER_MINUTE, TRUSTED)

    def distrust(self, place: str, credentials: bytes) -> None:
        """It has brought none after all: from now on each call counts, this one too."""
        self._counts.drop(CALLERS, self._pair(place, credentials))
        most = _chosen(self._place_rate, PLACE_PER_MINUTE)
        self._counts.take(CALLERS, self._counts.tag(f"place {place}"), most, MINUTE)

    def count(self, caller: ApiKey | Call, client: str | None) -> None:
        """Count a call with a key, or on a merchant's page. Raises TooManyRequests."""
        most = _chosen(self._key_rate, KEY_PER_MINUTE)
        # Our own page calls by one name for every merchant, in both modes.
        named = f"{caller.actor} {caller.owner.merchant_id} {caller.owner.mode}"
        if not caller.is_secret:
            place = place_of(client, self._proxies)
            own = _chosen(self._publishable_rate, LIVE_PER_MINUTE) if not caller.is_test else TEST_PER_MINUTE
            self._take(CALLERS, self._counts.tag(f"at {place} {named}"), own)
        self._take(KEYS, self._tag(f"key {named}"), most)
        if caller.is_secret:
            # Not those that anybody holds: what is done with them takes nothing from the shop's own server.
            self._take(KEYS, self._tag(f"merchant {caller.owner.merchant_id} {caller.owner.mode}"), 2 * most)

    def _take(self, table: int, tag: int, most: int) -> None:
        if (wait := self._counts.take(table, tag, most, MINUTE)) > 0:
            raise TooManyRequests(retry_after=-(-wait // SECOND))

    def _pair(self, place: str, credentials: bytes) -> int:
        return self._counts.tag(f"trusted {place} {credentials[:_MOST_CREDENTIALS].decode('latin-1')}")


def _chosen(setting: int | None, default: int) -> int:
    """Calls a minute."""
    return default if setting is None else setting
