"""Spending secure tokens: only on what the shopper agreed to, once, and named to the bank (SEC-22, SEC-23)."""

import asyncio
import hashlib
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from azukari import worker
from azukari.core.clock import DAY
from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.merchants import keys
from azukari.merchants import service as merchants
from azukari.processors.base import AuthenticationRequest, AuthenticationResult
from azukari.secure_tokens.challenges import answer_challenge
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.payments.books import orders_of_the_bank
from tests.replies import refusal
from tests.secure_tokens.cards import CHALLENGE, CHALLENGE_FAILS, FAILING, FRICTIONLESS, RIGHT, address

ORDER = {"amount": 1000, "currency": "JPY"}
SPENT = (422, "invalid_token", "payment_details")


async def roads(api: Api) -> list[tuple[str, str, dict[str, Any]]]:
    """Where a token may stand."""
    customer = await api.customer()
    return [("POST", "/payments", ORDER), ("POST", "/customers", {}), ("PATCH", f"/customers/{customer}", {})]


# What is charged


@pytest.mark.parametrize("number", [FRICTIONLESS["visa"], CHALLENGE["master"]])
async def test_a_verified_token_is_charged_and_the_bank_is_told(house: House, rows: Rows, number: str) -> None:
    made = await house.api.secure_token(number)
    if made["authentication_url"]:
        await answer_challenge(house.services, *address(made), RIGHT)
    shown = (await house.api.get(f"/secure_tokens/{made['id']}")).json()

    paid = await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})

    assert (paid.status_code, paid.json()["status"]) == (200, "captured")
    assert paid.json()["payment_details"]["last_four_digits"] == number[-4:]
    (order,) = orders_of_the_bank(house)
    assert (order["authenticated"], order["code"]) == (True, True)
    assert order["ds_trans_id"] == shown["three_ds_auth_result"]["dsTransID"]
    assert await rows.all("SELECT id FROM azukari_sad.sad_values") == []


async def test_a_skipped_token_is_charged_without_a_word_of_3d_secure(house: House) -> None:
    made = await house.api.secure_token("4111111111111111")
    assert (await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})).status_code == 200
    assert [(order["authenticated"], order["ds_trans_id"]) for order in orders_of_the_bank(house)] == [(False, None)]


async def test_tax_counts_with_the_amount(api: Api) -> None:
    for asked, paid in (
        ({"amount": 1000, "tax": 80}, {"amount": 1000, "tax": 80}),
        ({"amount": 1100}, {"amount": 1000, "tax": "auto"}),
        ({"amount": "1000.00", "tax": 0}, {"amount": 1000}),
    ):
        made = await api.secure_token(**asked)
        reply = await api.post("/payments", json={"currency": "JPY", **paid, "payment_details": made["id"]})
        assert (reply.status_code, reply.json()["status"]) == (200, "captured")


async def test_a_hold_may_be_verified_too(house: House) -> None:
    made = await house.api.secure_token()
    held = await house.api.post("/payments", json={**ORDER, "payment_details": made["id"], "capture": False})
    assert held.json()["status"] == "authorized"
    captured = await house.api.post(f"/payments/{held.json()['id']}/capture")
    assert captured.json()["status"] == "captured"
    assert [order["authenticated"] for order in orders_of_the_bank(house)] == [True, False]


# What is refused

