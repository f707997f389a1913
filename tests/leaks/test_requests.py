"""Known card numbers and codes go down every road in, well-formed and broken; then they are looked for everywhere.

Replies, logs, events, every file, every row: SEC-1, SEC-2. In ``description``, ``metadata`` and ``external_order_num``
a merchant's own text is kept as it came, whatever it looks like; the audit log has a line about it (SEC-18).
"""

import base64
import gzip
import io
import json
import logging
import secrets
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from azukari import worker
from azukari.app import ROUTERS
from azukari.core.clock import DAY
from tests.house import House, card
from tests.leaks.codes import new_codes
from tests.leaks.places import assert_nowhere, cell_of, listening, rows_of
from tests.leaks.scanner import found_in, new_number, spread

ENDPOINTS = [endpoint for router in ROUTERS for endpoint in router.endpoints]
SOME_ID = "0" * 25
#: The merchant's own texts: kept as they come.
KEPT = {"description", "metadata", "external_order_num"}


async def test_well_formed_cards_leave_no_trace(house: House, logged: io.StringIO, temporary: Path) -> None:
    api = house.api
    replies = listening(api)
    numbers = ["4242424242424242", "378282246310005", new_number(), new_number("555555"), new_number("37828", 15)]
    codes = new_codes(len(numbers))
    order: dict[str, Any] = {"amount": 1000, "currency": "JPY"}
    for number, code in zip(numbers, codes, strict=True):
        dressed = spread(number, " ") if number == numbers[2] else number
        details = card(dressed, verification_value=code, email="taro@example.com", phone="+81 3 1234 5678")
        form = {f"payment_details[{name}]": value for name, value in details.items()}
        customer = (await api.post("/customers", json={"payment_details": details, "email": "a@example.com"})).json()
        await api.post("/customers", data=form)
        token = (await api.post("/tokens", json={"payment_details": details})).json()["id"]
        unused = (await house.publishable.post("/tokens", data=form)).json()["id"]
        paid = await api.post("/payments", json={**order, "payment_details": token})
        assert paid.json()["status"] == "captured"
        await api.post("/payments", json={**order, "payment_details": token})
        verified = {**order, "return_url": "https://shop.example"}
        secure = (await api.post("/secure_tokens", json={**verified, "payment_details": details})).json()["id"]
        await house.publishable.post("/secure_tokens", data={**verified, **form})
        await api.get(f"/secure_tokens/{secure}")
        await api.post("/payments", json={**order, "payment_details": secure})
        held = (await api.post("/payments", json={**order, "payment_details": details, "capture": False})).json()["id"]
        await api.post("/payments", data={**order, **form})
        for path in (f"/payments/{held}/capture", f"/payments/{held}/refund", f"/payments/{held}/cancel"):
            await api.post(path, json={"payment_details": details})
        await api.patch(f"/customers/{customer['id']}", json={"payment_details": details})
        await api.patch(f"/customers/{customer['id']}", json={"payment_details": unused})
        assert (await api.charge(customer["id"])).json()["status"] == "captured"
        for headers in (
            {"Komoju-Scenario": "card_declined"},
            {"Azukari-Fault": "lost_reply"},
            {"Azukari-Fault": "lost_request"},
            {"Azukari-Fault": "processor_down"},
            {"Azukari-Fault": "duplicate_reply"},
            {"X-KOMOJU-IDEMPOTENCY": f"order-{code}x"},
            {"X-KOMOJU-IDEMPOTENCY": f"order-{code}x"},
        ):
            await api.post("/payments", json={**order, "payment_details": details}, headers=headers)
            await api.post("/customers", json={"payment_details": details}, headers=headers)
            await api.post("/tokens", json={"payment_details": details}, headers=headers)
            await api.post("/secure_tokens", json={**verified, "payment_details": details}, headers=headers)
        await api.delete(f"/customers/{customer['id']}")
    house.clock.advance(10_000)
    await worker.reconcile_attempts(house.services)
    for path in ("/customers", "/payments", "/events"):
        page = 1
        while (await api.get(path, params={"per_page": 100, "page": page})).json()["last_page"] > page:
            page += 1

    hay = await assert_nowhere(house, numbers, codes, replies, logged, temporary)

    # The search has looked where something was to be found.
    everything = b"".join(hay.values())
    for part in (b'"last_four_digits":"4242"', b"payment.captured", b"customer.deleted", b'"event":"request"'):
        assert part in everything
    tables = [len(rows) for name, rows in (await rows_of(house)).items() if name.endswith("vault_entries")]
    assert tables[0] > 20


