"""What every bad input gets, and what looks bad and is not. Source: ``docs/security.md`` 9; contract 1.1, 1.2."""

import asyncio
import base64
import json
import random
from typing import Any

import httpx
import pytest

from azukari.app import API, ROUTERS
from azukari.core.money import MAX_AMOUNT
from tests.cards import KONBINI
from tests.compat.contract import Contract
from tests.house import Api, House, card

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
#: Stands in every bad value that can hold text: no answer may show it.
MARK = "zq7mark"
ENDPOINTS = [endpoint for router in ROUTERS for endpoint in router.endpoints]
WITH_BODY = [(each.method, each.path) for each in ENDPOINTS if each.method in ("POST", "PATCH")]
SOME_ID = "0" * 25

Row = tuple[int, str, str | None]


def path_of(template: str) -> str:
    return template.replace("{id}", SOME_ID)


def outcome(reply: httpx.Response, bad: object = MARK) -> Row:
    """Status, code and param; fails on an answer that repeats what was sent or has no request id."""
    shown = reply.text + " ".join(f"{name}: {value}" for name, value in reply.headers.items() if name != "x-request-id")
    for text in {MARK, bad if isinstance(bad, str) else json.dumps(bad)}:
        assert len(text) < 5 or text not in shown, f"{reply.status_code} repeats the value"
    assert len(reply.headers["x-request-id"]) == 25
    error = reply.json().get("error", {})
    return reply.status_code, error.get("code", ""), error.get("param")


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


# Amounts

NO_AMOUNTS: list[Any] = [
    98765.4321, "98765.4321", "98765.01", True, False, "98 765", "98,765", "９８７６５", "٩٨٧٦٥", -98765, "-98765",
    "+98765", " 98765", "98765 ", "98765.", ".0", "0x98765", "98_765", "98765e0", MARK, [98765],
    {"98765": 1}, MAX_AMOUNT + 1, "9" * 40, 10**60, "1000000000001", "NaN", "Infinity", "98765.0000000000000000001",
]  # fmt: skip
EXPONENTS = [b"1e3", b"1E3", b"98765e0", b"1.5e1", b"-0.5"]


async def authorized(api: Api, customer: str) -> str:
    reply = await api.post(
        "/payments", json={"amount": 5000, "currency": "JPY", "customer": customer, "capture": False}
    )
    assert reply.json()["status"] == "authorized"
    return str(reply.json()["id"])


async def test_what_is_no_amount_is_422_and_named(api: Api) -> None:
    customer = await api.customer()
    held = await authorized(api, customer)
    taken = (await api.charge(customer)).json()["id"]
    order = {"amount": 1000, "currency": "JPY", "customer": customer}
    roads = {
        ("/payments", "amount"): order,
        ("/payments", "tax"): order,
        (f"/payments/{held}/capture", "amount"): {},
        (f"/payments/{held}/capture", "tax"): {"amount": 100},
        (f"/payments/{taken}/refund", "amount"): {},
    }
    found = {}
    for (path, name), rest in roads.items():
        values = NO_AMOUNTS if name == "tax" else [*NO_AMOUNTS, "auto"]
        for value in values:
            got = outcome(await api.post(path, json={**rest, name: value}), value)
            if got != (422, "invalid_parameter", name):
                found[path, name, repr(value)] = got
            if isinstance(value, str):
                got = outcome(await api.post(path, data={**rest, name: value}), value)
                if got != (422, "invalid_parameter", name):
                    found[path, name, value, "form"] = got
        for raw in EXPONENTS:
            others = json.dumps({**rest, name: "@"}).encode().replace(b'"@"', raw)
            got = outcome(await api.post(path, content=others, headers={"Content-Type": JSON}))
            if got != (422, "invalid_parameter", name):
                found[path, name, raw] = got
    assert found == {}
    assert await api.events() == ["customer.created", "payment.authorized", "payment.captured"]


async def test_a_zero_amount_is_refused_in_words(api: Api) -> None:
    customer = await api.customer()
    taken = (await api.charge(customer)).json()["id"]
    for zero in (0, "0", "0.00", 0.0):
        order = {"amount": zero, "currency": "JPY", "customer": customer}
        for reply in (await api.post("/payments", json=order), await api.post(f"/payments/{taken}/refund", json=order)):
            assert outcome(reply) == (422, "invalid_parameter", "amount")
            assert reply.json()["error"]["message"] == "Amount must be greater than 0"


