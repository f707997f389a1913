"""``POST /secure_tokens`` and what it comes to, card by card. Source: contract section 9, 16.2."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from azukari import worker
from azukari.core.clock import DAY, MINUTE, SECOND
from azukari.merchants import keys
from azukari.merchants import service as merchants
from azukari.processors.base import AuthenticationRequest, AuthenticationResult
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.promises import promise
from tests.replies import refusal
from tests.secure_tokens.cards import CHALLENGE, CHALLENGE_FAILS, ECI, FAILS_ON_VISIT, FRICTIONLESS

ORDER = {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example/back"}


@pytest.mark.parametrize("brand", FRICTIONLESS)
async def test_a_card_that_needs_no_challenge_is_verified_at_once(api: Api, brand: str) -> None:
    made = await api.secure_token(FRICTIONLESS[brand])

    assert made["verification_status"] == "OK"
    assert made["id"] == made["secure_token"]
    assert (made["id"][:4], len(made["id"])) == ("tok_", 29)
    assert made["authentication_url"] is None
    assert set(made["three_d_secure_account"]) == {"acquirer_mid", "acquirer_bin"}
    result = made["three_ds_auth_result"]
    assert (result["transStatus"], result["eci"], result["messageVersion"]) == ("Y", ECI[brand][0], "2.2.0")
    assert set(result) == {
        "dsReferenceNumber",
        "acsReferenceNumber",
        "threeDSRequestorTransID",
        "acsTransID",
        "dsTransID",
        "eci",
        "messageVersion",
        "authenticationType",
        "authenticationValue",
        "transStatus",
        "threeDSServerTransID",
    }
    assert "resource" not in made
    assert (await api.get(f"/secure_tokens/{made['id']}")).json() == made


@pytest.mark.parametrize("number", [*CHALLENGE.values(), *FAILS_ON_VISIT.values(), *CHALLENGE_FAILS.values()])
async def test_a_card_that_is_challenged_says_where_its_shopper_has_to_go(house: House, number: str) -> None:
    made = await house.api.secure_token(number)

    assert made["verification_status"] == "NEEDS_VERIFY"
    assert "three_ds_auth_result" not in made
    url = urlsplit(made["authentication_url"])
    assert (f"{url.scheme}://{url.netloc}", url.path) == (
        house.services.settings.base_url,
        "/three_d_secure_service/offsite",
    )
    assert url.query.startswith(f"token={made['id']}&state=")
    # Whoever reads the token again is sent to the same place.
    assert (await house.publishable.get(f"/secure_tokens/{made['id']}")).json() == made


@pytest.mark.parametrize(
    "number", ["4111111111111111", "5555555555554444", "3530111333300000", "378282246310005", "4123111111111000"]
)
async def test_a_card_that_takes_no_part_is_skipped_and_can_be_charged(api: Api, number: str) -> None:
    made = await api.secure_token(number)

    assert (made["verification_status"], made["authentication_url"]) == ("SKIPPED", None)
    assert "three_ds_auth_result" not in made
    paid = await api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": made["id"]})
    assert paid.status_code == (502 if number.startswith("4123") else 200)


@pytest.mark.parametrize("number", ["30569309025904", "6011111111111117", "6200000000000005"])
async def test_a_brand_without_3d_secure_is_told_so_and_keeps_nothing(api: Api, rows: Rows, number: str) -> None:
    token = await api.token(number)
    kept = await rows.all("SELECT id FROM vault_entries")
    for details in (card(number, verification_value="123"), token):
        reply = await api.post("/secure_tokens", json={**ORDER, "payment_details": details})
        assert refusal(reply) == (422, "unsupported_card_brand", "payment_details")
    customer = await api.customer(number)
    reply = await api.post("/secure_tokens", json={**ORDER, "customer": customer})
    assert refusal(reply)[1] == "unsupported_card_brand"
    assert await rows.column("SELECT verification FROM tokens") == [None]
    assert len(await rows.all("SELECT id FROM vault_entries")) == len(kept) + 1
    assert await rows.all("SELECT id FROM azukari_sad.sad_values") == []
    # The token was not touched.
    paid = await api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token})
    assert paid.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Komoju-Scenario": "card_declined"},
        {"Azukari-Fault": "processor_down"},
        {"Azukari-Fault": "lost_request"},
        {"Azukari-Fault": "lost_reply"},
    ],
    ids=lambda headers: next(iter(headers.values())),
)
async def test_a_try_that_fails_is_answered_and_charges_nothing(api: Api, headers: dict[str, str]) -> None:
    body = {**ORDER, "payment_details": card(FRICTIONLESS["visa"])}
    reply = await api.post("/secure_tokens", json=body, headers=headers)

    assert (reply.status_code, reply.json()["verification_status"]) == (200, "ERRORED")
    paid = await api.post("/payments", json={**ORDER, "payment_details": reply.json()["id"]})
    assert refusal(paid) == (422, "invalid_token", "payment_details")


async def test_an_issuer_that_never_answers_is_not_waited_for_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    promise(house, timeout=1)
    body = {**ORDER, "payment_details": card(FRICTIONLESS["visa"])}

    reply = await house.api.post("/secure_tokens", json=body, headers={"Azukari-Delay": "60000"})

    assert (reply.status_code, reply.json()["verification_status"]) == (200, "ERRORED")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"amount": None}, ("missing_parameter", "amount")),
        ({"currency": None}, ("missing_parameter", "currency")),
        ({"return_url": None}, ("missing_parameter", "return_url")),
        ({"payment_details": None}, ("missing_parameter", "payment_details")),
        ({"amount": "1.5"}, ("invalid_parameter", "amount")),
        ({"tax": -1}, ("invalid_parameter", "tax")),
        ({"currency": "XXX"}, ("invalid_currency", "currency")),
        ({"customer": "0" * 25}, ("invalid_parameter", "customer")),
        ({"payment_details": "tok_" + "0" * 25}, ("invalid_token", "payment_details")),
        ({"payment_details": {"type": "konbini"}}, ("invalid_payment_type", "payment_details[type]")),
        ({"return_url": "javascript:alert(1)"}, ("invalid_parameter", "return_url")),
        ({"return_url": "JaVaScRiPt:alert(1)"}, ("invalid_parameter", "return_url")),
        ({"return_url": "data:text/html,a"}, ("invalid_parameter", "return_url")),
        ({"return_url": "blob:https://shop.example/1"}, ("invalid_parameter", "return_url")),
        ({"return_url": "file:///etc/passwd"}, ("invalid_parameter", "return_url")),
        ({"return_url": "//shop.example"}, ("invalid_parameter", "return_url")),
        ({"return_url": "https://a@shop.example/"}, ("invalid_parameter", "return_url")),
    ],
)
async def test_a_request_that_cannot_be_followed_says_why(
    api: Api, body: dict[str, Any], error: tuple[str, str]
) -> None:
    order = {**ORDER, "payment_details": card(), **body}
    reply = await api.post("/secure_tokens", json={name: value for name, value in order.items() if value is not None})
    assert refusal(reply) == (422, *error)


async def test_a_customer_that_is_missing_or_bare_cannot_be_verified(api: Api) -> None:
    assert refusal(await api.post("/secure_tokens", json={**ORDER, "customer": "0" * 25}))[:2] == (404, "not_found")
    bare = (await api.post("/customers", json={})).json()["id"]
    assert refusal(await api.post("/secure_tokens", json={**ORDER, "customer": bare})) == (
        422,
        "unprocessable_entity",
        "customer",
    )


async def test_a_form_works_as_json_does(api: Api) -> None:
    details = {f"payment_details[{name}]": value for name, value in card(FRICTIONLESS["jcb"]).items()}
    reply = await api.post("/secure_tokens", data={**ORDER, "amount": "1000.00", "tax": "100", **details})
    assert reply.json()["verification_status"] == "OK"


async def test_only_the_merchants_own_keys_read_it_back(house: House) -> None:
    services = house.services
    other = await merchants.create(services.db, "Other shop", services.clock, services.ids)
    pair = await services.api_keys.make_pair(other.id, keys.TEST)
    made = await house.publishable.secure_token()

    for key in pair:
        assert (await house.api.as_key(key.reveal()).get(f"/secure_tokens/{made['id']}")).status_code == 404
    assert (await house.publishable.get(f"/secure_tokens/{made['id']}")).json() == made
    assert (await house.api.get(f"/secure_tokens/{made['id']}")).status_code == 200
    # A plain token is none.
    assert (await house.api.get(f"/secure_tokens/{await house.api.token()}")).status_code == 404


async def test_an_answer_is_repeated_under_its_idempotency_key(api: Api, rows: Rows) -> None:
    key = {"X-KOMOJU-IDEMPOTENCY": "verify-1"}
    body = {**ORDER, "payment_details": card(CHALLENGE["visa"], verification_value="123")}
    first, second = [await api.post("/secure_tokens", json=body, headers=key) for _ in range(2)]
    other = await api.post("/secure_tokens", json={**body, "amount": 2}, headers=key)

    assert (first.status_code, first.content) == (200, second.content)
    assert second.headers["X-Idempotent-Replayed"] == "true"
    assert refusal(other)[:2] == (422, "invalid_parameter")
    for table in ("tokens", "vault_entries", "azukari_keys.deks", "azukari_sad.sad_values", "public_ids"):
        assert len(await rows.all(f"SELECT id FROM {table}")) == 1, table
    assert await rows.column("SELECT state FROM idempotency_keys") == ["done"]


async def test_it_is_created_while_the_issuer_is_asked(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator: Any = house.services.processors.named("simulator")
    authenticate = simulator.authenticate
    seen: list[str] = []

    async def asked(order: AuthenticationRequest) -> AuthenticationResult:
        (token_id,) = await rows.column("SELECT id FROM tokens")
        shown = (await house.api.get(f"/secure_tokens/{token_id}")).json()
        seen.extend([shown["verification_status"], shown["authentication_url"]])
        refused = await house.api.post("/payments", json={**ORDER, "payment_details": token_id})
        assert refusal(refused)[1] == "invalid_token"
        result: AuthenticationResult = await authenticate(order)
        return result

    monkeypatch.setattr(simulator, "authenticate", asked)
    made = await house.api.secure_token()

    assert seen == ["CREATED", None]
    assert made["verification_status"] == "OK"


@pytest.mark.parametrize("swept", [True, False])
async def test_one_nobody_has_ended_is_expired_and_stays_so(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch, swept: bool
) -> None:
    simulator: Any = house.services.processors.named("simulator")
    authenticate = simulator.authenticate

    async def too_late(order: AuthenticationRequest) -> AuthenticationResult:
        house.clock.advance(MINUTE)
        if swept:
            await worker.end_authentications(house.services)
        result: AuthenticationResult = await authenticate(order)
        return result

    monkeypatch.setattr(simulator, "authenticate", too_late)
    key = {"X-KOMOJU-IDEMPOTENCY": "verify-1"}
    body = {**ORDER, "payment_details": card(FRICTIONLESS["visa"])}
    replies = [await house.api.post("/secure_tokens", json=body, headers=key)]
    await worker.end_authentications(house.services)
    replies.append(await house.api.post("/secure_tokens", json=body, headers=key))

    assert [reply.json()["verification_status"] for reply in replies] == ["EXPIRED", "EXPIRED"]
    assert replies[0].content == replies[1].content
    assert await rows.column("SELECT id FROM azukari_sad.sad_values") == []
    paid = await house.api.post("/payments", json={**ORDER, "payment_details": replies[0].json()["id"]})
    assert refusal(paid)[1] == "invalid_token"


async def test_a_challenge_nobody_answers_is_over_after_a_quarter_of_an_hour(house: House, rows: Rows) -> None:
    made = await house.api.secure_token(CHALLENGE["visa"])
    house.clock.advance(15 * MINUTE - 5 * SECOND)
    await worker.end_authentications(house.services)
    path = f"/secure_tokens/{made['id']}"
    assert (await house.api.get(path)).json() == made

    house.clock.advance(10 * SECOND)
    over = (await house.api.get(path)).json()
    assert (over["verification_status"], over["authentication_url"]) == ("EXPIRED", None)
    await worker.end_authentications(house.services)
    assert (await house.api.get(path)).json() == over
    assert await rows.column("SELECT verification FROM tokens") == ["EXPIRED"]


async def test_a_verified_one_lives_for_a_day_as_tokens_do(house: House, rows: Rows) -> None:
    made = await house.api.secure_token()
    house.clock.advance(DAY - MINUTE)
    assert (await house.api.get(f"/secure_tokens/{made['id']}")).json() == made
    house.clock.advance(2 * MINUTE)
    assert (await house.api.get(f"/secure_tokens/{made['id']}")).json()["verification_status"] == "EXPIRED"
    paid = await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})
    assert refusal(paid)[1] == "invalid_token"

    await worker.forget_tokens(house.services)

    assert (await house.api.get(f"/secure_tokens/{made['id']}")).status_code == 404
    for table in ("tokens", "public_ids", "vault_entries", "azukari_keys.deks", "azukari_sad.sad_values"):
        assert await rows.all(f"SELECT id FROM {table}") == [], table


async def test_many_at_once_are_all_answered(api: Api) -> None:
    made = await asyncio.gather(*(api.secure_token() for _ in range(20)))
    assert {each["verification_status"] for each in made} == {"OK"}
    assert len({each["id"] for each in made}) == 20


async def test_a_return_address_that_holds_a_card_number_is_refused(api: Api) -> None:
    body = {**ORDER, "payment_details": card(), "return_url": "https://shop.example/orders/4242424242424242"}
    reply = await api.post("/secure_tokens", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, "return_url")
