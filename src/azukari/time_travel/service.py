"""Setting a merchant's test clock, and travelling with it: from one due moment to the next, doing what falls due.

Each step sets the clock first and then does the work, so a traveller who dies leaves a clock that is right, and work
that is overdue by it: the worker finds it like any other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from azukari.core.clock import SECOND, parse_iso
from azukari.core.errors import (
    ApiError,
    InvalidParameter,
    Locked,
    MissingParameter,
    NotFound,
    Unavailable,
    Unprocessable,
)
from azukari.db import Owner, Tx
from azukari.merchants import clock as clocks
from azukari.merchants import keys
from azukari.merchants.clock import LEASE, REAL, TestClock
from azukari.payments import expiry
from azukari.secure_tokens import outcomes as authentications
from azukari.sessions import expiry as sessions
from azukari.subscriptions import renewal
from azukari.time_travel.schemas import ClockOut, ClockSet
from azukari.webhooks import deliveries
from azukari.webhooks.sending import deliver_due
from azukari.wire import errors, idempotency
from azukari.wire.answers import Answer, Done
from azukari.wire.idempotency import Claim, idempotent
from azukari.wiring import Services

#: What a clock may show: deadlines have to find room behind it in the calendar.
FIRST, LAST = 0, parse_iso("9999-01-01T00:00:00Z")
MOST_STEPS = 10_000
#: What falls due because of what fell due is done too, so often at most; what is left the worker does.
_MOST_ROUNDS = 100
_BATCH = 200


class Source(NamedTuple):
    """Things that fall due. next_due: when the owner's next one after a moment does.

    run: do what is due, and say how many were.
    """

    next_due: Callable[[Tx, Owner, int], Awaitable[int | None]]
    run: Callable[[Services, Owner], Awaitable[int]]


#: In the order in which they are done at one moment. Webhooks come last, with what the others have to tell.
SOURCES = (
    Source(expiry.next_due, lambda services, owner: expiry.expire(services, _BATCH, owner)),
    Source(sessions.next_due, lambda services, owner: sessions.end(services, _BATCH, owner)),
    Source(authentications.next_due, lambda services, owner: authentications.end_abandoned(services, _BATCH, owner)),
    Source(renewal.next_due, lambda services, owner: renewal.renew_due(services, _BATCH, owner)),
)


class TooFar(Unprocessable):
    """More falls due on the way than one request may do."""

    code, param = "invalid_parameter", "advance"
    message = "Too much falls due until then. The clock shows how far it went; advance it again from there."


async def show(services: Services, owner: Owner) -> ClockOut:
    """The owner's clock. Raises NotFound: a live one has none."""
    _must_be_test(owner)
    return ClockOut.of(await services.db.read(clocks.clock_of, owner), services.clock.now())


async def change(services: Services, owner: Owner, body: ClockSet, claim: Claim | None = None) -> Done[ClockOut]:
    """Set the owner's clock, or advance it; answers when all is done that fell due until then.

    Raises NotFound (a live key), MissingParameter, InvalidParameter, Locked (it is being advanced), TooFar.
    """
    _must_be_test(owner)
    _must_be_one(body)
    found = await services.db.read(clocks.clock_of, owner)
    system_now = services.clock.now()
    if body.reset is not None:
        return await _set(services, owner, claim, REAL)
    if body.freeze is not None:
        now = found.at(system_now)
        return await _set(services, owner, claim, TestClock(0, now) if body.freeze else TestClock(now - system_now))
    to = _target(body, found.at(system_now))
    if to <= found.at(system_now) and body.advance is None:
        return await _set(services, owner, claim, found.set_to(to, system_now))
    return await _travel(services, owner, claim, to)


def _must_be_test(owner: Owner) -> None:
    if owner.mode != keys.TEST:
        raise NotFound


def _must_be_one(body: ClockSet) -> None:
    given = [name for name in ("now", "advance", "freeze", "reset") if getattr(body, name) is not None]
    if not given:
        raise MissingParameter("now")
    if len(given) > 1:
        raise InvalidParameter(given[1], "Give one of now, advance, freeze and reset.")
    if body.reset is False:
        raise InvalidParameter("reset")


def _target(body: ClockSet, now: int) -> int:
    name = "now" if body.advance is None else "advance"
    try:
        to = body.now if body.advance is None else body.advance.after(now)
    except OverflowError:
        raise InvalidParameter(name) from None
    assert to is not None  # one of the two was given
    if not FIRST <= to <= LAST:
        raise InvalidParameter(name)
    return to


async def _set(services: Services, owner: Owner, claim: Claim | None, clock: TestClock) -> Done[ClockOut]:
    return await services.db.write_through(set_clock, claim, owner, clock, services.clock.now())


