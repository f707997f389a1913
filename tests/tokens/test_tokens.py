"""Tokens: payment details for one use within a day. Source: contract section 8."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import DAY, MINUTE
from azukari.db import Owner
from azukari.merchants import keys
from azukari.merchants import service as merchants
from azukari.merchants import store as merchant_store
from azukari.tokens import service
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.replies import refusal

ORDER = {"amount": 1000, "currency": "JPY"}


async def test_a_token_shows_who_and_never_which_card(api: Api) -> None:
    details = card(verification_value="123", email="a@example.com", phone="+81312345678", given_name="Taro")
    made = (await api.post("/tokens", json={"payment_details": details})).json()

    assert list(made) == ["id", "resource", "created_at", "payment_details"]
    assert made["id"].startswith("tok_")
    assert (len(made["id"]), made["resource"]) == (29, "token")
    shown = made["payment_details"]
    assert {name: value for name, value in shown.items() if value is not None} == {
        "type": "credit_card",
        "email": "a@example.com",
        "phone": "+81312345678",
        "given_name": "Taro",
    }
    assert not {"number", "brand", "last_four_digits", "month", "year", "verification_value"} & set(shown)
    assert await api.events() == []


async def test_a_payment_by_token_says_whose_it_is_as_one_by_raw_details_does(api: Api) -> None:
    actor = {"given_name": "Taro", "family_name": "Yamada"}
    plain, other = await api.token(**actor), await api.token(**actor)
    secure = await api.secure_token(payment_details=card(**actor))
    swapped = await api.secure_token(payment_details=other)

    for details in (card(**actor), plain, secure["id"], swapped["id"]):
        paid = (await api.post("/payments", json={**ORDER, "payment_details": details})).json()
        assert (paid["customer_given_name"], paid["customer_family_name"]) == ("Taro", "Yamada")


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
    for body in (
        {**ORDER, "amount": 0},
        {**ORDER, "currency": "XXX"},
        {**ORDER, "customer": "0" * 25},
        {**ORDER, "locale": 1},
    ):
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
    await worker.forget_tokens(house.services)
    assert (await api.post("/payments", json={**ORDER, "payment_details": first})).status_code == 200

    house.clock.advance(MINUTE)
    if swept:
        await worker.forget_tokens(house.services)

    for path, body in (("/payments", ORDER), ("/customers", {})):
        reply = await api.post(path, json={**body, "payment_details": second})
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_token")


async def test_a_card_that_a_customer_took_over_outlives_its_token(house: House) -> None:
    token = await house.api.token()
    customer = (await house.api.post("/customers", json={"payment_details": token})).json()["id"]
    house.clock.advance(2 * DAY)
    await worker.forget_tokens(house.services)
    await worker.sweep_vault(house.services)
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
    await house.services.vault.sweep(house.clock.now() + 2 * DAY)

    reply = await api.post("/payments", json={**ORDER, "payment_details": token})

    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_token")
    assert not (house.services.settings.data / "simulator.jsonl").exists()
    assert (await api.get("/payments", params={"status": "captured"})).json()["total"] == 0


# What is really stored, and what is refused


SPENT = (422, "invalid_token", "payment_details")


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """The tables, read past the server."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


async def entry_of(rows: Rows, token: str) -> str:
    """The vault's entry of a token's card."""
    return str((await rows.column(f"SELECT entry_id FROM tokens WHERE id = '{token}'"))[0])


async def test_a_publishable_key_cannot_use_what_it_makes(house: House) -> None:
    details = {f"payment_details[{name}]": value for name, value in card().items()}
    token = (await house.publishable.post("/tokens", data=details)).json()["id"]

    reply = await house.publishable.post("/payments", json={**ORDER, "payment_details": token})

    assert refusal(reply) == (403, "forbidden", None)
    assert (await house.api.post("/payments", json={**ORDER, "payment_details": token})).status_code == 200


