"""Merchants and modes are kept apart: by every statement, on every route, in every answer (SEC-10, SEC-11)."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from azukari.app import ROUTERS
from azukari.core.config import Settings
from azukari.db import bind, owned, owned_table
from azukari.merchants import keys, store
from azukari.merchants import service as merchants
from azukari.wiring import KEK_NAME
from tests.house import Api, House, card, running
from tests.isolation import unbound

ROOT = Path(__file__).resolve().parents[1]

# Every statement

#: Those that may run without an owner. A new one belongs here only where nobody's key can be the reason for it.
OWNERLESS = {
    "azukari.db.directory:_FIND",
    "azukari.db.probing:_WRITE",
    "azukari.db.telling:_ADD",
    "azukari.db.telling:_FORGET",
    "azukari.events.numbering:_BEHIND",
    "azukari.events.numbering:_BUSY",
    "azukari.events.numbering:_NEW",
    "azukari.merchants.clear_text:_DROP",
    "azukari.merchants.clear_text:_FIND",
    "azukari.merchants.clear_text:_TAKE",
    "azukari.merchants.due:_AHEAD",
    "azukari.merchants.store:_ADD_KEY",
    "azukari.merchants.store:_ADD_MERCHANT",
    "azukari.merchants.store:_ANY",
    "azukari.merchants.store:_BY_HASH",
    "azukari.merchants.store:_KEY",
    "azukari.merchants.store:_KEYS_OF",
    "azukari.merchants.store:_LIVE",
    "azukari.merchants.store:_MERCHANT",
    "azukari.merchants.store:_MERCHANTS",
    "azukari.merchants.store:_REVOKE",
    "azukari.merchants.store:_SET",
    "azukari.merchants.store:_USED",
    "azukari.payments.store:OVERDUE",
    "azukari.attempts.store:_DUE",
    "azukari.tokens.store:ABANDONED",
    "azukari.sessions.store:OVERDUE",
    "azukari.subscriptions.store:DUE",
    "azukari.tokens.store:OVER",
    "azukari.vault.inside.keys:ADD_ROOT",
    "azukari.vault.inside.keys:ROOTS",
    "azukari.vault.inside.sad:EXPIRE",
    "azukari.vault.inside.sad:LEFT",
    "azukari.vault.inside.sad:LIVING",
    "azukari.vault.inside.sad_keys:ADD_SHARE",
    "azukari.vault.inside.sad_keys:BE_THERE",
    "azukari.vault.inside.sad_keys:DROP_MACHINES",
    "azukari.vault.inside.sad_keys:DROP_SHARES",
    "azukari.vault.inside.sad_keys:MACHINES",
    "azukari.vault.inside.sad_keys:SHARE",
    "azukari.vault.inside.sad_keys:SHARES",
    "azukari.vault.inside.sweep:RETIRED",
    "azukari.vault.inside.sweep:STRAYS",
    "azukari.wire.idempotency:_PURGE",
    "azukari.webhooks.deliveries:_FORGET",
    "azukari.webhooks.deliveries:_FORGET_TRIES",
    "azukari.webhooks.deliveries:_WAITING",
    "azukari.webhooks.deliveries:_NEXT_OWNER",
    "azukari.webhooks.store:_ANYONES",
    "azukari.webhooks.store:_BEHIND",
    "azukari.webhooks.store:OF_OLD_PAYMENTS",
    "azukari.webhooks.store:_ROLLED",
}


@pytest.fixture(scope="module")
def statements() -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", "from tests.isolation import report; report()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_every_statement_on_a_merchants_table_is_bound_to_one_merchant_and_mode(statements: list[Any]) -> None:
    assert len(statements) > 60
    assert [each for each in statements if each["unbound"] and not each["ownerless"]] == []


def test_statements_without_an_owner_are_known_by_name_and_say_why(statements: list[Any]) -> None:
    without = [each for each in statements if each["ownerless"] is not None]
    assert {each["name"] for each in without} == OWNERLESS
    assert all(len(each["ownerless"]) > 10 for each in without)


def test_no_statement_is_hidden_in_a_function(statements: list[Any]) -> None:
    assert [each["name"] for each in statements if not each["name"].startswith("azukari.")] == []


def test_the_walk_itself_finds_what_is_not_bound() -> None:
    mine = owned_table("isolation_mine", sa.Column("word", sa.Text))
    other = owned_table("isolation_other", sa.Column("word", sa.Text))
    both, by_id = owned(mine), mine.c.id == bind(mine.c.id)
    try:
        assert unbound(sa.select(mine).where(*both, by_id)) == []
        assert unbound(sa.update(mine).where(*both).values(word="a")) == []
        assert unbound(sa.insert(mine).values({column: bind(column) for column in mine.c})) == []
        both_missing = ["isolation_mine.merchant_id", "isolation_mine.mode"]
        for query in (
            sa.select(mine),
            sa.select(mine).where(by_id),
            sa.delete(mine),
            sa.update(mine).values(word="a"),
            sa.select(sa.func.count()).select_from(mine),
            sa.select(mine).where(sa.or_(*both)),
            sa.select(mine).where(~sa.and_(*both)),
            sa.select(sa.select(mine).subquery()),
            sa.select(mine).where(mine.c.merchant_id != bind(mine.c.merchant_id)),
            sa.select(mine).where(mine.c.merchant_id == mine.c.merchant_id, mine.c.mode == mine.c.mode),
        ):
            assert unbound(query) == both_missing, query
        same = sa.and_(mine.c.merchant_id == other.c.merchant_id, mine.c.mode == other.c.mode)
        assert unbound(sa.select(mine, other).join_from(mine, other, same).where(*both)) == []
        assert len(unbound(sa.select(mine, other).join_from(mine, other, same))) == 4
        assert unbound(sa.select(mine).where(both[0])) == ["isolation_mine.mode"]
        assert unbound(sa.insert(mine).values({"word": bind(mine.c.word)})) == both_missing
        assert unbound(sa.insert(mine).values({"merchant_id": "a", "mode": "test", "id": "b"})) == both_missing
        assert unbound(sa.select(mine, other).where(*both)) == ["isolation_other.merchant_id", "isolation_other.mode"]
        assert unbound(sa.select(mine).where(*both, sa.exists().where(other.c.word == mine.c.word))) == [
            "isolation_other.merchant_id",
            "isolation_other.mode",
        ]
    finally:
        for table in (mine, other):
            table.metadata.remove(table)


# Every route


@dataclass
class Neighbours:
    """An installation of two merchants, with live keys."""

    house: House
    others: str
    others_publishable: str
    live: str
    revoked: str

    def api(self, key: str) -> Api:
        return self.house.api.as_key(key)


@pytest.fixture
async def neighbours(settings: Settings, tmp_path: Path) -> AsyncIterator[Neighbours]:
    # Live keys need the vault's key to lie elsewhere.
    kek = tmp_path / "elsewhere.key"
    (settings.data / KEK_NAME).rename(kek)
    async with running(dataclasses.replace(settings, kek_file=kek)) as house:
        parts = house.services
        other = await merchants.create(parts.db, "Other shop", parts.clock, parts.ids)
        pair = await parts.api_keys.make_pair(other.id, keys.TEST)
        first = (await parts.db.read(store.list_merchants))[0].id
        live = await parts.api_keys.make_pair(first, keys.LIVE)
        old = (await parts.api_keys.make_pair(first, keys.TEST)).secret.reveal()
        for row in await parts.db.read(store.list_keys, first):
            if row.kind == keys.SECRET and row.last_four == old[-4:]:
                assert await parts.api_keys.revoke(row.id)
        yield Neighbours(house, pair.secret.reveal(), pair.publishable.reveal(), live.secret.reveal(), old)


Made = dict[str, str]
ACCOUNT = {
    "amount": 100, "customer_name": "ヤマダ タロウ", "bank_name": "テスト銀行", "branch_number": "001",
    "account_type": "normal", "account_number": "1234567", "include_payment_method_fee": "true",
}  # fmt: skip
FINAL = {"ac_type": "TC", "track2": "4111111111111111=991220112345", "field55": "9F02060000000010009F2701"}
HOOK = {"url": "https://1.1.1.1/hooks"}
WAITING = {"type": "konbini", "store": "lawson", "email": "a@example.com"}


async def make(api: Api) -> Made:
    """One of each thing, by the name its route's path has for it."""
    customer = await api.customer()
    held = {"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    return {
        "customers": customer,
        "payments": (await api.charge(customer)).json()["id"],
        "held": (await api.post("/payments", json=held)).json()["id"],
        "to_cancel": (await api.post("/payments", json=held)).json()["id"],
        "events": (await api.get("/events")).json()["data"][0]["id"],
        "waiting": (await api.post("/payments", json={**held, "customer": None, "payment_details": WAITING})).json()[
            "id"
        ],
        "refund_requests": await _asked_for(api, held),
        "token": await api.token(),
        "spare": await api.token(),
        "secure_tokens": (await api.secure_token())["id"],
        **{name: await api.session() for name in ("sessions", "to_pay", "to_take_back")},
        "webhook_endpoints": (await api.post("/webhook_endpoints", json=HOOK)).json()["id"],
        "subscriptions": (await api.post("/subscriptions", json=monthly(customer))).json()["id"],
    }


