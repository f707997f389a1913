"""Subscriptions through the API, and what the worker charges for them. Source: contract section 11."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from azukari import worker
from azukari.core.clock import DAY, HOUR, parse_iso
from azukari.db import Owner
from azukari.merchants import settings
from azukari.subscriptions import renewal
from tests.cards import MASTER
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.subscriptions.far_side import FarSide
from tests.subscriptions.subscriptions import MONTH, owner_of, pass_by, settle, shown, statuses, subscribe
from tests.wallets import agree


@pytest.fixture
def far(house: House) -> FarSide:
    """The house's bank, in the moods a test gives it."""
    return FarSide.before(house.services)


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


# Making one


async def test_a_subscription_is_charged_at_once_and_shows_what_the_contract_shows(house: House) -> None:
    api = house.api
    customer = (await api.post("/customers", json={"payment_details": card(), "email": "a@example.com"})).json()["id"]
    made = (await subscribe(api, customer, metadata={"plan": "tea"})).json()

    assert made["status"] == "active"
    assert made["customer"]["uuid"] == customer
    assert made["customer"]["email"] == "a@example.com"
    assert made["customer"]["created_at"].endswith("+09:00")
    assert 0 < made["customer"]["id"] < 2**31
    assert made["payment_details"] == {
        "type": "credit_card",
        "email": "a@example.com",
        "month": "12",
        "year": "2099",
    }
    assert (made["retry_count"], made["retry_at"], made["ended_at"]) == (0, None, None)
    assert made["metadata"] == {"plan": "tea"}
    assert 28 * DAY <= parse_iso(made["next_capture_at"]) - parse_iso(made["created_at"]) <= MONTH
    (payment,) = made["payments"]
    paid = (await api.get(f"/payments/{payment}")).json()
    assert (paid["status"], paid["customer"], paid["amount"]) == ("captured", customer, 1000)
    assert await shown(api, made["id"]) == made
    assert (await api.get("/subscriptions")).json()["data"] == [made]
    assert await api.events() == [
        "customer.created",
        "subscription.created",
        "payment.captured",
        "subscription.captured",
    ]
    told = (await api.get("/events")).json()["data"]
    assert told[0]["data"] == made
    assert told[2]["data"] == {**made, "status": "pending"}


async def test_there_is_no_update(api: Api) -> None:
    made = (await subscribe(api, await api.customer())).json()
    for method in ("PATCH", "POST", "PUT"):
        reply = await api.request(method, f"/subscriptions/{made['id']}", json={"amount": 1})
        assert reply.status_code == 405


@pytest.mark.parametrize("code", ["card_declined", "request_failed", "fraudulent"])
async def test_a_declined_first_charge_decides_on_all_of_it(api: Api, code: str) -> None:
    customer = await api.customer()
    refused = await subscribe(api, customer, headers={"Komoju-Scenario": code})

    assert refused.json()["error"]["code"] == code
    (made,) = (await api.get("/subscriptions")).json()["data"]
    assert made["status"] == "deleted"
    assert made["ended_at"] is not None
    assert await statuses(api, made["id"]) == ["failed"]
    assert (await api.events())[1:] == [
        "subscription.created",
        "payment.failed",
        "subscription.failed",
        "subscription.deleted",
    ]


async def test_a_first_charge_that_was_not_sent_leaves_nothing_to_charge(house: House) -> None:
    refused = await subscribe(house.api, await house.api.customer(), headers={"Azukari-Fault": "processor_down"})

    assert (refused.status_code, refused.json()["error"]["code"]) == (504, "gateway_timeout")
    (made,) = (await house.api.get("/subscriptions")).json()["data"]
    assert made["status"] == "deleted"
    await pass_by(house, MONTH)
    assert await statuses(house.api, made["id"]) == ["failed"]


async def test_while_nobody_knows_of_the_first_charge_it_is_pending(house: House) -> None:
    api = house.api
    key = {"X-KOMOJU-IDEMPOTENCY": "a", "Azukari-Fault": "lost_reply"}
    customer = await api.customer()
    made = await subscribe(api, customer, headers=key)

    assert (made.status_code, made.json()["status"]) == (200, "pending")
    await pass_by(house, HOUR)
    assert (await statuses(api, made.json()["id"])) == ["pending"]
    await settle(house)
    assert (await shown(api, made.json()["id"]))["status"] == "active"
    assert (await subscribe(api, customer, headers=key)).content == made.content


