"""Ten years with four workers at once, in jumps: exactly one charge per period (REL-8).

``AZUKARI_TEST_RUNS=release`` takes every anchor day there is; without it, those at which months and years go wrong.
"""

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from azukari import hooks, worker
from azukari.app import asgi
from azukari.core.clock import DAY, HOUR, MINUTE, SECOND, iso, parse_iso
from azukari.core.config import Settings
from azukari.merchants import settings as merchant_settings
from azukari.setup import FIRST_PAIR
from azukari.subscriptions.schedule import Period, moment
from azukari.wiring import Services
from tests.faults.sites import Rows
from tests.faults.truth import hold_against_book
from tests.house import Api, forget_memory
from tests.subscriptions.far_side import FarSide

LARGE = os.environ.get("AZUKARI_TEST_RUNS", "change") == "release"
WORKERS = 4
YEARS = 10
#: How often the bank says no, and how often its answer is lost on the way there or back.
DECLINED, LOST = 0.05, 0.04


@dataclass(frozen=True)
class Kind:
    """A subscription to make. local: where its merchant's clock stands then; it is no hour that a clock skips."""

    local: str
    period: Period
    zone: str


def kinds() -> list[Kind]:
    """What is subscribed to, in the order of its making."""
    if not LARGE:
        return [
            Kind("2028-01-31T02:30:00-05:00", "monthly", "America/New_York"),
            Kind("2028-02-29T10:00:00+09:00", "yearly", "Asia/Tokyo"),
            # The last months are enough of weeks: a change of the clock is in them.
            Kind("2037-09-06T02:15:00+02:00", "weekly", "Europe/Berlin"),
        ]
    zones = (("America/New_York", "-05:00"), ("Asia/Tokyo", "+09:00"), ("Australia/Lord_Howe", "+11:00"))
    found = [Kind(f"2028-02-29T12:00:00{offset}", "yearly", zone) for zone, offset in zones]
    for day in range(1, 32):
        # The days that months lack come in each of them.
        for zone, offset in zones if day > 28 else zones[day % 3 :][:1]:
            found.append(Kind(f"2028-01-{day:02}T02:30:00{offset}", "monthly", zone))
    for day in range(1, 8):
        zone, offset = zones[day % 3]
        found.append(Kind(f"2028-02-{day:02}T01:45:00{offset}", "weekly", zone))
    return sorted(found, key=lambda kind: parse_iso(kind.local))


class Jumping:
    """A clock that stands still until it is set."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> int:
        return self.at


@dataclass
class Moody(FarSide):
    """Declines and loses by chance, and lets the clock jump by a day while an order is on its way."""

    chance: random.Random = field(default_factory=random.Random)
    clock: Jumping = field(default_factory=lambda: Jumping(0))
    calm: bool = True
    seen: Counter[str] = field(default_factory=Counter)

    def mood_of(self, order: Any) -> str:
        if self.calm or order["kind"] != "sale":
            return ""
        if self.chance.random() < 0.02:
            self.seen["jump"] += 1
            self.clock.at += self.chance.choice((-DAY, DAY))
        drawn = self.chance.random()
        mood = ""
        if drawn < DECLINED:
            mood = self.chance.choice(("insufficient_funds", "card_declined"))
        elif drawn < DECLINED + LOST:
            mood = self.chance.choice(("lost_reply", "lost_request", "down"))
        self.seen[mood] += 1
        return mood


@dataclass
class World:
    """Four workers' parts over one installation, and the API of the first."""

    crew: list[Services]
    banks: list[Moody]
    api: Api
    clock: Jumping
    rows: Rows

    async def work(self) -> None:
        """All workers at once."""
        await asyncio.gather(*(worker.renew_subscriptions(services) for services in self.crew))
        await asyncio.gather(*(worker.reconcile_attempts(services) for services in self.crew))

    async def next_due(self) -> int | None:
        """The earliest moment at which a worker has something to do."""
        (found,) = await self.rows.column(
            "SELECT min(due_at) FROM (SELECT due_at FROM subscriptions UNION ALL SELECT due_at FROM attempts) AS due"
        )
        return found if found is None else int(found)


@asynccontextmanager
async def world(settings: Settings, start: int, seed: int) -> AsyncIterator[World]:
    clock = Jumping(start)
    key = msgspec.json.decode((settings.data / FIRST_PAIR).read_bytes())["secret_key"]
    async with AsyncExitStack() as stack:
        crew, banks = [], []
        for number in range(WORKERS):
            services = await Services.assemble(settings, clock=clock)
            hooks.connect(services)
            stack.push_async_callback(services.close)
            bank = Moody.before(services)
            assert isinstance(bank, Moody)
            bank.chance, bank.clock = random.Random(seed * WORKERS + number), clock
            crew.append(services)
            banks.append(bank)
        transport = httpx.ASGITransport(asgi(crew[0]), raise_app_exceptions=False)
        api = await stack.enter_async_context(Api(transport, key))
        rows = Rows(settings)
        stack.push_async_callback(rows.close)
        yield World(crew, banks, api, clock, rows)
    forget_memory(settings.data)


