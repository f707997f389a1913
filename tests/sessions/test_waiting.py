"""Methods whose shopper has to act elsewhere: cash, wallets, prepaid cards with too little on them."""

import pytest

from azukari import worker
from azukari.core.clock import DAY, HOUR, MINUTE
from azukari.sessions import pending
from azukari.wire.call import Call
from tests.cards import PAYPAY
from tests.house import House, card
from tests.sessions.sessions import CODE, KONBINI, Browser, decide, make, pay, payment_status, refused, shown

CARD = card(verification_value=CODE)
WALLETS = ["paypay", "linepay", "aupay"]


# Cash


async def test_a_cash_payment_completes_its_session_at_once(house: House) -> None:
    made = await make(house.api)

    reply = await pay(house.publishable, made, KONBINI)

    answer = reply.json()
    details = answer["payment"]["payment_details"]
    assert (reply.status_code, answer["status"], answer["payment"]["status"]) == (200, "completed", "authorized")
    assert answer["redirect_url"] == details["instructions_url"]
    assert (answer["payment"]["payment_method_fee"], answer["payment"]["total"]) == (190, 1190)
    state = await Browser(house, made).state()
    assert (state.next, state.redirect_url) == ("instructions", details["instructions_url"])
    for outcome, status in (("paid", "captured"),):
        path = f"/test/payments/{answer['payment']['id']}/simulate"
        paid = await house.api.post(path, json={"outcome": outcome})
        assert (paid.status_code, paid.json()["status"]) == (200, status)
    after = await shown(house.api, made)
    assert (after["status"], after["payment"]["status"]) == ("completed", "captured")
    assert await house.api.events() == ["payment.authorized", "payment.captured"]


async def test_cash_that_never_comes_leaves_the_session_completed(house: House) -> None:
    made = await make(house.api, payment_data={"external_order_num": "A-1"})
    reply = await pay(house.publishable, made, KONBINI)
    path = f"/test/payments/{reply.json()['payment']['id']}/simulate"

    assert (await house.api.post(path, json={"outcome": "expired"})).json()["status"] == "expired"

    assert (await shown(house.api, made))["status"] == "completed"
    refused(await pay(house.publishable, made), 422, "session_completed")


async def test_the_shopper_is_told_the_fee_that_was_offered(house: House) -> None:
    from azukari.merchants import settings as merchants
    from azukari.payment_methods.offer import check

    made = await make(house.api)
    shop = (await house.services.db.read(merchants.store.list_merchants))[0]
    await merchants.change(house.services.db, shop.id, {"fees": {"konbini": "300"}}, (), check)
    house.clock.advance(1_000)

    assert (await pay(house.publishable, made, KONBINI)).json()["payment"]["payment_method_fee"] == 190


# Wallets


@pytest.mark.parametrize("type", [*WALLETS, "merpay", "rakutenpay"])
async def test_a_wallet_sends_the_shopper_away_and_back(house: House, type: str) -> None:
    made = await make(house.api, payment_types=[type])
    browser = Browser(house, made)

    reply = await pay(house.publishable, made, {"type": type})

    answer = reply.json()
    away = answer["payment"]["payment_details"]["redirect_url"]
    assert (reply.status_code, answer["status"], answer["payment"]["status"]) == (200, "pending", "pending")
    assert answer["redirect_url"] == away
    state = await browser.state()
    assert (state.next, state.redirect_url, state.busy) == ("resume", away, False)
    # Back without a decision: the way to the wallet is still open.
    assert (await browser.resume()).status == 200
    decide(house, reply, "approved")
    assert (await shown(house.api, made))["status"] == "pending"
    assert b'"status":"completed"' in (await browser.resume()).body
    after = await shown(house.api, made)
    assert (after["status"], after["payment"]["status"]) == ("completed", "captured")
    assert (await browser.state()).redirect_url == f"https://shop.example/thanks?session_id={made['id']}"