def monthly(customer: str) -> dict[str, Any]:
    return {"amount": 1000, "currency": "JPY", "customer": customer, "period": "monthly"}


async def _asked_for(api: Api, held: dict[str, Any]) -> str:
    """The id of a request to give cash back."""
    made = await api.post("/payments", json={**held, "customer": None, "payment_details": WAITING})
    path = f"/payments/{made.json()['id']}"
    await api.post(f"/test{path}/simulate", json={"outcome": "paid"})
    asked = await api.post(f"{path}/refund_request", json=ACCOUNT)
    return str(asked.json()["refund_requests"][0]["id"])


@dataclass(frozen=True)
class Entry:
    """How a route answers a key that may call it.

    thing: what stands for ``{id}``. body: of the call. own, other, live: statuses for the owner's secret key, another
    merchant's, and the owner's live one. publishable: a publishable key may call it. code: of an own 422.
    """

    thing: str | None = None
    body: Callable[[Made], Any] = lambda made: None
    own: int = 200
    other: int = 404
    live: int = 404
    publishable: bool = False
    code: str = "unprocessable_entity"


def details(made: Made) -> dict[str, Any]:
    return {"payment_details": card()}


def order(made: Made) -> dict[str, Any]:
    return {"amount": 1000, "currency": "JPY", "customer": made["customers"]}