async def test_every_period_of_ten_years_is_charged_exactly_once(settings: Settings) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    to_make = kinds()
    start = parse_iso(to_make[0].local)
    end = start + YEARS * 366 * DAY
    made: dict[str, Kind] = {}
    async with world(settings, start, seed) as here:
        while here.clock.at < end or to_make:
            if to_make and parse_iso(to_make[0].local) <= here.clock.at:
                kind = to_make.pop(0)
                made[await _subscribe(here, kind)] = kind
                continue
            await _go_on(here, chance, min([end, *(parse_iso(kind.local) for kind in to_make[:1])]))
        await _catch_up(here, end)
        book = await hold_against_book(here.rows, settings.data)
        told = await _events(here)
        total = 0
        for subscription, kind in made.items():
            periods = await _one_charge_per_period(here, subscription, kind)
            assert told[subscription]["subscription.captured"] == periods
            assert told[subscription]["subscription.created"] == 1
            total += periods
        assert book.taken() == total
        seen = sum((bank.seen for bank in here.banks), Counter[str]())
        print(f"{len(made)} subscriptions, {total} periods, {dict(seen)}")
        assert not LARGE or min(seen[mood] for mood in ("jump", "lost_reply", "lost_request", "down")) > 0


async def _subscribe(here: World, kind: Kind) -> str:
    for bank in here.banks:
        bank.calm = True
    api, services = here.api, here.crew[0]
    owner = (await services.api_keys.resolve(api.key, None)).owner
    await merchant_settings.change(services.db, owner.merchant_id, {"time_zone": kind.zone}, (), lambda _: None)
    services.settings_cache._seen.clear()
    at, here.clock.at = here.clock.at, parse_iso(kind.local)
    customer = await api.customer()
    order = {"customer": customer, "amount": 1000, "currency": "JPY", "period": kind.period}
    reply = await api.post("/subscriptions", json=order)
    assert reply.json()["status"] == "active", reply.text
    here.clock.at = max(at, here.clock.at)
    for bank in here.banks:
        bank.calm = False
    return str(reply.json()["id"])


async def _go_on(here: World, chance: random.Random, until: int) -> None:
    """To the next moment at which something falls due, or a little later, or a day off."""
    due = await here.next_due()
    later = chance.choice((0, SECOND, MINUTE, HOUR, 7 * HOUR))
    here.clock.at = min(until, max(here.clock.at + SECOND, due or until) + later)
    if chance.random() < 0.05:
        here.clock.at += chance.choice((-DAY, DAY))
        await here.work()
    await here.work()


async def _catch_up(here: World, end: int) -> None:
    """Whatever has fallen due by the end is charged, and settled."""
    for bank in here.banks:
        bank.calm = True
    here.clock.at = end
    while (due := await here.next_due()) is not None and due <= end + 3 * DAY:
        here.clock.at = max(here.clock.at, due)
        await here.work()


async def _one_charge_per_period(here: World, subscription: str, kind: Kind) -> int:
    """How many periods there were."""
    anchor = parse_iso(kind.local)
    rows = await here.rows.all(
        f"SELECT * FROM subscription_periods WHERE subscription_id = '{subscription}' ORDER BY number"
    )
    expected = 0
    while moment(anchor, kind.period, kind.zone, expected) <= here.clock.at:
        expected += 1
    assert [row["number"] for row in rows] == list(range(expected)), (kind, len(rows), expected)
    assert {row["state"] for row in rows} == {"paid"}
    paid = await here.rows.all(
        "SELECT p.id, p.amount_captured FROM payments p JOIN attempts a ON a.payment_id = p.id "
        f"WHERE a.subscription_id = '{subscription}' AND p.status = 'captured'"
    )
    assert sorted(row["payment_id"] for row in rows) == sorted(row["id"] for row in paid)
    assert {row["amount_captured"] for row in paid} == {1000}
    for row in rows:
        due = moment(anchor, kind.period, kind.zone, row["number"])
        assert row["created_at"] >= due, (kind, row["number"], iso(due))
    begun = [row["created_at"] for row in rows]
    settled = [row["settled_at"] for row in rows]
    assert all(before <= after + 2 * DAY for before, after in zip(settled, begun[1:], strict=False))
    shown = (await here.api.get(f"/subscriptions/{subscription}")).json()
    assert parse_iso(shown["next_capture_at"]) == moment(anchor, kind.period, kind.zone, expected)
    assert shown["status"] == "active"
    return expected


async def _events(here: World) -> dict[str, Counter[str]]:
    """How many of each type there are, by subscription."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for event in await here.rows.all("SELECT type, data FROM events WHERE type LIKE 'subscription.%'"):
        counted[msgspec.json.decode(bytes(event["data"]))["id"]][event["type"]] += 1
    return counted
