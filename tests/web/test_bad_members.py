"""What every bad member of a body or a query gets. Source: ``docs/security.md`` 9; contract 1.1, 1.2."""

import json
from typing import Any

from azukari.core.money import MAX_AMOUNT
from tests.cards import KONBINI
from tests.house import Api, card
from tests.web.bad_input import JSON, MARK, authorized, outcome

# Amounts

NO_AMOUNTS: list[Any] = [
    98765.4321, "98765.4321", "98765.01", True, False, "98 765", "98,765", "９８７６５", "٩٨٧٦٥", -98765, "-98765",
    "+98765", " 98765", "98765 ", "98765.", ".0", "0x98765", "98_765", "98765e0", MARK, [98765],
    {"98765": 1}, MAX_AMOUNT + 1, "9" * 40, 10**60, "1000000000001", "NaN", "Infinity", "98765.0000000000000000001",
]  # fmt: skip
EXPONENTS = [b"1e3", b"1E3", b"98765e0", b"1.5e1", b"-0.5"]


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
