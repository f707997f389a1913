"""Modes with a customer: one transaction with the shopper, and the details are the customer's."""

from typing import Any

import msgspec
import pytest

from azukari import worker
from azukari.core.clock import DAY, MINUTE
from tests.cards import MASTER
from tests.faults.sites import Rows
from tests.faults.truth import FORGOTTEN_CARDS, Book
from tests.house import Api, House, card
from tests.sessions.sessions import CODE, POOR, Browser, make, pay, refused, shown

CARD = card(verification_value=CODE)
STORING = ["customer", "customer_payment"]


@pytest.fixture
async def rows(house: House) -> Any:
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


async def source(api: Api, made: dict[str, Any]) -> Any:
    return (await api.get(f"/customers/{made['customer_id']}")).json()["source"]


async def credentials(rows: Rows) -> list[dict[str, Any]]:
    found = await rows.column("SELECT credential FROM vault_entries WHERE credential IS NOT NULL")
    return [msgspec.json.decode(text) for text in found]


async def open_cards(rows: Rows) -> list[str]:
    return await rows.column("SELECT id FROM vault_entries WHERE shredded_at IS NULL")


@pytest.mark.parametrize("mode", STORING)
@pytest.mark.parametrize("given", ["card", "token"])
async def test_a_completed_session_has_a_customer_that_can_be_charged(
    house: House, rows: Rows, mode: str, given: str
) -> None:
    made = await make(house.api, mode=mode)
    details = CARD if given == "card" else await house.publishable.token(verification_value=CODE)

    reply = await pay(house.publishable, made, details)

    answer = reply.json()
    assert (reply.status_code, answer["status"]) == (200, "completed")
    assert answer["customer"]["uuid"] == made["customer_id"]
    assert ("payment" in answer) == (mode == "customer_payment")
    assert await source(house.api, made) == {
        "type": "credit_card",
        "brand": "visa",
        "last_four_digits": "1111",
        "month": 12,
        "year": 2099,
    }
    captured = ["payment.captured"] if mode == "customer_payment" else []
    assert await house.api.events() == ["customer.created", *captured, "customer.updated"]
    # The transaction the shopper took part in is the one that later charges name.
    (credential,) = await credentials(rows)
    book = Book.read(house.services.settings.data)
    (line,) = book.by_ref.values()
    assert line.kind == ("sale" if mode == "customer_payment" else "verify")
    assert credential["network_id"] == line.reply["network_id"]
    assert credential["amount"] == made["amount"]
    for _ in range(2):
        assert (await house.api.charge(made["customer_id"])).status_code == 200
    lines = list(Book.read(house.services.settings.data).by_ref.values())
    assert [each.network_id for each in lines if each.stored] == [line.reply["network_id"]] * 2
    assert not any(each.code for each in lines if each.stored)


@pytest.mark.parametrize("mode", STORING)
@pytest.mark.parametrize("given", ["card", "token"])
async def test_a_declined_card_is_not_kept(house: House, rows: Rows, mode: str, given: str) -> None:
    made = await make(house.api, mode=mode)
    details = card(POOR) if given == "card" else await house.publishable.token(POOR)

    refused(await pay(house.publishable, made, details), 502, "insufficient_funds")

    assert await source(house.api, made) is None
    assert await open_cards(rows) == []
    assert await rows.column("SELECT id FROM azukari_keys.deks") == []
    assert (await pay(house.publishable, made)).status_code == 200
    assert len(await open_cards(rows)) == 1


async def test_a_try_that_is_refused_before_it_begins_keeps_nothing(house: House, rows: Rows) -> None:
    made = await make(house.api, mode="customer_payment")
    await pay(house.publishable, made)
    kept = await open_cards(rows)

    refused(await pay(house.publishable, made, card(MASTER)), 422, "session_completed")

    assert await open_cards(rows) == kept
    assert len(await rows.column("SELECT id FROM azukari_keys.deks")) == 1


@pytest.mark.parametrize("mode", STORING)
async def test_a_session_for_a_customer_replaces_the_details(house: House, rows: Rows, mode: str) -> None:
    customer = await house.api.customer(MASTER)
    made = await make(house.api, mode=mode, customer_id=customer)
    assert (await source(house.api, made))["brand"] == "master"
    assert (await house.api.charge(customer)).status_code == 200

    assert (await pay(house.publishable, made)).status_code == 200

    assert (await source(house.api, made))["brand"] == "visa"
    assert (await house.api.charge(customer)).json()["payment_details"]["brand"] == "visa"
    # The old card can never be opened again.
    assert len(await open_cards(rows)) == 1
    assert len(await rows.column("SELECT id FROM azukari_keys.deks")) == 1


