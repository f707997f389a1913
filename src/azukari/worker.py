"""One loop: settle what nobody has ended, end what is over, forget what may be forgotten.

Any number of these may run: whoever takes an attempt over raises its fence, and every sweep is guarded.
"""

import asyncio
from collections.abc import Awaitable, Callable

from azukari.core import log
from azukari.core.clock import HOUR, MINUTE, SECOND
from azukari.core.errors import Unavailable
from azukari.customers import service as customers
from azukari.payments import deadlines, outcomes
from azukari.processors import attempts
from azukari.tokens import service as tokens
from azukari.web import idempotency
from azukari.wiring import Parts

#: How long a taken-over attempt is ours, before another worker may try.
LEASE = 30 * SECOND
BATCH = 50


async def run(parts: Parts, stop: asyncio.Event) -> None:
    """Work until told to stop. A round that fails is logged, and the next one comes."""
    due = {work: 0 for work, _ in _ROUNDS}
    while not stop.is_set():
        for work, every in _ROUNDS:
            now = parts.clock.now()
            if not 0 <= now - due[work] < every:
                due[work] = now
                await _guarded(work, parts)
        try:
            await asyncio.wait_for(stop.wait(), 1)
        except TimeoutError:
            continue


async def _guarded(work: Callable[[Parts], Awaitable[None]], parts: Parts) -> None:
    try:
        await work(parts)
    except Unavailable:
        log.warning("worker.database_down", step=work.__name__)
    except Exception as error:
        log.bug("worker failed", error, step=work.__name__)


async def settle_attempts(parts: Parts) -> None:
    """Ask what became of attempts whose owner died or got no answer."""
    now = parts.clock.now()
    for overdue in await parts.db.read(attempts.due, now, BATCH):
        attempt = await parts.db.write(attempts.take_over, overdue, now + LEASE)
        if attempt is None:
            continue
        if attempt.kind == "verify":
            await customers.settle(parts, attempt)
        else:
            await outcomes.settle(parts, attempt)


async def end_holds(parts: Parts) -> None:
    """Authorisations past their deadline."""
    await deadlines.expire(parts)


async def forget(parts: Parts) -> None:
    """Tokens past their day, idempotency keys past theirs."""
    await tokens.sweep(parts, parts.clock.now())
    await parts.db.write(idempotency.purge, parts.clock.now())


async def sweep_vault(parts: Parts) -> None:
    """Data keys whose record never came, verification values past their day."""
    await parts.vault.sweep(parts.clock.now())


_ROUNDS = (
    (settle_attempts, 2 * SECOND),
    (end_holds, MINUTE),
    (forget, MINUTE),
    (sweep_vault, HOUR // 4),
)