def _wrong_shapes(number: str, code: str) -> list[Any]:
    """Things that are no card, with a card in them."""
    good = card(number, verification_value=code)
    texts = ["number", "month", "year", "verification_value", "name", "given_name", "family_name", "email", "phone",
             "type", "intent", "three_d_secure", "installments", "unknown"]  # fmt: skip
    return [
        number,
        spread(number, " "),
        f"tok_{number}",
        [number],
        {number: number},
        int(number),
        int(number) * 10,
        [good],
        {"card": good},
        {"payment_details": good},
        {**good, "number": int(number)},
        {**good, "number": [number]},
        {**good, "number": number + "1"},
        {**good, "number": number[:-1]},
        {**good, "month": "13"},
        {**good, "number": spread(number, ".")},
        {**good, "type": None},
        {"number": number},
        {**good, "year": "2001"},
        *({**good, name: number} for name in texts),
        *({**good, name: spread(number, "-")} for name in texts),
        *({**good, name: {number: [number]}} for name in texts),
        {**good, "verification_value": f"{code}1"},
        {**good, "verification_value": int(code), "month": "x"},
        {**good, "verification_value": [code]},
    ]


def _broken(number: str, code: str) -> list[tuple[str | None, bytes]]:
    """Bodies that cannot be read, with a card in them."""
    whole = json.dumps({"payment_details": card(number, verification_value=code)}).encode()
    form = b"payment_details[number]=%b&payment_details[verification_value]=%b" % (number.encode(), code.encode())
    return [
        *(("application/json", whole[:at]) for at in range(20, len(whole), 25)),
        ("application/json", whole + b"}"),
        ("application/json", b"[" + whole + b"]"),
        ("application/json", whole.replace(b'"month"', b'"number"')),
        ("application/json", whole[:-1] + b"\xff}"),
        ("application/json", whole.decode().encode("utf-16")),
        ("application/json", gzip.compress(whole)),
        ("application/json", base64.b64encode(whole)),
        ("application/json", number.encode()),
        ("application/json", b'"%b"' % number.encode()),
        ("application/json", b"{'number': %b}" % number.encode()),
        ("application/x-www-form-urlencoded", form + b"&payment_details=" + number.encode()),
        ("application/x-www-form-urlencoded", form + b"%4"),
        ("application/x-www-form-urlencoded", form + b"%FF"),
        ("application/x-www-form-urlencoded", form + b"&payment_details[number]=" + number.encode()),
        ("application/x-www-form-urlencoded", number.encode()),
        ("application/x-www-form-urlencoded", whole),
        ("application/x-www-form-urlencoded", number.encode() + b"=" + code.encode()),
        (None, whole),
        ("text/plain", whole),
        ("multipart/form-data; boundary=" + number, whole),
        (number, whole),
        ("application/json; charset=" + number, whole),
        ("application/json", whole + b" " * 300_000),
    ]