async def test_an_unknown_currency_is_422(api: Api) -> None:
    customer = await api.customer()
    for value in ("XXX", "jpy", "JPY ", "¥", 392, True, ["JPY"], {"JPY": "JPY"}, MARK):
        for path, rest in {
            "/payments": {"amount": 1000, "customer": customer},
            "/tokens": {"payment_details": card()},
            "/customers": {"payment_details": card()},
        }.items():
            reply = await api.post(path, json={**rest, "currency": value})
            assert outcome(reply, value) == (422, "invalid_currency", "currency"), (path, value)


async def test_what_is_required_and_not_given_is_named(api: Api) -> None:
    customer = await api.customer()
    whole: dict[str, Any] = {"amount": 1000, "currency": "JPY", "customer": customer}
    for name in ("amount", "currency"):
        for nothing in ({}, {name: None}, {name: ""}):
            order = {key: value for key, value in whole.items() if key != name} | nothing
            assert outcome(await api.post("/payments", json=order)) == (422, "missing_parameter", name)
    del whole["customer"]
    for nothing in ({}, {"payment_details": None}, {"customer": None, "payment_details": ""}):
        reply = await api.post("/payments", json={**whole, **nothing})
        assert outcome(reply) == (422, "missing_parameter", "payment_details"), nothing
    for nothing in ({}, {"payment_details": None}, {"payment_details": ""}):
        assert outcome(await api.post("/tokens", json=nothing)) == (422, "missing_parameter", "payment_details")


# Cards

BAD_CARDS: list[tuple[str, Any, str]] = [
    ("number", "4111111111111112", "invalid_parameter"), ("number", "41111111111", "invalid_parameter"),
    ("number", "41111111111111111111", "invalid_parameter"),
    ("number", "４１１１１１１１１１１１１１１１", "invalid_parameter"),
    ("number", "٤١١١١١١١١١١١١١١١", "invalid_parameter"), ("number", "4111.1111.1111.1111", "invalid_parameter"),
    ("number", "411111111111111a", "invalid_parameter"), ("number", 4111111111111111, "invalid_parameter"),
    ("number", ["4111111111111111"], "invalid_parameter"), ("number", {"a": "4111111111111111"}, "invalid_parameter"),
    ("number", True, "invalid_parameter"), ("number", None, "missing_parameter"), ("number", "", "missing_parameter"),
    ("month", "13", "invalid_parameter"), ("month", 0, "invalid_parameter"), ("month", "1 ", "invalid_parameter"),
    ("month", "１２", "invalid_parameter"), ("month", -1, "invalid_parameter"), ("month", 1.5, "invalid_parameter"),
    ("month", True, "invalid_parameter"), ("month", MARK, "invalid_parameter"), ("month", [], "invalid_parameter"),
    ("month", None, "missing_parameter"), ("year", "2001", "invalid_parameter"), ("year", "01", "invalid_parameter"),
    ("year", "203", "invalid_parameter"), ("year", "20301", "invalid_parameter"), ("year", 99999, "invalid_parameter"),
    ("year", "3000", "invalid_parameter"), ("year", MARK, "invalid_parameter"), ("year", "", "missing_parameter"),
    ("verification_value", "12", "invalid_parameter"), ("verification_value", "98765", "invalid_parameter"),
    ("verification_value", "12a", "invalid_parameter"), ("verification_value", "１２３", "invalid_parameter"),
    ("verification_value", 12, "invalid_parameter"), ("verification_value", -123, "invalid_parameter"),
    ("verification_value", True, "invalid_parameter"), ("verification_value", ["123"], "invalid_parameter"),
    ("name", "a" * 256, "invalid_parameter"), ("name", f"{MARK}\n", "invalid_parameter"),
    ("name", f"{MARK}\u202e", "invalid_parameter"), ("name", f"{MARK}\u2066", "invalid_parameter"),
    ("name", f"{MARK}\u0085", "invalid_parameter"), ("name", ["a"], "invalid_parameter"),
    ("name", "4111111111111111", "invalid_parameter"), ("name", "Taro 4111 1111 1111 1111", "invalid_parameter"),
    ("given_name", f"{MARK}\x7f", "invalid_parameter"), ("family_name", f"{MARK}\u200f", "invalid_parameter"),
    ("email", "4111111111111111@example.com", "invalid_parameter"), ("email", "a" * 256, "invalid_parameter"),
    ("phone", "4111 1111 1111 1111", "invalid_parameter"), ("phone", {"a": MARK}, "invalid_parameter"),
    ("type", "credit_card_mars", "invalid_payment_type"), ("type", MARK, "invalid_payment_type"),
    ("type", "4111111111111111", "invalid_payment_type"), ("type", ["credit_card"], "invalid_parameter"),
    ("type", None, "missing_parameter"),
]  # fmt: skip
NO_DETAILS: list[Any] = [[], ["tok_a"], 4111111111111111, True, 1.5]


