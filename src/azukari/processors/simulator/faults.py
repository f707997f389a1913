"""Faults on command: what a test request, or a setting, makes of a call to the far side."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from azukari.processors.base import SimulatorDirectives
from azukari.vault import ReplyUnknown, RequestNotSent

#: Milliseconds an answer takes when ``slow`` is ordered.
SLOW = 3_000

Decided = TypeVar("Decided")


async def answer(
    directives: SimulatorDirectives, defaults: SimulatorDirectives, decide: Callable[[], Decided]
) -> Decided:
    """Decide, unless the request is lost, and answer, unless the reply is. Raises RequestNotSent, ReplyUnknown."""
    fault = directives.fault or defaults.fault
    if fault == "processor_down":
        raise RequestNotSent("ProcessorDown")
    if fault == "lost_request":
        raise ReplyUnknown("LostRequest")
    # An order is booked when it comes, not when it is answered: a look-up in between is told the truth.
    decided = decide()
    delay = directives.delay if directives.delay is not None else defaults.delay
    if delay or fault == "slow":
        await asyncio.sleep((delay or SLOW) / 1_000)
    if fault == "lost_reply":
        raise ReplyUnknown("LostReply")
    return decided
