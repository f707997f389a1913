"""``/secure_tokens``."""

from azukari.secure_tokens import service
from azukari.secure_tokens.schemas import SecureTokenCreate, SecureTokenOut
from azukari.web.routing import PublishableKey, Router
from azukari.wire.answers import Answer
from azukari.wire.call import Call

router = Router()


@router.post("/secure_tokens", PublishableKey)
async def create(call: Call, body: SecureTokenCreate) -> Answer:
    """Start 3-D Secure."""
    return await service.create(call, body)


@router.get("/secure_tokens/{id}", PublishableKey)
async def show(call: Call, id: str) -> SecureTokenOut:
    """Read the 3-D Secure outcome."""
    return await service.read(call, id)
