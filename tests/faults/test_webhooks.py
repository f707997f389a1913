"""Webhooks whose sender is killed again and again, before a server that fails half the time (REL-17)."""

import asyncio
from collections import Counter

from azukari.core.clock import DAY, MINUTE
from tests.faults.crashing_server import ShiftedClock
from tests.faults.flows import TO_DELIVER, TO_LOOK_AT
from tests.faults.sites import Site
from tests.webhooks.receiver import SECRET, Got, Receiver, receiving

EVENTS = 15
KILLS = 10


async def test_all_arrive_signed_and_in_order_where_asked(site: Site) -> None:
    tries: Counter[str] = Counter()

    def half(got: Got) -> int:
        tries[got.id] += 1
        return 200 if tries[got.id] % 2 == 0 else 500

    async with receiving() as ordered, site.serving() as api:
        order = {"secret": SECRET, "events": ["customer.created"]}
        for url, more in ((site.receiver.url, {}), (ordered.url, {"ordered": True})):
            made = await api.post("/webhook_endpoints", json={"url": url, **order, **more})
            assert made.status_code == 200, made.text
        expected = [(await api.post("/customers", json={})).json()["id"] for _ in range(EVENTS)]
        site.receiver.answer = half
        ordered.answer = half
        await _kill_its_worker(site, site.receiver, ordered)
        site.ahead += DAY
        async with site.serving(worker=True):
            await site.until_none(TO_LOOK_AT)
        # Every try that failed is tried again when its time has come.
        for _ in range(4 * EVENTS):
            if not await site.rows.all(TO_DELIVER):
                break
            site.ahead += 7 * MINUTE
            async with site.serving(worker=True):
                await site.until_none(_due_by(site))

        for receiver in (site.receiver, ordered):
            told = [got for got in receiver.got if got.event["type"] == "customer.created"]
            assert {got.event["data"]["id"] for got in told} == set(expected)
            assert all(got.signed_with(SECRET) for got in receiver.got)
        states = await site.rows.all("SELECT state FROM webhook_deliveries")
        assert {row["state"] for row in states} == {"delivered"}
        assert len(states) == 2 * EVENTS + 2
        ids = [got.id for got in ordered.got if got.event["type"] == "customer.created"]
        assert ids == sorted(ids)


async def _kill_its_worker(site: Site, *receivers: Receiver) -> None:
    """Each time while it is at work."""
    for _ in range(KILLS):
        site.ahead += 7 * MINUTE
        before = sum(len(receiver.got) for receiver in receivers)
        async with site.serving(worker=True), asyncio.timeout(60):
            while sum(len(receiver.got) for receiver in receivers) == before:
                await asyncio.sleep(0.002)


def _due_by(site: Site) -> str:
    """A query that finds what can be tried now, or is being tried: of an ordered endpoint the first alone."""
    return f"""
        SELECT d.id FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id
        WHERE (d.due_at <= {ShiftedClock(site.ahead).now()} OR d.leased_until IS NOT NULL)
        AND (w.ordered = 0 OR NOT EXISTS (
            SELECT 1 FROM webhook_deliveries e
            WHERE e.endpoint_id = d.endpoint_id AND e.due_at IS NOT NULL AND e.event_id < d.event_id
        ))
    """
