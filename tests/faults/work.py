"""What the worker has to clear up, and what is left of it."""

import asyncio
import time
from contextlib import suppress

import httpx

from azukari.core.clock import DAY, HOUR
from tests.cards import KONBINI
from tests.faults.actions import add_bare_customer, charge, subscribe_customer
from tests.faults.flows import a_rolled_webhook
from tests.faults.scenes import CHALLENGED, Scene
from tests.faults.sites import Site
from tests.faults.truth import OPEN_ATTEMPTS, TO_DELIVER
from tests.house import Api


async def leave_work(site: Site, number: int) -> None:
    """Leave behind, with a server whose worker stands still, something for each of the worker's steps."""
    await _leave_open_check(site)
    async with site.serving() as api:
        # The one before makes room: a merchant may have fifty.
        for old in (await api.get("/webhook_endpoints", params={"per_page": 100})).json()["data"]:
            await api.delete(f"/webhook_endpoints/{old['id']}")
        # Its secret before is to be forgotten; what happens from here on is to be delivered.
        await a_rolled_webhook(api, Scene(number, site))
        customer = await api.customer()
        await _leave_subscriptions(api, site, customer)
        lost = await api.post(
            "/payments",
            headers={"Azukari-Fault": "lost_reply"},
            json={"amount": 1000, "currency": "JPY", "customer": customer, "webhooks": site.receiver.url},
        )
        assert lost.status_code == 202, lost.text
        # The resolver and the sweep of keys start together: this key has ended before.
        assert (await add_bare_customer(api, Scene(number))).status_code == 200
        held = await api.post(
            "/payments", json={"amount": 700, "currency": "JPY", "customer": customer, "capture": "false"}
        )
        assert held.json()["status"] == "authorized"
        for details in (KONBINI, {"type": "paypay"}):
            waiting = await charge(api, {"payment_details": details})
            assert waiting.status_code == 200, waiting.text
        failed = await api.charge(customer, headers={"Azukari-Fault": "processor_down"})
        assert failed.status_code == 504, failed.text
        # As if it had been done after all, and we had heard of it too late.
        await site.rows.change(
            "UPDATE attempts SET state = 'undo', due_at = 0 WHERE state = 'not_done' AND kind = 'sale'"
        )
        await api.session(expires_in_seconds=1)
        await api.token(verification_value="123")
        await api.secure_token(CHALLENGED)
        await api.secure_token(customer=customer)
    await _leave_stray_key(site, number)


async def _leave_subscriptions(api: Api, site: Site, customer: str) -> None:
    """One that falls due within a month, and one that cannot be charged then. Those before end."""
    for old in (await api.get("/subscriptions", params={"per_page": 100})).json()["data"]:
        assert (await api.delete(f"/subscriptions/{old['id']}")).status_code == 200
    for _ in range(2):
        made = await subscribe_customer(api, customer)
        assert made.status_code == 200, made.text
    await site.rows.change(f"UPDATE subscriptions SET time_zone = 'Nowhere' WHERE id = '{made.json()['id']}'")


async def _leave_open_check(site: Site) -> None:
    """A customer's card was being checked when the server died."""
    async with site.serving(delay=60_000) as api:
        checking = asyncio.ensure_future(api.customer())
        sent = "SELECT id FROM attempts WHERE kind = 'verify' AND state = 'sent'"
        while not checking.done() and not await site.rows.all(sent):
            await asyncio.sleep(0.01)
    with suppress(httpx.TransportError):
        await checking


async def _leave_stray_key(site: Site, number: int) -> None:
    """A data key whose record never came."""
    made = time.time_ns() // 1_000_000 + site.ahead + 32 * DAY - 2 * HOUR
    await site.rows.change(f"""
        INSERT INTO azukari_keys.deks (merchant_id, mode, id, gen, mk_version, wrapped, created_at)
        SELECT merchant_id, mode, 'stray-{number}', 1, mk_version, wrapped, {made} FROM azukari_keys.deks LIMIT 1
    """)


#: Events that no worker has looked at, for the endpoints they are for.
TO_LOOK_AT = """
    SELECT e.id FROM events e JOIN webhook_endpoints p ON p.since IS NOT NULL AND p.payment_id IS NULL
    WHERE e.type <> 'ping' AND e.id > p.since AND (e.sequence IS NULL OR e.sequence > p.told)
    AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.id)
    UNION ALL SELECT b.id FROM event_counters b JOIN event_counters c ON c.mode = b.mode
    WHERE b.id = 'of_payments' AND c.id = 'events' AND b.last < c.last
"""
#: Subscriptions that no worker has tried to charge, or of which it is not known what came.
TO_RENEW = """
    SELECT id FROM subscriptions WHERE active_attempt IS NOT NULL
    OR (ended_at IS NULL AND period_no = 0 AND due_at = next_capture_at)
"""
#: What is left of it until the worker is through.
WORK = (
    OPEN_ATTEMPTS,
    "SELECT id FROM payments WHERE status IN ('authorized', 'pending')",
    "SELECT id FROM sessions WHERE open_until IS NOT NULL",
    "SELECT id FROM tokens",
    "SELECT id FROM azukari_keys.deks WHERE id LIKE 'stray-%'",
    "SELECT id FROM azukari_sad.sad_values",
    "SELECT id FROM idempotency_keys",
    TO_RENEW,
    TO_LOOK_AT,
    TO_DELIVER,
    "SELECT id FROM webhook_endpoints WHERE old_until IS NOT NULL",
)
