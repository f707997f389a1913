"""Verification values are gone once they were used, or after a day."""

from typing import Any

from azukari import worker
from azukari.core.clock import DAY
from tests.house import House, card
from tests.leaks.codes import stored_values
from tests.leaks.places import rows_of


async def test_a_verification_value_is_gone_as_soon_as_its_token_is_used(house: House) -> None:
    api = house.api
    order: dict[str, Any] = {"amount": 1000, "currency": "JPY"}
    customer = await api.customer()
    for headers in (
        {},
        {"Komoju-Scenario": "card_declined"},
        {"Azukari-Fault": "lost_reply"},
        {"Azukari-Fault": "processor_down"},
    ):
        for method, path, rest in (
            ("POST", "/payments", order),
            ("POST", "/customers", {}),
            ("PATCH", f"/customers/{customer}", {}),
        ):
            token = await api.token(verification_value="123")
            assert await stored_values(house) == 1
            await api.request(method, path, json={**rest, "payment_details": token}, headers=headers)
            assert await stored_values(house) == 0, (path, headers)
    for path, rest in (("/payments", order), ("/customers", {})):
        await api.post(path, json={**rest, "payment_details": card(verification_value="123")})
    assert await stored_values(house) == 0


async def test_a_token_that_was_not_made_keeps_no_verification_value(house: House) -> None:
    api, key = house.api, {"X-KOMOJU-IDEMPOTENCY": "token-1"}
    bodies = [{"payment_details": card(verification_value=value)} for value in ("123", "123", "321")]
    replies = [await api.post("/tokens", json=body, headers=key) for body in bodies]

    assert [reply.status_code for reply in replies] == [200, 200, 422]
    assert replies[0].content == replies[1].content
    assert await stored_values(house) == 1
    entries = [len(rows) for name, rows in (await rows_of(house)).items() if name.endswith((".deks", ".vault_entries"))]
    assert entries == [1, 1]


async def test_an_unused_verification_value_is_gone_after_a_day(house: House) -> None:
    token = await house.api.token(verification_value="123")
    house.clock.advance(DAY - 60_000)
    await worker.sweep_vault(house.services)
    assert await stored_values(house) == 1

    house.clock.advance(120_000)
    await worker.forget_tokens(house.services)
    await worker.sweep_vault(house.services)

    assert await stored_values(house) == 0
    reply = await house.api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_token")
    tables = await rows_of(house)
    assert [len(rows) for name, rows in tables.items() if name.endswith((".deks", ".tokens"))] == [0, 0]
