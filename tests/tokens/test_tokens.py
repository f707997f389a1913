"""Tokens: payment details for one use within a day. Source: contract section 8."""

import asyncio
from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import DAY, MINUTE
from tests.house import Api, House, card

ORDER = {"amount": 1000, "currency": "JPY"}


async def test_a_token_shows_who_and_never_which_card(api: Api) -> None:
    details = card(verification_value="123", email="a@example.com", phone="+81312345678", given_name="Taro")
    made = (await api.post("/tokens", json={"payment_details": details})).json()

    assert list(made) == ["id", "resource", "created_at", "payment_details"]
    assert made["id"].startswith("tok_")
    assert (len(made["id"]), made["resource"]) == (29, "token")
    shown = made["payment_details"]
    assert {name: value for name, value in shown.items() if value is not None} == {
        "type": "credit_card", "email": "a@example.com", "phone": "+81312345678", "given_name": "Taro",
    }  # fmt: skip
    assert not {"number", "brand", "last_four_digits", "month", "year", "verification_value"} & set(shown)
    assert await api.events() == []


async def test_a_publishable_key_makes_tokens_for_the_secret_key(house: House) -> None:
    token = await house.publishable.token(verification_value="123")
    paid = await house.api.post("/payments", json={**ORDER, "payment_details": token})
    assert paid.json()["status"] == "captured"


async def _roads(api: Api) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        ("POST", "/payments", ORDER),
        ("POST", "/customers", {}),
        ("PATCH", f"/customers/{await api.customer()}", {}),
    ]


async def test_a_token_is_spent_by_its_first_use_whatever_that_is(api: Api) -> None:
    for first_method, first_path, first in await _roads(api):
        token = await api.token(verification_value="123")
        reply = await api.request(first_method, first_path, json={**first, "payment_details": token})
        assert reply.status_code == 200
        for method, path, body in await _roads(api):
            again = await api.request(method, path, json={**body, "payment_details": token})
            assert (again.status_code, again.json()["error"]["code"]) == (422, "invalid_token"), (first_path, path)


async def test_a_failed_charge_spends_the_token(api: Api) -> None:
    token = await api.token("4123111111111059")
    replies = [await api.post("/payments", json={**ORDER, "payment_details": token}) for _ in range(2)]
    assert [reply.json()["error"]["code"] for reply in replies] == ["card_declined", "invalid_token"]


async def test_a_request_that_is_refused_does_not_spend_it(api: Api) -> None:
    token = await api.token()
    for body in ({**ORDER, "amount": 0}, {**ORDER, "currency": "XXX"}, {**ORDER, "customer": "0" * 25},
                 {**ORDER, "locale": "fr"}):  # fmt: skip
        assert (await api.post("/payments", json={**body, "payment_details": token})).status_code == 422
    assert (await api.post("/payments", json={**ORDER, "payment_details": token})).status_code == 200


async def test_of_many_at_once_one_spends_it(api: Api) -> None:
    token = await api.token(verification_value="123")
    replies = await asyncio.gather(
        *(api.post("/payments", json={**ORDER, "payment_details": token}) for _ in range(8)),
        *(api.post("/customers", json={"payment_details": token}) for _ in range(4)),
    )
    assert sorted(reply.status_code for reply in replies) == [200] + [422] * 11
    assert len(await api.events()) == 1


@pytest.mark.parametrize("swept", [False, True])
async def test_a_token_lives_for_a_day(house: House, swept: bool) -> None:
    api = house.api
    first, second = await api.token(), await api.token()
    house.clock.advance(DAY - MINUTE)
    await worker.forget(house.parts)
    assert (await api.post("/payments", json={**ORDER, "payment_details": first})).status_code == 200

    house.clock.advance(MINUTE)
    if swept:
        await worker.forget(house.parts)

    for path, body in (("/payments", ORDER), ("/customers", {})):
        reply = await api.post(path, json={**body, "payment_details": second})
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_token")


async def test_a_card_that_a_customer_took_over_outlives_its_token(house: House) -> None:
    token = await house.api.token()
    customer = (await house.api.post("/customers", json={"payment_details": token})).json()["id"]
    house.clock.advance(2 * DAY)
    await worker.forget(house.parts)
    await worker.sweep_vault(house.parts)
    assert (await house.api.charge(customer)).json()["status"] == "captured"


async def test_a_token_may_be_locked_to_a_currency(api: Api) -> None:
    async def locked() -> str:
        made = await api.post("/tokens", json={"payment_details": card(), "currency": "USD"})
        return str(made.json()["id"])

    token = await locked()
    wrong = await api.post("/payments", json={**ORDER, "payment_details": token})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid_currency")
    assert wrong.json()["error"]["param"] == "currency"
    right = await api.post("/payments", json={**ORDER, "currency": "USD", "payment_details": token})
    assert right.json()["currency"] == "USD"

    wrong = await api.post("/customers", json={"payment_details": await locked(), "currency": "EUR"})
    assert wrong.json()["error"]["code"] == "invalid_currency"
    assert (await api.post("/customers", json={"payment_details": await locked()})).status_code == 200


async def test_a_token_says_nothing_about_a_bad_card_until_it_is_used(api: Api) -> None:
    for number in ("4123111111111000", "4123111111111083"):
        assert (await api.token(number)).startswith("tok_")


async def test_a_verification_value_that_is_lost_makes_the_token_invalid_and_charges_nothing(house: House) -> None:
    api = house.api
    token = await api.token(verification_value="123")
    # The vault forgets all it keeps in memory, as it does when the machine starts anew.
    await house.parts.vault.sweep(house.clock.now() + 2 * DAY)

    reply = await api.post("/payments", json={**ORDER, "payment_details": token})

    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_token")
    assert not (house.parts.settings.data / "simulator.jsonl").exists()
    assert (await api.get("/payments", params={"status": "captured"})).json()["total"] == 0