async def test_what_cannot_be_a_token_is_refused_and_keeps_nothing(house: House, rows: Rows) -> None:
    kept = await house.api.token()
    for body, answer in [
        ({}, ("missing_parameter", "payment_details")),
        ({"payment_details": {}}, ("missing_parameter", "payment_details[type]")),
        ({"payment_details": kept}, ("invalid_parameter", "payment_details")),
        ({"payment_details": card("4111111111111112")}, ("invalid_parameter", "payment_details[number]")),
        ({"payment_details": card(month="13")}, ("invalid_parameter", "payment_details[month]")),
        ({"payment_details": card(year="20")}, ("invalid_parameter", "payment_details[year]")),
        ({"payment_details": card(), "currency": "jpy"}, ("invalid_currency", "currency")),
    ]:
        assert refusal(await house.api.post("/tokens", json=body)) == (422, *answer), body
    assert await rows.column("SELECT id FROM tokens") == [kept]
    assert len(await rows.all("SELECT id FROM azukari_keys.deks")) == 1


async def test_a_type_nobody_knows_is_refused(api: Api) -> None:
    for kind in ("credit_card_mars", "cash", "steam"):
        details = {"type": kind, "store": "lawson", "email": "a@example.com"}
        for path, rest in (("/tokens", {}), ("/customers", {}), ("/payments", ORDER)):
            reply = await api.post(path, json={**rest, "payment_details": details})
            assert refusal(reply) == (422, "invalid_payment_type", "payment_details[type]"), (kind, path)
    assert (await api.get("/payments")).json()["total"] == 0


KONBINI = {"type": "konbini", "store": "lawson", "email": "a@example.com", "given_name_kana": "タロウ", "name": "",
           "given_name": "太郎"}  # fmt: skip


async def test_a_token_of_another_method_pays_once_and_is_stored_by_no_customer(house: House, rows: Rows) -> None:
    made = await house.publishable.post("/tokens", json={"payment_details": KONBINI, "currency": "JPY"})
    assert made.json()["payment_details"] == {name: value for name, value in KONBINI.items() if value}
    token = made.json()["id"]

    kept = await house.api.post("/customers", json={"payment_details": token})
    assert refusal(kept) == (422, "invalid_payment_type", "payment_details[type]")
    paid = await house.api.post("/payments", json={**ORDER, "payment_details": token})

    assert (paid.status_code, paid.json()["status"]) == (200, "authorized")
    assert paid.json()["payment_details"]["receipt"]
    assert paid.json()["customer_given_name"] == "太郎"
    again = await house.api.post("/payments", json={**ORDER, "payment_details": token})
    assert refusal(again) == SPENT
    house.clock.advance(2 * DAY)
    await worker.forget_tokens(house.services)
    assert await rows.all("SELECT id FROM tokens") == []


async def test_a_token_of_a_method_is_for_the_currency_it_was_made_for(api: Api) -> None:
    token = (await api.post("/tokens", json={"payment_details": KONBINI, "currency": "JPY"})).json()["id"]
    reply = await api.post("/payments", json={"amount": 100, "currency": "USD", "payment_details": token})
    assert refusal(reply) == (422, "invalid_currency", "currency")


async def test_what_holds_a_secret_makes_no_token(api: Api) -> None:
    for details in (
        {"type": "web_money", "prepaid_number": "abcd1234efgh5678"},
        {"type": "dospara", "user_no": "1", "user_password": "open sesame"},
    ):
        reply = await api.post("/tokens", json={"payment_details": details})
        assert refusal(reply)[:2] == (422, "missing_parameter")


async def test_another_merchants_token_is_no_token_and_is_not_spent_by_trying(house: House) -> None:
    services = house.services
    other = await merchants.create(services.db, "Other shop", services.clock, services.ids)
    theirs = house.api.as_key((await services.api_keys.make_pair(other.id, keys.TEST)).secret.reveal())
    token = await theirs.token(verification_value="123")

    for method, path, body in await _roads(house.api):
        reply = await house.api.request(method, path, json={**body, "payment_details": token})
        assert refusal(reply) == SPENT

    paid = await theirs.post("/payments", json={**ORDER, "payment_details": token})
    assert paid.json()["status"] == "captured"


