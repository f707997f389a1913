"""What guards us stays on the machine's time, whatever a merchant's clock shows."""

from typing import Any

import pytest

from azukari import worker
from azukari.attempts.store import AttemptDraft
from azukari.core.clock import DAY, HOUR, MINUTE, SECOND
from azukari.core.errors import Conflict
from azukari.webhooks import deliveries
from azukari.webhooks.sending import Sender
from azukari.wire import idempotency
from azukari.wire.answers import Answer, Replay
from azukari.wire.idempotency import Claim
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.time_travel.clocks import jump, set_clock
from tests.webhooks.receiver import Receiver
from tests.webhooks.work import endpoint, owner_of

YEARS = 10 * 365 * DAY
#: Ten years back, and ten years ahead.
FAR = pytest.mark.parametrize("ahead", [-YEARS, YEARS])


@FAR
async def test_a_lease_ends_when_it_would(house: House, api: Api, ahead: int) -> None:
    customer = await api.customer()
    await jump(house, ahead)
    reply = await api.charge(customer, headers={"Azukari-Fault": "lost_reply"})
    assert reply.status_code == 202
    payment = reply.json()["id"]

    for passed, status in ((0, "pending"), (20 * SECOND, "captured")):
        house.clock.advance(passed)
        await worker.reconcile_attempts(house.services)
        assert (await api.get(f"/payments/{payment}")).json()["status"] == status


@FAR
async def test_an_attempt_that_was_left_is_neither_taken_at_once_nor_never(
    house: House, api: Api, rows: Rows, ahead: int
) -> None:
    customer = await api.customer()
    await jump(house, ahead)
    await api.charge(customer)

    [found] = await rows.all("SELECT created_at, sent_at, due_at FROM attempts WHERE kind = 'sale'")
    created = found["created_at"]
    assert (found["sent_at"], found["due_at"]) == (created, None)
    assert abs(created - house.clock.now()) < MINUTE
    owner, ids = await owner_of(house), house.services.ids
    draft = AttemptDraft(owner, ids.new(), ids.ref(), house.clock.now(), "2025-01-28")
    planned = draft.build(house.services.processors.pick(owner), "sale", 1, "JPY")
    assert 0 < (planned.due_at or 0) - house.clock.now() <= MINUTE


@FAR
async def test_a_customers_check_that_was_left_is_ended_when_its_lease_is_over(
    house: House, api: Api, rows: Rows, ahead: int
) -> None:
    await jump(house, ahead)
    token = await api.token(verification_value="123")
    await api.post("/customers", json={"payment_details": token})
    # As a process leaves it that dies during the call.
    await rows.change(
        f"UPDATE attempts SET state = 'prepared', due_at = {house.clock.now() + 15_000} WHERE kind = 'verify'"
    )

    await worker.reconcile_attempts(house.services)
    assert await rows.column("SELECT state FROM attempts") == ["prepared"]
    house.clock.advance(16 * SECOND)
    await worker.reconcile_attempts(house.services)
    assert await rows.column("SELECT state FROM attempts") == ["not_done"]


@FAR
async def test_a_repeat_waits_as_long_as_it_would(house: House, ahead: int) -> None:
    owner, system_now = await owner_of(house), house.clock.now()

    async def take(now: int, system_now: int) -> None:
        claim = Claim("a key", b"hash", now, system_now)
        await house.services.db.write(idempotency.take, owner, claim, lambda: Answer(202, b"{}"))

    await take(system_now, system_now)

    with pytest.raises(Conflict):
        await take(system_now + ahead, system_now + idempotency.PATIENCE - 1)
    with pytest.raises(Replay):
        await take(system_now + ahead, system_now + idempotency.PATIENCE)


@FAR
async def test_a_webhook_that_was_taken_is_left_to_whoever_took_it(
    house: House, receiver: Receiver, ahead: int
) -> None:
    made = await endpoint(house, receiver)
    owner, sender = await owner_of(house), Sender(house.services)
    await jump(house, ahead if ahead > 0 else 0)
    taken = await house.services.db.write(deliveries.claim, owner, made["id"], await house.services.moment_of(owner), 4)
    assert taken is not None
    await jump(house, ahead)

    for passed, tried in ((0, 0), (deliveries.LEASE - SECOND, 0), (2 * SECOND, 1 if ahead > 0 else 0)):
        house.clock.advance(passed)
        await sender.begin()
        await sender.finish()
        assert len(receiver.got) == tried
    # By a clock that was set back it is due again in ten years; by the real one now.
    await jump(house, 0)
    await sender.begin()
    await sender.finish()
    assert len(receiver.got) == 1
    await sender.close()


@FAR
async def test_a_verification_value_waits_as_long_as_it_would(house: House, api: Api, ahead: int) -> None:
    await jump(house, ahead)
    first, second = [await api.token(verification_value="123") for _ in range(2)]

    await jump(house, ahead + HOUR)
    reply = await api.post("/payments", json={"amount": 1, "currency": "JPY", "payment_details": first})
    assert reply.status_code == 200

    await set_clock(api, freeze=True)
    house.clock.advance(26 * HOUR)
    await worker.sweep_vault(house.services)
    reply = await api.post("/payments", json={"amount": 1, "currency": "JPY", "payment_details": second})
    assert reply.json()["error"]["code"] == "invalid_token"


@FAR
async def test_an_authentication_that_nobody_ends_is_over_when_it_would(
    house: House, api: Api, rows: Rows, ahead: int
) -> None:
    await jump(house, ahead)
    token = await api.secure_token("4100000000005000")
    # As a process leaves it that dies before the issuer has answered.
    until = house.clock.now() + 15 * SECOND
    await rows.change(f"UPDATE tokens SET verification = 'CREATED', open_until = {until} WHERE id = '{token['id']}'")

    for passed, status in ((0, "CREATED"), (16 * SECOND, "EXPIRED")):
        house.clock.advance(passed)
        await worker.end_authentications(house.services)
        assert (await api.get(f"/secure_tokens/{token['id']}")).json()["verification_status"] == status


@FAR
async def test_ids_and_audit_lines_have_the_real_time(house: House, api: Api, rows: Rows, ahead: int) -> None:
    before = house.services.ids.new()
    await jump(house, ahead)
    await api.charge(await api.customer())
    made: Any = (await api.get("/payments")).json()["data"][0]

    assert before < made["id"] < house.services.ids.new()
    lines = await rows.column("SELECT at FROM audit_lines")
    assert len(lines) >= 2
    assert all(abs(at - house.clock.now()) < MINUTE for at in lines)
    entries = await rows.column("SELECT created_at FROM vault_entries")
    assert all(abs(at - house.clock.now()) < MINUTE for at in entries)


@FAR
async def test_keys_are_used_and_revoked_in_real_time(house: House, api: Api, ahead: int) -> None:
    await jump(house, ahead)
    key = await house.services.api_keys.resolve(api.key, None)
    assert await house.services.api_keys.revoke(key.id)

    house.clock.advance(SECOND)

    assert (await api.post("/tokens", json={"payment_details": card()})).status_code == 401