async def test_cards_in_every_member_of_every_body_leave_no_trace(
    house: House, logged: io.StringIO, temporary: Path
) -> None:
    api = house.api
    ids = {"customers": await api.customer(), "payments": ""}
    ids["payments"] = (await api.charge(ids["customers"])).json()["id"]
    monthly = {"customer": ids["customers"], "amount": 1000, "currency": "JPY", "period": "monthly"}
    ids["subscriptions"] = (await api.post("/subscriptions", json=monthly)).json()["id"]
    replies = listening(api)
    numbers, codes = ["4242424242424242", new_number()], new_codes(2)
    for endpoint in ENDPOINTS:
        if endpoint.body is None:
            continue
        path = endpoint.path.replace("{id}", ids.get(endpoint.path.split("/")[1], SOME_ID))
        members = {field.name for field in msgspec.structs.fields(endpoint.body)} - KEPT
        members |= {"payment_details", "unknown", "fraud_details", "customer_email", "return_url", "source"}
        for number, code in zip(numbers, codes, strict=True):
            good = {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example"}
            for shape in _wrong_shapes(number, code):
                await api.request(endpoint.method, path, json={**good, "payment_details": shape})
            for member in sorted(members):
                for value in (
                    number,
                    spread(number, "-"),
                    int(number),
                    [number],
                    {"a": {"b": number}},
                    {number: code},
                ):
                    await api.request(endpoint.method, path, json={**good, "payment_details": card(), member: value})
                await api.request(endpoint.method, path, data={member: number, f"{member}[{number}]": code})
            for content_type, raw in _broken(number, code):
                headers = {} if content_type is None else {"Content-Type": content_type}
                await api.request(endpoint.method, path, content=raw, headers=headers)

    await assert_nowhere(house, numbers, codes, replies, logged, temporary)
    assert len(replies) > 1_000
    assert {reply.status_code for reply in replies} >= {200, 400, 413, 415, 422}
    assert not [reply for reply in replies if reply.status_code >= 500]


async def test_what_comes_beside_a_card_leaves_no_trace(house: House, logged: io.StringIO, temporary: Path) -> None:
    """Papers of a person, a stripe, what a chip said; prepaid numbers and passwords."""
    api = house.api
    replies = listening(api)
    numbers, codes = [new_number(), "4123111111111000"], new_codes(2)
    words = {"00123456789", "901231-7654321", "open barley 77", "q7w8e9r0t1y2u3i4"}
    for number, code in zip(numbers, codes, strict=True):
        beside = f"=991220{secrets.randbelow(10**10):010}"
        track, chip = (
            number + beside,
            ("57" + f"{len(number + beside) // 2 + 1:02x}" + f"{number}D{beside[1:]}F").upper(),
        )
        chip = f"9F2608A1B2C3D4E5F60718{chip}"
        words |= {beside[1:], chip}
        raw = card(number, verification_value=code)
        read = {"type": "credit_card_terminal", "track2": track, "field55": chip, "flowType": "1"}
        kinds = [
            raw | {"type": "credit_card_brazil", "cpf_or_cnpj": "00123456789"}, read,
            raw | {"type": "credit_card_korea", "social_id": "901231-7654321", "first_two_digits_of_pin": "86"},
            read | {"flowType": "2"}, {"type": "steam_prepaid_card", "prepaid_number": "q7w8e9r0t1y2u3i4"},
            {"type": "pix", "cpf": "00123456789"},
            {"type": "dospara", "user_no": "7", "user_password": "open barley 77"},
        ]  # fmt: skip
        for details in kinds:
            order = {
                "amount": 1000,
                "currency": "BRL" if details["type"] == "pix" else "JPY",
                "payment_details": details,
            }
            form = {f"payment_details[{name}]": value for name, value in details.items()}
            for headers in (
                {},
                *(
                    {"Azukari-Fault": fault}
                    for fault in ("lost_reply", "lost_request", "processor_down", "duplicate_reply")
                ),
                {"Komoju-Scenario": "card_declined"},
            ):
                await api.post("/payments", json=order, headers=headers | {"X-KOMOJU-IDEMPOTENCY": secrets.token_hex()})
            await api.post("/payments", data={"amount": "1000", "currency": "JPY", **form})
            session = await api.session()
            for path in ("/tokens", "/customers", "/secure_tokens", f"/sessions/{session}/pay"):
                await api.post(path, json=order | {"return_url": "https://shop.example"})
            for name in details:
                broken = details | {name: f"{details[name]}!"}
                await api.post("/payments", json=order | {"payment_details": broken})
                await api.post("/payments", json=order | {"payment_details": details | {name: [details[name]]}})
        for final in ({"ac_type": "TC"}, {"ac_type": "AAC"}, {"ac_type": number}, {"ac_type": "TC", "track2": number}):
            order = {"amount": 1000, "currency": "JPY", "payment_details": read}
            made = (await api.post("/payments", json=order)).json()
            body = {"track2": track, "field55": chip, "capture": False, **final}
            for headers in ({"Azukari-Fault": "lost_reply"}, {}):
                await api.post(f"/payments/{made.get('id', SOME_ID)}/finalize", json=body, headers=headers)
    house.clock.advance(10_000)
    await worker.reconcile_attempts(house.services)

    hay = await assert_nowhere(house, numbers, codes, replies, logged, temporary)

    hits = [(place, word[:4]) for place, raw in hay.items() for word in words if word.encode() in raw]
    assert hits == []
    assert {reply.status_code for reply in replies} == {200, 202, 404, 422, 423, 502, 504}


async def test_a_mail_address_with_a_card_number_in_it_is_refused(
    house: House, logged: io.StringIO, temporary: Path
) -> None:
    replies = listening(house.api)
    customer, number = (await house.api.post("/customers")).json()["id"], new_number()
    for email in (number, f"{number}@example.com", f"a {spread(number, '-')} b"):
        for method, path in (("POST", "/customers"), ("PATCH", f"/customers/{customer}")):
            assert (await house.api.request(method, path, json={"email": email})).status_code == 422

    await assert_nowhere(house, [number], [], replies, logged, temporary)


#: Members of a payment that are shown again and are not the merchant's own text.
SHOWN_AGAIN = [
    *({"statement_descriptor": {name: "@"}} for name in (
        "statement_descriptor", "statement_descriptor_alpha", "statement_descriptor_kana", "statement_city",
        "contact_phone")),
    {"mcc": "@"}, {"customer": "@"}, {"locale": "@"}, {"platform_details": {"processing_merchant_id": "@"}},
    {"platform_details": {"submerchants": [{"submerchant_id": "@"}]}},
]  # fmt: skip


async def test_cards_in_what_a_payment_shows_again_leave_no_trace(
    house: House, logged: io.StringIO, temporary: Path
) -> None:
    replies = listening(house.api)
    number = new_number()
    for more in SHOWN_AGAIN:
        order = {"amount": 1000, "currency": "JPY", "payment_details": card(), **more}
        await house.api.post("/payments", json=json.loads(json.dumps(order).replace("@", number)))

    await assert_nowhere(house, [number], [], replies, logged, temporary)
    assert {reply.status_code for reply in replies} == {422}


async def test_a_subscriptions_card_leaves_no_trace(house: House, logged: io.StringIO, temporary: Path) -> None:
    api = house.api
    replies = listening(api)
    numbers, codes = ["4242424242424242", new_number()], new_codes(2)
    for number, code in zip(numbers, codes, strict=True):
        details = card(number, verification_value=code)
        customer = (await api.post("/customers", json={"payment_details": details})).json()["id"]
        order = {"customer": customer, "amount": 1000, "currency": "JPY", "period": "weekly"}
        for fault in ("lost_reply", "lost_request", "processor_down", "duplicate_reply"):
            await api.post("/subscriptions", json=order, headers={"Azukari-Fault": fault})
        await api.post("/subscriptions", data={**order, "payment_details[number]": number, "customer[number]": number})
    for _ in range(3):
        house.clock.advance(7 * DAY)
        await worker.reconcile_attempts(house.services)
        await worker.renew_subscriptions(house.services)
    made = (await api.get("/subscriptions", params={"per_page": 100})).json()["data"]
    assert max(len(each["payments"]) for each in made) > 2
    await api.delete(f"/subscriptions/{made[0]['id']}")
    await api.get("/events", params={"per_page": 100})

    hay = await assert_nowhere(house, numbers, codes, replies, logged, temporary)

    assert b'"month":"12","year":"2099"' in b"".join(hay.values())


async def test_cards_in_urls_and_headers_leave_no_trace(house: House, logged: io.StringIO, temporary: Path) -> None:
    api = house.api
    replies = listening(api)
    numbers, key = ["4242424242424242", new_number()], house.installation.secret_key.reveal()
    names = ["X-KOMOJU-IDEMPOTENCY", "X-KOMOJU-API-VERSION", "User-Agent", "KOMOJU-VIA", "Komoju-Scenario", "Cookie",
             "Azukari-Fault", "Azukari-Delay", "Referer", "Origin", "X-Forwarded-For", "X-Request-Id",
             "Accept-Language",
             "Access-Control-Request-Headers", "Content-Type", "Forwarded"]  # fmt: skip
    for number in numbers:
        for text in (number, spread(number, " "), spread(number, "-")):
            for name in names:
                for method, path in (
                    ("POST", "/customers"),
                    ("POST", "/tokens"),
                    ("POST", "/secure_tokens"),
                    ("GET", "/events"),
                    ("PUT", "/tokens"),
                ):
                    await api.request(method, path, headers={name: text})
            for user, password in ((text, ""), (key, text), (text, text)):
                request = api.build_request("GET", "/payments")
                await api.send(request, auth=httpx.BasicAuth(user, password))
            for header in (text, f"Basic {text}", f"Bearer {text}"):
                await api.send(api.build_request("GET", "/payments", headers={"Authorization": header}), auth=None)
            for endpoint in ENDPOINTS:
                await api.request(endpoint.method, endpoint.path.replace("{id}", text))
                path = endpoint.path.replace("{id}", SOME_ID)
                for query in ({"external_order_num": text}, {text: "a"}, {"a": [text, text]}, {"page": text}):
                    await api.request(endpoint.method, path, params=query)
            for path in (
                f"/payment_methods/{text}.svg",
                f"/payment_methods/credit_card.svg?brands={text}",
                f"/assets/konbini/{text}.svg",
            ):
                await api.get(f"http://azukari.test{path}")
            for path in (f"/{text}", f"/{text}/", f"/payments/{text}/{text}", f"/../{text}"):
                await api.get(path)
            escaped = "".join(f"%{byte:02x}" for byte in text.encode())
            await api.get(f"http://azukari.test/api/v1/customers/{escaped}")
            await api.get(f"http://azukari.test/{escaped}?{escaped}={escaped}")

    await assert_nowhere(house, numbers, [], replies, logged, temporary)
    assert len(replies) > 500
    assert not [reply for reply in replies if reply.status_code >= 500]


async def test_a_card_in_an_error_of_ours_is_not_logged(
    house: House, logged: io.StringIO, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = house.api
    replies = listening(api)
    number, (code,) = new_number(), new_codes(1)
    details = card(number, verification_value=code)
    simulator: Any = house.services.processors.named("simulator")

    async def broken(order: Any) -> Any:
        try:
            raise KeyError(number, {"verification_value": code})
        except KeyError as error:
            raise RuntimeError(f"{number} {details}") from error

    async def breaking(*_: Any, **__: Any) -> Any:
        raise ValueError(details, f'"{code}"')

    monkeypatch.setattr(simulator, "perform", broken)
    reply = await api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": details})
    assert (reply.status_code, reply.json()["status"]) == (202, "pending")
    assert (await api.post("/customers", json={"payment_details": details})).status_code == 502
    monkeypatch.setattr(house.services.vault, "seal", breaking)
    reply = await api.post("/tokens", json={"payment_details": details})
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal_server_error")
    logging.getLogger("somebody.else").warning("a card %s and its code %s", number, 0)

    # What a library says is scrubbed on its way out; the unfiltered copy of this one record is not ours to judge.
    raw = f"somebody.else a card {number} and its code 0 ('{number}', 0)\n"
    assert raw in logged.getvalue()
    clean = io.StringIO(logged.getvalue().replace(raw, ""))
    await assert_nowhere(house, [number], [code], replies, clean, temporary)
    for part in ("a processor call broke", "RuntimeError", "KeyError", "request failed", "ValueError", "a card ***"):
        assert part in clean.getvalue()


async def test_text_of_the_merchants_own_that_looks_like_a_card_is_kept_and_noted(house: House) -> None:
    api = house.api
    customer, number = await api.customer(), new_number()

    async def noted() -> list[tuple[Any, ...]]:
        tables = await rows_of(house)
        lines = next(rows for name, rows in tables.items() if name.endswith("audit_lines"))
        return [row for row in lines if "card_number_in_text" in row]

    order = {"amount": 1000, "currency": "JPY", "customer": customer}
    for count, more in enumerate(
        (
            {"description": f"order {number}"},
            {"metadata": {"order": spread(number, "-")}},
            {"external_order_num": number},
        ),
        1,
    ):
        reply = await api.post("/payments", json={**order, **more})
        assert (reply.status_code, len(await noted())) == (200, count), more
        name, value = next(iter(more.items()))
        assert reply.json()[name] == value
    changed = await api.patch(f"/payments/{reply.json()['id']}", json={"description": number})
    assert (changed.status_code, len(await noted())) == (200, 4)
    assert (await api.post("/customers", json={"metadata": {"a": number}})).status_code == 200
    assert (await api.patch(f"/customers/{customer}", json={"metadata": {"a": number}})).status_code == 200
    lines = await noted()
    assert len(lines) == 6
    assert not any(found_in(cell_of(cell), number) for line in lines for cell in line)
    assert (await api.charge(customer)).status_code == 200
    assert len(await noted()) == 6


async def test_a_card_or_a_key_in_a_url_is_noted_without_it(house: House) -> None:
    await house.api.get("/payments", params={"external_order_num": "4242424242424242"})
    tables = await rows_of(house)
    lines = next(rows for name, rows in tables.items() if name.endswith("audit_lines"))
    assert len([row for row in lines if "card_or_key_in_url" in row]) == 1
    assert not any(found_in(cell_of(cell), "4242424242424242") for line in lines for cell in line)