async def test_the_same_request_makes_one_subscription(api: Api) -> None:
    customer = await api.customer()
    key = {"X-KOMOJU-IDEMPOTENCY": "a"}
    first, second = [await subscribe(api, customer, headers=key) for _ in range(2)]

    assert first.content == second.content
    assert (await api.get("/subscriptions")).json()["total"] == 1
    assert (await api.get("/payments")).json()["total"] == 1


async def test_what_cannot_be_charged_makes_no_subscription(house: House) -> None:
    api = house.api
    bare = (await api.post("/customers", json={})).json()["id"]
    wallet = (await api.post("/customers", json={})).json()["id"]
    await agree(house.services, await owner_of(house), wallet)
    good = {"customer": await api.customer(), "amount": 1000, "currency": "JPY", "period": "monthly"}
    for change, status, param in (
        ({"customer": bare}, 422, "customer"),
        ({"customer": "0" * 25}, 404, None),
        ({"customer": wallet, "currency": "USD"}, 422, "currency"),
        ({"amount": 0}, 422, "amount"),
        ({"period": "daily"}, 422, "period"),
        ({"currency": "XXX"}, 422, "currency"),
        ({"customer": None}, 422, "customer"),
        ({"period": None}, 422, "period"),
    ):
        reply = await api.post("/subscriptions", json={**good, **change})
        assert (reply.status_code, reply.json()["error"]["param"]) == (status, param), change
    assert (await api.get("/subscriptions")).json()["total"] == 0
    assert (await api.get("/payments")).json()["total"] == 0


# Renewals


async def test_each_period_is_charged_once(house: House) -> None:
    made = (await subscribe(house.api, await house.api.customer(), "weekly")).json()
    for number in range(1, 4):
        await pass_by(house, 7 * DAY - HOUR)
        assert len(await statuses(house.api, made["id"])) == number
        await pass_by(house, HOUR)
        await pass_by(house, 0)
        assert await statuses(house.api, made["id"]) == ["captured"] * (number + 1)
    assert (await shown(house.api, made["id"]))["status"] == "active"
    assert (await house.api.events())[-2:] == ["payment.captured", "subscription.captured"]


async def test_after_a_downtime_each_run_charges_one_period_in_order(house: House) -> None:
    made = (await subscribe(house.api, await house.api.customer(), "weekly")).json()
    await pass_by(house, 4 * 7 * DAY)
    assert len(await statuses(house.api, made["id"])) == 2
    for _ in range(5):
        await pass_by(house, 0)
    after = await shown(house.api, made["id"])
    assert await statuses(house.api, made["id"]) == ["captured"] * 5
    assert parse_iso(after["next_capture_at"]) - parse_iso(made["created_at"]) == 5 * 7 * DAY


async def test_the_processor_is_told_that_it_is_one_of_a_series(house: House, far: FarSide) -> None:
    await subscribe(house.api, await house.api.customer(), "weekly")
    await pass_by(house, 7 * DAY)
    _, first, second = far.orders
    for order in (first, second):
        assert order["credential"]["indicator"] == "recurring"
        assert order["credential"]["network_id"]
        assert "verification_value" not in order["card"]


async def test_an_unknown_outcome_holds_up_the_next_period(house: House, far: FarSide) -> None:
    made = (await subscribe(house.api, await house.api.customer(), "weekly")).json()
    far.moods = ["lost_reply"]
    await pass_by(house, 7 * DAY)
    assert await statuses(house.api, made["id"]) == ["captured", "pending"]
    assert await house.services.db.read(renewal.next_due, await owner_of(house)) is None
    await pass_by(house, 14 * DAY)
    assert await statuses(house.api, made["id"]) == ["captured", "pending"]
    await settle(house)
    assert await statuses(house.api, made["id"]) == ["captured"] * 2
    await pass_by(house, 0)
    assert await statuses(house.api, made["id"]) == ["captured"] * 3


@pytest.mark.parametrize("mood", ["down", "lost_request"])
async def test_a_charge_that_did_not_arrive_is_no_decline(house: House, far: FarSide, mood: str) -> None:
    made = (await subscribe(house.api, await house.api.customer(), "weekly")).json()
    far.moods = [mood]
    await pass_by(house, 7 * DAY)
    await settle(house)
    after = await shown(house.api, made["id"])
    assert (after["status"], after["retry_count"], after["retry_at"]) == ("active", 0, None)
    await pass_by(house, HOUR)
    assert await statuses(house.api, made["id"]) == ["captured", "failed", "captured"]
    assert "subscription.failed" not in await house.api.events()


