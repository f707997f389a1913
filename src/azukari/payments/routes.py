"""``/payments``."""

from azukari.payments import service, test_mode, views
from azukari.payments.cancel import cancel as cancel_payment
from azukari.payments.capture import capture as capture_payment
from azukari.payments.charge import charge
from azukari.payments.finalize import finalize as finalize_payment
from azukari.payments.refund import refund as refund_payment
from azukari.payments.refund import request_refund as request_payment_refund
from azukari.payments.schemas import (
    Capture,
    Finalize,
    Nothing,
    PaymentCreate,
    PaymentOut,
    PaymentQuery,
    PaymentUpdate,
    RefundCreate,
    RefundRequestCreate,
    Simulate,
    SimulateTransfer,
)
from azukari.web.routing import Router, SecretKey
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wire.lists import ListOut, list_out

router = Router()


@router.post("/payments", SecretKey)
async def create(call: Call, body: PaymentCreate) -> Answer:
    """Create a payment."""
    return (await charge(call, body)).answer


@router.get("/payments", SecretKey)
async def index(call: Call, query: PaymentQuery) -> ListOut:
    """List payments, newest first."""
    bounds = query.bounds(call.now)
    found = await call.db.read(service.page, call.owner, bounds, query)
    return list_out(bounds, found, [PaymentOut.of(*shown, call.api_version) for shown in found.rows])


@router.get("/payments/{id}", SecretKey)
async def show(call: Call, id: str) -> PaymentOut:
    """Show a payment."""
    return PaymentOut.of(*await call.db.read(views.show, call.owner, id), call.api_version)


@router.patch("/payments/{id}", SecretKey)
async def update(call: Call, id: str, body: PaymentUpdate) -> Answer:
    """Change description or metadata, or add a prepaid card."""
    return (await service.update(call, id, body)).answer


@router.post("/payments/{id}/capture", SecretKey)
async def capture(call: Call, id: str, body: Capture) -> Answer:
    """Capture an authorised payment."""
    return (await capture_payment(call, id, body)).answer


@router.post("/payments/{id}/refund", SecretKey)
async def refund(call: Call, id: str, body: RefundCreate) -> Answer:
    """Refund a captured payment, all of it or a part."""
    return (await refund_payment(call, id, body)).answer


@router.post("/payments/{id}/refund_request", SecretKey)
async def request_refund(call: Call, id: str, body: RefundRequestCreate) -> Answer:
    """Ask for a cash payment to be given back to a bank account."""
    return (await request_payment_refund(call, id, body)).answer


@router.post("/payments/{id}/finalize", SecretKey)
async def finalize(call: Call, id: str, body: Finalize) -> Answer:
    """Finish a card-terminal payment."""
    return (await finalize_payment(call, id, body)).answer


@router.post("/test/payments/{id}/simulate", SecretKey)
async def simulate(call: Call, id: str, body: Simulate) -> PaymentOut:
    """Test mode: do what the shopper of a waiting payment would."""
    return await test_mode.simulate(call, id, body.outcome)


@router.post("/test/refund_requests/{id}/simulate", SecretKey)
async def transfer(call: Call, id: str, body: SimulateTransfer) -> PaymentOut:
    """Test mode: transfer the money of a refund request, or refuse to."""
    return await test_mode.transfer(call, id, body.outcome)


@router.post("/payments/{id}/cancel", SecretKey)
async def cancel(call: Call, id: str, body: Nothing) -> Answer:
    """Cancel a payment that is not captured."""
    return (await cancel_payment(call, id)).answer
