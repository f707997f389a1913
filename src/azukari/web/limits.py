"""Rate limits for publishable keys, which anybody holds who has seen a shop's page (SEC-10).

Per process and in memory: enough to make guessing slow; what guards cards across nodes is counted in the database.
"""

from azukari.core.clock import MINUTE, Clock
from azukari.core.errors import TooManyRequests
from azukari.db import Owner
from azukari.merchants.keys import ApiKey

#: Calls a minute from one address with one key.
LIVE_PER_MINUTE = 60
TEST_PER_MINUTE = 1_200
_REMEMBERED = 50_000


class Limiter:
    """Counts calls in windows of a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._window = 0
        self._counts: dict[tuple[Owner, str, str | None], int] = {}

    def count(self, key: ApiKey, client: str | None) -> None:
        """Count one call. Raises TooManyRequests."""
        window = self._clock.now() // MINUTE
        if window != self._window or len(self._counts) > _REMEMBERED:
            self._window, self._counts = window, {}
        # Our own page calls by one name for every merchant, in both modes.
        who = key.owner, key.id, client
        count = self._counts[who] = self._counts.get(who, 0) + 1
        if count > (TEST_PER_MINUTE if key.is_test else LIVE_PER_MINUTE):
            raise TooManyRequests
