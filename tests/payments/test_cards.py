"""The published test cards, and the failures a test request may order. Source: contract 2.2, 16.1, 16.4."""

import httpx

from azukari.processors.declines import SCENARIOS
from tests.house import Api, card

#: Number, brand.
GOOD = {
    "4111111111111111": "visa",
    "4242424242424242": "visa",
    "5555555555554444": "master",
    "3530111333300000": "jcb",
    "378282246310005": "american_express",
    "30569309025904": "diners_club",
}
#: Number, HTTP status and code.
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
#: What a scenario may order, and the HTTP status of each.
ORDERED = {
    **{code: status for status, code in BAD.values()},
    "request_failed": 402,
    "invalid_number": 502,
    "used_number": 502,
    "invalid_password": 502,
    "invalid_account": 502,
    "restricted_account": 502,
    "invalid_user_key": 502,
    "other_error": 502,
    "bad_gateway": 502,
}


async def ways_to_pay(api: Api, number: str) -> list[object]:
    """Raw details and a token of one card."""
    return [card(number), await api.token(number, verification_value="123")]


async def pay(api: Api, details: object, **more: object) -> httpx.Response:
    return await api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": details, **more})


async def test_each_good_card_pays(api: Api) -> None:
    for number, brand in GOOD.items():
        for details in await ways_to_pay(api, number):
            reply = await pay(api, details)
            shown = reply.json()["payment_details"]
            assert (reply.status_code, reply.json()["status"]) == (200, "captured")
            assert (shown["brand"], shown["last_four_digits"]) == (brand, number[-4:])
            assert (shown["month"], shown["year"]) == (12, 2099)


async def test_each_bad_card_fails_with_its_code_and_the_failure_is_kept(api: Api) -> None:
    for number, expected in BAD.items():
        for details in await ways_to_pay(api, number):
            reply = await pay(api, details)

            error = reply.json()["error"]
            assert (reply.status_code, error["code"]) == expected
            assert error["message"]
            assert (error["param"], error["details"]) == (None, {})
            payment = (await api.get("/payments", params={"per_page": 1})).json()["data"][0]
            assert (payment["status"], payment["captured_at"]) == ("failed", None)
            assert payment["payment_details"]["last_four_digits"] == number[-4:]
            event = (await api.get("/events", params={"per_page": 1})).json()["data"][0]
            assert (event["type"], event["data"]) == ("payment.failed", payment)

    found = (await api.get("/payments", params={"status": "failed"})).json()
    assert found["total"] == (await api.get("/payments")).json()["total"] == 2 * len(BAD)
    assert set(await api.events()) == {"payment.failed"}


async def test_a_bad_card_cannot_be_held_either(api: Api) -> None:
    reply = await pay(api, card("4123111111111000"), capture=False)

    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "insufficient_funds")
    assert (await api.get("/payments")).json()["data"][0]["status"] == "failed"
    assert await api.events() == ["payment.failed"]


async def test_a_number_that_is_no_card_number_is_no_payment(api: Api) -> None:
    for number in (
        "4111111111111112",
        "411111111111111",
        "41111111111111111111",
        "4111-1111-1111-111a",
        4111111111111111,
    ):
        reply = await pay(api, {**card(), "number": number})
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["param"]) == (
            422,
            "invalid_parameter",
            "payment_details[number]",
        )
    assert (await api.get("/payments")).json()["total"] == 0
    spaced = await pay(api, card("4111 1111-1111 1111"))
    assert spaced.json()["payment_details"]["last_four_digits"] == "1111"


async def test_a_scenario_orders_each_failure(api: Api) -> None:
    assert set(ORDERED) == SCENARIOS
    customer = await api.customer()
    for code, status in ORDERED.items():
        reply = await api.charge(customer, headers={"Komoju-Scenario": code})
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)

    assert (await api.get("/payments", params={"status": "failed"})).json()["total"] == len(ORDERED)
    assert (await api.charge(customer)).json()["status"] == "captured"


async def test_a_scenario_nobody_knows_is_refused(api: Api) -> None:
    customer = await api.customer()
    for unknown in ("anything", "captured", "INSUFFICIENT_FUNDS"):
        reply = await api.charge(customer, headers={"Komoju-Scenario": unknown})
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["param"]) == (422, "invalid_parameter", "Komoju-Scenario")
    assert (await api.get("/payments")).json()["total"] == 0
