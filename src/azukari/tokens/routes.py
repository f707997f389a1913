"""``/tokens``."""

from azukari.tokens import service
from azukari.tokens.schemas import TokenCreate
from azukari.web.answers import Answer
from azukari.web.call import Call
from azukari.web.routing import PublishableKey, Router

router = Router()


@router.post("/tokens", PublishableKey)
async def create(call: Call, body: TokenCreate) -> Answer:
    """Turn payment details into a one-time token."""
    return await service.create(call, body)
