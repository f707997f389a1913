"""``/tokens``."""

from azukari.tokens import service
from azukari.tokens.schemas import TokenCreate
from azukari.web.routing import PublishableKey, Router
from azukari.wire.answers import Answer
from azukari.wire.call import Call

router = Router()


@router.post("/tokens", PublishableKey)
async def create(call: Call, body: TokenCreate) -> Answer:
    """Turn payment details into a one-time token."""
    return await service.create(call, body)
