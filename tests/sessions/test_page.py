"""What our own page does with a session: opening it, 3-D Secure, double clicks, coming back."""

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest

from azukari.core.clock import DAY, MINUTE
from azukari.core.errors import NotFound
from azukari.processors.base import AuthenticationRequest, AuthenticationResult
from azukari.secure_tokens import challenges
from azukari.sessions import page
from azukari.wire.answers import Answer
from tests.faults.truth import Book
from tests.house import House, card
from tests.sessions.sessions import CODE, POOR, Browser, make, pay, refused, shown

MODES = ["payment", "customer", "customer_payment"]
FRICTIONLESS, CHALLENGED, FAILS_ON_VISIT, NO = (
    "4100000000000100", "4100000000005000", "4100000000500000", "4100000000300005",
)  # fmt: skip
PASSWORD, WRONG = "123456", "111111"


def with_code(number: str) -> dict[str, Any]:
    return card(number, verification_value=CODE)


def told(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def visit(house: House, answer: Answer, password: str) -> str | None:
    """The issuer's page: where it sends the shopper afterwards."""
    address = httpx.URL(told(answer)["redirect_url"])
    token, state = address.params["token"], address.params["state"]
    challenge = await challenges.challenge_of(house.services, token, state)
    assert challenge is not None
    if challenge.over:
        return challenge.redirect_url
    return (await challenges.answer_challenge(house.services, token, state, password)).redirect_url


def lines(house: House) -> list[Any]:
    return list(Book.read(house.services.settings.data).by_ref.values())


@pytest.mark.parametrize("mode", MODES)
async def test_a_card_that_needs_no_challenge_is_tried_at_once(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode)

    answer = await Browser(house, made).pay(with_code(FRICTIONLESS))

    assert (answer.status, told(answer)["status"]) == (200, "completed")
    (line,) = lines(house)
    assert line.authenticated
    assert line.code
    token = (await shown(house.api, made))["secure_token"]
    assert (token["verification_status"], token["authentication_url"]) == ("OK", None)


@pytest.mark.parametrize("mode", MODES)
async def test_a_challenge_that_is_passed_finishes_the_session(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode)
    browser = Browser(house, made)

    away = await browser.pay(with_code(CHALLENGED), consent="We keep it.")

    assert (away.status, told(away)["status"], "payment" in told(away)) == (200, "pending", False)
    assert "/three_d_secure_service/offsite?token=tok_" in told(away)["redirect_url"]
    assert lines(house) == []
    assert (await browser.state()).next == "resume"
    waiting = (await shown(house.api, made))["secure_token"]
    assert waiting["verification_status"] == "NEEDS_VERIFY"
    # Back without an answer: the way to the issuer is still open.
    assert told(await browser.resume())["redirect_url"] == told(away)["redirect_url"]
    back = await visit(house, away, PASSWORD)
    assert back == f"{made['session_url']}?secure_token_id={waiting['id']}"

    answer = await browser.resume()

    assert (answer.status, told(answer)["status"]) == (200, "completed")
    assert told(answer)["redirect_url"].startswith("https://shop.example/thanks?session_id=")
    (line,) = lines(house)
    assert line.authenticated
    assert told(await browser.resume()) == told(answer)
    assert len(lines(house)) == 1
    if mode != "payment":
        assert (await house.api.charge(made["customer_id"])).status_code == 200
        first, later = lines(house)
        assert later.ds_trans_id == first.ds_trans_id


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", [FAILS_ON_VISIT, NO])
async def test_a_challenge_that_fails_is_counted_once_and_another_card_may_come(
    house: House, mode: str, number: str
) -> None:
    made = await make(house.api, mode=mode)
    browser = Browser(house, made)
    await visit(house, await browser.pay(with_code(number)), WRONG)

    answers = [await browser.resume() for _ in range(2)]

    assert answers[0].status == 422
    assert told(answers[0])["error"]["code"] == "verification_status_errored"
    assert told(answers[0])["status"] == "error"
    assert (answers[1].status, told(answers[1])["status"]) == (200, "pending")
    assert (await browser.state()).next == "form"
    assert (await browser.open()).session.declines == 1
    assert (await shown(house.api, made))["secure_token"]["verification_status"] == "ERRORED"
    assert lines(house) == []
    assert (await browser.pay(with_code(FRICTIONLESS))).status == 200


async def test_five_failed_challenges_lock_the_session(house: House) -> None:
    made = await make(house.api)
    browser = Browser(house, made)
    for _ in range(5):
        await visit(house, await browser.pay(with_code(NO)), WRONG)
        assert (await browser.resume()).status == 422

    assert (await browser.state()).locked
    assert told(await browser.pay(with_code(FRICTIONLESS)))["error"]["code"] == "locked"


async def test_a_brand_without_3d_secure_is_tried_without(house: House) -> None:
    made = await make(house.api)

    answer = await Browser(house, made).pay(with_code("30569309025904"))

    assert (answer.status, told(answer)["status"]) == (200, "completed")
    assert not lines(house)[0].authenticated


async def test_an_authenticated_card_that_is_declined_leaves_the_session_open(house: House) -> None:
    made = await make(house.api, mode="customer_payment")
    browser = Browser(house, made)

    answer = await browser.pay(card(POOR))

    assert (answer.status, told(answer)["error"]["code"]) == (502, "insufficient_funds")
    assert (await browser.state()).next == "form"
    assert told(await browser.pay(with_code(FRICTIONLESS)))["status"] == "completed"


async def test_a_challenge_is_over_with_another_card(house: House) -> None:
    made = await make(house.api)
    browser = Browser(house, made)
    first = await browser.pay(with_code(CHALLENGED))

    assert told(await browser.pay(with_code(FRICTIONLESS)))["status"] == "completed"

    await visit(house, first, PASSWORD)
    assert told(await browser.resume())["status"] == "completed"
    assert len(lines(house)) == 1


@pytest.mark.parametrize("number", [FRICTIONLESS, CHALLENGED])
async def test_a_wallet_that_another_tab_is_sent_to_while_the_issuer_is_asked_is_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    made = await make(house.api, mode="customer")
    browser, simulator = Browser(house, made), house.services.processors.simulator
    authenticate = simulator.authenticate
    tabs = []

    async def slowly(order: AuthenticationRequest) -> AuthenticationResult:
        tabs.append(await browser.pay({"type": "paypay", "email": "taro@example.com"}))
        return await authenticate(order)

    monkeypatch.setattr(simulator, "authenticate", slowly)
    late = await browser.pay(with_code(number))

    assert (late.status, told(late)["error"]["code"]) == (423, "locked")
    away = told(tabs[0])["redirect_url"]
    state = await browser.state()
    assert (state.next, state.redirect_url) == ("resume", away)
    simulator.decide(away.rpartition("/")[2], "approved")
    assert told(await browser.resume())["status"] == "completed"
    kept = (await house.api.get(f"/customers/{made['customer_id']}")).json()
    assert (kept["source"]["type"], kept["email"]) == ("paypay", "taro@example.com")


async def test_a_challenge_that_takes_too_long_is_an_error_not_a_charge(house: House) -> None:
    made = await make(house.api)
    browser = Browser(house, made)
    await browser.pay(with_code(CHALLENGED))
    house.clock.advance(16 * MINUTE)

    assert told(await browser.resume())["error"]["code"] == "verification_status_errored"

    made = await make(house.api)
    browser = Browser(house, made)
    away = await browser.pay(with_code(CHALLENGED))
    await visit(house, away, PASSWORD)
    house.clock.advance(DAY)
    assert told(await browser.resume())["error"]["code"] == "session_expired"
    assert lines(house) == []


async def test_a_key_is_not_asked_for_3d_secure(house: House) -> None:
    made = await make(house.api)

    assert (await pay(house.publishable, made, with_code(CHALLENGED))).json()["status"] == "completed"

    assert not lines(house)[0].authenticated


@pytest.mark.parametrize("mode", ["payment", "customer_payment"])
async def test_a_secure_token_of_the_element_pays_the_session_it_is_for(house: House, mode: str) -> None:
    made = await make(house.api, mode=mode)

    async def secured(amount: int) -> str:
        reply = await house.publishable.post(
            "/secure_tokens",
            json={
                "amount": amount,
                "currency": "JPY",
                "return_url": "https://shop.example",
                "payment_details": with_code(FRICTIONLESS),
            },
        )
        return str(reply.json()["id"])

    refused(await pay(house.publishable, made, await secured(999)), 422, "invalid_token")
    assert (await pay(house.publishable, made, await secured(1000))).json()["status"] == "completed"
    assert lines(house)[0].authenticated


async def test_a_secure_token_of_a_saved_card_pays_no_session(house: House) -> None:
    customer, made = await house.api.customer(FRICTIONLESS), await make(house.api)
    reply = await house.api.post(
        "/secure_tokens",
        json={"amount": 1000, "currency": "JPY", "return_url": "https://shop.example", "customer": customer},
    )

    for api in (house.publishable, house.api):
        refused(await pay(api, made, reply.json()["id"]), 422, "invalid_token")


# Presses


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", ["4111111111111111", CHALLENGED])
async def test_a_double_click_is_one_try(house: House, mode: str, number: str) -> None:
    made = await make(house.api, mode=mode)
    browser = Browser(house, made)

    answers = await asyncio.gather(*(browser.pay(with_code(number), nonce="one press") for _ in range(3)))

    statuses = [answer.status for answer in answers]
    assert set(statuses) <= {200, 409, 422, 423}
    assert 200 in statuses
    assert len(lines(house)) == (0 if number == CHALLENGED else 1)
    later = await browser.pay(with_code(number), nonce="one press")
    assert later.status == 200
    assert len(lines(house)) <= 1


async def test_the_same_press_again_gets_the_same_answer(house: House) -> None:
    made = await make(house.api)
    browser = Browser(house, made)

    answers = [await browser.pay(card(POOR), nonce="a") for _ in range(3)]

    assert len({answer.body for answer in answers}) == 1
    assert (await browser.open()).session.declines == 1


# Opening


async def test_a_page_has_what_it_shows(house: House) -> None:
    made = await make(house.api, line_items=[{"amount": 1000, "description": "Tea"}], email="taro@example.com")

    opened = await Browser(house, made).open()

    assert (opened.merchant_name, opened.session.amount, opened.session.email) == (
        "Test shop",
        1000,
        "taro@example.com",
    )
    assert [entry.type for entry in opened.methods] == [entry["type"] for entry in made["payment_methods"]]
    assert msgspec.to_builtins(opened.line_items) == made["line_items"]
    assert (opened.payment, opened.secure_token) == (None, None)
    assert msgspec.to_builtins(opened.state) == {
        "status": "pending",
        "expired": False,
        "locked": False,
        "busy": False,
        "next": "form",
        "redirect_url": None,
    }


async def test_a_session_that_is_over_sends_the_shopper_home(house: House) -> None:
    home = "https://shop.example/thanks?session_id="
    cancelled, expired = [await make(house.api, expires_in_seconds=1) for _ in range(2)]
    nowhere = await make(house.api, return_url=None)
    await house.api.post(f"/sessions/{cancelled['id']}/cancel")
    await pay(house.api, nowhere)
    house.clock.advance(1_000)

    for made, status, redirect in (
        (cancelled, "cancelled", home + cancelled["id"]),
        (expired, "pending", home + expired["id"]),
        (nowhere, "completed", None),
    ):
        state = await Browser(house, made).state()
        assert (state.next, state.status, state.redirect_url) == ("done", status, redirect)


async def test_what_is_no_session_has_no_page(house: House) -> None:
    for unknown in ("0" * 25, "", "x", house.installation.secret_key.reveal()):
        with pytest.raises(NotFound):
            await page.open_session(house.services, unknown)
        with pytest.raises(NotFound):
            await page.state(house.services, unknown)