CHANGED: dict[str, dict[str, Any]] = {
    "one more": {"amount": 1001},
    "one less": {"amount": 999},
    "tax on top": {"tax": 1},
    "tax for amount": {"amount": 1001, "tax": 1},
    "automatic tax": {"tax": "auto"},
    "ten times": {"amount": 10_000},
    "another currency": {"currency": "USD"},
    "a cheaper currency": {"currency": "KRW"},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
@pytest.mark.parametrize("number", [FRICTIONLESS["visa"], "4111111111111111"], ids=["verified", "skipped"])
async def test_another_amount_or_currency_is_refused_and_spends_nothing(
    house: House, change: dict[str, Any], number: str
) -> None:
    token = (await house.api.secure_token(number))["id"]

    reply = await house.api.post("/payments", json={**ORDER, **change, "payment_details": token})

    assert refusal(reply) == SPENT
    assert not (house.services.settings.data / "simulator.jsonl").exists()
    paid = await house.api.post("/payments", json={**ORDER, "payment_details": token})
    assert paid.json()["status"] == "captured"


async def _waiting(house: House) -> str:
    return str((await house.api.secure_token(CHALLENGE["visa"]))["id"])


async def _failed(house: House) -> str:
    made = await house.api.secure_token(CHALLENGE_FAILS["visa"])
    await answer_challenge(house.services, *address(made), FAILING)
    return str(made["id"])


async def _errored(house: House) -> str:
    body = {**ORDER, "return_url": "https://shop.example", "payment_details": card(FRICTIONLESS["visa"])}
    reply = await house.api.post("/secure_tokens", json=body, headers={"Komoju-Scenario": "other_error"})
    return str(reply.json()["id"])


async def _expired(house: House) -> str:
    token = await _waiting(house)
    house.clock.advance(DAY // 2)
    return token


async def _of_yesterday(house: House) -> str:
    made = await house.api.secure_token()
    house.clock.advance(DAY)
    return str(made["id"])


async def _anothers(house: House) -> str:
    services = house.services
    other = await merchants.create(services.db, "Other shop", services.clock, services.ids)
    key = (await services.api_keys.make_pair(other.id, keys.TEST)).secret.reveal()
    return str((await house.api.as_key(key).secure_token())["id"])


async def _of_a_customer_that_is_gone(house: House) -> str:
    customer = await house.api.customer(FRICTIONLESS["visa"])
    token = str((await house.api.secure_token(customer=customer))["id"])
    await house.api.delete(f"/customers/{customer}")
    return token


async def _of_a_card_that_was_replaced(house: House) -> str:
    customer = await house.api.customer(FRICTIONLESS["visa"])
    token = str((await house.api.secure_token(customer=customer))["id"])
    await house.api.patch(f"/customers/{customer}", json={"payment_details": card("5555555555554444")})
    return token


UNFIT: dict[str, Callable[[House], Awaitable[str]]] = {
    "not verified yet": _waiting,
    "failed": _failed,
    "errored": _errored,
    "expired": _expired,
    "of yesterday": _of_yesterday,
    "another merchant's": _anothers,
    "of a customer that is gone": _of_a_customer_that_is_gone,
    "of a card that was replaced": _of_a_card_that_was_replaced,
}


@pytest.mark.parametrize("make", UNFIT.values(), ids=UNFIT)
async def test_what_is_not_verified_is_refused_wherever_it_stands(
    house: House, make: Callable[[House], Awaitable[str]]
) -> None:
    token = await make(house)
    all_roads = await roads(house.api)
    before = len(orders_of_the_bank(house))
    for method, path, body in all_roads:
        reply = await house.api.request(method, path, json={**body, "payment_details": token})
        assert refusal(reply) == SPENT, path
    assert len(orders_of_the_bank(house)) == before


@pytest.mark.parametrize("number", [FRICTIONLESS["jcb"], "3530111333300000"], ids=["verified", "skipped"])
async def test_it_is_spent_by_its_first_use_whatever_that_is(api: Api, number: str) -> None:
    for first_method, first_path, first in await roads(api):
        token = (await api.secure_token(number))["id"]
        reply = await api.request(first_method, first_path, json={**first, "payment_details": token})
        assert reply.status_code == 200, reply.text
        for method, path, body in await roads(api):
            again = await api.request(method, path, json={**body, "payment_details": token})
            assert refusal(again) == SPENT, (first_path, path)


async def test_of_many_at_once_one_spends_it(house: House) -> None:
    token = (await house.api.secure_token())["id"]
    replies = await asyncio.gather(
        *(house.api.post("/payments", json={**ORDER, "payment_details": token}) for _ in range(8)),
        *(house.api.post("/customers", json={"payment_details": token}) for _ in range(4)),
    )
    assert sorted(reply.status_code for reply in replies) == [200] + [422] * 11
    assert len(orders_of_the_bank(house)) == 1


async def test_a_failed_charge_spends_it(api: Api) -> None:
    token = (await api.secure_token())["id"]
    headers = {"Komoju-Scenario": "insufficient_funds"}
    replies = [await api.post("/payments", json={**ORDER, "payment_details": token}, headers=headers) for _ in range(2)]
    assert [reply.json()["error"]["code"] for reply in replies] == ["insufficient_funds", "invalid_token"]


@pytest.mark.parametrize("path", ["/payments", "/customers"])
@pytest.mark.parametrize("lost", ["what proves it", "the verification value"])
async def test_a_lost_value_ends_the_attempt_before_the_call(house: House, rows: Rows, lost: str, path: str) -> None:
    made = await house.api.secure_token()
    which = "LIKE" if lost == "what proves it" else "NOT LIKE"
    await rows.change(f"DELETE FROM azukari_sad.sad_values WHERE id {which} 'tok_%'")
    assert len(await rows.all("SELECT id FROM azukari_sad.sad_values")) == 1

    replies = [await house.api.post(path, json={**ORDER, "payment_details": made["id"]}) for _ in range(2)]

    assert [refusal(reply) for reply in replies] == [SPENT, SPENT]
    assert not (house.services.settings.data / "simulator.jsonl").exists()
    assert await rows.column("SELECT state FROM attempts") == ["not_done"]
    assert await rows.all("SELECT id FROM azukari_sad.sad_values") == []


@pytest.mark.parametrize("trans_status", [*"NRUCDI", "", "y"])
async def test_a_processor_that_calls_a_no_a_yes_is_not_believed(
    house: House, monkeypatch: pytest.MonkeyPatch, trans_status: str
) -> None:
    simulator: Any = house.services.processors.named("simulator")
    authenticate = simulator.authenticate

    async def wrong(order: AuthenticationRequest) -> AuthenticationResult:
        result = await authenticate(order)
        assert result.three_ds is not None
        return replace(result, three_ds=msgspec.structs.replace(result.three_ds, trans_status=trans_status))

    monkeypatch.setattr(simulator, "authenticate", wrong)
    made = await house.api.secure_token()

    assert made["verification_status"] == "ERRORED"
    assert refusal(await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})) == SPENT
    assert not (house.services.settings.data / "simulator.jsonl").exists()


