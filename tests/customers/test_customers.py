"""Customers: one set of payment details each, kept to be charged any number of times. Source: contract section 10."""

import sqlite3
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from azukari.core.clock import iso
from azukari.customers import store
from azukari.db import Owner
from azukari.db.open import SqliteFiles
from azukari.merchants import store as merchants
from tests.house import Api, House, card
from tests.replies import refusal

CARD = {"type": "credit_card", "brand": "visa", "last_four_digits": "1111", "month": 12, "year": 2099}
AMEX = "378282246310005"


def form(**more: Any) -> dict[str, str]:
    """A card as a form has it."""
    return {f"payment_details[{name}]": str(value) for name, value in card(**more).items()}


async def rows(house: House, table: str, store: str = "main") -> list[tuple[Any, ...]]:
    """A table, read from outside of the server."""
    url = house.services.settings.database_url
    if url is not None:
        connection = await asyncpg.connect(url.reveal())
        schema = {"main": "public", "keys": "azukari_keys"}[store]
        found = [tuple(row) for row in await connection.fetch(f"SELECT * FROM {schema}.{table}")]
        await connection.close()
        return found
    path = getattr(SqliteFiles.of(house.services.settings.data), store).path
    opened = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = opened.execute(f"SELECT * FROM {table}").fetchall()
    opened.close()
    return found


@pytest.mark.parametrize("way", ["token", "token form", "raw", "raw form"])
async def test_a_customer_is_made_from_a_token_or_from_raw_details(api: Api, way: str) -> None:
    token = await api.token(verification_value="123") if "token" in way else None
    if way == "token form":
        reply = await api.post("/customers", data={"payment_details": token, "email": "a@example.com"})
    elif way == "raw form":
        reply = await api.post("/customers", data={**form(verification_value="123"), "email": "a@example.com"})
    else:
        details = token or card(verification_value="123")
        reply = await api.post("/customers", json={"payment_details": details, "email": "a@example.com"})

    made = reply.json()
    assert reply.status_code == 200
    assert list(made) == ["id", "resource", "email", "source", "metadata", "created_at"]
    assert (made["resource"], made["email"], made["source"], made["metadata"]) == (
        "customer",
        "a@example.com",
        CARD,
        {},
    )
    assert (await api.get(f"/customers/{made['id']}")).json() == made
    assert await api.events() == ["customer.created"]
    assert (await api.charge(made["id"])).json()["status"] == "captured"


@pytest.mark.parametrize("way", ["token", "raw"])
async def test_a_mail_address_given_with_the_card_is_the_customers_who_has_no_other(api: Api, way: str) -> None:
    async def details(email: str) -> Any:
        return await api.token(email=email) if way == "token" else card(email=email)

    made = (await api.post("/customers", json={"payment_details": await details("a@example.com")})).json()
    assert made["email"] == "a@example.com"
    assert (await api.charge(made["id"])).json()["payment_details"]["email"] == "a@example.com"

    path = f"/customers/{made['id']}"
    assert (await api.patch(path, json={"payment_details": await details("b@example.com")})).json()["email"] == (
        "a@example.com"
    )
    both = {"email": None, "payment_details": await details("b@example.com")}
    assert (await api.patch(path, json=both)).json()["email"] is None
    both["email"], both["payment_details"] = "c@example.com", await details("b@example.com")
    assert (await api.patch(path, json=both)).json()["email"] == "c@example.com"


async def test_a_customer_may_be_made_without_anything(api: Api) -> None:
    made = (await api.post("/customers")).json()
    assert (made["email"], made["source"], made["metadata"]) == (None, None, {})
    assert await api.events() == ["customer.created"]


BAD = {
    "4123111111111000": (502, "insufficient_funds"),
    "4123111111111018": (502, "exceeds_limit"),
    "4123111111111034": (502, "bad_verification_value"),
    "4123111111111042": (502, "card_expired"),
    "4123111111111059": (502, "card_declined"),
    "4123111111111067": (502, "other_invalid"),
    "4123111111111075": (502, "other_invalid"),
    "4123111111111083": (422, "fraudulent"),
}


