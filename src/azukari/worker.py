"""What runs beside the requests: reconcile what was left open, charge what is due, end what is over, and forget.

Any number of these may run: whoever takes an attempt over raises its fence, and every sweep is guarded.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from azukari import hooks
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core import log
from azukari.core.clock import DAY, SECOND
from azukari.core.errors import Locked, Unavailable
from azukari.customers import service as customers
from azukari.events.long_lists import LongLists
from azukari.payments import expiry, reconcile
from azukari.secure_tokens import outcomes as authentications
from azukari.sessions import expiry as sessions
from azukari.sessions import record as session_tries
from azukari.subscriptions import renewal
from azukari.tokens import service as tokens
from azukari.webhooks import deliveries, fanout, of_payments
from azukari.webhooks import service as webhooks
from azukari.webhooks.sending import Sender
from azukari.wire import idempotency
from azukari.wiring import Services

#: How long a taken-over attempt is ours, before another worker may try.
LEASE = 30 * SECOND
BATCH = 50
#: Attempts asked about at the same time: a processor that hangs must not hold up the others.
TOGETHER = 16
#: Seconds between two looks at what has happened: when nothing was heard, and at least; and how many times as long as
#: the look itself took.
DELIVERING, BREATH, REST = 0.25, 0.02, 19
#: Seconds between two looks at long lists.
LISTING = 30
#: How long the log of webhooks is kept.
DELIVERIES_LIFE = 30 * DAY

Round = Callable[[Services], Awaitable[None]]


async def run(services: Services, stop: asyncio.Event) -> None:
    """Work until told to stop. What is under way then is let go: its lease runs out, and another takes it over."""
    hooks.connect(services)
    sender = Sender(services)

    async def deliver_webhooks(services: Services) -> None:
        more = True
        while more:
            more = await look_for_events(services)
            await sender.begin()

    long_lists = LongLists(services)

    async def write_stretches(_: Services) -> None:
        await long_lists.keep_up()

    rounds = [asyncio.ensure_future(_repeat(services, work, every)) for work, every in ROUNDS]
    rounds.append(asyncio.ensure_future(_repeat(services, write_stretches, LISTING)))
    rounds.append(asyncio.ensure_future(_repeat_with_news(services, deliver_webhooks)))
    await stop.wait()
    for each in rounds:
        each.cancel()
    await asyncio.gather(*rounds, return_exceptions=True)
    await sender.close()


async def _repeat(services: Services, work: Round, every: float) -> None:
    while True:
        await _guarded(work, services)
        await asyncio.sleep(every)


async def _repeat_with_news(services: Services, work: Round) -> None:
    """As soon as something was committed here, and a few times a second for what others have committed."""
    clock = asyncio.get_running_loop().time
    while True:
        seen, started = services.news.count, clock()
        await _guarded(work, services)
        # Under load there is news all the time: whoever is charged meanwhile gets most of it.
        await asyncio.sleep(max(BREATH, min(REST * (clock() - started), DELIVERING)))
        await services.news.wait(seen, DELIVERING)


async def _guarded(work: Round, services: Services) -> None:
    """A round that fails is logged, and the next one comes."""
    try:
        await work(services)
    except Unavailable:
        log.warning("worker.database_down", step=work.__name__)
    except Exception as error:
        log.bug("worker failed", error, step=work.__name__)


async def reconcile_attempts(services: Services) -> None:
    """Ask what became of attempts whose owner died or got no answer."""
    due = deque(await services.db.read(attempts.due, services.clock.now(), BATCH))

    async def take_turns() -> None:
        while due:
            await _reconcile(services, due.popleft())

    await asyncio.gather(*(take_turns() for _ in range(TOGETHER)))


async def _reconcile(services: Services, overdue: Attempt) -> None:
    """One that cannot be settled is logged; the others go on."""
    try:
        attempt = await services.db.write(attempts.take_over, overdue, services.clock.now() + LEASE)
        if attempt is None:
            return
        try:
            await _find_out(services, attempt)
        except Locked:
            await services.db.write(attempts.put_back, attempt, services.clock.now())
    except Unavailable:
        log.warning("worker.database_down", step="settle", attempt=overdue.id)
    except Exception as error:
        log.bug("attempt not settled", error, attempt=overdue.id)


async def renew_subscriptions(services: Services) -> None:
    """Charges of subscriptions that are due, one period of each."""
    while await renewal.renew_due(services, BATCH) == BATCH:
        continue


async def _find_out(services: Services, attempt: Attempt) -> None:
    if attempt.session_id is not None:
        await session_tries.reconcile_try(services, attempt)
    elif attempt.kind == "verify":
        await customers.abandon(services, attempt)
    else:
        await reconcile.reconcile(services, attempt)


async def end_holds(services: Services) -> None:
    """Authorisations past their deadline."""
    await expiry.expire(services, BATCH)


async def end_sessions(services: Services) -> None:
    """Sessions whose time has run out."""
    await sessions.end(services, BATCH)


async def end_authentications(services: Services) -> None:
    """Authentications that nobody has ended in time."""
    await authentications.end_abandoned(services, BATCH)


async def forget_tokens(services: Services) -> None:
    """Tokens past their day; one whose authentication nobody has ended is ended first."""
    await end_authentications(services)
    await tokens.sweep(services, services.clock.now(), BATCH)


async def forget_keys(services: Services) -> None:
    """Idempotency keys past their day."""
    while await services.db.write(idempotency.purge, services.clock.now(), 10 * BATCH) == 10 * BATCH:
        continue


async def look_for_events(services: Services) -> bool:
    """What has just happened gets its number, for whoever reads events by them, and its webhooks; whether there is
    more of it.
    """
    return await fanout.look_once(services)


async def look_for_missed_events(services: Services) -> None:
    """What was committed late, or while nobody looked."""
    await fanout.look(services, thorough=True)


async def end_old_secrets(services: Services) -> None:
    """Secrets of webhooks that were rolled a day ago."""
    while await webhooks.end_old_secrets(services, BATCH) == BATCH:
        continue


async def forget_deliveries(services: Services) -> None:
    """Webhooks that ended a month ago."""
    while await services.db.write(deliveries.forget, services.clock.now() - DELIVERIES_LIFE, 10 * BATCH) == 10 * BATCH:
        continue


async def forget_payment_webhooks(services: Services) -> None:
    """Payments' own webhooks, half a year later."""
    while await of_payments.forget_old(services, BATCH) == BATCH:
        continue


async def sweep_vault(services: Services) -> None:
    """Verification values past their day, cards nobody needs, data keys whose record never came."""
    await services.vault.sweep(services.clock.now())


async def wipe_files(services: Services) -> None:
    """What is left of deleted keys and verification values in the databases' files."""
    await services.vault.wipe()


async def serve_machines(services: Services) -> None:
    """Keys of verification values for a machine that has come new."""
    await services.vault.serve_machines()


#: What is done, and how many seconds after it ended it is done again.
ROUNDS: tuple[tuple[Round, float], ...] = (
    (reconcile_attempts, 2),
    (end_authentications, 2),
    (renew_subscriptions, 2),
    (end_holds, 60),
    (end_sessions, 60),
    (forget_tokens, 60),
    (forget_keys, 60),
    (look_for_missed_events, 60),
    (end_old_secrets, 60),
    (forget_deliveries, 900),
    (forget_payment_webhooks, 900),
    (sweep_vault, 900),
    (wipe_files, 30),
    (serve_machines, 2),
)