@pytest.mark.parametrize("trans_status", "NRU")
async def test_a_row_that_calls_a_no_a_yes_is_not_charged_either(house: House, rows: Rows, trans_status: str) -> None:
    made = await house.api.secure_token()
    await rows.change(
        f"""UPDATE tokens SET three_ds = replace(three_ds, '"trans_status":"Y"', '"trans_status":"{trans_status}"')"""
    )
    assert refusal(await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})) == SPENT


# What is kept


async def test_the_result_stays_with_the_customer_and_later_charges_name_it(house: House, rows: Rows) -> None:
    made = await house.api.secure_token(amount=0)
    result = made["three_ds_auth_result"]

    customer = (await house.api.post("/customers", json={"payment_details": made["id"]})).json()["id"]
    await house.api.charge(customer)
    house.clock.advance(2 * DAY)
    await worker.forget_tokens(house.services)
    await house.api.charge(customer)

    check, *charges = orders_of_the_bank(house)
    assert (check["kind"], check["authenticated"], check["code"]) == ("verify", True, True)
    for charge in charges:
        assert (charge["stored"], charge["authenticated"], charge["code"]) == (True, False, False)
        assert charge["network_id"] == check["reply"]["network_id"]
        assert charge["ds_trans_id"] == result["dsTransID"]
    (entry,) = await rows.all("SELECT credential FROM vault_entries WHERE credential IS NOT NULL")
    credential = json.loads(entry["credential"])
    assert credential["network_id"] == check["reply"]["network_id"]
    kept = credential["three_ds"]
    assert (kept["version"], kept["trans_status"], kept["eci"]) == ("2.2.0", "Y", "05")
    assert kept["ds_trans_id"] == result["dsTransID"]
    assert kept["acs_trans_id"] == result["acsTransID"]
    assert kept["server_trans_id"] == result["threeDSServerTransID"]
    assert abs(kept["at"] - house.clock.now()) < 3 * DAY


async def test_a_replaced_card_brings_its_own_result(house: House) -> None:
    customer = await house.api.customer()
    made = await house.api.secure_token(CHALLENGE["jcb"])
    await answer_challenge(house.services, *address(made), RIGHT)
    await house.api.patch(f"/customers/{customer}", json={"payment_details": made["id"]})
    await house.api.charge(customer)

    shown = (await house.api.get(f"/secure_tokens/{made['id']}")).json()
    assert orders_of_the_bank(house)[-1]["ds_trans_id"] == shown["three_ds_auth_result"]["dsTransID"]


async def test_what_proves_it_is_kept_in_memory_alone_and_until_the_charge(house: House, rows: Rows) -> None:
    made = await house.publishable.secure_token()
    (row,) = await rows.all("SELECT ref FROM tokens")
    proof = b64encode(hashlib.blake2s(f"value {row['ref']}".encode(), digest_size=20).digest()).decode()
    (owner,) = await rows.all("SELECT merchant_id, mode FROM tokens")
    kept = await house.services.vault.take_authentication_value(Owner(owner["merchant_id"], owner["mode"]), made["id"])
    assert kept is not None
    assert kept.reveal() == proof
    await house.services.vault.keep_authentication_value(
        Owner(owner["merchant_id"], owner["mode"]), made["id"], Secret(proof)
    )

    paid = await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})

    assert paid.status_code == 200
    assert proof not in paid.text + json.dumps(made)
    for file in house.services.settings.data.rglob("*"):
        if file.is_file():
            assert proof.encode() not in file.read_bytes(), file.name
    for table in ("tokens", "vault_entries", "attempts", "events", "idempotency_keys"):
        assert proof not in str(await rows.all(f"SELECT * FROM {table}"))