async def test_an_off_site_payment_may_be_held_only(house: House) -> None:
    made = await make(house.api, payment_data={"capture": "manual"})
    reply = await pay(house.publishable, made, PAYPAY)
    decide(house, reply, "approved")

    await Browser(house, made).resume()

    after = await shown(house.api, made)
    assert (after["status"], after["payment"]["status"]) == ("completed", "authorized")


@pytest.mark.parametrize("mode", ["customer", "customer_payment"])
@pytest.mark.parametrize("type", WALLETS)
async def test_a_wallet_is_stored_and_charged_again_without_a_browser(house: House, mode: str, type: str) -> None:
    made = await make(house.api, mode=mode)
    reply = await pay(house.publishable, made, {"type": type})
    customer = f"/customers/{made['customer_id']}"
    assert (await house.api.get(customer)).json()["source"] is None
    decide(house, reply, "approved")

    answer = await Browser(house, made).resume()

    assert b'"status":"completed"' in answer.body
    assert made["customer_id"].encode() in answer.body
    assert (await house.api.get(customer)).json()["source"] == {"type": type}
    for _ in range(2):
        charge = await house.api.charge(made["customer_id"])
        assert (charge.status_code, charge.json()["status"]) == (200, "captured")
    assert (await house.api.post(f"/test{customer}/revoke")).status_code == 200
    revoked = await house.api.charge(made["customer_id"])
    assert (revoked.status_code, revoked.json()["error"]["code"]) == (502, "invalid_account")
    taken = ["payment.captured"] if mode == "customer_payment" else []
    assert await house.api.events() == [
        "customer.created",
        *taken,
        "customer.updated",
        "payment.captured",
        "payment.captured",
        "payment.failed",
    ]


async def test_a_wallet_takes_the_place_of_a_card(house: House) -> None:
    customer = await house.api.customer()
    made = await make(house.api, mode="customer", customer_id=customer)
    decide(house, await pay(house.publishable, made, PAYPAY), "approved")

    await Browser(house, made).resume()

    assert (await house.api.charge(customer)).json()["payment_details"]["type"] == "paypay"


@pytest.mark.parametrize("mode", ["payment", "customer", "customer_payment"])
async def test_a_wallets_no_is_a_decline_and_another_try_may_come(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode)
    browser = Browser(house, made)
    reply = await pay(house.publishable, made, PAYPAY)
    decide(house, reply, "declined")

    answer = await browser.resume()

    assert answer.status == 502
    assert b'"status":"error"' in answer.body
    assert (await browser.state()).next == "form"
    if mode != "customer":
        assert await payment_status(house.api, reply) == "failed"
    assert (await pay(house.publishable, made)).status_code == 200


@pytest.mark.parametrize("mode", ["payment", "customer", "customer_payment"])
async def test_a_tab_that_was_closed_is_heard_of_by_the_worker(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode)
    decide(house, await pay(house.publishable, made, PAYPAY), "approved")

    house.clock.advance(HOUR)
    await worker.reconcile_attempts(house.services)

    assert (await shown(house.api, made))["status"] == "completed"
    if mode != "payment":
        assert (await house.api.charge(made["customer_id"])).status_code == 200


async def test_the_test_route_moves_the_session_with_its_payment(house: House) -> None:
    made = await make(house.api, mode="customer_payment")
    reply = await pay(house.publishable, made, PAYPAY)

    path = f"/test/payments/{reply.json()['payment']['id']}/simulate"
    assert (await house.api.post(path, json={"outcome": "paid"})).json()["status"] == "captured"

    assert (await shown(house.api, made))["status"] == "completed"
    assert (await house.api.charge(made["customer_id"])).status_code == 200


# What else may happen meanwhile


