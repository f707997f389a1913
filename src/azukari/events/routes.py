"""``/events``."""

from azukari.events import store
from azukari.events.schemas import EventOut
from azukari.web.call import Call
from azukari.web.lists import ListOut, ListQuery, list_out
from azukari.web.routing import Router, SecretKey

router = Router()


@router.get("/events", SecretKey)
async def index(call: Call, query: ListQuery) -> ListOut:
    """List events, newest first."""
    bounds = query.bounds(call.now)
    found = await call.db.read(store.page, call.owner, **bounds.as_arguments())
    return list_out(bounds, found, [EventOut.of(event) for event in found.rows])


@router.get("/events/{id}", SecretKey)
async def show(call: Call, id: str) -> EventOut:
    """Show an event."""
    return EventOut.of(await call.db.read(store.get, call.owner, id))
