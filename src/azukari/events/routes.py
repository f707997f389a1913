"""``/events``."""

from azukari.events import cursor, store
from azukari.events.schemas import EventOut, EventsQuery, SliceOut
from azukari.web.routing import Gone, Router, SecretKey
from azukari.wire.call import Call
from azukari.wire.lists import ListOut, list_out

router = Router()


@router.get("/events", SecretKey)
async def index(call: Call, query: EventsQuery, gone: Gone) -> ListOut:
    """List events, newest first; ``after`` one of them, oldest first."""
    query.check()
    if query.after is not None:
        place = None if query.after == "latest" else query.after
        if not query.wait:
            found = await cursor.after(call.services, call.owner, place, query.per_page)
        else:
            with cursor.seat(call.services, call.actor):
                waiting = cursor.after(call.services, call.owner, place, query.per_page, query.wait)
                found = await gone.unless(waiting)
        return SliceOut.of(found, query, call.now)
    bounds = query.bounds(call.now)
    page = await call.db.read(store.page, call.owner, bounds.slice)
    return list_out(bounds, page, [EventOut.of(event) for event in page.rows])


@router.get("/events/{id}", SecretKey)
async def show(call: Call, id: str) -> EventOut:
    """Show an event."""
    return EventOut.of(await call.db.read(store.get, call.owner, id))