async def test_a_card_that_cannot_be_right_is_422_on_every_road_and_never_repeated(api: Api) -> None:
    customer = await api.customer()
    order = {"amount": 1000, "currency": "JPY"}
    roads = [("POST", "/payments", order), ("POST", "/customers", {}), ("POST", "/tokens", {}),
             ("PATCH", f"/customers/{customer}", {})]  # fmt: skip
    found = {}
    for method, path, rest in roads:
        for member, value, code in BAD_CARDS:
            details = {**card(verification_value="123"), member: value}
            reply = await api.request(method, path, json={**rest, "payment_details": details})
            got = outcome(reply, value)
            if got != (422, code, f"payment_details[{member}]"):
                found[method, path, member, repr(value)] = got
            assert "4111" not in reply.text
        for value in NO_DETAILS:
            reply = await api.request(method, path, json={**rest, "payment_details": value})
            if outcome(reply, value) != (422, "invalid_parameter", "payment_details"):
                found[method, path, repr(value)] = outcome(reply)
    assert found == {}
    assert await api.events() == ["customer.created"]


BANK = {"type": "bank_transfer", "email": "a@example.com", "phone": "0300000000", "given_name_kana": "タロウ",
        "family_name_kana": "ヤマダ"}  # fmt: skip
WEB_MONEY = {"type": "web_money", "prepaid_number": "abcd1234efgh5678"}
VOUCHER = {"type": "culture_voucher", "culture_id": "a", "culture_password": "b"}
BAD_METHODS: list[tuple[dict[str, Any], str, Any, str]] = [
    (KONBINI, "store", None, "missing"), (KONBINI, "store", "", "missing"), (KONBINI, "store", MARK, "invalid"),
    (KONBINI, "store", ["lawson"], "invalid"), (KONBINI, "store", {"a": MARK}, "invalid"),
    (KONBINI, "store", "Lawson", "invalid"), (KONBINI, "email", None, "missing"), (KONBINI, "email", MARK, "invalid"),
    (KONBINI, "email", f"{MARK}@", "invalid"), (KONBINI, "email", ["a@example.com"], "invalid"),
    (KONBINI, "email", f"4111111111111111@{MARK}.example", "invalid"), (KONBINI, "name", f"{MARK}\n", "invalid"),
    (KONBINI, "name", "4111 1111 1111 1111", "invalid"), (KONBINI, "given_name_kana", f"{MARK}\u202e", "invalid"),
    (KONBINI, "phone", "4111 1111 1111 1111", "invalid"), (KONBINI, "phone", [MARK], "invalid"),
    (KONBINI, "expiry_days", 60, "invalid"), (KONBINI, "expiry_days", -1, "invalid"),
    (KONBINI, "expiry_days", "60", "invalid"), (KONBINI, "expiry_days", MARK, "invalid"),
    (KONBINI, "expiry_days", 1.5, "invalid"), (KONBINI, "expiry_days", True, "invalid"),
    (KONBINI, "expiry_days", "\uff11", "invalid"), (BANK, "expiry_days", 13, "invalid"),
    (BANK, "phone", None, "missing"), (BANK, "given_name_kana", None, "missing"),
    (BANK, "family_name_kana", "a" * 256, "invalid"), (BANK, "email", "", "missing"),
    ({**BANK, "type": "pay_easy"}, "phone", "", "missing"),
    (WEB_MONEY, "prepaid_number", None, "missing"), (WEB_MONEY, "prepaid_number", f"{MARK}12345678", "invalid"),
    (WEB_MONEY, "prepaid_number", MARK + "1234567890", "invalid"), (WEB_MONEY, "prepaid_number", [MARK], "invalid"),
    (WEB_MONEY, "prepaid_number", "\uff11" * 16, "invalid"), (WEB_MONEY, "prepaid_number", True, "invalid"),
    ({**WEB_MONEY, "type": "net_cash"}, "prepaid_number", MARK + "12345678901234", "invalid"),
    (VOUCHER, "culture_id", None, "missing"), (VOUCHER, "culture_password", "", "missing"),
    (VOUCHER, "culture_password", MARK * 40, "invalid"), (VOUCHER, "culture_password", {"a": MARK}, "invalid"),
    (VOUCHER, "culture_password", "4111111111111111", "invalid"),
    ({"type": "paidy", "customer_name": "a"}, "customer_name", None, "missing"),
    ({"type": "paidy", "customer_name": "a"}, "item_title", ["a"], "invalid"),
    ({"type": "japan_mobile", "brand": "au"}, "brand", "willcom", "invalid"),
    ({"type": "japan_mobile", "brand": "au"}, "brand", None, "missing"),
    ({"type": "wechatpay"}, "trade_type", MARK, "invalid"), ({"type": "paypay"}, "email", {"a": MARK}, "invalid"),
]  # fmt: skip


