"""``X-KOMOJU-IDEMPOTENCY``: one key, one effect, one answer (REL-16; docs/security.md, section 6)."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import pytest

from azukari import worker
from azukari.core.clock import DAY, SECOND
from azukari.merchants import service as merchants
from azukari.wire import idempotency
from tests.faults.sites import Rows
from tests.faults.truth import Book, hold_against_book
from tests.house import Api, House, card

KEY = "X-KOMOJU-IDEMPOTENCY"
ORDER = {"amount": 1000, "currency": "JPY"}
AT_ONCE = 64


def keyed(key: str = "key-1", **more: str) -> dict[str, str]:
    return {KEY: key, **more}


def replayed(reply: httpx.Response) -> bool:
    return reply.headers.get("X-Idempotent-Replayed") == "true"


def one_answer(replies: list[httpx.Response]) -> bytes:
    """Of many identical requests each got the one answer, or was told to wait; the answer."""
    answers = {reply.content for reply in replies if reply.status_code == 200}
    for reply in replies:
        assert reply.status_code in (200, 409), reply.text
        if reply.status_code == 409:
            assert reply.headers["Retry-After"] == "1"
            assert reply.json()["error"]["code"] == "conflict"
    assert len(answers) == 1
    assert sum(reply.status_code == 200 and not replayed(reply) for reply in replies) == 1
    return answers.pop()


@pytest.mark.parametrize("delay", ["0", "100"])
async def test_of_many_identical_charges_at_once_one_is_made(house: House, rows: Rows, delay: str) -> None:
    api = house.api
    order = {**ORDER, "customer": await api.customer()}
    headers = keyed(**{"Azukari-Delay": delay})

    replies = await asyncio.gather(*(api.post("/payments", json=order, headers=headers) for _ in range(AT_ONCE)))

    answer = one_answer(replies)
    last = await api.post("/payments", json=order, headers=headers)
    assert (last.status_code, last.content, replayed(last)) == (200, answer, True)
    book = await hold_against_book(rows, house.services.settings.data)
    assert book.taken() == 1


Target = Callable[[Api], Awaitable[tuple[str, dict[str, Any]]]]


async def _new_customer(api: Api) -> tuple[str, dict[str, Any]]:
    return "/customers", {"payment_details": card(verification_value="123"), "email": "a@example.com"}


async def _bare_customer(api: Api) -> tuple[str, dict[str, Any]]:
    return "/customers", {"email": "a@example.com"}


async def _token(api: Api) -> tuple[str, dict[str, Any]]:
    return "/tokens", {"payment_details": card(verification_value="123")}


async def _capture(api: Api) -> tuple[str, dict[str, Any]]:
    return f"/payments/{await _payment(api, capture=False)}/capture", {"amount": 600}


async def _refund(api: Api) -> tuple[str, dict[str, Any]]:
    return f"/payments/{await _payment(api)}/refund", {"amount": 300}


async def _cancel(api: Api) -> tuple[str, dict[str, Any]]:
    return f"/payments/{await _payment(api, capture=False)}/cancel", {}


async def _charge_by_token(api: Api) -> tuple[str, dict[str, Any]]:
    return "/payments", {**ORDER, "payment_details": await api.token(verification_value="123")}


async def _payment(api: Api, *, capture: bool = True) -> str:
    reply = await api.post("/payments", json={**ORDER, "payment_details": card(), "capture": capture})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


TARGETS = [_new_customer, _bare_customer, _token, _capture, _refund, _cancel, _charge_by_token]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__.strip("_"))
async def test_every_post_takes_place_once_for_each_key(house: House, rows: Rows, target: Target) -> None:
    api = house.api
    path, body = await target(api)

    replies = await asyncio.gather(*(api.post(path, json=body, headers=keyed()) for _ in range(16)))

    answer = one_answer(replies)
    last = await api.post(path, json=body, headers=keyed())
    assert (last.status_code, last.content, replayed(last)) == (200, answer, True)
    assert len(await rows.all("SELECT id FROM idempotency_keys")) == 1
    stored = idempotency.stored_name("key-1", partial(house.services.vault.mac, "idempotency"))
    assert len(await rows.all(f"SELECT id FROM attempts WHERE idempotency_key = '{stored}'")) == (
        path not in ("/tokens",) and target is not _bare_customer
    )
    assert len(await rows.all("SELECT id FROM customers")) == (path == "/customers")
    await hold_against_book(rows, house.services.settings.data)


@pytest.mark.parametrize(("by", "amount", "number", "status"), [
    ("secret", 150_000, "second", 200), ("publishable", 250_000, "second", 200),
    ("publishable", 150_000, "e111111111111112", 502),
], ids=["enough", "short", "refused"])  # fmt: skip
async def test_a_further_prepaid_card_at_a_session_is_taken_once_for_each_key(
    house: House, rows: Rows, by: str, amount: int, number: str, status: int
) -> None:
    api, payer = house.api, house.api if by == "secret" else house.publishable
    first, further = ({"type": "web_money", "prepaid_number": f"{each:x<16}"} for each in ("first", number))
    path = f"/sessions/{await api.session(amount=amount, metadata={'shelf': '7'})}/pay"
    # The first card's key was another: what is told goes by the one that asks.
    other = house.publishable if by == "secret" else api
    assert (await other.post(path, json={"payment_details": first})).json()["status"] == "pending"

    replies = await asyncio.gather(
        *(payer.post(path, json={"payment_details": further}, headers=keyed()) for _ in range(4))
    )

    last = await payer.post(path, json={"payment_details": further}, headers=keyed())
    assert (last.status_code, replayed(last)) == (status, True)
    assert {reply.content for reply in replies if reply.status_code == status} == {last.content}
    assert {reply.status_code for reply in replies} <= {status, 409}
    if status == 200:
        assert last.json()["payment"]["metadata"] == ({"shelf": "7"} if by == "secret" else {})
        assert last.json()["status"] == ("completed" if amount == 150_000 else "pending")
    assert await rows.column("SELECT count(*) FROM attempts WHERE kind = 'top_up'") == [1]
    assert await rows.column("SELECT declines FROM sessions") == [int(status != 200)]
    await hold_against_book(rows, house.services.settings.data)


async def test_a_key_is_for_one_body(api: Api) -> None:
    customer = await api.customer()
    first = await api.charge(customer, 1000, headers=keyed())

    other = await api.charge(customer, 2000, headers=keyed())
    elsewhere = await api.post("/customers", json={"email": "a@example.com"}, headers=keyed())

    assert first.status_code == 200
    for reply in (other, elsewhere):
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_parameter")
        assert reply.json()["error"]["param"] == KEY
        assert not replayed(reply)
    assert (await api.get("/payments")).json()["total"] == 1


async def test_a_key_is_for_one_body_while_the_first_is_running_too(api: Api) -> None:
    customer = await api.customer()
    first = asyncio.ensure_future(api.charge(customer, 1000, headers=keyed(**{"Azukari-Delay": "150"})))
    while (await api.get("/payments")).json()["total"] == 0:
        await asyncio.sleep(0)

    other = await api.charge(customer, 2000, headers=keyed())

    assert other.status_code == 422
    assert (await first).status_code == 200


async def test_the_order_of_members_makes_no_other_body(api: Api) -> None:
    customer = await api.customer()
    texts = (
        f'{{"amount": 1000, "currency": "JPY", "customer": "{customer}", "metadata": {{"a": "1", "b": "2"}}}}',
        f'{{"metadata": {{"b": "2", "a": "1"}}, "customer": "{customer}",\n "currency": "JPY", "amount": 1000}}',
    )

    first, second = [
        await api.post("/payments", content=text, headers=keyed(**{"Content-Type": "application/json"}))
        for text in texts
    ]

    assert (second.status_code, second.content, replayed(second)) == (200, first.content, True)


async def test_two_keys_are_two_charges(api: Api) -> None:
    customer = await api.customer()

    first, second = [await api.charge(customer, headers=keyed(key)) for key in ("key-1", "key-2")]

    assert first.json()["id"] != second.json()["id"]
    assert not replayed(second)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Komoju-Scenario": "insufficient_funds"}, 502),
        ({"Komoju-Scenario": "fraudulent"}, 422),
        ({"Komoju-Scenario": "request_failed"}, 402),
        ({"Azukari-Fault": "processor_down"}, 504),
        ({"Azukari-Fault": "lost_reply"}, 202),
        ({"Azukari-Fault": "lost_request"}, 202),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else str(value),
)
async def test_what_is_not_a_success_is_repeated_as_well(
    house: House, rows: Rows, headers: dict[str, str], status: int
) -> None:
    api = house.api
    customer = await api.customer()
    first = await api.charge(customer, headers=keyed(**headers))

    again = await api.charge(customer, headers=keyed(**headers))

    assert first.status_code == status
    assert not replayed(first)
    assert (again.status_code, again.content, replayed(again)) == (status, first.content, True)
    assert len(await rows.all("SELECT id FROM payments")) == 1


async def test_an_unknown_outcome_stays_the_answer_when_it_is_known(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    headers = keyed(**{"Azukari-Fault": "lost_reply"})
    first = await house.api.charge(customer, headers=headers)
    house.clock.advance(5 * SECOND)
    await worker.reconcile_attempts(house.services)

    again = await house.api.charge(customer, headers=headers)

    assert (again.status_code, again.content) == (202, first.content)
    assert (await house.api.get(f"/payments/{first.json()['id']}")).json()["status"] == "captured"
    assert (await hold_against_book(rows, house.services.settings.data)).taken() == 1


@pytest.mark.parametrize(
    "order",
    [
        {"amount": 0, "currency": "JPY"},
        {"amount": 1000, "currency": "XXX"},
        {"amount": 1000, "currency": "JPY", "customer": "nobody"},
        {"amount": 1000, "currency": "JPY", "payment_details": "tok_nothing"},
        {"amount": 1000, "currency": "JPY", "payment_details": card("4111111111111112")},
        {"amount": 1000, "currency": "JPY"},
    ],
    ids=["amount", "currency", "customer", "token", "card", "source"],
)
async def test_a_request_that_was_wrong_leaves_its_key_free(api: Api, rows: Rows, order: dict[str, Any]) -> None:
    refused = await api.post("/payments", json=order, headers=keyed())

    assert refused.status_code in (404, 422)
    assert await rows.all("SELECT id FROM idempotency_keys") == []
    assert (await api.charge(await api.customer(), headers=keyed())).status_code == 200


async def test_a_key_found_wins_over_what_has_become_wrong_meanwhile(api: Api) -> None:
    token = await api.token()
    order = {**ORDER, "payment_details": token, "external_order_num": "A-1"}
    first = await api.post("/payments", json=order, headers=keyed())

    again = await api.post("/payments", json=order, headers=keyed())

    assert (again.status_code, again.content, replayed(again)) == (200, first.content, True)


async def test_a_key_lives_for_a_day(house: House, rows: Rows) -> None:
    api = house.api
    customer = await api.customer()
    first = await api.charge(customer, headers=keyed())
    house.clock.advance(DAY - 60 * SECOND)
    within = await api.charge(customer, headers=keyed())
    house.clock.advance(61 * SECOND)

    after = await api.charge(customer, headers=keyed())

    assert (within.content, replayed(within)) == (first.content, True)
    assert after.status_code == 200
    assert not replayed(after)
    assert after.json()["id"] != first.json()["id"]
    assert (await api.charge(customer, headers=keyed())).content == after.content


async def test_keys_past_their_day_are_free_also_when_they_come_several_at_a_time(house: House, rows: Rows) -> None:
    """No worker has removed them."""
    customer = await house.api.customer()
    names = [f"key-{number}" for number in range(40)]

    async def charge_all() -> list[httpx.Response]:
        replies: list[httpx.Response] = []
        for first in range(0, len(names), 8):
            batch = names[first : first + 8]
            replies += await asyncio.gather(*(house.api.charge(customer, headers=keyed(name)) for name in batch))
        return replies

    before = await charge_all()
    house.clock.advance(2 * DAY)

    after = await charge_all()

    assert [reply.status_code for reply in after] == [200] * 40, [reply.text for reply in after]
    assert not any(replayed(reply) for reply in after)
    assert len({reply.json()["id"] for reply in [*before, *after]}) == 80
    assert len(await rows.all("SELECT id FROM idempotency_keys")) == 40
    again = await charge_all()
    assert [reply.content for reply in again] == [reply.content for reply in after]


async def test_the_worker_forgets_keys_after_their_day_and_not_before(house: House, rows: Rows) -> None:
    await house.api.charge(await house.api.customer(), headers=keyed())
    house.clock.advance(DAY - 60 * SECOND)
    await worker.forget_keys(house.services)
    assert len(await rows.all("SELECT id FROM idempotency_keys")) == 1

    house.clock.advance(61 * SECOND)
    await worker.forget_keys(house.services)

    assert await rows.all("SELECT id FROM idempotency_keys") == []


async def test_an_open_attempt_keeps_its_key_beyond_the_day(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    with_fault = keyed(**{"Azukari-Fault": "lost_reply"})
    await house.api.charge(customer, headers=with_fault)
    await rows.change("UPDATE idempotency_keys SET state = 'running'")
    house.clock.advance(2 * DAY)
    await worker.forget_keys(house.services)

    again = await house.api.charge(customer, headers=with_fault)

    assert (again.status_code, replayed(again)) == (202, True)
    assert len(await rows.all("SELECT id FROM payments")) == 1


@pytest.mark.parametrize("key", ["", "k" * 101, "a\tb", "ä".encode("latin-1"), "鍵".encode()], ids=repr)
async def test_a_malformed_key_is_refused(api: Api, key: str | bytes) -> None:
    reply = await api.post("/customers", json={"email": "a@example.com"}, headers={KEY: key})

    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "bad_request")
    assert (await api.get("/customers")).json()["total"] == 0


@pytest.mark.parametrize("key", ["k", "k" * 100, "order #1: ~!@$%^&*()"])
async def test_any_printable_key_of_up_to_a_hundred_characters_is_good(api: Api, key: str) -> None:
    first, second = [
        await api.post("/customers", json={"email": "a@example.com"}, headers=keyed(key)) for _ in range(2)
    ]

    assert (first.status_code, second.content, replayed(second)) == (200, first.content, True)


async def test_a_key_belongs_to_its_merchant(house: House) -> None:
    services = house.services
    merchant = await merchants.create(services.db, "Another shop", services.clock, services.ids)
    pair = await services.api_keys.make_pair(merchant.id, "test")
    other = house.api.as_key(pair.secret.reveal())

    ours, theirs = [
        await api.post("/customers", json={"email": "a@example.com"}, headers=keyed()) for api in (house.api, other)
    ]

    assert ours.json()["id"] != theirs.json()["id"]
    assert not replayed(theirs)


async def test_a_key_of_the_test_mode_says_nothing_in_live_mode(house: House, rows: Rows) -> None:
    await house.api.post("/customers", json={"email": "a@example.com"}, headers=keyed())

    await rows.change("UPDATE idempotency_keys SET mode = 'live'")
    again = await house.api.post("/customers", json={"email": "a@example.com"}, headers=keyed())

    assert again.status_code == 200
    assert not replayed(again)


async def test_no_card_is_kept_with_a_key(house: House, rows: Rows) -> None:
    order = {**ORDER, "payment_details": card(verification_value="987")}
    await house.api.post("/payments", json=order, headers=keyed())

    (row,) = await rows.all("SELECT body, request_hash FROM idempotency_keys")

    assert b"4111111111111111" not in bytes(row["body"])
    assert b"987" not in bytes(row["body"])
    assert len(bytes(row["request_hash"])) == 32


async def test_a_repeat_without_a_key_is_another_charge(house: House) -> None:
    customer = await house.api.customer()
    await house.api.charge(customer)
    await house.api.charge(customer)

    assert Book.read(house.services.settings.data).taken() == 2