async def test_a_bad_card_stores_nothing(house: House) -> None:
    api = house.api
    for number, (status, code) in BAD.items():
        token = await api.token(number, verification_value="123")
        for details in (card(number), token):
            reply = await api.post("/customers", json={"payment_details": details})
            assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert (await api.get("/customers")).json()["total"] == 0
    assert await api.events() == []
    assert await rows(house, "customers") == []
    # A token's details were kept until they failed; their keys are gone, so what is left is noise.
    assert await rows(house, "deks", "keys") == []


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Azukari-Fault": "processor_down"}, 504, "gateway_timeout"),
        ({"Azukari-Fault": "lost_request"}, 502, "bad_gateway"),
        ({"Azukari-Fault": "lost_reply"}, 502, "bad_gateway"),
    ],
)  # fmt: skip
async def test_a_card_that_could_not_be_checked_stores_nothing(
    house: House, headers: dict[str, str], status: int, code: str
) -> None:
    reply = await house.api.post("/customers", json={"payment_details": card()}, headers=headers)

    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert (await house.api.get("/customers")).json()["total"] == 0
    assert await rows(house, "vault_entries") == []


async def test_a_scenario_makes_the_customer_and_fails_its_payments(api: Api) -> None:
    customer = await api.customer(headers={"Komoju-Scenario": "insufficient_funds"})
    for _ in range(2):
        reply = await api.charge(customer)
        assert (reply.status_code, reply.json()["error"]["code"]) == (502, "insufficient_funds")


# Lists


async def test_an_empty_list_has_no_last_page(api: Api) -> None:
    reply = (await api.get("/customers")).json()
    assert list(reply) == ["resource", "total", "page", "per_page", "last_page", "start_time", "end_time", "data"]
    assert (reply["resource"], reply["total"], reply["page"], reply["per_page"]) == ("list", 0, 1, 10)
    assert (reply["last_page"], reply["data"]) == (0, [])
    assert reply["start_time"] < reply["end_time"]


async def test_pages_hold_every_customer_once_newest_first(api: Api) -> None:
    made = [(await api.post("/customers")).json()["id"] for _ in range(12)]

    pages = [(await api.get("/customers", params={"page": page, "per_page": 5})).json() for page in range(1, 5)]
    default = (await api.get("/customers")).json()

    assert [each["id"] for page in pages for each in page["data"]] == made[::-1]
    assert [(page["total"], page["last_page"], len(page["data"])) for page in pages] == [
        (12, 3, 5),
        (12, 3, 5),
        (12, 3, 2),
        (12, 3, 0),
    ]
    assert [each["id"] for each in default["data"]] == made[:1:-1]
    assert default["last_page"] == 2


async def test_a_list_is_bounded_by_the_time_of_creation(house: House) -> None:
    api, made, moments = house.api, [], []
    for _ in range(3):
        made.append((await api.post("/customers")).json())
        moments.append(made[-1]["created_at"])
        house.clock.advance(10_000)

    async def ids(**bounds: str) -> list[str]:
        return [each["id"] for each in (await api.get("/customers", params=bounds)).json()["data"]]

    oldest, middle, newest = (each["id"] for each in made)
    assert await ids(start_time=moments[1]) == [newest, middle]
    assert await ids(end_time=moments[1]) == [middle, oldest]
    assert await ids(start_time=moments[1], end_time=moments[1]) == [middle]
    assert await ids(start_time=iso(house.clock.now() + 60_000)) == []
    shown = (await api.get("/customers", params={"start_time": moments[0], "end_time": moments[2]})).json()
    assert (shown["start_time"], shown["end_time"], shown["total"]) == (moments[0], moments[2], 3)


async def test_a_list_is_filtered_by_the_month_a_card_ends_in(api: Api) -> None:
    august = (await api.post("/customers", json={"payment_details": card(month="08", year="2097")})).json()["id"]
    await api.customer()
    await api.post("/customers")
    for expiration, expected in {"0897": [august], "0997": [], "0898": []}.items():
        found = (await api.get("/customers", params={"expiration": expiration})).json()
        assert ([each["id"] for each in found["data"]], found["total"]) == (expected, len(expected))
    await api.delete(f"/customers/{august}")
    assert (await api.get("/customers", params={"expiration": "0897"})).json()["total"] == 0


# Changes


async def test_words_are_changed_one_by_one(api: Api) -> None:
    customer = await api.customer()
    path = f"/customers/{customer}"

    changed = (await api.patch(path, json={"email": "b@example.com", "metadata": {"a": "1", "b": "2", "c": 3}})).json()
    assert (changed["email"], changed["metadata"]) == ("b@example.com", {"a": "1", "b": "2", "c": "3"})
    assert changed["source"] == CARD

    merged = (await api.patch(path, data={"metadata[a]": "4", "metadata[d]": "5", "metadata[b]": ""})).json()
    assert (merged["email"], merged["metadata"]) == ("b@example.com", {"a": "4", "c": "3", "d": "5"})

    removed = (await api.patch(path, json={"metadata": {"a": None, "c": ""}, "email": ""})).json()
    assert (removed["email"], removed["metadata"]) == ("b@example.com", {"d": "5"})

    assert (await api.patch(path, json={"email": None})).json()["email"] is None
    assert (await api.get(path)).json()["metadata"] == {"d": "5"}
    assert await api.events() == ["customer.created", *["customer.updated"] * 4]


