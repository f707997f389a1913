"""A stored card is charged as the follow-up of the transaction that checked it (SEC-22)."""

from tests.house import House, card
from tests.payments.books import orders_of_the_bank


async def test_the_check_carries_the_code_and_later_charges_the_network_id_instead(house: House) -> None:
    reply = await house.api.post("/customers", json={"payment_details": card(verification_value="123")})
    customer = reply.json()["id"]
    await house.api.charge(customer)
    await house.api.charge(customer)

    check, *charges = orders_of_the_bank(house)

    assert (check["kind"], check["code"], check["stored"]) == ("verify", True, False)
    assert [(charge["kind"], charge["code"], charge["stored"]) for charge in charges] == [("sale", False, True)] * 2
    assert check["reply"]["network_id"]
    assert {charge["network_id"] for charge in charges} == {check["reply"]["network_id"]}


async def test_a_token_keeps_the_network_id_when_a_customer_takes_its_details_over(house: House) -> None:
    token = await house.api.token(verification_value="123")
    customer = (await house.api.post("/customers", json={"payment_details": token})).json()["id"]
    await house.api.charge(customer)

    check, charge = orders_of_the_bank(house)

    assert check["code"]
    assert charge["network_id"] == check["reply"]["network_id"]


async def test_a_new_card_has_a_first_transaction_of_its_own(house: House) -> None:
    customer = await house.api.customer()
    await house.api.patch(f"/customers/{customer}", json={"payment_details": card("5555555555554444")})
    await house.api.charge(customer)

    first, second, charge = orders_of_the_bank(house)

    assert first["reply"]["network_id"] != second["reply"]["network_id"]
    assert charge["network_id"] == second["reply"]["network_id"]


async def test_a_one_time_card_is_not_a_stored_one(house: House) -> None:
    await house.api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": card()})

    assert [(order["stored"], order["network_id"]) for order in orders_of_the_bank(house)] == [(False, None)]