@idempotent
async def set_clock(tx: Tx, claim: Claim | None, owner: Owner, clock: TestClock, system_now: int) -> Done[ClockOut]:
    """Only that. Raises Locked."""
    done = Done.of(ClockOut.of(clock, system_now))
    await idempotency.take(tx, owner, claim, lambda: done.answer)
    await clocks.keep(tx, owner, clock, system_now, "")
    await idempotency.store_response(tx, owner, claim.key if claim else None, done.answer)
    return done


@dataclass(frozen=True, slots=True)
class _Trip:
    """One advance of one clock. me: nobody else has this name."""

    services: Services
    owner: Owner
    claim: Claim | None
    to: int
    me: str


async def _travel(services: Services, owner: Owner, claim: Claim | None, to: int) -> Done[ClockOut]:
    trip = _Trip(services, owner, claim, to, services.ids.new())
    await services.db.write_through(depart, claim, owner, services.clock.now(), trip.me)
    try:
        async with _held(trip):
            await _step_by_step(trip)
        return await services.db.write_through(arrive, claim, owner, to, services.clock.now(), trip.me)
    except BaseException as error:
        refusal = error if isinstance(error, ApiError) else Unavailable()
        with suppress(Unavailable, Locked):
            await services.db.write_through(
                give_up, claim, owner, services.clock.now(), trip.me, errors.answer(refusal)
            )
        raise


@idempotent
async def depart(tx: Tx, claim: Claim | None, owner: Owner, system_now: int, me: str) -> None:
    """Nobody else moves the clock from now on. Raises Locked."""
    clock = await clocks.clock_of(tx, owner)
    # Should we die on the way, what fell due may not have been done: whoever repeats it must not be told that it was.
    await idempotency.take(tx, owner, claim, lambda: errors.answer(Unavailable()))
    await clocks.keep(tx, owner, clock, system_now, me, travels=True)


async def arrive(tx: Tx, claim: Claim | None, owner: Owner, to: int, system_now: int, me: str) -> Done[ClockOut]:
    """The clock is where it was to go, and free again. Raises Locked: it is not ours any more."""
    clock = await clocks.clock_of(tx, owner)
    if clock.at(system_now) < to:
        clock = clock.set_to(to, system_now)
    done = Done.of(ClockOut.of(clock, system_now))
    await clocks.keep(tx, owner, clock, system_now, me)
    await idempotency.store_response(tx, owner, claim.key if claim else None, done.answer)
    return done


async def give_up(tx: Tx, claim: Claim | None, owner: Owner, system_now: int, me: str, answer: Answer) -> None:
    """The clock stays where it is, and is free again."""
    await clocks.keep(tx, owner, await clocks.clock_of(tx, owner), system_now, me)
    await idempotency.store_response(tx, owner, claim.key if claim else None, answer)


async def move(tx: Tx, owner: Owner, to: int, system_now: int, me: str) -> None:
    """One step; never back. Raises Locked: the clock is not ours any more."""
    clock = await clocks.clock_of(tx, owner)
    await clocks.keep(tx, owner, clock.set_to(max(to, clock.at(system_now)), system_now), system_now, me, travels=True)


@asynccontextmanager
async def _held(trip: _Trip) -> AsyncIterator[None]:
    """The clock stays ours, however long a step takes."""

    async def hold() -> None:
        while True:
            await asyncio.sleep(LEASE / SECOND / 3)
            with suppress(Unavailable, Locked):  # a step that has lost it finds out by itself
                await trip.services.db.write(clocks.hold, trip.owner, trip.services.clock.now(), trip.me)

    holding = asyncio.ensure_future(hold())
    try:
        yield
    finally:
        holding.cancel()
        with suppress(asyncio.CancelledError):
            await holding


async def _step_by_step(trip: _Trip) -> None:
    services, owner = trip.services, trip.owner
    for _ in range(MOST_STEPS):
        await run_due(services, owner)
        now = await services.time_of(owner)
        ahead = await services.db.read(_next_due, owner, now)
        if ahead is None or ahead >= trip.to:
            break
        await services.db.write_through(move, owner, ahead, services.clock.now(), trip.me)
    else:
        raise TooFar
    await services.db.write_through(move, owner, trip.to, services.clock.now(), trip.me)
    await run_due(services, owner)


async def _next_due(tx: Tx, owner: Owner, now: int) -> int | None:
    """When the next thing falls due that is not due yet; one that is and could not be done is the worker's."""
    found = [await each(tx, owner, now) for each in (*(source.next_due for source in SOURCES), deliveries.next_due)]
    return min((due for due in found if due is not None), default=None)


async def run_due(services: Services, owner: Owner) -> None:
    """Do all that is due for an owner by now, and what falls due by that; send its webhooks and wait for them."""
    for _ in range(_MOST_ROUNDS):
        count = sum([await source.run(services, owner) for source in SOURCES])
        await deliver_due(services, owner)
        if not count:
            return