async def test_a_mail_address_of_the_details_is_the_customers_where_there_is_none(house: House) -> None:
    first, second = [await make(house.api, mode="customer", **more) for more in ({}, {"email": "b@example.com"})]
    for made in (first, second):
        await pay(house.publishable, made, {**CARD, "email": "a@example.com"})

    emails = [(await house.api.get(f"/customers/{made['customer_id']}")).json()["email"] for made in (first, second)]
    assert emails == ["a@example.com", "b@example.com"]


async def test_a_deleted_customer_gets_no_details(house: House) -> None:
    made = await make(house.api, mode="customer_payment")
    await house.api.delete(f"/customers/{made['customer_id']}")

    reply = await pay(house.publishable, made)

    refused(reply, 422, "invalid_parameter")
    assert reply.json()["error"]["param"] == "customer_id"
    assert Book.read(house.services.settings.data).taken() == 0


@pytest.mark.parametrize("given", ["card", "token"])
@pytest.mark.parametrize("fault", ["lost_reply", "lost_request"])
async def test_what_the_resolver_finds_out_moves_the_customer_too(
    house: House, rows: Rows, given: str, fault: str
) -> None:
    made = await make(house.api, mode="customer_payment")
    details = CARD if given == "card" else await house.publishable.token(verification_value=CODE)
    assert (await pay(house.publishable, made, details, headers={"Azukari-Fault": fault})).status_code == 202
    assert await source(house.api, made) is None

    house.clock.advance(MINUTE)
    await worker.reconcile_attempts(house.services)

    done = fault == "lost_reply"
    assert (await shown(house.api, made))["status"] == ("completed" if done else "pending")
    assert ((await source(house.api, made)) is not None) == done
    if done:
        assert (await house.api.charge(made["customer_id"])).status_code == 200
    house.clock.advance(2 * DAY)
    await worker.forget_tokens(house.services)
    await worker.sweep_vault(house.services)
    assert await rows.column(FORGOTTEN_CARDS) == []
    assert len(await open_cards(rows)) == int(done)


async def test_a_customer_deleted_while_the_money_moves_keeps_nothing_and_the_payment_stands(
    house: House, rows: Rows
) -> None:
    made = await make(house.api, mode="customer_payment")
    await pay(house.publishable, made, headers={"Azukari-Fault": "lost_reply"})
    await house.api.delete(f"/customers/{made['customer_id']}")
    house.clock.advance(MINUTE)

    await worker.reconcile_attempts(house.services)

    after = await shown(house.api, made)
    assert (after["status"], after["payment"]["status"]) == ("completed", "captured")
    assert await open_cards(rows) == []


async def test_a_check_that_gives_no_answer_keeps_nothing(house: House, rows: Rows) -> None:
    made = await make(house.api, mode="customer")
    for fault, status in (("lost_reply", 502), ("processor_down", 504)):
        reply = await pay(house.publishable, made, headers={"Azukari-Fault": fault})
        assert reply.status_code == status
        assert await open_cards(rows) == []
    assert (await pay(house.publishable, made)).status_code == 200


async def test_consent_stays_with_the_session_and_with_the_details(house: House, rows: Rows) -> None:
    made = await make(house.api, mode="customer")
    words = "カード情報を保存することに同意します。"

    assert (await Browser(house, made).pay(CARD, consent=words)).status == 200

    (kept,) = [msgspec.json.decode(text) for text in await rows.column("SELECT consent FROM sessions")]
    assert (kept["text"], kept["version"], kept["language"], kept["client"]) == (words, "1", "ja", "203.0.113.9")
    assert abs(kept["at"] - house.clock.now()) < MINUTE
    (credential,) = await credentials(rows)
    assert credential["consent"] == kept
    # A later charge names the transaction, and not what was agreed.
    assert (await house.api.charge(made["customer_id"])).status_code == 200
    assert words.encode() not in (house.services.settings.data / "simulator.jsonl").read_bytes()