async def test_a_new_card_replaces_the_old_one_which_nobody_can_read_any_more(house: House) -> None:
    api = house.api
    customer = await api.customer()
    (before,) = await rows(house, "vault_entries")
    keys_before = await rows(house, "deks", "keys")

    for details in (card(AMEX), await api.token("5555555555554444")):
        reply = await api.patch(f"/customers/{customer}", json={"payment_details": details})
        assert reply.status_code == 200, reply.text
    assert reply.json()["source"] == {**CARD, "brand": "master", "last_four_digits": "4444"}

    keys_after = await rows(house, "deks", "keys")
    assert (len(keys_before), len(keys_after)) == (1, 1)
    assert keys_before[0][:3] != keys_after[0][:3]
    old = next(row for row in await rows(house, "vault_entries") if row[:3] == before[:3])
    records = [cell for cell in before if isinstance(cell, bytes) and len(cell) > 40]
    assert records
    assert not any(cell in old for cell in records)
    paid = (await api.charge(customer)).json()
    assert paid["payment_details"]["last_four_digits"] == "4444"
    assert await api.events() == ["customer.created", "customer.updated", "customer.updated", "payment.captured"]


async def test_a_bad_card_leaves_the_old_one_where_it_is(house: House) -> None:
    api = house.api
    customer = await api.customer()
    for details in (card("4123111111111059"), await api.token("4123111111111059"), "tok_" + "0" * 25):
        reply = await api.patch(f"/customers/{customer}", json={"payment_details": details, "email": "b@example.com"})
        assert reply.status_code in (422, 502)
    shown = (await api.get(f"/customers/{customer}")).json()
    assert (shown["source"], shown["email"]) == (CARD, None)
    assert (await api.charge(customer)).json()["status"] == "captured"
    assert len(await rows(house, "deks", "keys")) == 1


# The end


async def test_a_deleted_customer_is_answered_once_more_and_then_is_gone(house: House) -> None:
    api = house.api
    customer = await api.customer()
    await api.patch(f"/customers/{customer}", json={"email": "a@example.com", "metadata": {"a": "b"}})
    shown = (await api.get(f"/customers/{customer}")).json()

    deleted = await api.delete(f"/customers/{customer}")

    assert (deleted.status_code, deleted.json()) == (200, shown)
    replies: list[httpx.Response] = [
        await api.get(f"/customers/{customer}"),
        await api.patch(f"/customers/{customer}", json={"email": "b@example.com"}),
        await api.patch(f"/customers/{customer}", json={"payment_details": card()}),
        await api.delete(f"/customers/{customer}"),
        await api.charge(customer),
    ]
    assert [reply.status_code for reply in replies] == [404] * 5
    assert (await api.get("/customers")).json()["total"] == 0
    assert await api.events() == ["customer.created", "customer.updated", "customer.deleted"]
    assert await rows(house, "deks", "keys") == []
    (row,) = await rows(house, "customers")
    assert "a@example.com" not in row
    last = (await api.get("/events")).json()["data"][0]["data"]
    assert (last["id"], last["email"], last["metadata"], last["source"]) == (customer, None, {}, None)


async def test_what_was_deleted_cannot_be_opened_by_the_vault_either(house: House) -> None:
    customer = await house.api.customer()
    (entry,) = await rows(house, "vault_entries")
    merchant = (await house.services.db.read(merchants.list_merchants))[0].id
    assert (
        await house.services.db.read(house.services.vault.find, Owner(merchant, "test"), entry[2])
    ).masked.last4 == "1111"

    await house.api.delete(f"/customers/{customer}")

    from azukari.vault import EntryGone

    with pytest.raises(EntryGone):
        await house.services.db.read(house.services.vault.find, Owner(merchant, "test"), entry[2])


async def test_a_payment_of_a_deleted_customer_is_still_shown_and_refunded(api: Api) -> None:
    customer = await api.customer()
    payment = (await api.charge(customer)).json()
    await api.delete(f"/customers/{customer}")

    assert (await api.get(f"/payments/{payment['id']}")).json() == payment
    assert (await api.post(f"/payments/{payment['id']}/refund")).json()["status"] == "refunded"


