"""Sessions whose time has run out: what still waits for a shopper is ended, their order numbers are free again."""

from azukari.sessions import store
from azukari.wiring import Parts


async def end(parts: Parts, limit: int = 200) -> int:
    """End expired sessions, so many at a time; how many there were."""
    now = parts.clock.now()
    over = await parts.db.read(store.over, now, limit)
    for session in over:
        await parts.db.write(store.close, session, now)
    return len(over)
