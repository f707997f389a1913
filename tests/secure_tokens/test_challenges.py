"""The challenge: an address that is good once, and an issuer that decides. Source: contract 16.2; SEC-23."""

import asyncio
import string
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from azukari.core.clock import MINUTE
from azukari.core.errors import NotFound, Unavailable
from azukari.core.secret import Secret
from azukari.secure_tokens.challenges import ChallengeResult, answer_challenge, challenge_of
from azukari.vault import RequestNotSent
from tests.faults.sites import Rows
from tests.house import House
from tests.secure_tokens.cards import CHALLENGE, CHALLENGE_FAILS, ECI, FAILING, FAILS_ON_VISIT, RIGHT, address

BACK = "https://shop.example/back?order=7"


async def status(house: House, token: str) -> str:
    return str((await house.api.get(f"/secure_tokens/{token}")).json()["verification_status"])


@pytest.mark.parametrize("brand", CHALLENGE)
async def test_the_right_password_verifies_and_leads_back_to_the_shop(house: House, brand: str) -> None:
    made = await house.api.secure_token(CHALLENGE[brand])
    token, state = address(made)

    seen = await challenge_of(house.services, token, state)
    answered = await answer_challenge(house.services, token, state, RIGHT)

    assert seen is not None
    assert (seen.amount, seen.currency, seen.brand, seen.last4) == (1000, "JPY", brand, CHALLENGE[brand][-4:])
    assert (seen.mode, seen.over, seen.redirect_url) == ("test", False, None)
    assert seen.merchant
    assert answered == ChallengeResult(f"{BACK}&secure_token_id={token}#top")
    shown = (await house.api.get(f"/secure_tokens/{token}")).json()
    assert (shown["verification_status"], shown["authentication_url"]) == ("OK", None)
    assert shown["three_ds_auth_result"]["eci"] == ECI[brand][0]


@pytest.mark.parametrize(
    ("return_url", "expected"),
    [
        ("https://shop.example", "https://shop.example?secure_token_id="),
        ("https://shop.example/?", "https://shop.example/?secure_token_id="),
        ("https://shop.example/?a=1&b=%2F", "https://shop.example/?a=1&b=%2F&secure_token_id="),
        ("http://localhost:3000/a", "http://localhost:3000/a?secure_token_id="),
        ("komoju://creditCard?amount=1000", "komoju://creditCard?amount=1000&secure_token_id="),
        ("my.shop-app:done", "my.shop-app:done?secure_token_id="),
        ("https://shop.example/?secure_token_id=old&a=%2F", "https://shop.example/?a=%2F&secure_token_id="),
        ("https://shop.example/?secure%5Ftoken_id=old", "https://shop.example/?secure_token_id="),
        ("komoju://done?session_id=kept&secure_token_id", "komoju://done?session_id=kept&secure_token_id="),
    ],
)
async def test_the_way_back_keeps_its_query_and_its_scheme(house: House, return_url: str, expected: str) -> None:
    token, state = address(await house.api.secure_token(CHALLENGE["visa"], return_url=return_url))
    answered = await answer_challenge(house.services, token, state, RIGHT)
    assert answered.redirect_url == expected + token


@pytest.mark.parametrize("brand", FAILS_ON_VISIT)
async def test_some_cards_fail_as_soon_as_the_page_is_opened(house: House, brand: str) -> None:
    made = await house.api.secure_token(FAILS_ON_VISIT[brand])
    token, state = address(made)
    assert await status(house, token) == "NEEDS_VERIFY"

    seen = await challenge_of(house.services, token, state)

    assert seen is not None
    assert (seen.over, seen.redirect_url) == (True, f"{BACK}&secure_token_id={token}#top")
    shown = (await house.api.get(f"/secure_tokens/{token}")).json()
    assert shown["verification_status"] == "ERRORED"
    assert (shown["three_ds_auth_result"]["transStatus"], shown["three_ds_auth_result"]["eci"]) == ("N", ECI[brand][1])
    assert await challenge_of(house.services, token, state) is None


@pytest.mark.parametrize("number", [*CHALLENGE_FAILS.values(), FAILS_ON_VISIT["visa"]])
async def test_a_challenge_that_fails_ends_with_its_password(house: House, number: str) -> None:
    token, state = address(await house.api.secure_token(number))

    answered = await answer_challenge(house.services, token, state, FAILING)

    assert answered == ChallengeResult(f"{BACK}&secure_token_id={token}#top")
    assert await status(house, token) == "ERRORED"


@pytest.mark.parametrize("number", [CHALLENGE["visa"], CHALLENGE_FAILS["master"]])
async def test_three_wrong_passwords_end_it(house: House, number: str) -> None:
    token, state = address(await house.api.secure_token(number))
    for wrong in ("", "12345"):
        assert await answer_challenge(house.services, token, state, wrong) == ChallengeResult(None, wrong=True)
        assert await status(house, token) == "NEEDS_VERIFY"
        seen = await challenge_of(house.services, token, state)
        assert seen is not None
        assert not seen.over

    assert (await answer_challenge(house.services, token, state, "1" * 10_000)).redirect_url is not None

    assert await status(house, token) == "ERRORED"
    with pytest.raises(NotFound):
        await answer_challenge(house.services, token, state, RIGHT)
    assert await status(house, token) == "ERRORED"


