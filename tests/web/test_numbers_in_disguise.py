"""Card numbers where none belong, however they are dressed: refused in texts about people, and nowhere in the clear."""

from typing import Any

import pytest

from tests.faults.sites import Rows
from tests.house import Api, House, card

DISGUISES = [
    "4111.1111.1111.1111",
    "4111_1111_1111_1111",
    "4111/1111/1111/1111",
    "4111,1111,1111,1111",
    "4111–1111–1111–1111",
    "4111\u200b1111\u200b1111\u200b1111",
    "4111    1111    1111    1111",
    "order4111111111111111",
    "4111111111111111x",
    "x4111-1111-1111-1111y",
    "４１１１・１１１１・１１１１・１１１１",
]


@pytest.mark.parametrize("number", DISGUISES)
async def test_a_persons_text_that_hides_a_card_number_is_refused(api: Api, number: str) -> None:
    mail = f"{number.replace(' ', '').replace(',', '.').replace('/', '.')}@shop.example"
    order: dict[str, Any] = {"amount": 1000, "currency": "JPY"}
    customer = await api.customer()

    replies = {
        "name": await api.post("/tokens", json={"payment_details": card(name=number)}),
        "given_name": await api.post("/customers", json={"payment_details": card(given_name=f"Taro {number}")}),
        "email": await api.post("/tokens", json={"payment_details": card(email=mail)}),
        "a customer's email": await api.post("/customers", json={"email": mail}),
        "another email": await api.patch(f"/customers/{customer}", json={"email": mail}),
        "a session's email": await api.post("/sessions", json={**order, "email": mail}),
        "a payer's name": await api.post("/sessions", json={**order, "payment_data": {"name": number}}),
    }

    assert {name: reply.status_code for name, reply in replies.items()} == dict.fromkeys(replies, 422)
    assert not any("1111" in reply.text for reply in replies.values())


@pytest.mark.parametrize("number", ["order4111111111111111", "4111.1111.1111.1111", "plain-key-1"])
async def test_an_idempotency_key_is_stored_as_a_keyed_hash_and_works(house: House, number: str) -> None:
    api, rows = house.api, Rows(house.services.settings)
    order = {"amount": 1000, "currency": "JPY", "customer": await api.customer()}
    headers = {"X-KOMOJU-IDEMPOTENCY": number}

    first = await api.post("/payments", json=order, headers=headers)
    again = await api.post("/payments", json=order, headers=headers)

    assert (first.status_code, again.content) == (200, first.content)
    stored = await rows.column("SELECT id FROM idempotency_keys")
    stored += await rows.column("SELECT idempotency_key FROM attempts WHERE idempotency_key IS NOT NULL")
    await rows.close()
    assert len(stored) == 2
    assert all(len(name) == 64 and number not in name for name in stored)


async def test_a_session_has_at_most_a_hundred_line_items(api: Api) -> None:
    order = {"amount": 1000, "currency": "JPY"}

    full = await api.post("/sessions", json={**order, "line_items": [{"description": "5-" * 1_000}] * 100})
    over = await api.post("/sessions", json={**order, "line_items": [{"amount": 1}] * 101})

    assert full.status_code == 200
    assert (over.status_code, over.json()["error"]["param"]) == (422, "line_items")
