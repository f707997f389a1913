"""Charging a customer, a token or a card."""

from tests.house import Api, House, card


async def test_a_customer_is_charged_twice_from_its_id_alone(api: Api) -> None:
    customer = await api.customer()

    replies = [await api.charge(customer, 5000), await api.charge(customer, 700)]

    assert [reply.status_code for reply in replies] == [200, 200]
    assert [reply.json()["status"] for reply in replies] == ["captured", "captured"]
    assert [reply.json()["customer"] for reply in replies] == [customer, customer]
    assert replies[0].json()["id"] != replies[1].json()["id"]
    assert await api.events() == ["customer.created", "payment.captured", "payment.captured"]


async def test_a_customer_without_saved_details_cannot_be_charged(api: Api) -> None:
    bare = (await api.post("/customers", json={"email": "a@example.com"})).json()["id"]

    reply = await api.charge(bare)

    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "unprocessable_entity"
    assert reply.json()["error"]["param"] == "customer"


async def test_a_token_pays_once(api: Api) -> None:
    token = await api.token(verification_value="123")
    order = {"amount": 1000, "currency": "JPY", "payment_details": token}

    first, second = await api.post("/payments", json=order), await api.post("/payments", json=order)

    assert first.json()["status"] == "captured"
    assert (second.status_code, second.json()["error"]["code"]) == (422, "invalid_token")


async def test_raw_details_pay(api: Api) -> None:
    details = {f"payment_details[{name}]": value for name, value in card(verification_value="123").items()}

    reply = await api.post("/payments", data={"amount": "1000.00", "currency": "JPY", "tax": "80", **details})

    payment = reply.json()
    assert (payment["amount"], payment["tax"], payment["total"]) == (1000, 80, 1080)
    assert payment["payment_details"] == {
        "type": "credit_card",
        "email": None,
        "brand": "visa",
        "last_four_digits": "1111",
        "month": 12,
        "year": 2099,
    }


async def test_a_lost_reply_is_settled_by_asking(house: House) -> None:
    from azukari import worker

    api = house.api
    customer = await api.customer()
    reply = await api.charge(customer, headers={"Azukari-Fault": "lost_reply"})
    assert (reply.status_code, reply.json()["status"]) == (202, "pending")

    house.clock.advance(5_000)
    await worker.reconcile_attempts(house.services)

    payment = (await api.get(f"/payments/{reply.json()['id']}")).json()
    assert payment["status"] == "captured"
    assert await api.events() == ["customer.created", "payment.captured"]