# A customer's saved card


async def test_a_saved_card_is_verified_and_charged_with_its_customer(house: House) -> None:
    customer = await house.api.customer(CHALLENGE["visa"])
    grant = (await house.api.post(f"/customers/{customer}/grants")).json()["grant"]
    made = await house.publishable.secure_token(customer=customer, customer_grant=grant)
    await answer_challenge(house.services, *address(made), RIGHT)

    paid = (await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})).json()

    assert (paid["status"], paid["customer"]) == ("captured", customer)
    assert paid["payment_details"]["last_four_digits"] == CHALLENGE["visa"][-4:]
    assert orders_of_the_bank(house)[-1]["authenticated"]
    # Its card is the customer's, and stays when the token goes.
    house.clock.advance(2 * DAY)
    await worker.forget_tokens(house.services)
    await worker.sweep_vault(house.services)
    assert (await house.api.charge(customer)).status_code == 200


async def test_an_unused_token_about_a_saved_card_leaves_the_card_alone(house: House, rows: Rows) -> None:
    customer = await house.api.customer(FRICTIONLESS["visa"])
    await house.api.secure_token(customer=customer)
    house.clock.advance(2 * DAY)
    await worker.forget_tokens(house.services)
    await worker.sweep_vault(house.services)
    assert (await house.api.charge(customer)).status_code == 200
    for table in ("tokens", "public_ids", "azukari_sad.sad_values"):
        assert await rows.all(f"SELECT id FROM {table}") == [], table


async def test_a_saved_card_is_not_given_to_another_customer(house: House) -> None:
    customer = await house.api.customer(FRICTIONLESS["visa"])
    other = await house.api.customer()
    token = (await house.api.secure_token(customer=customer))["id"]
    for method, path in (("POST", "/customers"), ("PATCH", f"/customers/{other}"), ("PATCH", f"/customers/{customer}")):
        assert refusal(await house.api.request(method, path, json={"payment_details": token})) == SPENT
    assert (await house.api.post("/payments", json={**ORDER, "payment_details": token})).status_code == 200


async def test_it_is_bound_to_the_card_and_not_to_whatever_its_customer_has(house: House, rows: Rows) -> None:
    customer, other = await house.api.customer(FRICTIONLESS["visa"]), await house.api.customer()
    token = (await house.api.secure_token(customer=customer))["id"]
    (card_of_other,) = await rows.column(f"SELECT entry_id FROM customers WHERE id = '{other}'")

    # The old card is still there: nobody has come to shred it.
    await rows.change(f"UPDATE customers SET entry_id = '{card_of_other}' WHERE id = '{customer}'")

    assert refusal(await house.api.post("/payments", json={**ORDER, "payment_details": token})) == SPENT


async def test_what_a_customer_orders_of_the_bank_holds_for_a_verified_charge_too(house: House) -> None:
    details = {"payment_details": card(FRICTIONLESS["visa"])}
    reply = await house.api.post("/customers", json=details, headers={"Komoju-Scenario": "exceeds_limit"})
    token = (await house.api.secure_token(customer=reply.json()["id"]))["id"]
    paid = await house.api.post("/payments", json={**ORDER, "payment_details": token})
    assert refusal(paid)[:2] == (502, "exceeds_limit")


# Tokens


async def test_a_token_becomes_a_secure_token(house: House, rows: Rows) -> None:
    api = house.api
    token = await api.token(FRICTIONLESS["visa"], verification_value="123", email="a@example.com")
    order = {**ORDER, "return_url": "https://shop.example"}
    made = (await api.post("/secure_tokens", json={**order, "payment_details": token})).json()

    assert made["verification_status"] == "OK"
    assert refusal(await api.post("/payments", json={**ORDER, "payment_details": token})) == SPENT
    for spent in (token, made["id"]):
        assert refusal(await api.post("/secure_tokens", json={**order, "payment_details": spent})) == SPENT
    paid = (await api.post("/payments", json={**ORDER, "payment_details": made["id"]})).json()
    assert (paid["status"], paid["payment_details"]["email"]) == ("captured", "a@example.com")
    assert orders_of_the_bank(house)[-1]["code"]

    house.clock.advance(2 * DAY)
    await worker.forget_tokens(house.services)
    for table in ("tokens", "vault_entries", "azukari_keys.deks", "azukari_sad.sad_values"):
        assert await rows.all(f"SELECT id FROM {table}") == [], table