async def test_details_that_cannot_be_right_are_422_and_never_repeated(api: Api) -> None:
    found = {}
    for good, member, value, code in BAD_METHODS:
        for path, rest in {"/payments": {"amount": 1000, "currency": "JPY"}, "/tokens": {}}.items():
            reply = await api.post(path, json={**rest, "payment_details": {**good, member: value}})
            if outcome(reply, value) != (422, f"{code}_parameter", f"payment_details[{member}]"):
                found[path, good["type"], member, repr(value)] = outcome(reply, value)
            assert "4111" not in reply.text
    assert found == {}
    assert await api.events() == []


async def test_loose_members_of_methods_are_taken_as_not_given(api: Api) -> None:
    for details in (
        {**KONBINI, "phone": "", "name": None, "given_name": "", "expiry_days": "", "unknown": [1], "installments": 3},
        {**KONBINI, "expiry_days": "59", "phone": 300000000, "name": 7},
        {"type": "paypay", "email": "", "expiry_days": "not asked for", "prepaid_number": None},
        {"type": "paidy", "customer_name": "a", "customer_age": 30, "capture": True},
        {**WEB_MONEY, "prepaid_number": "1234-5678 9012-3456"},
    ):
        reply = await api.post("/payments", json={"amount": 100, "currency": "JPY", "payment_details": details})
        assert reply.status_code == 200, reply.text


BAD_RETURNS = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,a",
    "vbscript:a", "blob:https://a.example/b", "file:///etc/passwd", "filesystem:http://a.example/b", "//a.example",
    "/a", "a", "https://", "https://user@a.example", "https://a.example\\@b.example", "https:///a", "http://a:99999/",
    "about:blank", "view-source:https://a.example", "https://a.example/a b", ["https://a"],
    "https://a.example/?card=4111111111111111", "https://" + "a" * 2_000, "://a.example", "1http://a.example",
]  # fmt: skip


async def test_an_address_that_a_browser_would_run_is_no_return_url(api: Api) -> None:
    order = {"amount": 100, "currency": "JPY", "payment_details": {"type": "paypay"}}
    for value in BAD_RETURNS:
        reply = await api.post("/payments", json={**order, "return_url": value})
        assert outcome(reply)[:3] == (422, "invalid_parameter", "return_url"), value
    for value in ("https://shop.example/a?b=c#d", "http://localhost:3000/", "komoju://creditCard?amount=1", "", None):
        reply = await api.post("/payments", json={**order, "return_url": value})
        assert reply.status_code == 200, reply.text


async def test_text_that_is_no_token_is_an_invalid_token_where_one_is_taken(api: Api) -> None:
    for value in ("tok_zq7mark", "tok_", MARK, "4111111111111111", "tok_" + "a" * 10_000, "tok_4111111111111111"):
        for path, rest in {"/payments": {"amount": 1000, "currency": "JPY"}, "/customers": {}}.items():
            reply = await api.post(path, json={**rest, "payment_details": value})
            assert outcome(reply, value)[:2] == (422, "invalid_token"), (path, value[:20])


# Words, choices, lists

