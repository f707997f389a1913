"""A charge in parts: what another room composes, with rows of its own in the same units."""

from dataclasses import replace
from typing import Any

import pytest

from azukari import worker
from azukari.attempts.store import Attempt
from azukari.core.clock import Moment
from azukari.core.errors import ApiError
from azukari.db import Owner, Tx
from azukari.events import store as events
from azukari.merchants.service import API_VERSIONS
from azukari.payments import charge as charges
from azukari.payments import reconcile, record
from azukari.payments.charge import ChargeDraft, ChargeIntent, SessionTerms
from azukari.payments.schemas import PaymentCreate
from azukari.payments.views import PaymentView
from azukari.processors.base import NO_DIRECTIVES, Outcome
from azukari.vault import Vault
from azukari.wire.answers import Answer, Done
from azukari.wire.call import Call
from azukari.wiring import Services
from tests.house import House, card

SESSION = "s" * 25


async def call_of(house: House) -> Call:
    key = await house.services.api_keys.resolve(house.api.key, None)
    moment = await house.services.moment_of(key.owner)
    return Call(
        house.services,
        key.owner,
        key.actor,
        key.is_secret,
        API_VERSIONS[-1],
        None,
        NO_DIRECTIVES,
        *moment,
        None,
        "request",
    )


async def _intend(tx: Tx, owner: Owner, vault: Vault, plan: ChargeDraft) -> ChargeIntent:
    ready = await charges.resolve(tx, owner, vault, plan)
    await charges.begin(tx, vault, plan, ready)
    return ready


async def _record(
    tx: Tx,
    attempt: Attempt,
    outcome: Outcome,
    event_ids: tuple[str, ...],
    at: Moment,
    again_at: int | None,
    refusal: ApiError | None,
    own_id: str,
) -> Done[PaymentView]:
    done = await record.apply_outcome(tx, attempt, outcome, event_ids, at, again_at, refusal)
    await events.record(tx, attempt.owner, id=own_id, type="ping", data=b"{}", now=at.now)
    return done


async def _write(
    services: Services,
    attempt: Attempt,
    outcome: Outcome,
    event_ids: tuple[str, ...],
    at: Moment,
    again_at: int | None,
    refusal: ApiError | None,
) -> Done[PaymentView]:
    assert attempt.session_id == SESSION
    return await services.db.write(_record, attempt, outcome, event_ids, at, again_at, refusal, services.ids.new())


async def try_to_pay(house: House, details: dict[str, Any]) -> tuple[Answer, ChargeIntent]:
    call = await call_of(house)
    order = PaymentCreate(amount=1000, currency="JPY", payment_details=details)
    plan = await charges.draft_charge(call, order, session=SessionTerms(SESSION, "JPY"))
    ready = await house.services.db.write(_intend, call.owner, house.services.vault, plan)
    outcome, refusal = await charges.send(house.services, ready)
    shown = PaymentView(ready.payment, [])
    done = await record.finish(house.services, ready.attempt, outcome, shown, refusal)
    return done.answer, ready


@pytest.fixture(autouse=True)
def of_sessions(house: House) -> None:
    services = house.services
    services.connect(replace(services.hooks, outcome_writers={"session": _write}))


async def test_an_outcome_is_written_with_what_the_charge_belongs_to(house: House) -> None:
    answer, ready = await try_to_pay(house, card())

    assert answer.status == 200
    assert await house.api.events() == ["payment.captured", "ping"]
    shown = (await house.api.get(f"/payments/{ready.payment.id}")).json()
    assert (shown["session"], shown["status"]) == (SESSION, "captured")


@pytest.mark.parametrize("heard_by", ["a test", "the return", "the resolver", "the deadline"])
async def test_so_is_one_that_comes_later(house: House, heard_by: str) -> None:
    answer, ready = await try_to_pay(house, {"type": "paypay"})
    assert answer.status == 200
    assert await house.api.events() == ["ping"]
    services = house.services
    if heard_by == "a test":
        await house.api.post(f"/test/payments/{ready.payment.id}/simulate", json={"outcome": "paid"})
    else:
        assert services.processors.simulator.decide(ready.attempt.ref, "approved")
    if heard_by == "the return":
        shown = await reconcile.refresh(services, ready.payment.owner, ready.attempt.ref)
        assert shown.payment.status == "captured"
    elif heard_by == "the resolver":
        house.clock.advance(20_000)
        await worker.reconcile_attempts(services)
    elif heard_by == "the deadline":
        house.clock.advance(5 * 24 * 3_600_000)
        await worker.end_holds(services)

    assert sorted(await house.api.events()) == ["payment.captured", "ping", "ping"]
    assert (await house.api.get(f"/payments/{ready.payment.id}")).json()["status"] == "captured"
