"""What bad bodies, paths and headers get on every route. Source: ``docs/security.md`` 9; contract 1.1, 1.2."""

import asyncio
import json
import random
from typing import Any

import httpx

from azukari.app import API
from tests.compat.contract import Contract
from tests.house import Api, House, card
from tests.web.bad_input import ENDPOINTS, FORM, JSON, MARK, SOME_ID, WITH_BODY, outcome, path_of


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b'"%s"' % MARK.encode() + b"}" * levels


UNREADABLE = {
    "no JSON": (JSON, b"zq7mark"),
    "JSON that breaks off": (JSON, b'{"description": "zq7mark", "amount": 10'),
    "a single quote": (JSON, b"{'description': 'zq7mark'}"),
    "a list": (JSON, b'[{"description": "zq7mark"}]'),
    "a string": (JSON, b'"zq7mark"'),
    "a list of null": (JSON, b"[null]"),
    "bad UTF-8": (JSON, b'{"description": "zq7mark\xff"}'),
    "UTF-16": (JSON, '{"description": "zq7mark"}'.encode("utf-16")),
    "a byte order mark": (JSON, b'\xef\xbb\xbf{"description": "zq7mark"}'),
    "a lone surrogate": (JSON, rb'{"description": "zq7mark\ud800"}'),
    "a lone surrogate as a key": (JSON, rb'{"\udfffzq7mark": 1}'),
    "NUL": (JSON, rb'{"description": "zq7mark\u0000"}'),
    "a raw NUL": (JSON, b'{"description": "zq7mark\0"}'),
    "NUL deep inside": (JSON, rb'{"a": {"b": ["zq7mark\u0000"]}}'),
    "NaN": (JSON, b'{"amount": NaN, "description": "zq7mark"}'),
    "Infinity": (JSON, b'{"amount": -Infinity, "description": "zq7mark"}'),
    "a key given twice": (JSON, b'{"description": "zq7mark", "description": "b"}'),
    "a key given twice deep inside": (JSON, b'{"metadata": {"zq7mark": "a", "zq7mark": "b"}}'),
    "21 levels": (JSON, nested(21)),
    "100,000 levels": (JSON, b"[" * 100_000 + b"]" * 100_000),
    "an endless number": (JSON, b'{"amount": ' + b"9" * 5_000 + b"}"),
    "bad UTF-8 in a form": (FORM, b"description=zq7mark%FF"),
    "raw bad UTF-8 in a form": (FORM, b"description=zq7mark\xff"),
    "NUL in a form": (FORM, b"description=zq7mark%00"),
    "a raw NUL in a form": (FORM, b"description=zq7mark\0"),
    "a broken escape": (FORM, b"description=zq7mark%4"),
    "a name given twice": (FORM, b"description=zq7mark&description=b"),
    "two shapes under one name": (FORM, b"metadata=zq7mark&metadata[a]=b"),
    "an open bracket": (FORM, b"metadata[zq7mark=1"),
    "21 levels in a form": (FORM, b"a" + b"[zq7mark]" * 21 + b"=1"),
    "5,000 pairs": (FORM, b"&".join(b"zq7mark%d=1" % number for number in range(5_000))),
}


async def test_a_body_that_cannot_be_read_is_400_on_every_route(api: Api) -> None:
    found = {}
    for method, path in WITH_BODY:
        for name, (content_type, raw) in UNREADABLE.items():
            reply = await api.request(method, path_of(path), content=raw, headers={"Content-Type": content_type})
            if outcome(reply) != (400, "bad_request", None):
                found[method, path, name] = outcome(reply)
    assert found == {}


async def test_a_body_of_another_type_is_415_on_every_route(api: Api) -> None:
    types = [None, "", "text/plain", "multipart/form-data; boundary=zq7mark", "application/xml", "zq7mark", "*/*",
             "application/json; charset=utf-16", f"{FORM}; charset=shift_jis"]  # fmt: skip
    found = {}
    for method, path in WITH_BODY:
        for content_type in types:
            request = api.build_request(method, path_of(path), content=b'{"description": "zq7mark"}')
            if content_type is not None:
                request.headers["Content-Type"] = content_type
            reply = await api.send(request)
            if outcome(reply) != (415, "bad_request", None):
                found[method, path, content_type] = outcome(reply)
    assert found == {}


async def test_a_body_over_the_limit_is_413_on_every_route(api: Api) -> None:
    large = json.dumps({"description": MARK, "a": "b" * 256 * 1024}).encode()
    for method, path in WITH_BODY:
        reply = await api.request(method, path_of(path), content=large, headers={"Content-Type": JSON})
        assert outcome(reply) == (413, "bad_request", None), path