@pytest.mark.parametrize("mode", ["payment", "customer", "customer_payment"])
async def test_another_try_ends_the_one_that_waits(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode, payment_data={"external_order_num": "A-1"})
    first = await pay(house.publishable, made, PAYPAY)

    second = await pay(house.publishable, made)

    assert (second.status_code, second.json()["status"]) == (200, "completed")
    if mode != "customer":
        assert await payment_status(house.api, first) == "cancelled"
        assert second.json()["payment"]["external_order_num"] == "A-1"
    # The wallet's page has nothing to approve any more.
    decide(house, first, "approved")
    house.clock.advance(HOUR)
    await worker.reconcile_attempts(house.services)
    await worker.reconcile_attempts(house.services)
    if mode != "customer":
        assert await payment_status(house.api, first) == "cancelled"
        listed = (await house.api.get("/payments", params={"status": "captured"})).json()
        assert listed["total"] == 1
    else:
        assert (await house.api.get(f"/customers/{made['customer_id']}")).json()["source"]["type"] == "credit_card"


async def test_a_try_that_finds_yet_another_one_waiting_comes_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(house.api)
    await pay(house.publishable, made, PAYPAY)
    end = pending.end

    async def end_slowly(call: Call, session_id: str) -> None:
        monkeypatch.setattr(pending, "end", end)
        await end(call, session_id)
        assert (await pay(house.publishable, made, {"type": "linepay"})).status_code == 200  # from another tab

    monkeypatch.setattr(pending, "end", end_slowly)

    refused(await pay(house.publishable, made), 423, "locked")


@pytest.mark.parametrize("mode", ["payment", "customer_payment"])
async def test_a_try_after_the_wallets_yes_pays_nothing_twice(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode)
    first = await pay(house.publishable, made, PAYPAY)
    decide(house, first, "approved")

    refused(await pay(house.publishable, made), 422, "session_completed")

    assert await payment_status(house.api, first) == "captured"
    assert (await house.api.get("/payments")).json()["total"] == 1


async def test_the_same_key_gives_the_way_to_the_wallet_again(house: House) -> None:
    made = await make(house.api)
    key = {"X-KOMOJU-IDEMPOTENCY": "pay-1"}

    replies = [await pay(house.publishable, made, PAYPAY, headers=key) for _ in range(2)]

    assert replies[0].content == replies[1].content
    assert await payment_status(house.api, replies[0]) == "pending"


@pytest.mark.parametrize("mode", ["payment", "customer", "customer_payment"])
async def test_cancelling_a_session_ends_what_waits(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode)
    reply = await pay(house.publishable, made, PAYPAY)

    cancelled = await house.api.post(f"/sessions/{made['id']}/cancel")

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    if mode != "customer":
        assert cancelled.json()["payment"]["status"] == "cancelled"
    decide(house, reply, "approved")
    house.clock.advance(HOUR)
    await worker.reconcile_attempts(house.services)
    assert (await shown(house.api, made))["status"] == "cancelled"


async def test_a_session_whose_wallet_said_yes_is_not_cancelled(house: House) -> None:
    made = await make(house.api)
    decide(house, await pay(house.publishable, made, PAYPAY), "approved")

    reply = await house.api.post(f"/sessions/{made['id']}/cancel")

    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "not_cancellable")
    assert (await shown(house.api, made))["status"] == "completed"


async def test_cancelling_the_payment_leaves_the_session_open(house: House) -> None:
    made = await make(house.api)
    reply = await pay(house.publishable, made, PAYPAY)
    payment = reply.json()["payment"]["id"]

    assert (await house.api.post(f"/payments/{payment}/cancel")).json()["status"] == "cancelled"

    assert (await Browser(house, made).state()).next == "form"
    assert (await pay(house.publishable, made)).status_code == 200