BAD_WORDS: list[tuple[str, str, Any, str]] = [
    ("POST", "/payments", {"description": MARK + "a" * 2_000}, "description"),
    ("POST", "/payments", {"description": {"a": MARK}}, "description"),
    ("POST", "/payments", {"external_order_num": MARK + "a" * 255}, "external_order_num"),
    ("POST", "/payments", {"external_order_num": [MARK]}, "external_order_num"),
    ("POST", "/payments", {"locale": [MARK]}, "locale"),
    ("POST", "/payments", {"locale": MARK.ljust(256, "-")}, "locale"),
    ("POST", "/payments", {"capture": MARK}, "capture"),
    ("POST", "/payments", {"capture": 2}, "capture"),
    ("POST", "/payments", {"capture": "auto"}, "capture"),
    ("POST", "/payments", {"mcc": "12345"}, "mcc"),
    ("POST", "/payments", {"mcc": "123"}, "mcc"),
    ("POST", "/payments", {"customer": "a" * 256}, "customer"),
    ("POST", "/payments", {"customer": {"id": MARK}}, "customer"),
    ("POST", "/payments", {"metadata": MARK}, "metadata"),
    ("POST", "/payments", {"metadata": [MARK]}, "metadata"),
    ("POST", "/payments", {"metadata": {MARK + "a" * 24: "b"}}, "metadata"),
    ("POST", "/payments", {"metadata": {"": MARK}}, "metadata"),
    ("POST", "/payments", {"metadata": {"a": MARK + "b" * 2_000}}, "metadata"),
    ("POST", "/payments", {"metadata": {"a": {"b": MARK}}}, "metadata"),
    ("POST", "/payments", {"metadata": {f"{MARK}{number}": "b" for number in range(101)}}, "metadata"),
    ("POST", "/payments", {"statement_descriptor": MARK}, "statement_descriptor"),
    (
        "POST", "/payments", {"statement_descriptor": {"contact_phone": ["a"]}},
        "statement_descriptor[contact_phone]",
    ),
    ("POST", "/payments", {"platform_details": {"submerchants": MARK}}, "platform_details[submerchants]"),
    (
        "POST", "/payments", {"platform_details": {"submerchants": [{"amount": MARK}]}},
        "platform_details[submerchants][0][amount]",
    ),
    ("POST", "/customers", {"email": MARK + "a" * 255}, "email"),
    ("POST", "/customers", {"email": f"{MARK}\u202e@example.com"}, "email"),
    ("POST", "/customers", {"email": f"{MARK}\r\nBcc: b@example.com"}, "email"),
    ("POST", "/customers", {"email": "4111111111111111@example.com"}, "email"),
    ("POST", "/customers", {"email": {"a": MARK}}, "email"),
    ("POST", "/customers", {"metadata": [MARK]}, "metadata"),
    ("PATCH", "/customers/{customer}", {"email": "4111 1111 1111 1111"}, "email"),
    ("PATCH", "/customers/{customer}", {"metadata": {"a": [MARK]}}, "metadata"),
    ("PATCH", "/payments/{payment}", {"description": MARK + "a" * 2_000}, "description"),
    ("PATCH", "/payments/{payment}", {"description": [MARK]}, "description"),
    ("PATCH", "/payments/{payment}", {"metadata": MARK}, "metadata"),
    ("POST", "/payments/{payment}/refund", {"description": MARK + "a" * 2_000}, "description"),
]  # fmt: skip


async def test_wrong_words_and_choices_are_422_and_named(api: Api) -> None:
    customer = await api.customer()
    payment = (await api.charge(customer)).json()["id"]
    found = {}
    for method, path, wrong, param in BAD_WORDS:
        whole = {"amount": 1000, "currency": "JPY", "customer": customer} if path == "/payments" else {}
        reply = await api.request(method, path.format(customer=customer, payment=payment), json={**whole, **wrong})
        if outcome(reply) != (422, "invalid_parameter", param):
            found[path, repr(wrong)[:60]] = outcome(reply)
        assert "4111" not in reply.text
    assert found == {}


async def test_metadata_cannot_grow_for_ever(api: Api) -> None:
    customer = await api.customer()
    payment = (await api.charge(customer)).json()["id"]
    for path in (f"/customers/{customer}", f"/payments/{payment}"):
        for begin in (0, 60):
            more = {f"key{number}": "a" for number in range(begin, begin + 60)}
            reply = await api.patch(path, json={"metadata": more})
        assert outcome(reply) == (422, "invalid_parameter", "metadata")
        assert len((await api.get(path)).json()["metadata"]) == 60