async def test_a_failed_use_of_any_kind_spends_the_token_and_shreds_what_no_customer_keeps(
    house: House, rows: Rows
) -> None:
    api = house.api
    for method, path, body in await _roads(api):
        token = await api.token("4123111111111000", verification_value="123")
        entry = await entry_of(rows, token)
        replies = [await api.request(method, path, json={**body, "payment_details": token}) for _ in range(2)]
        assert [refusal(reply) for reply in replies] == [(502, "insufficient_funds", None), SPENT], path
        if "customers" in path:
            assert await rows.all(f"SELECT 1 FROM azukari_keys.deks WHERE id = '{entry}'") == []


async def test_an_order_number_that_is_taken_does_not_spend_the_token(api: Api) -> None:
    order = {**ORDER, "external_order_num": "7"}
    await api.post("/payments", json={**order, "payment_details": card()})
    token = await api.token(verification_value="123")

    taken = await api.post("/payments", json={**order, "payment_details": token})

    assert refusal(taken) == (422, "invalid_parameter", "external_order_num")
    paid = await api.post("/payments", json={**order, "external_order_num": "8", "payment_details": token})
    assert paid.json()["status"] == "captured"


@pytest.mark.parametrize("path", ["/payments", "/customers"])
async def test_a_lost_verification_value_ends_the_attempt_before_the_call(house: House, rows: Rows, path: str) -> None:
    token = await house.api.token(verification_value="123")
    merchant = (await house.services.db.read(merchant_store.list_merchants))[0]
    owner, entry = Owner(merchant.id, "test"), await entry_of(rows, token)
    assert await house.services.vault.take_verification_value(owner, entry) is not None

    replies = [await house.api.post(path, json={**ORDER, "payment_details": token}) for _ in range(2)]

    assert [refusal(reply) for reply in replies] == [SPENT, SPENT]
    assert not (house.services.settings.data / "simulator.jsonl").exists()
    assert await rows.column("SELECT state FROM attempts") == ["not_done"]
    assert await rows.column("SELECT status FROM payments") == (["failed"] if path == "/payments" else [])
    assert await house.api.events() == (["payment.failed"] if path == "/payments" else [])
    assert await rows.all("SELECT id FROM customers") == []


async def test_the_sweep_forgets_tokens_past_their_day_and_shreds_their_cards(house: House, rows: Rows) -> None:
    api, services = house.api, house.services
    await api.token()
    await api.post("/payments", json={**ORDER, "payment_details": await api.token()})
    adopted = await api.token("5555555555554444")
    customer = (await api.post("/customers", json={"payment_details": adopted})).json()["id"]
    kept = await entry_of(rows, adopted)
    assert await service.sweep(services, services.clock.now()) == 0
    assert len(await rows.all("SELECT id FROM tokens")) == 3

    house.clock.advance(DAY)
    young = await api.token()
    assert [await service.sweep(services, services.clock.now()) for _ in range(2)] == [3, 0]

    assert await rows.column("SELECT id FROM tokens") == [young]
    # What is left belongs to the customer and to the token of today.
    left = {kept, await entry_of(rows, young)}
    for table in ("azukari_keys.deks", "vault_entries"):
        assert set(await rows.column(f"SELECT id FROM {table}")) == left
    assert (await api.charge(customer)).json()["payment_details"]["brand"] == "master"


async def test_the_sweep_takes_the_oldest_first_however_few_it_reads_at_a_time(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await house.api.token()
        house.clock.advance(MINUTE)
    entries = await rows.column("SELECT entry_id FROM tokens ORDER BY expires_at")
    shred, shredded = house.services.vault.shred, list[str]()

    async def noted(owner: Owner, entry_id: str) -> None:
        shredded.append(entry_id)
        await shred(owner, entry_id)

    monkeypatch.setattr(house.services.vault, "shred", noted)
    house.clock.advance(DAY)

    assert await service.sweep(house.services, house.services.clock.now(), limit=2) == 3
    assert shredded == entries
    assert await rows.column("SELECT id FROM tokens") == []
