"""Everything with a time of the merchant's goes by the test clock, in requests and in the worker."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import DAY, HOUR, MINUTE, SECOND, iso, parse_iso
from azukari.db import Slice
from azukari.merchants import keys
from azukari.merchants import service as merchants
from azukari.payments import store as payments
from azukari.sessions import store as sessions
from azukari.tokens import store as tokens
from azukari.webhooks import deliveries
from azukari.wire import idempotency
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.payments.methods import KONBINI, begun, shown
from tests.replies import refused
from tests.time_travel.clocks import PATH, jump, now_of, set_clock
from tests.webhooks.receiver import Got, Receiver
from tests.webhooks.work import endpoint, owner_of


async def charge(api: Api, token: str) -> Any:
    return await api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token})


async def test_a_token_lives_for_a_day(api: Api) -> None:
    early, late = await api.token(), await api.token()
    await set_clock(api, advance="PT23H59M")
    assert (await charge(api, early)).status_code == 200

    await set_clock(api, advance="PT1M1S")

    refused(await charge(api, late), 422, "invalid_token", "payment_details")


async def test_a_token_lives_again_when_the_clock_goes_back(api: Api) -> None:
    token = await api.token()
    await set_clock(api, advance="P2D")
    refused(await charge(api, token), 422, "invalid_token", "payment_details")

    await set_clock(api, reset=True)

    assert (await charge(api, token)).status_code == 200


async def test_a_session_expires(house: House, api: Api) -> None:
    session = await api.session(expires_in_seconds=3600)
    await set_clock(api, advance="PT59M")
    assert (await api.get(f"/sessions/{session}")).json()["expired"] is False

    await set_clock(api, advance="PT61S")

    assert (await api.get(f"/sessions/{session}")).json()["expired"] is True
    reply = await api.post(f"/sessions/{session}/pay", json={"payment_details": card()})
    assert reply.json()["error"]["code"] == "session_expired"
    row = await house.services.db.read(sessions.get, await owner_of(house), session)
    assert row.open_until is None


async def test_who_has_not_paid_at_the_till_by_the_deadline_pays_no_more(api: Api) -> None:
    payment = await begun(api, KONBINI)
    deadline = parse_iso(payment["payment_deadline"])

    await set_clock(api, now=iso(deadline - SECOND))
    assert (await shown(api, payment))["status"] == "authorized"

    await set_clock(api, advance="PT2S")
    assert (await shown(api, payment))["status"] == "expired"
    assert (await api.events())[-1] == "payment.expired"
    event = (await api.get("/events")).json()["data"][0]
    assert event["created_at"] == iso(deadline)


async def test_a_clock_that_stands_still_at_the_deadline_is_past_it(api: Api) -> None:
    payment = await begun(api, KONBINI)
    await set_clock(api, freeze=True)

    await set_clock(api, now=payment["payment_deadline"])

    assert (await shown(api, payment))["status"] == "expired"


async def test_a_deadline_is_counted_from_what_the_clock_shows(api: Api) -> None:
    await set_clock(api, now="2031-05-05T03:00:00Z")

    payment = await begun(api, KONBINI)

    assert payment["payment_deadline"] == "2031-05-08T14:59:59Z"
    assert payment["created_at"][:16] == "2031-05-05T03:00"


async def test_a_hold_ends(api: Api) -> None:
    customer = await api.customer()
    order = {"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    held = (await api.post("/payments", json=order)).json()
    await set_clock(api, advance="P29D")
    assert (await shown(api, held))["status"] == "authorized"

    await set_clock(api, advance="P2D")

    assert (await shown(api, held))["status"] == "expired"
    assert (await api.events())[-1] == "payment.expired"


async def test_an_idempotency_key_lives_for_a_day(house: House, api: Api) -> None:
    customer = await api.customer()
    header = {"X-KOMOJU-IDEMPOTENCY": "order 7"}
    first = (await api.charge(customer, headers=header)).json()["id"]
    await set_clock(api, advance="PT23H59M")
    assert (await api.charge(customer, headers=header)).json()["id"] == first

    await set_clock(api, advance="PT1M1S")

    second = (await api.charge(customer, headers=header)).json()["id"]
    assert second != first
    await set_clock(api, reset=True)
    assert (await api.charge(customer, headers=header)).json()["id"] == second


async def test_a_card_expires(api: Api) -> None:
    details = card() | {"month": 12, "year": 2030}
    await set_clock(api, now="2031-01-01T11:00:00Z")
    assert (await api.post("/tokens", json={"payment_details": details})).status_code == 200

    # A card is good through its last day in every time zone.
    await set_clock(api, now="2031-01-01T12:00:01Z")

    reply = await api.post("/tokens", json={"payment_details": details})
    assert reply.status_code == 422
    assert (await api.post("/tokens", json={"payment_details": details | {"year": 2031}})).status_code == 200


async def test_a_stored_card_expires(api: Api) -> None:
    customer = (await api.post("/customers", json={"payment_details": card() | {"month": 12, "year": 2030}})).json()[
        "id"
    ]
    await set_clock(api, now="2031-01-01T11:00:00Z")
    assert (await api.charge(customer)).json()["status"] == "captured"

    await set_clock(api, now="2031-01-01T12:00:01Z")

    reply = await api.charge(customer)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "card_expired")


async def test_a_challenge_waits_for_a_quarter_of_an_hour(api: Api) -> None:
    token = await api.secure_token("4100000000005000")
    assert token["verification_status"] == "NEEDS_VERIFY"
    await set_clock(api, advance="PT14M")
    assert (await api.get(f"/secure_tokens/{token['id']}")).json()["verification_status"] == "NEEDS_VERIFY"

    await set_clock(api, advance="PT61S")

    assert (await api.get(f"/secure_tokens/{token['id']}")).json()["verification_status"] == "EXPIRED"


# Lists


async def test_a_list_keeps_its_order_and_all_of_it_after_a_reset(api: Api) -> None:
    customer, made = await api.customer(), []
    for order in ({"now": "2040-01-01"}, {"now": "2001-01-01"}, {"reset": True}, {"now": "2030-01-01"}):
        await set_clock(api, **order)
        made.append((await api.charge(customer)).json()["id"])

    await set_clock(api, reset=True)

    listed = (await api.get("/payments")).json()
    assert [payment["id"] for payment in listed["data"]] == made[::-1]
    assert listed["total"] == 4
    for since, until, ids in (
        ("2030-01-01", "2039-12-31", [made[3]]),
        ("2000-01-01", "2001-01-02", [made[1]]),
        ("2039-01-01", None, [made[0]]),
    ):
        query = {"start_time": since} | ({"end_time": until} if until else {})
        found = (await api.get("/payments", params=query)).json()["data"]
        assert [payment["id"] for payment in found] == ids


# Webhooks


async def test_a_webhook_is_tried_again_and_again_by_advancing(house: House, api: Api, receiver: Receiver) -> None:
    made = await endpoint(house, receiver)
    await set_clock(api, advance="PT0S")
    assert receiver.types == ["ping"]
    receiver.got.clear()
    receiver.answer = lambda _: 500
    await api.customer()
    await set_clock(api, freeze=True)
    began = await now_of(api)

    await set_clock(api, advance="P10D")

    assert receiver.types == ["customer.created"] * 10
    row = next(each for each in (await api.get("/webhook_endpoints")).json()["data"] if each["id"] == made["id"])
    assert row["active"] is True
    log = [each for each in await _log(house, made) if each.event_type == "customer.created"][::-1]
    assert [each.number for each in log] == list(range(1, 11))
    assert log[-1].state == deliveries.DEAD
    waits = [later.at - earlier.at for earlier, later in pairwise(log)]
    assert all(0.8 * wait <= waited <= 1.2 * wait + MINUTE for wait, waited in zip(_WAITS, waits, strict=True))
    assert log[0].at - began < MINUTE
    # Receivers check the signature's time against their own clocks.
    stamps = [int(got.headers["x-komoju-signature-v2"].split(",")[0].removeprefix("t=")) for got in receiver.got]
    assert all(abs(stamp * SECOND - house.clock.now()) < HOUR for stamp in stamps)


_WAITS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR)


async def _log(house: House, made: dict[str, Any]) -> list[deliveries.DeliveryAttempt]:
    found = await house.services.db.read(deliveries.log, await owner_of(house), made["id"], Slice(1, 100, 0, 2**62))
    return found.rows


async def test_what_happens_on_the_way_is_told_on_the_way(house: House, api: Api, receiver: Receiver) -> None:
    """The receiver sees the clock at each moment of the journey, and what came before is there."""
    seen: list[tuple[str, str]] = []
    payments = [await begun(api, KONBINI | {"email": f"{number}@example.com"}) for number in range(3)]
    await endpoint(house, receiver, events=["payment.expired"], ordered=True)

    def note(got: Got) -> int:
        if got.event["type"] != "ping":
            seen.append((got.event["data"]["id"], got.event["created_at"]))
        return 200

    receiver.answer = note
    await set_clock(api, advance="P30D")

    assert [id for id, _ in seen] == [payment["id"] for payment in payments]
    assert {at for _, at in seen} == {payments[0]["payment_deadline"]}


# The worker, for all merchants


async def test_the_worker_goes_by_each_owners_clock(house: House, api: Api, rows: Rows) -> None:
    services = house.services
    merchant = await merchants.create(services.db, "Another shop", services.clock, services.ids)
    other = api.as_key((await services.api_keys.make_pair(merchant.id, keys.TEST)).secret.reveal())
    made = {}
    for shop in (api, other):
        customer = await shop.customer()
        order = {"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
        made[shop] = (
            (await shop.post("/payments", json=order)).json(),
            await begun(shop, KONBINI),
            await shop.session(),
            await shop.token(),
        )

    await jump(house, 40 * DAY)
    for work in (worker.end_holds, worker.end_sessions, worker.forget_tokens, worker.forget_keys):
        await work(services)

    for shop, ended in ((api, True), (other, False)):
        held, waiting, session, token = made[shop]
        assert (await shown(shop, held))["status"] == ("expired" if ended else "authorized")
        assert (await shown(shop, waiting))["status"] == ("expired" if ended else "authorized")
        owner = (await services.api_keys.resolve(shop.key, None)).owner
        assert ((await services.db.read(sessions.get, owner, session)).open_until is None) is ended
        assert (await services.db.read(tokens.find, owner, token) is None) is ended


async def test_a_clock_that_was_set_back_keeps_the_worker_off(house: House, api: Api) -> None:
    customer = await api.customer()
    order = {"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    held = (await api.post("/payments", json=order)).json()
    house.clock.advance(40 * DAY)
    await set_clock(api, now="2001-01-01")

    await worker.end_holds(house.services)

    assert (await shown(api, held))["status"] == "authorized"
    await set_clock(api, reset=True)
    await worker.end_holds(house.services)
    assert (await shown(api, held))["status"] == "expired"


#: Statements over all owners, and the index each is to be answered from.
DUE = (
    (payments.OVERDUE.everyones, "ix_payments_deadline"),
    (sessions.OVERDUE.everyones, "ix_sessions_open_until"),
    (tokens.OVER.everyones, "ix_tokens_expires_at"),
    (tokens.ABANDONED.everyones, "ix_tokens_open_until"),
    (idempotency._PURGE, "ix_idempotency_keys_created_at"),
    (deliveries._WAITING, "ix_webhook_deliveries_due"),
    (payments.OVERDUE.ahead, "ix_payments_test_deadline"),
    (sessions.OVERDUE.ahead, "ix_sessions_test_open_until"),
    (tokens.OVER.ahead, "ix_tokens_test_expires_at"),
    (tokens.ABANDONED.ahead, "ix_tokens_test_open_until"),
    (idempotency._PURGE_AHEAD, "ix_idempotency_keys_test_created_at"),
)


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_what_is_due_is_found_by_its_index(house: House, rows: Rows) -> None:
    for statement, index in DUE:
        compiled = statement.sqlite
        args = compiled.args(
            {
                "system_now": 1,
                "limit": 10,
                "ended_by": 1,
                "left_by": 1,
                "place_at": 0,
                "place_id": "",
                "shown": 2,
                "merchant_id": "a",
                "mode": "test",
            }
        )

        plan = await rows.all(f"EXPLAIN QUERY PLAN {_filled(compiled.sql, args)}")

        assert any("SEARCH" in step["detail"] and index in step["detail"] for step in plan), plan


def _filled(sql: str, args: tuple[Any, ...]) -> str:
    for value in args:
        sql = sql.replace("?", repr(value), 1)
    return sql


# Dying on the way


async def test_a_journey_that_is_cut_short_leaves_a_right_clock_and_work_for_the_worker(
    house: House, api: Api, receiver: Receiver
) -> None:
    customer = await api.customer()
    order = {"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    waiting, held = await begun(api, KONBINI), (await api.post("/payments", json=order)).json()
    await endpoint(house, receiver, events=["payment.expired"])
    reached = asyncio.Event()

    def hang(got: Got) -> int | None:
        if got.event["type"] == "ping":
            return 200
        reached.set()
        return None

    receiver.answer = hang
    advancing = asyncio.ensure_future(api.post(PATH, json={"advance": "P60D"}))
    await reached.wait()
    assert (await api.post(PATH, json={"reset": True})).status_code == 423
    advancing.cancel()
    await asyncio.gather(advancing, return_exceptions=True)

    deadline = parse_iso(waiting["payment_deadline"])
    assert deadline <= await now_of(api) < deadline + MINUTE
    assert [(await shown(api, each))["status"] for each in (waiting, held)] == ["expired", "authorized"]
    receiver.answer = lambda _: 200
    house.clock.advance(deliveries.LEASE)
    await set_clock(api, advance="P60D")
    assert [(await shown(api, each))["status"] for each in (waiting, held)] == ["expired", "expired"]
    assert receiver.types.count("payment.expired") == 3