async def test_a_customer_of_the_merchants_own_that_is_not_known_is_404(api: Api) -> None:
    await api.customer()
    for name in ("shop-1", "日本", "0" * 25):
        assert (await api.delete(f"/external_customers/{name}")).status_code == 404
    assert (await api.get("/customers")).json()["total"] == 1


async def _external(house: House, external_id: str) -> str:
    """A customer the merchant knows by an id of its own."""
    merchant = (await house.services.db.read(merchants.list_merchants))[0]
    made = await house.services.db.read(store.get, Owner(merchant.id, "test"), await house.api.customer())
    customer = msgspec.structs.replace(made, id=house.services.ids.new(), external_id=external_id)
    await house.services.db.write(store.save, customer)
    return customer.id


async def test_a_customer_is_forgotten_by_the_merchants_own_id(house: House) -> None:
    api = house.api
    customers = [await _external(house, external_id) for external_id in ("shop-7", "shop-7", "shop-8")]

    reply = await api.delete("/external_customers/shop-7")

    assert (reply.status_code, reply.json()) == (200, {"id": "shop-7"})
    shown = [(await api.get(f"/customers/{customer}")).status_code for customer in customers]
    assert shown == [404, 404, 200]
    assert len(await rows(house, "deks", "keys")) == 1
    assert refusal(await api.delete("/external_customers/shop-7")) == (404, "not_found", None)
    assert (await api.events())[-2:] == ["customer.deleted"] * 2
    # An id of ours is not the merchant's own.
    assert (await api.delete(f"/external_customers/{customers[2]}")).status_code == 404


async def test_a_merchants_own_id_may_hold_a_slash(house: House) -> None:
    customer = await _external(house, "shop/7")

    reply = await house.api.delete("/external_customers/shop%2F7")

    assert (reply.status_code, reply.json()) == (200, {"id": "shop/7"})
    assert (await house.api.get(f"/customers/{customer}")).status_code == 404


# More of what may be asked for


async def test_each_good_test_card_is_kept_with_its_brand(api: Api) -> None:
    for number, brand in {
        "4111111111111111": "visa",
        "4242424242424242": "visa",
        "5555555555554444": "master",
        "3530111333300000": "jcb",
        AMEX: "american_express",
        "30569309025904": "diners_club",
    }.items():
        details = card(number, month=2, year="31")
        source = (await api.post("/customers", json={"payment_details": details})).json()["source"]
        assert source == {**CARD, "brand": brand, "last_four_digits": number[-4:], "month": 2, "year": 2031}


async def test_what_cannot_be_a_customer_is_refused(api: Api) -> None:
    for body, answer in [
        ({"payment_details": "tok_" + "0" * 25}, ("invalid_token", "payment_details")),
        ({"payment_details": "anything"}, ("invalid_token", "payment_details")),
        ({"payment_details": {"type": "konbini"}}, ("invalid_payment_type", "payment_details[type]")),
        ({"payment_details": {}}, ("missing_parameter", "payment_details[type]")),
        ({"payment_details": card(number="")}, ("missing_parameter", "payment_details[number]")),
        ({"payment_details": card("4111111111111112")}, ("invalid_parameter", "payment_details[number]")),
        ({"payment_details": card(year="2020")}, ("invalid_parameter", "payment_details[year]")),
        ({"email": "a" * 256}, ("invalid_parameter", "email")),
        ({"metadata": {"k" * 31: "a"}}, ("invalid_parameter", "metadata")),
        ({"metadata": {"a": "v" * 2001}}, ("invalid_parameter", "metadata")),
        ({"currency": "XXX"}, ("invalid_currency", "currency")),
    ]:
        assert refusal(await api.post("/customers", json=body)) == (422, *answer), body
    assert (await api.get("/customers")).json()["total"] == 0
    assert await api.events() == []


async def test_a_refused_change_changes_no_word_either(api: Api) -> None:
    path = f"/customers/{await api.customer()}"
    before = (await api.get(path)).content
    for details, answer in [
        (card("4123111111111059"), (502, "card_declined", None)),
        (await api.token("4123111111111059"), (502, "card_declined", None)),
        (card("4111111111111112"), (422, "invalid_parameter", "payment_details[number]")),
        ("tok_" + "0" * 25, (422, "invalid_token", "payment_details")),
        ({"type": "konbini"}, (422, "invalid_payment_type", "payment_details[type]")),
    ]:
        body = {"payment_details": details, "email": "b@example.com", "metadata": {"a": "1"}}
        assert refusal(await api.patch(path, json=body)) == answer
        assert (await api.get(path)).content == before
    assert await api.events() == ["customer.created"]