# Declines


async def test_a_declined_charge_is_tried_again_and_then_given_up(house: House, far: FarSide) -> None:
    made = (await subscribe(house.api, await house.api.customer())).json()
    far.moods = ["insufficient_funds"] * 5
    house.clock.advance(MONTH)
    seen = []
    for days in (0, 1, 3, 4, 6):
        await pass_by(house, days * DAY)
        await pass_by(house, 0)
        now = await shown(house.api, made["id"])
        seen.append((now["status"], now["retry_count"], len(now["payments"])))
    assert seen == [("retrying", 0, 2), ("retrying", 1, 3), ("retrying", 2, 4), ("retrying", 3, 5), ("suspended", 4, 6)]
    await pass_by(house, 3 * MONTH)
    after = await shown(house.api, made["id"])
    assert (len(after["payments"]), after["retry_at"], after["ended_at"]) == (6, None, None)
    assert (await house.api.events())[-3:] == ["payment.failed", "subscription.failed", "subscription.suspended"]
    ended = await house.api.delete(f"/subscriptions/{made['id']}")
    assert ended.json()["status"] == "deleted"


async def test_a_retry_that_is_paid_puts_all_right(house: House, far: FarSide) -> None:
    made = (await subscribe(house.api, await house.api.customer())).json()
    far.moods = ["insufficient_funds"] * 2
    await pass_by(house, MONTH)
    retrying = await shown(house.api, made["id"])
    assert parse_iso(retrying["retry_at"]) <= house.clock.now() + DAY
    await pass_by(house, DAY)
    await pass_by(house, 3 * DAY)
    after = await shown(house.api, made["id"])
    assert (after["status"], after["retry_count"], after["retry_at"]) == ("active", 0, None)
    # The next date is counted from the anchor, whenever this one was paid.
    assert after["next_capture_at"] == retrying["next_capture_at"]
    assert await statuses(house.api, made["id"]) == ["captured", "failed", "failed", "captured"]


async def test_what_the_bank_will_not_change_is_not_asked_twice(house: House, far: FarSide) -> None:
    made = (await subscribe(house.api, await house.api.customer())).json()
    far.moods = ["card_expired"]
    await pass_by(house, MONTH)
    await pass_by(house, MONTH)
    assert (await shown(house.api, made["id"]))["status"] == "suspended"
    assert await statuses(house.api, made["id"]) == ["captured", "failed"]


async def test_a_merchant_says_when_to_try_again(house: House, far: FarSide) -> None:
    owner = await owner_of(house)
    await settings.change(
        house.services.db, owner.merchant_id, {"retry_days": ["2"], "time_zone": "Europe/Berlin"}, (), lambda _: None
    )
    house.clock.advance(HOUR)
    made = (await subscribe(house.api, await house.api.customer())).json()
    far.moods = ["card_declined"] * 2
    await pass_by(house, MONTH)
    await pass_by(house, DAY)
    assert len(await statuses(house.api, made["id"])) == 2
    await pass_by(house, DAY)
    assert (await shown(house.api, made["id"]))["status"] == "suspended"
    assert await statuses(house.api, made["id"]) == ["captured", "failed", "failed"]


async def test_a_card_that_is_declined_too_often_is_left_alone(house: House, far: FarSide) -> None:
    customer = await house.api.customer()
    for _ in range(12):
        await subscribe(house.api, customer)
    far.moods = ["insufficient_funds"] * 100
    house.clock.advance(MONTH)
    for _ in range(3):
        await worker.renew_subscriptions(house.services)
    declined = [kind for kind in await house.api.events() if kind == "subscription.failed"]
    assert len(declined) == 10


