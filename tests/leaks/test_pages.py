"""Cards that people type on our pages leave no trace (SEC-1, SEC-2)."""

import io
import json
from pathlib import Path

import pytest

from azukari import worker
from azukari.secure_tokens.challenges import answer_challenge, challenge_of
from tests.checkout.shoppers import shopper
from tests.fields.frames import Frame
from tests.fields.frames import get as get_page
from tests.house import House, card
from tests.leaks.codes import new_codes, stored_values
from tests.leaks.places import assert_nowhere, listening
from tests.leaks.scanner import new_number
from tests.secure_tokens.cards import CHALLENGE, FRICTIONLESS, RIGHT, address


async def test_cards_on_the_hosted_page_leave_no_trace(house: House, logged: io.StringIO, temporary: Path) -> None:
    replies = listening(house.api)
    numbers = ["4242424242424242", "4100000000005000", "4123111111111000", new_number(), new_number("555555")]
    codes = new_codes(len(numbers))
    for number, code in zip(numbers, codes, strict=True):
        for mode in ("payment", "customer"):
            buyer = await shopper(house, mode=mode)
            sentence = (await buyer.get("/words?locale=ja")).json()["m"]["credit_card"].get("consent", "")
            consent = {"text": sentence, "version": "1"}
            details = card(number, verification_value=code)
            await buyer.pay(details, consent=consent)
            await buyer.pay(details, consent={"text": number, "version": code})
            await buyer.pay({"type": "credit_card", "email": number, "name": number, **details}, consent=consent)
            await buyer.pay({"type": "konbini", "store": number, "email": number}, consent=consent)
            await buyer.pay({"type": number}, consent=consent, locale=number)
            await buyer.post("/pay", {"csrf": number, "nonce": number, "payment_details": number})
            await buyer.post("/pay", json.dumps({"payment_details": details}).encode()[:-1])
            await buyer.post("/resume", {"csrf": number, "locale": number})
            await buyer.post("", f"cardnumber={number}&cvc={code}".encode())
            for path in ("", "/words", "/state"):
                await buyer.get(f"{path}?locale={number}&code={number}&failed={number}&method={number}")
        body = {"csp-report": {"effective-directive": number, "blocked-uri": f"https://shop.example/{number}"}}
        await house.api.post("http://azukari.test/csp-report", content=json.dumps(body), auth=None)
    house.clock.advance(10_000)
    await worker.reconcile_attempts(house.services)

    await assert_nowhere(house, numbers, codes, replies, logged, temporary)


async def test_cards_in_a_shops_page_leave_no_trace(house: House, logged: io.StringIO, temporary: Path) -> None:
    replies = listening(house.api)
    numbers = ["4242424242424242", "4100000000005000", "4123111111111000", new_number(), new_number("555555")]
    codes = new_codes(len(numbers))
    for number, code in zip(numbers, codes, strict=True):
        for mode in ("payment", "customer_payment"):
            order = {"amount": 5_000, "currency": "JPY", "mode": mode}
            frame = Frame(house, (await house.api.post("/sessions", json=order)).json()["id"])
            told = await get_page(house, f"/fields/words?session={frame.id}&locale=en")
            consent = {"text": told.json()["t"].get("reuse_credit_card", ""), "version": "1"}
            details = card(number, verification_value=code)
            await frame.pay(details, consent={"text": number, "version": code})
            await frame.pay({**details, "name": number}, nonce="two", consent=consent)
            await frame.pay({"type": "konbini", "store": number, "email": number}, nonce="three", consent=consent)
            await frame.pay({"type": number}, nonce=number, locale=number, consent=consent)
            await frame.pay(number, nonce="four", consent=consent)
            await frame.pay(details, session=number)
            await frame.pay(details, nonce="five", consent=consent)
            await frame.send(json.dumps({"session": frame.id, "payment_details": details}).encode()[:-1])
            for path in ("frame", "words", "return"):
                for name in ("session", "origin", "locale", "code", "param", "method", "session_id"):
                    own = {"session": frame.id, "session_id": frame.id, "origin": "http://localhost", name: number}
                    await get_page(house, f"/fields/{path}", params=own)
    house.clock.advance(10_000)
    await worker.reconcile_attempts(house.services)

    await assert_nowhere(house, numbers, codes, replies, logged, temporary)
    assert {reply.status_code for reply in replies} >= {200, 400, 404, 422, 502}


@pytest.mark.parametrize("level", ["required", "attempted"])
async def test_cards_whose_shopper_is_asked_leave_no_trace(
    house: House, logged: io.StringIO, temporary: Path, level: str
) -> None:
    await house.choose(three_d_secure={"test": level})
    customer = await house.api.customer()
    page = house.publishable
    replies, asked = listening(house.api), listening(page)
    numbers = [*CHALLENGE.values(), *FRICTIONLESS.values(), "4242424242424242", "30569309025904", new_number()]
    codes = new_codes(len(numbers))
    for number, code in zip(numbers, codes, strict=True):
        details = card(number, verification_value=code)
        for is_raw in (True, False):
            session, press = await house.api.session(), {"X-KOMOJU-IDEMPOTENCY": f"press-{code}x"}
            given = details if is_raw else await page.token(number, verification_value=code)
            for _ in range(2):
                await page.post(f"/sessions/{session}/pay", json={"payment_details": given}, headers=press)
            buyer = await shopper(house)
            await buyer.pay(details if is_raw else await page.token(number, verification_value=code))
            await buyer.post("/resume", {"csrf": buyer.csrf, "locale": "en"})
        saved = {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example", "customer": customer}
        await page.post("/secure_tokens", json={**saved, "customer_grant": f"grant_{number}"})
        await house.api.post(f"/customers/{customer}/grants", json={"grant": number, "customer": code})
        await get_page(house, f"/three_d_secure_service/leave/tok_{number}")

    hay = await assert_nowhere(house, numbers, codes, [*replies, *asked], logged, temporary)
    assert any(b"/three_d_secure_service/offsite?token=tok_" in part for part in hay.values())
    assert {reply.status_code for reply in asked} >= {200, 403}


async def test_a_challenge_leaves_no_trace(house: House, logged: io.StringIO, temporary: Path) -> None:
    replies = listening(house.api)
    numbers, codes = [*CHALLENGE.values(), *FRICTIONLESS.values()], new_codes(6)
    for number, code in zip(numbers, codes, strict=True):
        body = {"amount": 1000, "currency": "JPY", "return_url": "app:back"}
        details = card(number, verification_value=code)
        made = (await house.api.post("/secure_tokens", json={**body, "payment_details": details})).json()
        if made["authentication_url"] is not None:
            await challenge_of(house.services, *address(made))
            await answer_challenge(house.services, *address(made), number)
            await answer_challenge(house.services, *address(made), code)
            await answer_challenge(house.services, *address(made), RIGHT)
        paid = await house.api.post("/payments", json={**body, "payment_details": made["id"]})
        assert paid.status_code == 200

    await assert_nowhere(house, numbers, codes, replies, logged, temporary)
    assert await stored_values(house) == 0