BAD_QUERIES = {
    "page=0": "page", "page=-1": "page", "page=1.5": "page", "page=zq7mark": "page", "page=1000001": "page",
    "page[]=1": "page", "page[a]=1": "page", "per_page=0": "per_page", "per_page=101": "per_page",
    "per_page=zq7mark": "per_page", "per_page=1e1": "per_page", "start_time=zq7mark": "start_time",
    "start_time=2026-13-01": "start_time", "start_time=2026-02-30T00:00:00Z": "start_time",
    "start_time=1767225600": "start_time", "end_time=2026-01-01T25:00:00Z": "end_time", "end_time=now": "end_time",
    "start_time=2026-01-02T00:00:00Z&end_time=2026-01-01T00:00:00Z": "end_time",
}  # fmt: skip
BAD_FILTERS = {
    "/payments": {
        "status=zq7mark": "status", "status=captured,paid":
        "status", "status[a]=captured": "status", "external_order_num[]=zq7mark": "external_order_num",
        f"external_order_num={'a' * 256}": "external_order_num",
    },
    "/customers": {"expiration=1330": "expiration", "expiration=zq7mark": "expiration", "expiration=130": "expiration"},
    "/events": {},
}  # fmt: skip


async def test_bad_pages_bounds_and_filters_of_lists_are_422_and_named(api: Api) -> None:
    found = {}
    for path, filters in BAD_FILTERS.items():
        for query, param in (BAD_QUERIES | filters).items():
            got = outcome(await api.get(f"{path}?{query}"))
            if got != (422, "invalid_parameter", param):
                found[path, query] = got
        for query in ("page=1&page=2", "page=%FF", "page=%00", "page=%4", "page[=1"):
            assert outcome(await api.get(f"{path}?{query}")) == (400, "bad_request", None), query
    assert found == {}
    assert outcome(await api.get("/payments?currency=XXX")) == (422, "invalid_currency", "currency")


async def test_bounds_at_the_ends_of_time_are_shown_as_times(api: Api) -> None:
    await api.customer()
    for query, total in {
        "start_time=0001-01-01T00:00:00Z": 1,
        "start_time=0001-01-01T00:00:00%2B14:00": 1,
        "end_time=0001-01-01T00:00:00Z": 0,
        "end_time=1970-01-01T00:00:00Z": 0,
        "end_time=9999-12-31T23:59:59-14:00": 1,
        "start_time=9999-12-31T23:59:59Z": 0,
        "page=1000000&per_page=100": 1,
    }.items():
        reply = await api.get(f"/customers?{query}")
        assert (reply.status_code, reply.json()["total"]) == (200, total), query


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


# What looks bad and is not


@pytest.mark.parametrize("content_type", [None, "", JSON, FORM, "multipart/form-data", "text/plain", "zq7mark"])
async def test_an_empty_body_is_fine_with_any_content_type(api: Api, content_type: str | None) -> None:
    customer = await api.customer()
    headers = {} if content_type is None else {"Content-Type": content_type}
    held, other = await authorized(api, customer), await authorized(api, customer)

    replies = [
        await api.post(f"/payments/{held}/capture", headers=headers),
        await api.post(f"/payments/{held}/refund", headers=headers),
        await api.post(f"/payments/{other}/cancel", headers=headers),
        await api.post("/customers", headers=headers),
        await api.get(f"/payments/{held}", headers=headers),
        await api.get("/payments", headers=headers),
        await api.delete(f"/customers/{customer}", headers=headers),
    ]

    assert [reply.status_code for reply in replies] == [200] * len(replies)
    assert [reply.json()["status"] for reply in replies[:3]] == ["captured", "refunded", "cancelled"]


async def test_an_empty_list_is_php_s_empty_body(api: Api) -> None:
    customer = await api.customer()
    held, other = await authorized(api, customer), await authorized(api, customer)

    replies = [
        await api.post(path, json=[])
        for path in (f"/payments/{held}/capture", f"/payments/{held}/refund", f"/payments/{other}/cancel")
    ]

    assert [reply.json().get("status") for reply in replies] == ["captured", "refunded", "cancelled"]


