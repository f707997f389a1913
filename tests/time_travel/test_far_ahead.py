"""A test clock far ahead costs the sweeps nothing of other merchants' rows."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from azukari import worker
from azukari.core.clock import DAY
from azukari.db import Owner, Statement, Tx
from azukari.db.sqlite import SqliteTx
from azukari.db.sweep import START
from azukari.events import store as events
from azukari.merchants import clock as clocks
from azukari.merchants.clock import TestClock
from azukari.merchants.service import create
from azukari.payments import store as payments
from azukari.sessions import store as sessions
from azukari.subscriptions import store as subscriptions
from azukari.tokens import store as tokens
from azukari.webhooks import deliveries, fanout
from azukari.webhooks import store as endpoints
from azukari.wire import idempotency
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.postgres import rows_read
from tests.webhooks.receiver import Receiver
from tests.webhooks.work import owner_of

MANY = 300
#: PostgreSQL would read so small a table through.
BY_INDEX = Statement(str, sa.select(sa.func.set_config("enable_seqscan", "off", True)), ownerless="it is of no table")

Sweep = Callable[[Tx, int], Awaitable[Any]]
#: What each sweep reads, and of which table.
SWEEPS: dict[str, tuple[str, Sweep]] = {
    "deadlines": ("payments", lambda tx, system_now: payments.OVERDUE.of_all(tx, system_now, 50)),
    "sessions": ("sessions", lambda tx, system_now: sessions.OVERDUE.of_all(tx, system_now, 50)),
    "tokens": ("tokens", lambda tx, system_now: tokens.over(tx, system_now, 50, START)),
    "authentications": ("tokens", lambda tx, system_now: tokens.ABANDONED.of_all(tx, system_now, 50)),
    "subscriptions": ("subscriptions", lambda tx, system_now: subscriptions.DUE.of_all(tx, system_now, 50)),
    "idempotency keys": ("idempotency_keys", lambda tx, system_now: idempotency.purge(tx, system_now, 50)),
    "payments' webhooks": (
        "webhook_endpoints",
        lambda tx, system_now: endpoints.OF_OLD_PAYMENTS.of_all(tx, system_now, 50),
    ),
    "deliveries": ("webhook_deliveries", lambda tx, system_now: deliveries.waiting(tx, system_now)),
}


async def one_of_each(api: Api, receiver: Receiver) -> None:
    """Something in each table that is due some day, and not now."""
    assert (await api.post("/webhook_endpoints", json={"url": receiver.url})).status_code == 200
    customer = await api.customer()
    order = {"amount": 1000, "currency": "JPY", "capture": False, "webhooks": receiver.url}
    held = await api.post(
        "/payments", json={**order, "payment_details": card()}, headers={"X-KOMOJU-IDEMPOTENCY": f"key-{customer}"}
    )
    assert held.status_code == 200, held.text
    await api.session()
    await api.secure_token("4100000000005000")
    monthly = {"customer": customer, "amount": 1000, "currency": "JPY", "period": "monthly"}
    assert (await api.post("/subscriptions", json=monthly)).status_code == 200


async def many_of_each(house: House, rows: Rows, traveller: Owner) -> None:
    """A row of each table again and again, of others than the traveller."""
    services, owner = house.services, await owner_of(house)
    for _ in range(MANY):
        await services.db.write(
            events.record, owner, id=services.ids.new(), type="customer.updated", data=b"{}", now=services.clock.now()
        )
    await fanout.look(services)
    await rows.change(f"UPDATE webhook_deliveries SET due_at = {services.clock.now() + DAY}")
    for table in ("payments", "sessions", "tokens", "subscriptions", "idempotency_keys", "webhook_endpoints"):
        more = "AND payment_id IS NOT NULL" if table == "webhook_endpoints" else ""
        kept = await rows.all(f"SELECT * FROM {table} WHERE merchant_id <> '{traveller.merchant_id}' {more} LIMIT 1")
        unique = {
            "id": "'{}'",
            "external_order_num": "NULL",
            "made_for": "NULL",
            "order_num": "NULL",
            "session_id": "NULL",
        }
        names = list(kept[0])
        values = [unique.get(name, name) for name in names]
        every = " UNION ALL ".join(
            f"SELECT {', '.join(value.format(f'copy-{number:04}') for value in values)} FROM {table} "
            f"WHERE id = '{kept[0]['id']}'"
            for number in range(MANY)
        )
        await rows.change(f"INSERT INTO {table} ({', '.join(names)}) {every}")
    if services.settings.database_url is not None:
        # SQLite's planner knows of no numbers here, as on any installation.
        await rows.change("ANALYZE")


async def cost_of(house: House, name: str) -> int:
    """What a sweep reads: rows on PostgreSQL, steps of its machine on SQLite."""
    table, sweep = SWEEPS[name]
    read = rows_read(table)

    async def count(tx: Tx) -> int:
        system_now = house.clock.now()
        if not isinstance(tx, SqliteTx):
            await tx.one(BY_INDEX, None)
            # What the connection has read before may be counted still.
            before = await tx.one(read, None) or 0
            await sweep(tx, system_now)
            return (await tx.one(read, None) or 0) - before
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        tx._connection.set_progress_handler(step, 1)
        try:
            await sweep(tx, system_now)
        finally:
            tx._connection.set_progress_handler(None, 1)
        return steps

    return await house.services.db.write(count)


@pytest.fixture
async def traveller(house: House, receiver: Receiver) -> Api:
    """The API with a key of another merchant, who has something in each table too."""
    merchant = await create(house.services.db, "Traveller", house.services.clock, house.services.ids)
    pair = await house.services.api_keys.make_pair(merchant.id, "test")
    api = house.api.as_key(pair.secret.reveal())
    await one_of_each(api, receiver)
    return api


async def test_sweeps_read_no_more_of_others_rows(house: House, traveller: Api, receiver: Receiver) -> None:
    rows = Rows(house.services.settings)
    await one_of_each(house.api, receiver)
    before = {name: await cost_of(house, name) for name in SWEEPS}
    owner = (await house.services.api_keys.resolve(traveller.key, None)).owner
    far = TestClock(900 * 365 * DAY)
    await house.services.db.write_through(clocks.keep, owner, far, house.clock.now(), "")
    for work in (worker.end_holds, worker.end_sessions, worker.forget_tokens, worker.forget_keys):
        await work(house.services)
    await many_of_each(house, rows, owner)
    await rows.close()

    after = {name: await cost_of(house, name) for name in SWEEPS}

    # With as many rows of others as there are, a look for the traveller's own is all that may have come to it.
    few = MANY if house.services.settings.database_url is None else MANY // 10
    assert {name: cost for name, cost in after.items() if cost > before[name] + few} == {}
