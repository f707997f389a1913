"""A customer's saved card is verified for the shop's server, and for its pages where the server has said so."""

import asyncio
from typing import Any

import httpx
import pytest

from azukari.core.clock import HOUR, MINUTE, SECOND
from azukari.customers import grants
from azukari.db import Owner
from azukari.merchants import keys
from azukari.merchants import service as merchants
from azukari.secure_tokens.challenges import answer_challenge
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.secure_tokens.cards import CHALLENGE, RIGHT, address

ORDER = {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example/back"}


async def granted(api: Api, customer: str) -> str:
    reply = await api.post(f"/customers/{customer}/grants")
    assert reply.status_code == 200, reply.text
    return str(reply.json()["grant"])


async def verify(api: Api, customer: str, grant: Any = None, **more: Any) -> httpx.Response:
    body = {**ORDER, "customer": customer} | ({} if grant is None else {"customer_grant": grant})
    return await api.post("/secure_tokens", json=body, **more)


def refused(reply: httpx.Response) -> None:
    """The answer to a publishable key without a grant, whoever the customer is."""
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (403, "forbidden", "customer_grant")
    assert "POST /customers/{id}/grants" in error["message"]


async def test_a_customers_id_alone_sends_nobody_a_password(house: House, rows: Rows) -> None:
    customer = await house.api.customer(CHALLENGE["visa"])
    replies = [
        await verify(house.publishable, customer),
        await verify(house.publishable, customer, ""),
        await verify(house.publishable, "0" * 25),
        await verify(house.publishable, "a b"),
        await house.publishable.post("/secure_tokens", data={**ORDER, "customer": customer}),
    ]

    for reply in replies:
        refused(reply)
    # Nor does it say who is a customer.
    assert len({reply.content for reply in replies}) == 1
    assert await rows.all("SELECT id FROM tokens") == []
    assert "authenticate" not in await rows.column("SELECT action FROM audit_lines")


async def test_a_page_with_a_grant_verifies_the_card_as_the_server_does(house: House) -> None:
    customer = await house.api.customer(CHALLENGE["visa"])
    reply = await house.api.post(f"/customers/{customer}/grants")
    made = reply.json()
    assert (made["resource"], made["customer"], len(made["grant"])) == ("grant", customer, grants.LENGTH)

    token = (await verify(house.publishable, customer, made["grant"])).json()

    assert token["verification_status"] == "NEEDS_VERIFY"
    await answer_challenge(house.services, *address(token), RIGHT)
    paid = await house.api.post("/payments", json={**ORDER, "payment_details": token["id"]})
    assert (paid.json()["status"], paid.json()["customer"]) == ("captured", customer)


async def test_the_server_needs_no_grant_and_has_no_limit(api: Api) -> None:
    customer = await api.customer(CHALLENGE["visa"])
    for grant in (None, None, None, "", "grant_nonsense"):
        assert (await verify(api, customer, grant)).status_code == 200
    missing = await api.post(f"/customers/{'0' * 25}/grants")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


async def test_a_grant_is_one_customers_for_half_an_hour(house: House) -> None:
    services, api = house.services, house.publishable
    customer, another = [await house.api.customer(CHALLENGE["visa"]) for _ in range(2)]
    other = await merchants.create(services.db, "Other shop", services.clock, services.ids)
    pair = await services.api_keys.make_pair(other.id, keys.TEST)
    theirs = house.api.as_key(pair.secret.reveal())
    owner = (await services.api_keys.resolve(house.api.key, None)).owner
    good = await granted(house.api, customer)
    end = grants.end_of_one_made(services.clock.now())
    wrong = [
        await granted(house.api, another),
        await granted(theirs, await theirs.customer()),
        grants.text_of(services.vault, Owner(owner.merchant_id, "live"), customer, end),
        grants.text_of(services.vault, Owner(other.id, "test"), customer, end),
        grants.text_of(services.vault, owner, customer, services.clock.now() // SECOND * SECOND - SECOND),
        good[:-1],
        good + "a",
        good.upper(),
        good[:-1] + ("a" if good[-1] != "a" else "b"),
        " " + good,
        customer,
        good[:6] + "z" + good[7:],
        "grant_" + "a" * 40,
        "grant_" + "1" * 40,
        "grant_" + "ä" * 40,
        house.api.key,
    ]

    for grant in wrong:
        refused(await verify(api, customer, grant))
    refused(await verify(house.api.as_key(pair.publishable.reveal()), customer, good))
    for kind in ([good], {"grant": good}):
        reply = await verify(api, customer, kind)
        assert (reply.status_code, reply.json()["error"]["param"]) == (422, "customer_grant")

    house.clock.advance(grants.LIFE - MINUTE)
    assert (await verify(api, customer, good)).status_code == 200
    house.clock.advance(MINUTE + SECOND)
    refused(await verify(api, customer, good))


async def test_a_stopped_test_clock_does_not_keep_a_grant_alive(house: House) -> None:
    customer = await house.api.customer(CHALLENGE["visa"])
    await house.api.post("/test/clock", json={"freeze": True})
    good = await granted(house.api, customer)

    house.clock.advance(grants.LIFE + SECOND)

    refused(await verify(house.publishable, customer, good))


async def test_a_grant_says_nothing_about_cards_that_come_with_the_call(house: House) -> None:
    body = {**ORDER, "payment_details": card("4100000000000100", verification_value="123")}
    for grant in ({}, {"customer_grant": "nonsense"}, {"customer_grant": None}):
        assert (await house.publishable.post("/secure_tokens", json=body | grant)).status_code == 200


async def test_pages_have_one_customer_asked_three_times_an_hour(house: House) -> None:
    customer, another = [await house.api.customer(CHALLENGE["visa"]) for _ in range(2)]
    grant = await granted(house.api, customer)
    key = {"X-KOMOJU-IDEMPOTENCY": "verify-1"}
    first = await verify(house.publishable, customer, grant, headers=key)
    # A repeat asks nobody.
    for _ in range(4):
        again = await verify(house.publishable, customer, grant, headers=key)
        assert (again.status_code, again.content) == (200, first.content)
    for _ in range(2):
        assert (await verify(house.publishable, customer, grant)).status_code == 200

    for given in (grant, await granted(house.api, customer)):
        over = await verify(house.publishable, customer, given)
        assert (over.status_code, over.json()["error"]["code"]) == (429, "request_failed")
        assert 0 < int(over.headers["Retry-After"]) <= HOUR // SECOND
    assert (await verify(house.publishable, another, await granted(house.api, another))).status_code == 200
    assert (await verify(house.api, customer)).status_code == 200
    assert (await verify(house.publishable, customer, grant, headers=key)).content == first.content

    house.clock.advance(HOUR)
    assert (await verify(house.publishable, customer, await granted(house.api, customer))).status_code == 200


async def test_those_who_have_no_grant_do_not_use_the_three_up(house: House) -> None:
    customer = await house.api.customer(CHALLENGE["visa"])
    for _ in range(5):
        refused(await verify(house.publishable, customer, "grant_" + "a" * 40))
    assert (await verify(house.publishable, customer, await granted(house.api, customer))).status_code == 200


@pytest.mark.parametrize("keyed", [False, True])
async def test_twelve_at_once_ask_three_times(house: House, rows: Rows, keyed: bool) -> None:
    customer = await house.api.customer(CHALLENGE["visa"])
    grant = await granted(house.api, customer)
    headers: list[dict[str, str]] = [
        {"X-KOMOJU-IDEMPOTENCY": f"verify-{number}"} if keyed else {} for number in range(12)
    ]

    replies = await asyncio.gather(*(verify(house.publishable, customer, grant, headers=each) for each in headers))

    assert sorted(reply.status_code for reply in replies) == [200] * 3 + [429] * 9
    assert len(await rows.all("SELECT id FROM tokens")) == 3