async def test_where_nothing_can_be_charged_it_is_as_if_it_were_declined(house: House) -> None:
    customer = await house.api.customer()
    made = (await subscribe(house.api, customer, "weekly", currency="USD")).json()
    # A wallet that takes yen only comes in the card's place.
    await agree(house.services, await owner_of(house), customer)
    await pass_by(house, 7 * DAY)
    after = await shown(house.api, made["id"])
    assert (after["status"], after["payment_details"]) == ("retrying", {"type": "paypay", "email": None})
    assert await statuses(house.api, made["id"]) == ["captured"]
    assert (await house.api.patch(f"/customers/{customer}", json={"payment_details": card(MASTER)})).is_success
    await pass_by(house, DAY)
    assert await statuses(house.api, made["id"]) == ["captured", "captured"]
    for days in (6, 1, 3, 4, 6):
        if days == 6:
            await agree(house.services, await owner_of(house), customer)
        await pass_by(house, days * DAY)
    assert (await shown(house.api, made["id"]))["status"] == "suspended"


async def test_one_that_cannot_be_charged_holds_up_no_other(house: House, rows: Rows) -> None:
    broken, good = [(await subscribe(house.api, await house.api.customer())).json()["id"] for _ in range(2)]
    await rows.change(f"UPDATE subscriptions SET time_zone = 'Nowhere' WHERE id = '{broken}'")
    assert (await house.api.get("/subscriptions")).json()["total"] == 2
    await pass_by(house, MONTH)
    assert await statuses(house.api, good) == ["captured"] * 2
    await rows.change(f"UPDATE subscriptions SET time_zone = 'Asia/Tokyo' WHERE id = '{broken}'")
    await pass_by(house, 0)
    assert await statuses(house.api, broken) == ["captured"]
    await pass_by(house, HOUR)
    assert await statuses(house.api, broken) == ["captured"] * 2


# Customers


async def test_what_a_customer_has_now_is_charged(house: House, far: FarSide) -> None:
    customer = await house.api.customer()
    made = (await subscribe(house.api, customer)).json()
    assert (await house.api.patch(f"/customers/{customer}", json={"payment_details": card(MASTER)})).is_success
    await pass_by(house, MONTH)
    last = (await shown(house.api, made["id"]))["payments"][-1]
    assert (await house.api.get(f"/payments/{last}")).json()["payment_details"]["brand"] == "master"
    assert far.orders[-1]["card"]["number"] == MASTER
    changed = (await shown(house.api, made["id"]))["customer"]
    assert changed["updated_at"] > changed["created_at"]


async def test_a_wallet_is_charged_until_its_agreement_is_revoked(house: House) -> None:
    customer = (await house.api.post("/customers", json={"email": "w@example.com"})).json()["id"]
    await agree(house.services, await owner_of(house), customer)
    made = (await subscribe(house.api, customer)).json()
    assert made["payment_details"] == {"type": "paypay", "email": "w@example.com"}
    await pass_by(house, MONTH)
    assert await statuses(house.api, made["id"]) == ["captured"] * 2
    assert (await house.api.post(f"/test/customers/{customer}/revoke")).is_success
    await pass_by(house, MONTH)
    assert (await shown(house.api, made["id"]))["status"] == "suspended"
    assert await statuses(house.api, made["id"]) == ["captured", "captured", "failed"]


async def test_a_customers_subscriptions_end_with_it(house: House) -> None:
    customer, other = await house.api.customer(), await house.api.customer()
    first, second = [(await subscribe(house.api, customer)).json()["id"] for _ in range(2)]
    untouched = (await subscribe(house.api, other)).json()
    assert (await house.api.delete(f"/customers/{customer}")).status_code == 200
    for each in (first, second):
        ended = await shown(house.api, each)
        assert ended["status"] == "deleted"
        assert ended["customer"]["archived_at"] is not None
        assert ended["customer"]["email"] is None
        assert ended["payment_details"] == {"type": "credit_card", "email": None}
    assert (await house.api.events())[-3:] == ["customer.deleted", "subscription.deleted", "subscription.deleted"]
    await pass_by(house, MONTH)
    assert await statuses(house.api, first) == ["captured"]
    assert await statuses(house.api, untouched["id"]) == ["captured"] * 2


