"""``/customers`` and ``/external_customers``."""

from azukari.customers import service, store
from azukari.customers.schemas import CustomerOut, CustomerQuery, CustomerWrite, Forgotten, GrantOut, Nothing
from azukari.web.routing import Router, SecretKey
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wire.lists import ListOut, list_out

router = Router()


@router.post("/customers", SecretKey)
async def create(call: Call, body: CustomerWrite) -> Answer:
    """Create a customer."""
    return await service.create(call, body)


@router.get("/customers", SecretKey)
async def index(call: Call, query: CustomerQuery) -> ListOut:
    """List customers, newest first."""
    bounds = query.bounds(call.now)
    expiration = query.month_and_year()
    found = await call.db.read(store.page, call.owner, bounds.slice, expiration)
    return list_out(bounds, found, [CustomerOut.of(customer) for customer in found.rows])


@router.get("/customers/{id}", SecretKey)
async def show(call: Call, id: str) -> CustomerOut:
    """Show a customer."""
    return CustomerOut.of(await call.db.read(store.get, call.owner, id))


@router.patch("/customers/{id}", SecretKey)
async def update(call: Call, id: str, body: CustomerWrite) -> Answer:
    """Change a customer or replace the details."""
    return await service.update(call, id, body)


@router.delete("/customers/{id}", SecretKey)
async def delete(call: Call, id: str) -> CustomerOut:
    """Delete a customer and erase the details."""
    return await service.delete(call, id)


@router.post("/customers/{id}/grants", SecretKey)
async def grant(call: Call, id: str) -> GrantOut:
    """Let a page verify a customer's saved card."""
    return await service.grant(call, id)


@router.post("/test/customers/{id}/revoke", SecretKey)
async def revoke(call: Call, id: str, body: Nothing) -> CustomerOut:
    """Test mode: revoke a wallet's agreement as its shopper would."""
    return await service.revoke(call, id)


@router.delete("/external_customers/{id}", SecretKey)
async def delete_external(call: Call, id: str) -> Forgotten:
    """Forget the details kept for the merchant's own customer id."""
    await service.delete_external(call, id)
    return Forgotten(id)