async def test_a_form_that_is_only_the_id_refunds_and_cancels(api: Api) -> None:
    customer = await api.customer()
    taken, held = (await api.charge(customer)).json()["id"], await authorized(api, customer)
    headers = {"Content-Type": FORM}

    refunded = await api.post(f"/payments/{taken}/refund", content=taken.encode(), headers=headers)
    cancelled = await api.post(f"/payments/{held}/cancel", content=held.encode(), headers=headers)

    assert [refunded.json()["status"], cancelled.json()["status"]] == ["refunded", "cancelled"]


async def test_parameters_that_do_not_belong_there_are_ignored(api: Api) -> None:
    customer = await api.customer()
    taken, held = (await api.charge(customer)).json()["id"], await authorized(api, customer)
    empty = {"customer_email": "", "customer_ip": "", "browser_language": ""}
    more = {"fraud_details": empty, "customer_email": "", "zq7mark": [{"a": None}], "amount_refunded": "no"}
    form = {"fraud_details[customer_email]": "", "fraud_details[customer_ip]": "", "amount": "", "zq7mark[][a]": "1"}

    replies = [
        await api.charge(customer),
        await api.post("/payments", json={"amount": 1, "currency": "JPY", "customer": customer, **more}),
        await api.post(f"/payments/{taken}/refund", json=more),
        await api.post(f"/payments/{held}/cancel", json={**more, "amount": "not read"}),
        await api.post("/customers", json=more),
        await api.patch(f"/customers/{customer}", json=more),
        await api.patch(f"/payments/{taken}", json=more),
        await api.post("/tokens", json={"payment_details": card(zq7mark=[1]), **more}),
        await api.post(f"/payments/{await authorized(api, customer)}/cancel", data=form),
        await api.get("/payments?zq7mark=1&fraud_details[a]=b"),
    ]

    assert [reply.status_code for reply in replies] == [200] * len(replies)


#: The phone has as many digits as a short card number, and passes for one.
LOOSE_DETAILS = {"name": 7, "phone": 4222222222222, "given_name": 8}


async def test_numbers_stand_for_text_wherever_text_is_meant(api: Api) -> None:
    customer = await api.customer()
    order = {"amount": 1000, "currency": "JPY"}
    texts = {"description": 1, "external_order_num": 2, "mcc": 5734, "metadata": {"a": 1, "b": 2.50, "c": False},
             "statement_descriptor": {"statement_city": 3, "contact_phone": 312345678}}  # fmt: skip

    paid = await api.post("/payments", json={**order, **texts, "payment_details": card(**LOOSE_DETAILS)})
    assert paid.status_code == 200, paid.text
    shown = paid.json()
    assert [shown[name] for name in ("description", "external_order_num", "mcc")] == ["1", "2", "5734"]
    assert shown["metadata"] == {"a": "1", "b": "2.5", "c": "false"}
    assert shown["statement_descriptor"]["contact_phone"] == "312345678"
    replies = [
        await api.post("/payments", json={**order, "payment_details": {**KONBINI, **LOOSE_DETAILS}}),
        await api.post("/tokens", json={"payment_details": card(**LOOSE_DETAILS)}),
        await api.post("/customers", json={"payment_details": card(**LOOSE_DETAILS)}),
        await api.patch(f"/customers/{customer}", json={"metadata": {"a": True}}),
        await api.patch(f"/payments/{shown['id']}", json={"description": 1.5}),
        await api.post(f"/payments/{shown['id']}/refund", json={"amount": 1, "description": 2}),
        await api.post("/sessions", json={
            **order, "external_customer_id": 2,
            "payment_data": {"external_order_num": 3, "name": 4, "name_kana": 5, "billing_address": {"zipcode": 5}},
            "line_items": [{"amount": 1000, "description": 6, "external_product_num": 7}],
        }),
    ]  # fmt: skip
    assert [reply.status_code for reply in replies] == [200] * len(replies), [reply.text for reply in replies]
    assert replies[-1].json()["payment_data"]["external_order_num"] == "3"


NOTHING_GIVEN = ("description", "external_order_num", "locale", "metadata", "mcc", "statement_descriptor",
                 "platform_details", "return_url", "cancel_url", "tax", "fraud_details")  # fmt: skip


