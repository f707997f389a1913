"""``POST /sessions/{id}/pay``: what it answers, what it leaves behind, and when it takes no more."""

from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import MINUTE
from tests.cards import MASTER
from tests.faults.sites import Rows
from tests.faults.truth import Book
from tests.house import Api, House, card
from tests.sessions.sessions import CODE, POOR, Browser, make, pay, refused, shown

CARD = card(verification_value=CODE)


def taken(house: House) -> int:
    """How many sales and holds stand at the bank."""
    return Book.read(house.services.settings.data).taken()


@pytest.fixture
async def rows(house: House) -> Any:
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


@pytest.mark.parametrize("key", ["secret", "publishable"])
async def test_a_card_pays_a_session(house: House, key: str) -> None:
    made = await make(house.api, metadata={"a": "b"}, payment_data={"external_order_num": "A-1", "mcc": "1234"})

    reply = await pay(house.api if key == "secret" else house.publishable, made)

    answer = reply.json()
    assert (reply.status_code, answer["status"], answer["app_url"]) == (200, "completed", None)
    assert answer["redirect_url"] == f"https://shop.example/thanks?session_id={made['id']}"
    after = await shown(house.api, made)
    payment = (await house.api.get(f"/payments/{answer['payment']['id']}")).json()
    assert after["payment"] == payment
    assert (payment["status"], payment["amount"], payment["tax"], payment["session"]) == (
        "captured",
        1000,
        0,
        made["id"],
    )
    assert (payment["metadata"], payment["external_order_num"], payment["mcc"]) == ({"a": "b"}, "A-1", "1234")
    assert (after["status"], after["cancelled_at"]) == ("completed", None)
    assert after["completed_at"] is not None
    assert "customer" not in answer
    assert await house.api.events() == ["payment.captured"]


async def test_tokens_and_forms_pay_as_well(house: House) -> None:
    api = house.publishable
    made = [await make(house.api) for _ in range(2)]
    token = await api.token(verification_value=CODE)
    replies = [
        await pay(api, made[0], token),
        await api.post(
            f"/sessions/{made[1]['id']}/pay",
            data={f"payment_details[{name}]": str(value) for name, value in CARD.items()},
        ),
    ]

    assert [reply.status_code for reply in replies] == [200, 200]
    assert taken(house) == 2
    refused(await pay(api, await make(house.api), token), 422, "invalid_token")


async def test_without_a_return_url_the_sessions_own_page_is_the_way_to_go(api: Api) -> None:
    made = await make(api, return_url=None)

    assert (await pay(api, made)).json()["redirect_url"] == made["session_url"]


async def test_whether_money_is_only_held_is_the_merchants_choice(house: House) -> None:
    manual = {"payment_data": {"capture": "manual"}}
    cases = (
        (manual, {}, house.publishable, "authorized"),
        (manual, {"capture": "auto"}, house.publishable, "authorized"),
        ({}, {"capture": "manual"}, house.publishable, "captured"),
        ({}, {"capture": "manual"}, house.api, "authorized"),
        (manual, {"capture": "auto"}, house.api, "captured"),
    )
    for session, body, api, status in cases:
        made = await make(house.api, **session)
        answer = (await pay(api, made, json=body)).json()
        assert (answer["payment"]["status"], answer["status"]) == (status, "completed"), (session, body)


