"""Sessions whose time has run out: what still waits for a shopper is ended, their order numbers are free again."""

from azukari.core import log
from azukari.core.errors import Locked
from azukari.sessions import store, waiting
from azukari.sessions.store import Session
from azukari.wiring import Parts


async def end(parts: Parts, limit: int = 200) -> int:
    """End expired sessions, so many at a time; how many were ended."""
    over = await parts.db.read(store.over, parts.clock.now(), limit)
    return sum([await _end(parts, session) for session in over])


async def _end(parts: Parts, session: Session) -> bool:
    """Whether it is over; another round tries the others."""
    call = await waiting.own_call(parts, session.owner, "worker", parts.ids.new())
    try:
        await waiting.end(call, session.id)
    except Locked:
        log.warning("session.not_ended", session=session.id)
        return False
    return await parts.db.write(store.close, session, call.now)