async def test_an_unknown_path_is_404_and_an_unknown_method_405(api: Api) -> None:
    for path in ("/zq7mark", "/payments/", "/payments/a/b", "/payments/a/capture/", "/Payments", "/customers//", ""):
        for method in ("GET", "POST", "DELETE"):
            assert outcome(await api.request(method, path))[:2] == (404, "not_found"), path
    reply = await api.request("PUT", "/payments", json={"description": MARK})
    assert outcome(reply) == (405, "bad_request", None)
    assert reply.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await api.request("PUT", "/tokens")).headers["Allow"] == "OPTIONS, POST"


SECRETS_IN_URLS = [
    "/payments/4111111111111111", "/payments/4111-1111-1111-1111/capture", "/customers/4111%201111%201111%201111",
    "/customers/%34111111111111111", "/customers/%2534111111111111111", "/tokens?number=4111111111111111",
    "/payments?external_order_num=4111+1111+1111+1111", "/payments?a=1&4111111111111111=b", "/events/378282246310005",
    "/customers?key=sk_test_0123456789abcdefghij", "/sk_live_0123456789abcdefghij", "/nothing/4111111111111111",
    "/external_customers/5555555555554444",
]  # fmt: skip


async def test_a_card_number_or_a_secret_key_in_a_url_is_400_and_not_repeated(api: Api) -> None:
    # Most of these paths are no route's: only the shape of their answers can be held against the description.
    api.event_hooks = {}
    for path in SECRETS_IN_URLS:
        for method in ("GET", "POST", "DELETE"):
            reply = await api.request(method, path)
            assert outcome(reply) == (400, "bad_request", None), (method, path)
            Contract.load().check_error(reply.content)
            assert not any(digits in reply.text for digits in ("4111", "1111", "5555", "3782", "sk_")), path


async def test_nul_in_a_path_is_400(api: Api) -> None:
    for method, path in [
        ("GET", "/customers/%00"),
        ("POST", "/payments/a%00b/refund"),
        ("DELETE", "/external_customers/%00"),
        ("GET", "/events/a%00"),
    ]:
        assert outcome(await api.request(method, path)) == (400, "bad_request", None)


# Headers

BAD_HEADERS = [
    ("X-KOMOJU-IDEMPOTENCY", b"", (400, "bad_request", None)),
    ("X-KOMOJU-IDEMPOTENCY", b"zq7mark" + b"a" * 94, (400, "bad_request", None)),
    ("X-KOMOJU-IDEMPOTENCY", "zq7mark日本".encode(), (400, "bad_request", None)),
    ("X-KOMOJU-IDEMPOTENCY", b"zq7mark\ta", (400, "bad_request", None)),
    ("X-KOMOJU-IDEMPOTENCY", b"zq7mark\x7f", (400, "bad_request", None)),
    ("X-KOMOJU-API-VERSION", b"zq7mark", (400, "bad_request", "X-KOMOJU-API-VERSION")),
    ("X-KOMOJU-API-VERSION", b"2025-01-29", (400, "bad_request", "X-KOMOJU-API-VERSION")),
    ("Komoju-Scenario", b"zq7mark", (422, "invalid_parameter", "Komoju-Scenario")),
    ("Azukari-Fault", b"zq7mark", (422, "invalid_parameter", "Azukari-Fault")),
    ("Azukari-Delay", b"zq7mark", (422, "invalid_parameter", "Azukari-Delay")),
    ("Azukari-Delay", b"-98765", (422, "invalid_parameter", "Azukari-Delay")),
    ("Azukari-Delay", b"98765.4", (422, "invalid_parameter", "Azukari-Delay")),
    ("Azukari-Delay", b"60001", (422, "invalid_parameter", "Azukari-Delay")),
]  # fmt: skip


async def test_bad_headers_are_refused_on_every_post(api: Api) -> None:
    found = {}
    for method, path in WITH_BODY:
        if method == "POST":
            for name, value, expected in BAD_HEADERS:
                reply = await api.post(path_of(path), headers={name.encode(): value})
                if outcome(reply, value.decode()) != expected:
                    found[path, name, value] = outcome(reply)
    assert found == {}