async def test_one_that_was_made_while_its_customer_went_ends_by_itself(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    made = (await subscribe(house.api, customer)).json()
    await rows.change(f"UPDATE customers SET deleted_at = 1 WHERE id = '{customer}'")
    await pass_by(house, MONTH)
    assert (await shown(house.api, made["id"]))["status"] == "deleted"
    assert await statuses(house.api, made["id"]) == ["captured"]
    assert (await house.api.events())[-1] == "subscription.deleted"


async def test_the_first_charge_is_the_last_where_the_customer_went_meanwhile(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    made = (await subscribe(house.api, customer, headers={"Azukari-Fault": "lost_reply"})).json()
    await rows.change(f"UPDATE customers SET deleted_at = 1 WHERE id = '{customer}'")
    await settle(house)
    assert (await shown(house.api, made["id"]))["status"] == "deleted"
    assert await statuses(house.api, made["id"]) == ["captured"]
    assert (await house.api.events())[-3:] == ["payment.captured", "subscription.captured", "subscription.deleted"]


# The end


async def test_what_has_ended_is_charged_no_more_and_ends_once(house: House) -> None:
    made = (await subscribe(house.api, await house.api.customer())).json()
    first, second = [await house.api.delete(f"/subscriptions/{made['id']}") for _ in range(2)]
    assert first.status_code == 200
    assert first.content == second.content
    assert first.json()["status"] == "deleted"
    assert first.json()["ended_at"] is not None
    await pass_by(house, MONTH)
    assert await statuses(house.api, made["id"]) == ["captured"]
    assert (await house.api.events()).count("subscription.deleted") == 1
    assert (await house.api.delete(f"/subscriptions/{'0' * 25}")).status_code == 404


@pytest.mark.parametrize(("mood", "came"), [("lost_reply", "captured"), ("lost_request", "failed")])
async def test_a_charge_under_way_when_it_ends_comes_to_what_it_comes_to(
    house: House, far: FarSide, mood: str, came: str
) -> None:
    made = (await subscribe(house.api, await house.api.customer())).json()
    far.moods = [mood]
    await pass_by(house, MONTH)
    assert (await house.api.delete(f"/subscriptions/{made['id']}")).status_code == 200
    await settle(house)
    assert await statuses(house.api, made["id"]) == ["captured", came]
    assert (await shown(house.api, made["id"]))["status"] == "deleted"
    await pass_by(house, MONTH)
    assert len(await statuses(house.api, made["id"])) == 2


async def test_one_that_is_tried_again_can_be_ended(house: House, far: FarSide) -> None:
    made = (await subscribe(house.api, await house.api.customer())).json()
    far.moods = ["card_declined"]
    await pass_by(house, MONTH)
    ended = (await house.api.delete(f"/subscriptions/{made['id']}")).json()
    assert (ended["status"], ended["retry_at"]) == ("deleted", None)
    await pass_by(house, MONTH)
    assert await statuses(house.api, made["id"]) == ["captured", "failed"]


# Lists


async def test_the_list_is_filtered_as_every_list_is(house: House) -> None:
    customer = await house.api.customer()
    made = [(await subscribe(house.api, customer)).json()["id"] for _ in range(3)]
    page = (await house.api.get("/subscriptions", params={"per_page": 2})).json()
    assert [each["id"] for each in page["data"]] == made[:0:-1]
    assert (page["total"], page["last_page"]) == (3, 2)
    none = (await house.api.get("/subscriptions", params={"end_time": "2020-01-01"})).json()
    assert (none["total"], none["last_page"]) == (0, 0)


async def test_when_the_next_one_falls_due_is_known(house: House) -> None:
    owner = await owner_of(house)
    assert await house.services.db.read(renewal.next_due, owner) is None
    await subscribe(house.api, await house.api.customer())
    made = (await subscribe(house.api, await house.api.customer(), "weekly")).json()
    assert await house.services.db.read(renewal.next_due, owner) == parse_iso(made["next_capture_at"])
    assert await renewal.renew_due(house.services, owner=owner) == 0
    house.clock.advance(7 * DAY)
    assert await renewal.renew_due(house.services, owner=Owner(owner.merchant_id, "live")) == 0
    assert await renewal.renew_due(house.services, owner=owner) == 1


async def test_who_charges_one_owners_waits_for_what_others_have_under_way(house: House, far: FarSide) -> None:
    made = (await subscribe(house.api, await house.api.customer(), "weekly")).json()["id"]
    house.clock.advance(7 * DAY)
    far.held = asyncio.Event()
    other = asyncio.ensure_future(worker.renew_subscriptions(house.services))
    await far.arrived.wait()
    waiting = asyncio.ensure_future(renewal.renew_due(house.services, owner=await owner_of(house)))
    await asyncio.sleep(3 * renewal.LOOK_AGAIN_SECONDS)
    assert not waiting.done()
    far.held.set()
    assert await waiting == 1
    assert await statuses(house.api, made) == ["captured"] * 2
    await other