async def test_amount_currency_and_tax_of_the_body_do_not_count(house: House) -> None:
    made = await make(house.api)

    reply = await pay(
        house.publishable,
        made,
        json={
            "amount": "1",
            "currency": "USD",
            "tax": "5",
            "fraud_details": {},
            "api_locale": "en-US",
            "other": [1],
        },
    )

    payment = reply.json()["payment"]
    assert (payment["total"], payment["currency"], payment["locale"]) == (1000, "JPY", "en")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_parameter", "payment_details"),
        ({"payment_details": {}}, "missing_parameter", "payment_details[type]"),
        ({"payment_details": []}, "invalid_parameter", "payment_details"),
        ({"payment_details": card("4111111111111112")}, "invalid_parameter", "payment_details[number]"),
        ({"payment_details": "tok_" + "0" * 25}, "invalid_token", "payment_details"),
        ({"payment_details": "nothing"}, "invalid_token", "payment_details"),
        ({"payment_details": {"type": "apple_pay"}}, "invalid_payment_type", "payment_details[type]"),
        ({"payment_details": {"type": "kakaopay"}}, "invalid_payment_type", "payment_details[type]"),
        ({"payment_details": CARD, "capture": True}, "invalid_parameter", "capture"),
        ({"payment_details": CARD, "api_locale": ["fr"]}, "invalid_parameter", "api_locale"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_try_is_named_and_changes_nothing(
    house: House, body: Any, code: str, param: str
) -> None:
    made = await make(house.api)

    for api in (house.api, house.publishable):
        reply = await api.post(f"/sessions/{made['id']}/pay", json={**body})
        refused(reply, 422, code)
        assert reply.json()["error"]["param"] == param
    assert await shown(house.api, made) == made


async def test_a_type_the_session_does_not_offer_is_refused(house: House) -> None:
    made = await make(house.api, payment_types=["konbini"])
    token = await house.api.token()

    for details in (CARD, token, {"type": "paypay"}):
        refused(await pay(house.publishable, made, details), 422, "invalid_payment_type")
    # The token was touched by none of these.
    assert (await pay(house.api, await make(house.api), token)).status_code == 200


async def test_a_declined_try_leaves_the_session_open(house: House) -> None:
    made = await make(house.api, payment_data={"external_order_num": "A-1"})

    refused(await pay(house.publishable, made, card(POOR)), 502, "insufficient_funds")

    after = await shown(house.api, made)
    assert (after["status"], after["payment"]["status"]) == ("pending", "failed")
    paid = await pay(house.publishable, made)
    assert (paid.status_code, paid.json()["payment"]["external_order_num"]) == (200, "A-1")
    assert await house.api.events() == ["payment.failed", "payment.captured"]


async def test_five_declined_tries_lock_a_session(house: House) -> None:
    made = await make(house.api)
    browser = Browser(house, made)
    for count in range(5):
        assert not (await browser.state()).locked
        refused(await pay(house.publishable, made, card("4123111111111059")), 502, "card_declined")
        assert len(Book.read(house.services.settings.data).by_ref) == count + 1

    for api in (house.publishable, house.api):
        refused(await pay(api, made), 422, "locked")
    assert taken(house) == 0
    assert len(Book.read(house.services.settings.data).by_ref) == 5
    assert (await browser.state()).locked
    assert (await shown(house.api, made))["status"] == "pending"
    assert (await house.api.post(f"/sessions/{made['id']}/cancel")).status_code == 200


async def test_errors_that_are_no_declines_do_not_count(house: House) -> None:
    made = await make(house.api)
    for _ in range(6):
        refused(await pay(house.publishable, made, headers={"Azukari-Fault": "processor_down"}), 504, "gateway_timeout")
        refused(await pay(house.publishable, made, "tok_none"), 422, "invalid_token")

    assert (await pay(house.publishable, made)).status_code == 200
    assert taken(house) == 1


async def test_a_session_that_is_over_takes_no_more(house: House) -> None:
    completed, cancelled, expired = [await make(house.api, expires_in_seconds=60) for _ in range(3)]
    await pay(house.api, completed)
    await house.api.post(f"/sessions/{cancelled['id']}/cancel")
    house.clock.advance(MINUTE)

    for made, code in (
        (completed, "session_completed"),
        (cancelled, "session_cancelled"),
        (expired, "session_expired"),
    ):
        for details in (
            CARD,
            {"type": "credit_card"},
            {"type": "konbini", "store": "nowhere"},
            {},
            "no token",
            "tok_none",
        ):
            refused(await pay(house.publishable, made, details), 422, code)
    assert taken(house) == 1


async def test_a_scenario_of_the_session_makes_every_try_fail(house: House) -> None:
    for mode in ("payment", "customer", "customer_payment"):
        reply = await house.api.post(
            "/sessions",
            json={"mode": mode, "amount": 1000, "currency": "JPY"},
            headers={"Komoju-Scenario": "exceeds_limit"},
        )
        for details in (CARD, await house.api.token()):
            refused(await pay(house.publishable, reply.json(), details), 502, "exceeds_limit")
    assert taken(house) == 0


async def test_a_try_whose_outcome_is_not_known_holds_the_session(house: House) -> None:
    made = await make(house.api)
    browser = Browser(house, made)
    key = {"X-KOMOJU-IDEMPOTENCY": "try-1"}

    waiting = await pay(house.publishable, made, headers={"Azukari-Fault": "lost_reply", **key})

    answer = waiting.json()
    assert (waiting.status_code, answer["status"], answer["redirect_url"]) == (202, "pending", made["session_url"])
    refused(await pay(house.publishable, made), 423, "locked")
    assert (await browser.state()).busy
    assert (await browser.resume()).status == 202
    house.clock.advance(MINUTE)
    await worker.reconcile_attempts(house.services)
    after = await shown(house.api, made)
    assert (after["status"], after["payment"]["status"]) == ("completed", "captured")
    assert not (await browser.state()).busy
    assert (await browser.resume()).status == 200
    assert taken(house) == 1
    again = await pay(house.publishable, made, headers={"Azukari-Fault": "lost_reply", **key})
    assert again.headers["X-Idempotent-Replayed"] == "true"
    assert again.content == waiting.content


async def test_a_try_that_never_arrived_frees_the_session(house: House) -> None:
    made = await make(house.api)
    assert (await pay(house.publishable, made, headers={"Azukari-Fault": "lost_request"})).status_code == 202
    house.clock.advance(MINUTE)
    await worker.reconcile_attempts(house.services)

    assert (await shown(house.api, made))["payment"]["status"] == "failed"
    assert (await pay(house.publishable, made)).status_code == 200


async def test_an_answer_that_comes_twice_is_one(house: House) -> None:
    for mode in ("payment", "customer", "customer_payment"):
        for details, status in ((CARD, 200), (card(POOR), 502)):
            made = await make(house.api, mode=mode)
            reply = await pay(house.publishable, made, details, headers={"Azukari-Fault": "duplicate_reply"})
            assert reply.status_code == status
    assert taken(house) == 2


async def test_the_same_key_pays_once_and_gets_one_answer(house: House) -> None:
    made = await make(house.api, mode="customer_payment")
    key = {"X-KOMOJU-IDEMPOTENCY": "pay-1"}

    replies = [await pay(house.publishable, made, headers=key) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [200, 200, 200]
    assert len({reply.content for reply in replies}) == 1
    assert taken(house) == 1
    refused(await pay(house.publishable, made, card(MASTER), headers=key), 422, "invalid_parameter")
    # The merchant's own keys have other names.
    refused(await pay(house.api, made, headers=key), 422, "session_completed")


async def test_a_decline_is_repeated_by_its_key(house: House) -> None:
    made = await make(house.api)
    key = {"X-KOMOJU-IDEMPOTENCY": "pay-1"}

    replies = [await pay(house.publishable, made, card(POOR), headers=key) for _ in range(2)]

    assert replies[0].content == replies[1].content
    refused(replies[1], 502, "insufficient_funds")
    assert len(Book.read(house.services.settings.data).by_ref) == 1


async def test_a_session_of_dollars_is_paid_in_yen_at_a_till(house: House) -> None:
    from azukari.merchants import settings as merchants
    from azukari.payment_methods.offer import check

    shop = (await house.services.db.read(merchants.store.list_merchants))[0]
    await merchants.change(house.services.db, shop.id, {"rates": {"USD": "150"}}, (), check)
    house.clock.advance(1_000)
    made = await make(house.api, amount=1000, currency="USD")

    reply = await pay(
        house.publishable, made, {"type": "konbini", "store": "lawson", "email": "a@example.com", "name": "Taro"}
    )

    payment = reply.json()["payment"]
    assert (payment["amount"], payment["currency"], payment["payment_method_fee"]) == (1500, "JPY", 190)
    assert payment["total"] == 1690
