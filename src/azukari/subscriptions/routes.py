"""``/subscriptions``. There is no update: a subscription is ended, and a new one made."""

from azukari.subscriptions import queries, service
from azukari.subscriptions.schemas import SubscriptionCreate, SubscriptionOut
from azukari.web.routing import Router, SecretKey
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wire.lists import ListOut, ListQuery, list_out

router = Router()


@router.post("/subscriptions", SecretKey)
async def create(call: Call, body: SubscriptionCreate) -> Answer:
    """Create a subscription, and make its first charge."""
    return (await service.create(call, body)).answer


@router.get("/subscriptions", SecretKey)
async def index(call: Call, query: ListQuery) -> ListOut:
    """List subscriptions, newest first."""
    bounds = query.bounds(call.now)
    found = await call.db.read(queries.page, call.owner, bounds)
    return list_out(bounds, found, [shown.out() for shown in found.rows])


@router.get("/subscriptions/{id}", SecretKey)
async def show(call: Call, id: str) -> SubscriptionOut:
    """Show a subscription."""
    return (await call.db.read(queries.show, call.owner, id)).out()


@router.delete("/subscriptions/{id}", SecretKey)
async def delete(call: Call, id: str) -> SubscriptionOut:
    """End a subscription."""
    return await service.end(call, id)
