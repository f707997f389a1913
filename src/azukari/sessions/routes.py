"""``/sessions``."""

from azukari.core.errors import ApiError
from azukari.payments.schemas import Nothing
from azukari.sessions import pay as session_pay
from azukari.sessions import service
from azukari.sessions.schemas import SessionCreate, SessionOut, SessionPay, pay_error
from azukari.web.routing import PublishableKey, Router, SecretKey
from azukari.wire.answers import Answer
from azukari.wire.call import Call

router = Router()


@router.post("/sessions", SecretKey)
async def create(call: Call, body: SessionCreate) -> Answer:
    """Create a session."""
    return await service.create(call, body)


@router.get("/sessions/{id}", PublishableKey)
async def show(call: Call, id: str) -> SessionOut:
    """Show a session."""
    return await service.show(call, id)


@router.post("/sessions/{id}/cancel", SecretKey)
async def cancel(call: Call, id: str, body: Nothing) -> Answer:
    """Cancel a pending session."""
    return await service.cancel(call, id)


@router.post("/sessions/{id}/pay", PublishableKey)
async def pay(call: Call, id: str, body: SessionPay) -> Answer:
    """Pay, or store details, with this session."""
    try:
        return (await session_pay.pay(call, id, body)).answer
    except ApiError as error:
        return pay_error(error)
