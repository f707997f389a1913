"""Carrying an attempt out: from the committed intent to an outcome that can be written down.

Source: ``docs/architecture.md``, "A charge, end to end"; the callers write T1 and T3.
"""

import asyncio

import msgspec

from azukari.core import log
from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.processors.attempts import Attempt
from azukari.processors.base import NO_ORDERS, NotDone, Order, Outcome, Processor, TestOrders, Unsettled
from azukari.vault import NotSent, Unknown, Use


def orders_of(attempt: Attempt) -> TestOrders:
    """What was ordered for an attempt."""
    return NO_ORDERS if attempt.orders is None else msgspec.json.decode(attempt.orders, type=TestOrders)


async def carry_out(
    processor: Processor, attempt: Attempt, *, use: Use | None = None, verification_value: Secret | None = None,
    stored: bool = False, network_id: str | None = None,
) -> Outcome:  # fmt: skip
    """Call the processor for an attempt whose row says ``sent``. Never raises but when the whole process is ending."""
    order = Order(
        owner=Owner(attempt.merchant_id, attempt.mode), ref=attempt.ref, kind=attempt.kind, amount=attempt.amount,
        currency=attempt.currency, parent=attempt.parent, use=use, verification_value=verification_value,
        stored=stored, network_id=network_id, test=orders_of(attempt),
    )  # fmt: skip
    try:
        async with asyncio.timeout(processor.declares.timeout / 1_000):
            return await processor.perform(order)
    except NotSent:
        return NotDone()
    except (Unknown, TimeoutError):
        return Unsettled()
    except Exception as error:
        # Whatever broke, the request may have left: only the processor knows.
        log.bug("a processor call broke", error, attempt=attempt.id, processor=processor.name)
        return Unsettled()


def ask_again_at(processor: Processor, attempt: Attempt, now: int) -> int | None:
    """When the resolver asks what became of an unsettled attempt; None: there is nobody to ask."""
    if processor.declares.can_look_up or processor.declares.can_void_by_ref:
        return max(now, attempt.created_at + processor.declares.lookup_delay)
    return None


async def settle(processor: Processor, attempt: Attempt, now: int) -> Outcome:
    """What became of an overdue attempt. It never sends the order again under a new ref."""
    if attempt.state == "prepared":
        return NotDone()  # its owner died before the call
    if processor.declares.can_look_up:
        found = await _ask(processor, attempt)
        believed = now >= attempt.updated_at + processor.declares.lookup_delay
        return found if believed or not isinstance(found, NotDone) else Unsettled()
    if processor.declares.can_void_by_ref and await processor.void(attempt.owner, attempt.ref):
        return NotDone()
    return Unsettled()


async def _ask(processor: Processor, attempt: Attempt) -> Outcome:
    try:
        return await processor.lookup(attempt.owner, attempt.ref)
    except (NotSent, Unknown):
        return Unsettled()