@pytest.mark.parametrize("mode", ["payment", "customer", "customer_payment"])
async def test_an_expired_session_ends_what_waits(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode, expires_in_seconds=60, payment_data={"external_order_num": "A-1"})
    reply = await pay(house.publishable, made, PAYPAY)
    house.clock.advance(MINUTE)

    await worker.end_sessions(house.services)

    after = await shown(house.api, made)
    assert (after["status"], after["expired"]) == ("pending", True)
    if mode != "customer":
        assert await payment_status(house.api, reply) == "cancelled"
    decide(house, reply, "approved")
    house.clock.advance(DAY)
    await worker.reconcile_attempts(house.services)
    assert (await shown(house.api, made))["status"] == "pending"
    # Its number may be used again.
    await make(house.api, payment_data={"external_order_num": "A-1"})


async def test_an_expired_session_that_was_paid_at_the_last_moment_is_completed(house: House) -> None:
    made = await make(house.api, expires_in_seconds=60)
    decide(house, await pay(house.publishable, made, PAYPAY), "approved")
    house.clock.advance(MINUTE)

    await worker.end_sessions(house.services)

    assert (await shown(house.api, made))["status"] == "completed"


@pytest.mark.parametrize("mode", ["payment", "customer", "customer_payment"])
async def test_a_wallet_that_answers_twice_is_waited_for_once(
    house: House, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await make(house.api, mode=mode)

    reply = await pay(house.publishable, made, {"type": "paypay"}, headers={"Azukari-Fault": "duplicate_reply"})

    assert (reply.status_code, reply.json()["status"]) == (200, "pending")
    assert "/offsite/" in reply.json()["redirect_url"]
    assert "not_written" not in capsys.readouterr().err
    assert (await pay(house.publishable, made)).json()["status"] == "completed"


# Prepaid cards


async def test_a_prepaid_card_with_enough_on_it_pays_at_once(house: House) -> None:
    made = await make(house.api)

    reply = await pay(house.publishable, made, {"type": "web_money", "prepaid_number": "1111111111111111"})

    assert (reply.status_code, reply.json()["status"]) == (200, "completed")


async def test_a_prepaid_card_with_too_little_on_it_is_followed_by_another(house: House) -> None:
    made = await make(house.api, amount=3000)
    browser = Browser(house, made)
    first = await pay(house.publishable, made, {"type": "web_money", "prepaid_number": "1111111111111111"})
    assert (first.status_code, first.json()["status"]) == (200, "pending")
    assert first.json()["payment"]["payment_details"]["short_amount"] > 0
    assert (await browser.state()).next == "form"

    bad = await pay(house.publishable, made, {"type": "web_money", "prepaid_number": "e111111111111112"})
    assert (bad.status_code, bad.json()["status"]) == (502, "error")
    second = await pay(house.publishable, made, {"type": "web_money", "prepaid_number": "1111111111111112"})

    assert (second.status_code, second.json()["status"]) == (200, "completed")
    assert second.json()["payment"]["id"] == first.json()["payment"]["id"]
    assert (await house.api.get("/payments")).json()["total"] == 1


async def test_the_merchant_may_add_the_second_card(house: House) -> None:
    made = await make(house.api, amount=3000)
    first = await pay(house.publishable, made, {"type": "web_money", "prepaid_number": "1111111111111111"})
    payment = first.json()["payment"]["id"]

    more = {"payment_details": {"type": "web_money", "prepaid_number": "1111111111111112"}}
    reply = await house.api.patch(f"/payments/{payment}", json=more)

    assert (reply.status_code, reply.json()["status"], reply.json()["id"]) == (200, "captured", payment)
    assert (await shown(house.api, made))["status"] == "completed"


async def test_a_short_payment_makes_way_for_a_card(house: House) -> None:
    made = await make(house.api, amount=3000)
    first = await pay(house.publishable, made, {"type": "web_money", "prepaid_number": "1111111111111111"})

    assert (await pay(house.publishable, made)).json()["status"] == "completed"

    assert await payment_status(house.api, first) == "cancelled"


def test_every_wallet_that_can_be_stored_is_tried() -> None:
    from azukari.processors.methods import STORABLE

    assert set(WALLETS) == STORABLE