async def test_empty_strings_and_nulls_in_optional_members_mean_not_given(api: Api) -> None:
    customer = await api.customer()
    plain = {**(await api.charge(customer)).json(), "id": "", "created_at": "", "captured_at": ""}
    for nothing in ("", None):
        order = {"amount": 1000, "currency": "JPY", "customer": customer, "payment_details": nothing}
        reply = await api.post("/payments", json={**order, **dict.fromkeys(NOTHING_GIVEN, nothing)})
        assert reply.status_code == 200, reply.text
        assert {**reply.json(), "id": "", "created_at": "", "captured_at": ""} == plain
        reply = await api.post(
            "/customers", json={"email": nothing, "metadata": nothing, "payment_details": None, "currency": nothing}
        )
        assert (reply.status_code, reply.json()["email"], reply.json()["metadata"]) == (200, None, {})
        details = card(email=nothing, phone=nothing, given_name=nothing, verification_value=nothing)
        assert (await api.post("/tokens", json={"payment_details": details})).status_code == 200
    assert (await api.get("/payments?currency=&status=&page=")).json()["total"] == 3


async def test_the_words_null_and_undefined_in_a_form_mean_not_given(api: Api) -> None:
    customer = await api.customer()
    for word in ("null", "undefined"):
        reply = await api.post(
            "/payments",
            data={
                "amount": "1000",
                "currency": "JPY",
                "customer": customer,
                **dict.fromkeys(NOTHING_GIVEN[1:3], word),
                "description": word,
                "tax": word,
                "payment_details": word,
                "billing_address[street_address2]": word,
                "metadata[kept]": word,
            },
        )
        assert reply.status_code == 200, reply.text
        shown = reply.json()
        assert (shown["description"], shown["external_order_num"], shown["tax"]) == (None, None, 0)
        assert shown["metadata"] == {"kept": word}


@pytest.mark.parametrize(
    ("amount", "tax", "total"),
    [(1000, 0, 1000), ("1000.00", "10.0", 1010), (920.0, 80.0, 1000), ("920.0", "80", 1000), ("1000.0000", None, 1000),
     ("01000", 1, 1001), (1, "auto", 1), (1999, "auto", 2198)],
)  # fmt: skip
async def test_integral_decimals_are_amounts(api: Api, amount: Any, tax: Any, total: int) -> None:
    customer = await api.customer()
    order = {"amount": amount, "tax": tax, "currency": "JPY", "customer": customer}

    replies = [await api.post("/payments", json=order), await api.post("/payments", data=order)]

    assert [reply.json()["total"] for reply in replies] == [total, total]
    assert [type(reply.json()["amount"]) for reply in replies] == [int, int]
    refund = await api.post(f"/payments/{replies[0].json()['id']}/refund", json={"amount": float(total)})
    assert refund.json()["status"] == "refunded"


def basic(text: bytes) -> bytes:
    return base64.b64encode(text)


async def test_every_way_clients_write_their_key_is_taken(house: House) -> None:
    key = house.installation.secret_key.reveal().encode()
    for header in (
        b"Basic " + basic(key + b":"),
        b"Basic " + basic(key),
        b"basic " + basic(key + b":"),
        b"BASIC " + basic(key),
        basic(key + b":"),
        basic(key),
        b"  Basic   " + basic(key + b":") + b" ",
    ):
        request = house.api.build_request("GET", "/payments", headers={b"Authorization": header})
        reply = await house.api.send(request, auth=None)
        assert reply.status_code == 200, header[:6]


async def test_any_other_way_is_401_and_not_repeated(house: House) -> None:
    key = house.installation.secret_key.reveal()
    for header in (
        "",
        "Basic",
        "Basic ",
        f"Bearer {key}",
        key,
        f"Basic {key}",
        f"Basic {basic(b':' + key.encode()).decode()}",
        f"Digest {basic(key.encode()).decode()}",
        f"Basic {basic(key.encode())[:-3].decode()}",
        f"Basic {basic((key + ':' + key).encode()).decode()}",
        f"Basic {basic((' ' + key).encode()).decode()}",
        f"Basic {basic(key.encode()).decode()} x",
        "Basic ====",
        "Basic 鍵",
        "Basic " + "A" * 20_000,
        f"Basic {basic((key[:-1] + chr(0)).encode()).decode()}",
    ):
        request = house.api.build_request("GET", "/payments", headers={b"Authorization": header.encode()})
        reply = await house.api.send(request, auth=None)
        assert outcome(reply, key) == (401, "unauthorized", None), header[:12]
        assert reply.headers["WWW-Authenticate"].startswith("Basic ")
        assert key[8:] not in reply.text


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
