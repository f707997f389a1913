"""``/test/clock``."""

from azukari.time_travel import service
from azukari.time_travel.schemas import ClockOut, ClockSet
from azukari.web.routing import Router, SecretKey
from azukari.wire.answers import Answer
from azukari.wire.call import Call

router = Router()


@router.get("/test/clock", SecretKey)
async def show(call: Call) -> ClockOut:
    """Show the test clock."""
    return await service.show(call.services, call.owner)


@router.post("/test/clock", SecretKey)
async def change(call: Call, body: ClockSet) -> Answer:
    """Set, advance, freeze or reset the test clock."""
    return (await service.change(call.services, call.owner, body, call.claim)).answer