def to_verify(made: Made) -> dict[str, Any]:
    return {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example", "payment_details": card()}


def a_session(made: Made) -> dict[str, Any]:
    return {"mode": "customer"}


NOTHING_THERE = {"other": 200, "live": 200}
ENTRIES = {
    # Without a processor a live key cannot charge, whatever the order says: never on the simulator.
    ("POST", "/payments"): Entry(body=order, live=422),
    ("GET", "/payments"): Entry(**NOTHING_THERE),
    ("GET", "/payments/{id}"): Entry("payments"),
    ("PATCH", "/payments/{id}"): Entry("payments", lambda made: {"description": "a"}),
    ("POST", "/payments/{id}/capture"): Entry("held"),
    ("POST", "/payments/{id}/refund"): Entry("payments"),
    ("POST", "/payments/{id}/cancel"): Entry("to_cancel"),
    # Nobody has paid it yet.
    ("POST", "/payments/{id}/refund_request"): Entry("waiting", lambda made: ACCOUNT, own=422, code="not_refundable"),
    ("POST", "/test/payments/{id}/simulate"): Entry("waiting", lambda made: {"outcome": "paid"}),
    # A till is no terminal.
    ("POST", "/payments/{id}/finalize"): Entry("waiting", lambda made: FINAL, own=422),
    ("POST", "/test/refund_requests/{id}/simulate"): Entry("refund_requests", lambda made: {"outcome": "completed"}),
    # A card is no wallet.
    ("POST", "/test/customers/{id}/revoke"): Entry("customers", own=422),
    # Each merchant has one of its own; a live key has none.
    ("GET", "/test/clock"): Entry(other=200, live=404),
    ("POST", "/test/clock"): Entry(body=lambda made: {"reset": True}, other=200, live=404),
    ("POST", "/subscriptions"): Entry(body=lambda made: monthly(made["customers"]), live=422),
    ("GET", "/subscriptions"): Entry(**NOTHING_THERE),
    ("GET", "/subscriptions/{id}"): Entry("subscriptions"),
    ("DELETE", "/subscriptions/{id}"): Entry("subscriptions"),
    ("POST", "/customers"): Entry(body=details, other=200, live=422),
    ("GET", "/customers"): Entry(**NOTHING_THERE),
    ("GET", "/customers/{id}"): Entry("customers"),
    ("PATCH", "/customers/{id}"): Entry("customers", lambda made: {"payment_details": made["spare"]}),
    ("DELETE", "/customers/{id}"): Entry("customers"),
    ("POST", "/customers/{id}/grants"): Entry("customers"),
    ("DELETE", "/external_customers/{id}"): Entry("customers", own=404),
    ("POST", "/tokens"): Entry(body=details, other=200, live=200, publishable=True),
    ("GET", "/payment_methods"): Entry(**NOTHING_THERE, publishable=True),
    ("POST", "/secure_tokens"): Entry(body=to_verify, other=200, live=422, publishable=True),
    # To each publishable key its own merchant's.
    ("GET", "/secure_tokens/{id}"): Entry("secure_tokens", publishable=True),
    ("POST", "/sessions"): Entry(body=a_session, other=200, live=422),
    ("GET", "/sessions/{id}"): Entry("sessions", publishable=True),
    ("POST", "/sessions/{id}/cancel"): Entry("to_take_back"),
    # The publishable key has paid it already.
    ("POST", "/sessions/{id}/pay"): Entry("to_pay", details, own=422, publishable=True, code="session_completed"),
    ("GET", "/events"): Entry(**NOTHING_THERE),
    ("GET", "/events/{id}"): Entry("events"),
    ("POST", "/webhook_endpoints"): Entry(body=lambda made: HOOK, other=200, live=200),
    ("GET", "/webhook_endpoints"): Entry(**NOTHING_THERE),
    ("GET", "/webhook_endpoints/{id}"): Entry("webhook_endpoints"),
    ("PATCH", "/webhook_endpoints/{id}"): Entry("webhook_endpoints", lambda made: {"ordered": True}),
    ("DELETE", "/webhook_endpoints/{id}"): Entry("webhook_endpoints"),
    ("POST", "/webhook_endpoints/{id}/ping"): Entry("webhook_endpoints"),
    ("POST", "/webhook_endpoints/{id}/roll"): Entry("webhook_endpoints"),
    ("POST", "/webhook_endpoints/{id}/replay"): Entry("webhook_endpoints", lambda made: {"dead": True}),
    ("GET", "/webhook_endpoints/{id}/deliveries"): Entry("webhook_endpoints"),
}
LISTS = [
    path
    for (method, path), entry in ENTRIES.items()
    if method == "GET" and entry.live != 404 and not (entry.thing or entry.publishable)
]


def test_every_route_has_an_entry_and_every_entry_a_route() -> None:
    endpoints = [endpoint for router in ROUTERS for endpoint in router.endpoints]
    assert {(endpoint.method, endpoint.path) for endpoint in endpoints} == set(ENTRIES)
    assert len(endpoints) == len(ENTRIES)
    for endpoint in endpoints:
        publishable = ENTRIES[endpoint.method, endpoint.path].publishable
        assert endpoint.access.value == ("publishable" if publishable else "secret")


async def test_every_route_answers_each_of_ten_credentials_as_it_declares(neighbours: Neighbours) -> None:
    house = neighbours.house
    own, publishable = (key.reveal() for key in house.installation[:2])
    unknown = keys.make("sk", "test", house.services.ids)
    made = await make(house.api)
    found = {}
    # The routes that end things come last.
    for (method, path), entry in sorted(ENTRIES.items(), key=lambda item: item[0][0] == "DELETE"):
        target = path.replace("{id}", made[entry.thing]) if entry.thing else path
        may = (200, "") if entry.publishable else (403, "forbidden")
        other = entry.other, "not_found" if entry.other == 404 else ""
        credentials = {
            "none": (None, (401, "unauthorized")),
            "malformed": (("sk_test_short", ""), (401, "unauthorized")),
            "unknown": ((unknown, ""), (401, "unauthorized")),
            "revoked": ((neighbours.revoked, ""), (401, "unauthorized")),
            "with a password": ((own, "x"), (401, "unauthorized")),
            "publishable": ((publishable, ""), may),
            "another's publishable": ((neighbours.others_publishable, ""), other if entry.publishable else may),
            "another's": ((neighbours.others, ""), other),
            "live": ((neighbours.live, ""), (entry.live, {404: "not_found", 422: "unprocessable_entity"}.get(
                entry.live, ""))),
            "own": ((own, ""), (entry.own, {404: "not_found", 422: entry.code}.get(entry.own, ""))),
        }  # fmt: skip
        assert len(credentials) == 10
        for name, (key, expected) in credentials.items():
            request = house.api.build_request(method, target, json=entry.body(made))
            reply = await house.api.send(request, auth=key and httpx.BasicAuth(*key))
            said = reply.json()
            got = reply.status_code, said.get("error", {}).get("code", "") if isinstance(said, dict) else ""
            if got != expected:
                found[method, path, name] = got, expected
    assert found == {}


async def test_lists_hold_nothing_of_another_merchant_or_mode(neighbours: Neighbours) -> None:
    made = await make(neighbours.house.api)
    for key in (neighbours.others, neighbours.live):
        for path in LISTS:
            reply = await neighbours.api(key).get(path, params={"per_page": 100})
            assert (reply.json()["total"], reply.json()["data"]) == (0, []), path
            assert not any(made[name] in reply.text for name in made)
    mine = (await neighbours.house.api.get("/customers")).json()
    assert [each["id"] for each in mine["data"]] == [made["customers"]]
    own_id = (await neighbours.house.services.db.read(store.list_merchants))[0].id
    reply = await neighbours.api(neighbours.others).get("/payments", params={"merchant_id": own_id})
    assert reply.json()["total"] == 0


WITH_ID = [(method, path, entry) for (method, path), entry in ENTRIES.items() if entry.thing]


async def test_what_is_anothers_gets_the_same_bytes_as_what_is_missing(neighbours: Neighbours) -> None:
    made = await make(neighbours.house.api)
    missing = "0" * 25
    for name, key in {"another's": neighbours.others, "live": neighbours.live}.items():
        api = neighbours.api(key)
        for method, path, entry in WITH_ID:
            assert entry.thing is not None
            body = entry.body({**made, "spare": "tok_" + missing})
            replies = [
                await api.request(method, path.replace("{id}", value), json=body)
                for value in (made[entry.thing], missing, "a", made["customers"].upper())
            ]
            assert len({(reply.status_code, reply.content) for reply in replies}) == 1, (name, method, path)
            headers = [{key: reply.headers[key] for key in reply.headers if key != "x-request-id"} for reply in replies]
            assert headers.count(headers[0]) == len(headers), (name, method, path)
            assert replies[0].status_code == (404 if name == "another's" else entry.live)
    # Nothing has changed for its owner.
    mine = neighbours.house.api
    assert (await mine.get(f"/customers/{made['customers']}")).json()["source"]["last_four_digits"] == "1111"
    assert (await mine.get(f"/payments/{made['payments']}")).json()["amount_refunded"] == 0
    assert (await mine.get(f"/payments/{made['held']}")).json()["status"] == "authorized"


async def test_anothers_customer_or_token_in_a_body_is_answered_like_a_missing_one(neighbours: Neighbours) -> None:
    made = await make(neighbours.house.api)
    api = neighbours.api(neighbours.others)
    own_customer = await api.customer()
    order: dict[str, Any] = {"amount": 1000, "currency": "JPY"}

    charges = [await api.post("/payments", json={**order, "customer": it}) for it in (made["customers"], "0" * 25)]
    assert [reply.status_code for reply in charges] == [404, 404]
    assert charges[0].content == charges[1].content

    for method, path, body in (
        ("POST", "/payments", order),
        ("POST", "/customers", {}),
        ("PATCH", f"/customers/{own_customer}", {}),
    ):
        replies = [
            await api.request(method, path, json={**body, "payment_details": token})
            for token in (made["token"], "tok_" + "0" * 25, "tok_")
        ]
        assert {reply.status_code for reply in replies} == {422}
        assert {reply.json()["error"]["code"] for reply in replies} == {"invalid_token"}
        assert len({reply.content for reply in replies}) == 1, path
    # The token was touched by none of these.
    paid = await neighbours.house.api.post("/payments", json={**order, "payment_details": made["token"]})
    assert paid.json()["status"] == "captured"


async def test_a_live_key_without_a_processor_is_told_so_and_the_simulator_stays_out_of_it(
    neighbours: Neighbours,
) -> None:
    api = neighbours.api(neighbours.live)
    book = neighbours.house.services.settings.data / "simulator.jsonl"
    token = await api.token()
    for source in ({"payment_details": card()}, {"payment_details": token}, {"customer": "0" * 25}):
        reply = await api.post(
            "/payments", json={"amount": 1000, "currency": "JPY", **source}, headers={"Azukari-Fault": "lost_reply"}
        )
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "unprocessable_entity")
        assert "No processor is set up for live payments" in reply.json()["error"]["message"]
    assert (await api.get("/payments")).json()["total"] == 0
    assert (await api.get("/events")).json()["total"] == 0
    assert not book.exists()


async def test_idempotency_keys_belong_to_one_merchant_and_mode(neighbours: Neighbours) -> None:
    key = {"X-KOMOJU-IDEMPOTENCY": "order-1"}
    replies = [
        await api.post("/customers", json={"email": email}, headers=key)
        for api, email in (
            (neighbours.house.api, "a@example.com"),
            (neighbours.api(neighbours.others), "b@example.com"),
            (neighbours.api(neighbours.live), "c@example.com"),
        )
    ]
    assert [reply.status_code for reply in replies] == [200, 200, 200]
    assert len({reply.json()["id"] for reply in replies}) == 3


async def test_an_order_number_is_unique_for_its_merchant_alone(neighbours: Neighbours) -> None:
    for api in (neighbours.house.api, neighbours.api(neighbours.others)):
        order = {"amount": 1000, "currency": "JPY", "external_order_num": "1", "payment_details": card()}
        replies = [await api.post("/payments", json=order) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [200, 422]
        assert (await api.get("/payments", params={"external_order_num": "1"})).json()["total"] == 1
