"""``/webhook_endpoints``."""

from azukari.web.routing import Router, SecretKey
from azukari.webhooks import deliveries, service, store
from azukari.webhooks.schemas import EndpointCreate, EndpointOut, EndpointUpdate, Replay, Roll, TryOut
from azukari.webhooks.service import Caller
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wire.lists import ListOut, ListQuery, list_out

router = Router()


def _asking(call: Call) -> Caller:
    return Caller(call.services, call.owner, call.actor, call.now, call.claim)


@router.post("/webhook_endpoints", SecretKey)
async def create(call: Call, body: EndpointCreate) -> Answer:
    """Create a webhook endpoint; a ping is sent to it."""
    return (await service.create(_asking(call), body, call.api_version)).answer


@router.get("/webhook_endpoints", SecretKey)
async def index(call: Call, query: ListQuery) -> ListOut:
    """List webhook endpoints, newest first."""
    bounds = query.bounds(call.now)
    found = await call.db.read(store.page, call.owner, bounds.slice)
    return list_out(bounds, found, [EndpointOut.of(endpoint) for endpoint in found.rows])


@router.get("/webhook_endpoints/{id}", SecretKey)
async def show(call: Call, id: str) -> EndpointOut:
    """Show a webhook endpoint."""
    return EndpointOut.of(await call.db.read(store.get, call.owner, id))


@router.patch("/webhook_endpoints/{id}", SecretKey)
async def update(call: Call, id: str, body: EndpointUpdate) -> EndpointOut:
    """Change a webhook endpoint."""
    return await service.update(_asking(call), id, body)


@router.delete("/webhook_endpoints/{id}", SecretKey)
async def delete(call: Call, id: str) -> EndpointOut:
    """Delete a webhook endpoint."""
    return await service.delete(_asking(call), id)


@router.post("/webhook_endpoints/{id}/ping", SecretKey)
async def ping(call: Call, id: str) -> Answer:
    """Send a ping to a webhook endpoint."""
    return (await service.ping(_asking(call), id)).answer


@router.post("/webhook_endpoints/{id}/roll", SecretKey)
async def roll(call: Call, id: str, body: Roll) -> Answer:
    """Give a webhook endpoint another secret."""
    return (await service.roll(_asking(call), id, body.secret)).answer


@router.post("/webhook_endpoints/{id}/replay", SecretKey)
async def replay(call: Call, id: str, body: Replay) -> Answer:
    """Send events again to a webhook endpoint."""
    body.check()
    return (await service.replay(_asking(call), id, body)).answer


@router.get("/webhook_endpoints/{id}/deliveries", SecretKey)
async def log(call: Call, id: str, query: ListQuery) -> ListOut:
    """List what was sent to a webhook endpoint, each try, newest first."""
    bounds = query.bounds(call.now)
    found = await call.db.read(deliveries.log, call.owner, id, bounds.slice)
    return list_out(bounds, found, [TryOut.of(each) for each in found.rows])