async def test_a_wrong_password_and_then_the_right_one_verifies(house: House) -> None:
    token, state = address(await house.api.secure_token(CHALLENGE["jcb"]))
    assert (await answer_challenge(house.services, token, state, "000000")).wrong
    assert (await answer_challenge(house.services, token, state, RIGHT)).redirect_url is not None
    assert await status(house, token) == "OK"


async def test_an_address_is_good_once(house: House, rows: Rows) -> None:
    token, state = address(await house.api.secure_token(CHALLENGE["visa"]))
    await answer_challenge(house.services, token, state, RIGHT)

    assert await challenge_of(house.services, token, state) is None
    for password in (RIGHT, FAILING):
        with pytest.raises(NotFound):
            await answer_challenge(house.services, token, state, password)
    assert await status(house, token) == "OK"
    assert await rows.column("SELECT state_seed FROM tokens") == [None]


async def test_of_answers_at_once_one_ends_it(house: House, rows: Rows) -> None:
    token, state = address(await house.api.secure_token(CHALLENGE["visa"]))

    answers = await asyncio.gather(
        *(answer_challenge(house.services, token, state, RIGHT) for _ in range(8)), return_exceptions=True
    )

    assert [type(answer) for answer in answers].count(ChallengeResult) == 1
    assert {type(answer) for answer in answers} == {ChallengeResult, NotFound}
    # What proves it is there for the one charge, and gone with it.
    paid = await house.api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token})
    assert paid.status_code == 200
    assert await rows.all("SELECT id FROM azukari_sad.sad_values") == []


async def test_no_other_address_is_admitted(house: House) -> None:
    token, state = address(await house.api.secure_token(CHALLENGE["visa"]))
    other, others_state = address(await house.api.secure_token(CHALLENGE["visa"]))
    assert len(state) == 32
    assert set(state) <= set(string.ascii_lowercase + "234567")
    assert state != others_state

    tried = [
        (token, others_state),
        (other, state),
        (token, ""),
        (token, state[:-1]),
        (token, state + "a"),
        (token, state.upper()),
        (token, "\udcff"),
        (token, "あ"),
        ("tok_" + "0" * 25, state),
        ("", ""),
        (await house.api.token(), state),
        ((await house.api.secure_token())["id"], state),
    ]
    for token_id, given in tried:
        assert await challenge_of(house.services, token_id, given) is None
        with pytest.raises(NotFound):
            await answer_challenge(house.services, token_id, given, RIGHT)
    assert (await status(house, token), await status(house, other)) == ("NEEDS_VERIFY", "NEEDS_VERIFY")


async def test_the_tokens_row_does_not_hold_the_state_of_its_address(house: House, rows: Rows) -> None:
    _, state = address(await house.api.secure_token(CHALLENGE["visa"]))
    (row,) = await rows.all("SELECT * FROM tokens")
    assert state not in str(row)


async def test_a_challenge_that_is_over_leads_back_without_asking(house: House) -> None:
    token, state = address(await house.api.secure_token(CHALLENGE["visa"]))
    house.clock.advance(16 * MINUTE)

    seen = await challenge_of(house.services, token, state)
    answered = await answer_challenge(house.services, token, state, RIGHT)

    assert seen is not None
    assert seen.over
    assert seen.redirect_url == answered.redirect_url == f"{BACK}&secure_token_id={token}#top"
    assert await status(house, token) == "EXPIRED"


async def test_what_the_issuer_decided_stands_though_we_died_before_we_wrote_it_down(house: House, rows: Rows) -> None:
    token, state = address(await house.api.secure_token(CHALLENGE["visa"]))
    (row,) = await rows.all("SELECT ref FROM tokens")
    simulator: Any = house.services.processors.named("simulator")
    (owner,) = await rows.all("SELECT merchant_id, mode FROM tokens")
    await simulator.finish_authentication((owner["merchant_id"], owner["mode"]), row["ref"], Secret(RIGHT))
    assert await status(house, token) == "NEEDS_VERIFY"

    # The shopper loads the page again.
    seen = await challenge_of(house.services, token, state)

    assert seen is not None
    assert seen.over
    assert await status(house, token) == "OK"


async def test_an_issuer_that_is_away_decides_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    token, state = address(await house.api.secure_token(CHALLENGE["visa"]))
    simulator: Any = house.services.processors.named("simulator")

    async def away(*_: object) -> None:
        raise RequestNotSent("Away")

    with monkeypatch.context() as patch:
        patch.setattr(simulator, "finish_authentication", away)
        seen = await challenge_of(house.services, token, state)
        with pytest.raises(Unavailable):
            await answer_challenge(house.services, token, state, RIGHT)

    assert seen is not None
    assert not seen.over
    assert await status(house, token) == "NEEDS_VERIFY"
    await answer_challenge(house.services, token, state, RIGHT)
    assert await status(house, token) == "OK"


async def test_a_card_that_is_gone_has_no_challenge(house: House) -> None:
    customer = await house.api.customer(CHALLENGE["visa"])
    token, state = address(await house.api.secure_token(customer=customer))
    await house.api.delete(f"/customers/{customer}")
    assert await challenge_of(house.services, token, state) is None


async def test_a_state_never_looks_like_a_card_number(house: House) -> None:
    for _ in range(20):
        made = await house.api.secure_token(CHALLENGE["visa"])
        query = parse_qs(urlsplit(made["authentication_url"]).query)
        reply = await house.api.get("http://azukari.test/three_d_secure_service/offsite", params=query)
        assert reply.status_code != 400
