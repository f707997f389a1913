"""Customers who keep a wallet's agreement: charged without a browser, until the shopper takes it back."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.vault import Blank, Filled, Outbound, Reply
from tests.faults.sites import Rows
from tests.house import Api, House, card, reroute
from tests.wallets import agree


async def owner_of(house: House) -> Owner:
    key = await house.services.api_keys.resolve(house.api.key, None)
    return key.owner


@pytest.fixture
async def customer(house: House, api: Api) -> str:
    """One who pays by PayPay."""
    made = (await api.post("/customers", json={"email": "taro@example.com"})).json()["id"]
    await agree(house.services, await owner_of(house), made)
    return str(made)


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


async def test_a_wallet_is_charged_again_and_again_without_a_browser(api: Api, customer: str) -> None:
    assert (await api.get(f"/customers/{customer}")).json()["source"] == {"type": "paypay"}

    for amount in (1000, 700):
        paid = (await api.charge(customer, amount)).json()
        assert (paid["status"], paid["total"], paid["customer"]) == ("captured", amount, customer)
        assert paid["payment_details"] == {"type": "paypay", "email": "taro@example.com"}

    refund = await api.post(f"/payments/{paid['id']}/refund")
    assert refund.json()["status"] == "refunded"
    assert await api.events() == [
        "customer.created",
        "customer.updated",
        "payment.captured",
        "payment.captured",
        "payment.refund.created",
        "payment.refunded",
    ]


@pytest.mark.parametrize("type", ["linepay", "aupay"])
async def test_every_storable_wallet_is_charged(house: House, api: Api, type: str) -> None:
    customer = (await api.post("/customers", json={})).json()["id"]
    await agree(house.services, await owner_of(house), customer, type)

    assert (await api.charge(customer)).json()["payment_details"]["type"] == type


async def test_a_wallet_is_held_and_captured(api: Api, customer: str) -> None:
    order = {"amount": 900, "currency": "JPY", "customer": customer, "capture": "false"}
    held = (await api.post("/payments", json=order)).json()
    assert held["status"] == "authorized"

    assert (await api.post(f"/payments/{held['id']}/capture")).json()["status"] == "captured"


async def test_a_revoked_agreement_is_charged_no_more(api: Api, customer: str) -> None:
    revoked = await api.post(f"/test/customers/{customer}/revoke")
    assert (revoked.status_code, revoked.json()["id"]) == (200, customer)

    refused = await api.charge(customer)

    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "invalid_account")
    assert (await api.events())[-1] == "payment.failed"
    [failed] = (await api.get("/payments")).json()["data"]
    assert (failed["status"], failed["customer"]) == ("failed", customer)


async def test_a_wallet_pays_in_its_own_currency(api: Api, customer: str) -> None:
    order = {"amount": 900, "currency": "USD", "customer": customer}
    refused = await api.post("/payments", json=order)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_currency")


async def test_a_wallet_takes_the_place_of_a_card_and_a_card_of_a_wallet(house: House, api: Api, rows: Rows) -> None:
    customer = await api.customer()
    await agree(house.services, await owner_of(house), customer)
    assert (await api.get(f"/customers/{customer}")).json()["source"] == {"type": "paypay"}
    assert len(await rows.all("SELECT id FROM vault_entries WHERE shredded_at IS NULL")) == 1

    changed = await api.patch(f"/customers/{customer}", json={"payment_details": card()})

    assert changed.json()["source"]["type"] == "credit_card"
    [kept] = await rows.all("SELECT kind FROM vault_entries WHERE shredded_at IS NULL")
    assert kept["kind"] == "card"
    assert (await api.charge(customer)).status_code == 200


async def test_a_customer_with_a_card_has_no_wallet_to_revoke(api: Api) -> None:
    for body in ({}, {"email": "a@example.com"}):
        customer = (await api.post("/customers", json=body)).json()["id"]
        refused = await api.post(f"/test/customers/{customer}/revoke")
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unprocessable_entity")
    assert (await api.post(f"/test/customers/{await api.customer()}/revoke")).status_code == 422


async def test_an_agreement_is_sealed_bound_to_its_row_and_scrubbed_from_replies(house: House, rows: Rows) -> None:
    owner, vault, secret = await owner_of(house), house.services.vault, "agr_" + "q7" * 16
    sealed = await vault.seal_agreement(owner, "paypay", Secret(secret))
    await house.services.db.write(vault.add, owner, sealed, house.clock.now())
    seen: list[bytes] = []

    class Echo:
        async def send(self, request: Filled) -> Reply:
            seen.append(request.body)
            echo = {"a": secret, "b": secret.encode().hex()}
            return Reply(200, {"X-Echo": secret}, msgspec.json.encode(echo))

    reroute(vault, "wallet.example", Echo())
    use = await house.services.db.read(vault.find, owner, sealed.id)
    use.note()
    reply = await vault.send(use, None, Outbound("POST", "https://wallet.example/x", json={"a": Blank.AGREEMENT}))

    assert msgspec.json.decode(seen[0]) == {"a": secret}
    assert reply.body == b'{"a":"***","b":"***"}'
    assert reply.headers == {"x-echo": "***"}
    [row] = await rows.all("SELECT kind, brand, last4, record FROM vault_entries")
    assert (row["kind"], row["brand"], row["last4"]) == ("wallet", "paypay", "")
    assert secret.encode() not in bytes(row["record"])
    assert "q7q7" not in repr(sealed)


async def test_stored_credential_data_is_kept_with_the_agreement(api: Api, customer: str, rows: Rows) -> None:
    [entry] = await rows.all("SELECT credential FROM vault_entries WHERE kind = 'wallet'")
    kept = msgspec.json.decode(entry["credential"])
    assert (kept["processor"], kept["scheme"], kept["currency"]) == ("simulator", "paypay", "JPY")

    # One that no shopper has agreed to is charged by nobody (SEC-22).
    await rows.change("UPDATE vault_entries SET credential = NULL")
    refused = await api.charge(customer)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "customer")
