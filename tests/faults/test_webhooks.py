"""Webhooks whose sender is killed again and again, before servers that fail half the time (REL-17)."""

import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from azukari.core.clock import SECOND
from azukari.webhooks.deliveries import LEASE
from tests.faults.crashing_server import ShiftedClock, leap
from tests.faults.sites import Site
from tests.faults.truth import TO_DELIVER
from tests.faults.work import TO_LOOK_AT
from tests.house import Api
from tests.webhooks.receiver import SECRET, Got, Receiver, receiving

#: Events, and how often their sender is killed.
EVENTS, KILLS = {"change": (200, 2), "release": (10_000, 10)}[os.environ.get("AZUKARI_TEST_RUNS", "change")]
#: One in so many is of the kind that is to come in order.
ORDERED = 20
#: One in so many is never taken.
REFUSED = 40
IN_ORDER = "customer.deleted"


@dataclass
class Half:
    """Takes every second try, and some events never."""

    tries: Counter[str] = field(default_factory=Counter)
    taken: list[str] = field(default_factory=list)

    def __call__(self, got: Got) -> int:
        self.tries[got.id] += 1
        if is_refused(got.id) or self.tries[got.id] % 2:
            return 500
        self.taken.append(got.id)
        return 200


def is_refused(event_id: str) -> bool:
    return int(event_id[-4:], 36) % REFUSED == 0


async def test_all_arrive_signed_and_in_order_where_asked(site: Site, tmp_path: Path) -> None:
    leaps = tmp_path / "leaps"
    leaps.write_bytes(bytes(8))
    async with receiving() as ordered, site.serving() as api:
        for receiver, more in ((site.receiver, {}), (ordered, {"ordered": True, "events": [IN_ORDER]})):
            made = await api.post("/webhook_endpoints", json={"url": receiver.url, "secret": SECRET, **more})
            assert made.status_code == 200, made.text
            receiver.answer = Half()
        # Ten thousand answers of one kind need not be held against the description one by one.
        api.event_hooks = {}
        await asyncio.gather(*(_let_happen(api, EVENTS // 20) for _ in range(20)))
        happened = await _events(api)
        assert [number for number, _, _ in happened] == list(range(1, len(happened) + 1))

        await _deliver_with_kills(site, leaps, site.receiver, ordered)

        await _hold(site, happened, site.receiver, ordered)


async def _let_happen(api: Api, count: int) -> None:
    for number in range(0, count, ORDERED):
        made = [await api.post("/customers") for _ in range(min(ORDERED, count - number) - 1)]
        customer = (made or [await api.post("/customers")])[-1].json()["id"]
        assert (await api.delete(f"/customers/{customer}")).status_code == 200


async def _events(api: Api) -> list[tuple[int, str, str]]:
    """Number, id and type of each, by number."""
    found: list[tuple[int, str, str]] = []
    while True:
        page = (await api.get("/events", params={"after": len(found), "per_page": 100})).json()
        found += [(event["sequence"], event["id"], event["type"]) for event in page["data"]]
        if not page["has_more"]:
            return found


async def _deliver_with_kills(site: Site, leaps: Path, *receivers: Receiver) -> None:
    """Each time while it is at work; the clock leaps over every wait."""
    for kill in range(1, KILLS + 1):
        wanted = 2 * EVENTS * kill // (KILLS + 1)
        async with site.serving(worker=True, leaps=leaps):
            await _leap(site, leaps, lambda wanted=wanted: sum(len(each.got) for each in receivers) >= wanted)  # type: ignore[misc]
        # What it had taken is taken over when its lease is over.
        site.ahead += LEASE + SECOND
    async with site.serving(worker=True, leaps=leaps):
        await _leap(site, leaps, lambda: False)


async def _leap(site: Site, leaps: Path, is_enough) -> None:  # type: ignore[no-untyped-def]
    """Push the server's clock on to what is due next whenever nothing is, until it is enough or nothing is left."""
    while not is_enough():
        ahead = int.from_bytes(leaps.read_bytes(), "little")
        now = ShiftedClock(site.ahead + ahead).now()
        ((under_way, following),) = [tuple(row.values()) for row in await site.rows.all(_next(now))]
        if following is not None and not under_way:
            leap(leaps, ahead + max(0, following - now) + 1)
        elif following is None and not await site.rows.all(TO_LOOK_AT):
            return
        await asyncio.sleep(0.005)


def _next(now: int) -> str:
    """Whether something is due or being sent, and when the next is due: of an ordered endpoint, the first alone."""
    return f"""
        SELECT coalesce(sum(CASE WHEN d.due_at <= {now} OR d.leased_until > {now} THEN 1 ELSE 0 END), 0), min(d.due_at)
        FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id
        WHERE d.due_at IS NOT NULL AND (w.ordered = 0 OR d.sequence = 0 OR d.sequence = (
            SELECT min(e.sequence) FROM webhook_deliveries e
            WHERE e.endpoint_id = w.id AND e.due_at IS NOT NULL AND e.sequence > 0
        ))
    """


async def _hold(site: Site, happened: list[tuple[int, str, str]], plain: Receiver, ordered: Receiver) -> None:
    assert await site.rows.all(TO_DELIVER) == []
    assert all(got.signed_with(SECRET) for receiver in (plain, ordered) for got in receiver.got)
    rows = await site.rows.all("SELECT event_id, state FROM webhook_deliveries")
    assert {row["state"] for row in rows} <= {"delivered", "dead"}
    for row in rows:
        assert row["state"] == ("dead" if is_refused(row["event_id"]) else "delivered")
    pings = [id for _, id, type in happened if type == "ping"]
    in_order = [id for _, id, type in happened if type == IN_ORDER]
    assert len(happened) == len(pings) + EVENTS == 2 + EVENTS
    assert len(rows) == len(pings) + EVENTS + len(in_order)
    assert {got.id for got in plain.got if got.id not in pings} == {id for _, id, type in happened if type != "ping"}
    # Each was asked to be taken first in its turn, and taken in its turn.
    first = [got.id for got in ordered.got if got.id not in pings]
    assert list(dict.fromkeys(first)) == in_order
    assert isinstance(ordered.answer, Half)
    taken = [id for id in ordered.answer.taken if id not in pings]
    assert list(dict.fromkeys(taken)) == [id for id in in_order if not is_refused(id)]