async def test_a_good_idempotency_key_of_a_hundred_characters_is_taken(api: Api) -> None:
    for key in ("a", "~" * 100, "a b", '"'):
        replies = [await api.post("/customers", headers={"X-KOMOJU-IDEMPOTENCY": key}) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [200, 200]
        assert replies[0].content == replies[1].content
        assert [reply.headers.get("X-Idempotent-Replayed") for reply in replies] == [None, "true"]


async def test_an_idempotency_key_is_422_for_another_body_and_409_while_the_first_runs(house: House) -> None:
    api = house.api
    customer = await api.customer()
    simulator: Any = house.services.processors.named("simulator")
    called, go_on, perform = asyncio.Event(), asyncio.Event(), simulator.perform

    async def waiting(order: Any) -> Any:
        called.set()
        await go_on.wait()
        return await perform(order)

    simulator.perform = waiting
    key = {"X-KOMOJU-IDEMPOTENCY": "order-1"}
    first = asyncio.ensure_future(api.charge(customer, headers=key))
    await called.wait()
    repeated, other = await api.charge(customer, headers=key), await api.charge(customer, 2000, headers=key)
    go_on.set()
    done = await first

    assert outcome(repeated) == (409, "conflict", None)
    assert repeated.headers["Retry-After"] == "1"
    assert outcome(other) == (422, "invalid_parameter", "X-KOMOJU-IDEMPOTENCY")
    assert (done.status_code, done.json()["status"]) == (200, "captured")
    again = await api.charge(customer, headers=key)
    assert (again.content, again.headers["X-Idempotent-Replayed"]) == (done.content, "true")
    assert outcome(await api.charge(customer, 2000, headers=key))[0] == 422
    assert (await api.get("/payments")).json()["total"] == 1


async def test_a_database_that_is_gone_is_503_and_nothing_is_charged(house: House) -> None:
    api = house.api
    await house.services.stores.close()
    order = {"amount": 1000, "currency": "JPY", "payment_details": card()}
    for reply in (
        await api.get("/payments"),
        await api.post("/payments", json=order),
        await api.post("/tokens", json={"payment_details": card()}),
        await api.get("http://azukari.test/ready"),
    ):
        assert outcome(reply) == (503, "service_unavailable", None)
        assert int(reply.headers["Retry-After"]) > 0
    assert (await api.get("http://azukari.test/health")).status_code == 200
    assert not (house.services.settings.data / "simulator.jsonl").exists()


# Nothing makes a 500

JUNK: list[Any] = [
    None, "", " ", "null", "0", 0, -1, 1, 1.5, 10**30, True, False, [], {}, [[]], [{}], {"a": {"b": []}}, "\u202e",
    "𐍈" * 300, "tok_", "tok_" + "0" * 25, "a" * 3_000, "auto", "JPY", "credit_card", "%00",
    "'; DROP TABLE payments; --", "${7*7}", "../../etc/passwd", "<script>", "\r\nSet-Cookie: a=b", "4111111111111111",
    "2030", "12", {"type": "credit_card"},
]  # fmt: skip
MEMBERS = ["amount", "currency", "customer", "payment_details", "capture", "tax", "description",
           "external_order_num", "locale", "metadata", "mcc", "statement_descriptor", "platform_details", "email",
           "page", "status"]  # fmt: skip


async def test_no_request_makes_a_500(api: Api) -> None:
    draw = random.Random(20_260_301)
    customer = await api.customer()
    payment = (await api.charge(customer)).json()["id"]
    ids = [customer, payment, SOME_ID, "%20", "..", "%F0%9F%98%80", "a" * 4_000, "%2e%2e%2f", "'", "null"]
    statuses = []
    api.event_hooks = {}  # some of these ids make paths that are none of the description's
    for _ in range(400):
        endpoint = draw.choice(ENDPOINTS)
        path = endpoint.path.replace("{id}", draw.choice(ids))
        tree: Any = {draw.choice(MEMBERS): draw.choice(JUNK) for _ in range(draw.randint(0, 6))}
        if draw.random() < 0.4:
            details = card() | {draw.choice(["number", "month", "year", "name", "type"]): draw.choice(JUNK)}
            tree |= {"payment_details": details, "amount": 1000, "currency": "JPY"}
        raw = json.dumps(tree, ensure_ascii=draw.random() < 0.5).encode()
        if draw.random() < 0.3:
            at = draw.randrange(len(raw))
            raw = raw[:at] + draw.randbytes(draw.randint(0, 3)) + raw[at + draw.randint(0, 2) :]
        headers = {"Content-Type": draw.choice([JSON, JSON, JSON, FORM])}
        if draw.random() < 0.2:
            headers["X-KOMOJU-IDEMPOTENCY"] = draw.choice(["a", "b"])
        if endpoint.method == "GET":
            query = "&".join(
                f"{name}={httpx.QueryParams({'a': value})['a']}"
                for name, value in tree.items()
                if isinstance(value, str) and value.isascii() and value.isprintable()
            )
            reply = await api.get(f"{path}?{query}")
        else:
            reply = await api.request(endpoint.method, path, content=raw, headers=headers)
        statuses.append(reply.status_code)
    assert not [status for status in statuses if status >= 500 and status not in (502, 504)]
    assert {200, 400, 404, 422} <= set(statuses)


def test_the_routes_walked_here_are_the_servers() -> None:
    assert API == "/api/v1"
    assert len(WITH_BODY) == 25