async def test_a_card_and_the_words_change_together(api: Api) -> None:
    customer = await api.customer()
    body = {"payment_details": card(AMEX), "email": "b@example.com", "metadata": {"a": "1"}}

    changed = (await api.patch(f"/customers/{customer}", json=body)).json()

    assert (changed["source"]["brand"], changed["email"]) == ("american_express", "b@example.com")
    assert changed["metadata"] == {"a": "1"}
    events = (await api.get("/events")).json()["data"]
    assert [event["type"] for event in events] == ["customer.updated", "customer.created"]
    assert events[0]["data"] == changed


async def test_details_may_come_later(api: Api) -> None:
    bare = (await api.post("/customers", json={"email": "", "payment_details": None})).json()
    assert (bare["email"], bare["source"]) == (None, None)

    changed = await api.patch(f"/customers/{bare['id']}", json={"payment_details": await api.token()})

    assert changed.json() == {**bare, "source": CARD}
    assert (await api.charge(bare["id"])).json()["status"] == "captured"


async def test_a_customer_has_at_most_a_hundred_words_of_metadata_in_all(api: Api) -> None:
    many = {f"key {number}": "a" for number in range(100)}
    path = f"/customers/{(await api.post('/customers', json={'metadata': many})).json()['id']}"

    assert refusal(await api.patch(path, json={"metadata": {"more": "a"}})) == (422, "invalid_parameter", "metadata")
    swapped = await api.patch(path, json={"metadata": {"more": "a", "key 0": ""}})
    assert len(swapped.json()["metadata"]) == 100


async def test_a_scenario_stays_with_its_customer(api: Api) -> None:
    customer = await api.customer(headers={"Komoju-Scenario": "insufficient_funds"})

    # The card of such a customer is replaced like any other, and another scenario does not take its place.
    changed = await api.patch(f"/customers/{customer}", json={"payment_details": card(AMEX)})
    assert changed.json()["source"]["brand"] == "american_express"
    replies = [await api.charge(customer), await api.charge(customer, headers={"Komoju-Scenario": "card_expired"})]
    assert [refusal(reply) for reply in replies] == [(502, "insufficient_funds", None)] * 2
    assert (await api.charge(await api.customer())).status_code == 200


async def test_the_month_a_card_ends_in_is_listed_by_pages_and_follows_the_card(api: Api) -> None:
    async def made(**more: Any) -> str:
        return str((await api.post("/customers", json={"payment_details": card(**more)})).json()["id"])

    async def listed(**query: Any) -> list[str]:
        return [each["id"] for each in (await api.get("/customers", params=query)).json()["data"]]

    first, second = await made(month="1", year="2031"), await made(month=1, year="31")
    assert await listed(expiration="0131") == [second, first]
    assert await listed(expiration="0131", per_page=1, page=2) == [first]
    assert await listed(expiration="0131", end_time="2020-01-01") == []

    await api.patch(f"/customers/{first}", json={"payment_details": card(month="1", year="2032")})
    assert (await listed(expiration="0131"), await listed(expiration="0132")) == ([second], [first])
    for wrong in ("1331", "0031", "131", "012031", "01/31"):
        reply = await api.get("/customers", params={"expiration": wrong})
        assert refusal(reply) == (422, "invalid_parameter", "expiration"), wrong


async def test_a_page_that_is_none_and_bounds_that_cross_are_refused(api: Api) -> None:
    for name in ("page", "per_page"):
        for wrong in ("0", "-1", "1.5", "x"):
            assert refusal(await api.get("/customers", params={name: wrong})) == (422, "invalid_parameter", name), wrong
    assert refusal(await api.get("/customers", params={"per_page": "101"})) == (422, "invalid_parameter", "per_page")
    crossed = await api.get("/customers", params={"start_time": "2026-01-02", "end_time": "2026-01-01"})
    assert refusal(crossed) == (422, "invalid_parameter", "end_time")


async def test_an_unknown_customer_is_not_found(api: Api) -> None:
    for unknown in ("0" * 25, "x", "tok_" + "0" * 25):
        path = f"/customers/{unknown}"
        for reply in (
            await api.get(path),
            await api.patch(path, json={"payment_details": card()}),
            await api.delete(path),
        ):
            assert refusal(reply) == (404, "not_found", None)
    assert await api.events() == []
