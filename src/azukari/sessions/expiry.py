"""Sessions whose time has run out: what still waits for a shopper is ended, their order numbers are free again."""

from azukari.core import log
from azukari.core.errors import Locked
from azukari.db import Owner, Tx, sweep_due
from azukari.sessions import pending, store
from azukari.sessions.queries import pending_of
from azukari.sessions.store import Session
from azukari.wire.call import Call
from azukari.wiring import Services

#: When the time of an owner's next session runs out.
next_due = store.OVERDUE.next_due


async def end(services: Services, limit: int = 200, owner: Owner | None = None) -> int:
    """End expired sessions, of one owner or of all, reading so many at a time; how many were ended."""
    overdue = services.due_of(store.OVERDUE, owner, limit)
    return await sweep_due(
        overdue, store.OVERDUE.cursor, lambda each: _end(services, each), step="end sessions", named="session"
    )


async def _end(services: Services, session: Session) -> bool:
    """Whether it is over; another round tries the others."""
    call = Call.of_worker(services, session.owner, "worker", await services.moment_of(session.owner))
    try:
        await pending.end(call, session.id)
    except Locked:
        log.warning("session.not_ended", session=session.id)
        return False
    return await services.db.write(close, session.owner, session.id, call.now)


async def close(tx: Tx, owner: Owner, session_id: str, now: int) -> bool:
    """Close an expired session; False: it has gone on, or still waits for its shopper."""
    session = await store.get(tx, owner, session_id)
    return await pending_of(tx, session) is None and await store.close(tx, session, now)
