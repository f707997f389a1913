"""What there is, what a merchant offers of it, and how the wire says it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from azukari.core.config import Settings
from azukari.core.money import CURRENCIES
from azukari.merchants import keys, settings, store
from azukari.merchants.settings import MerchantSettings
from azukari.payment_methods import offer
from azukari.payment_methods.offer import Offer, offers
from azukari.payment_methods.rates import TEST_RATES
from azukari.payment_methods.schemas import entry
from azukari.payment_types import BRANDS, DEFAULTS, METHODS, NOT_OF_SESSIONS, STORES, SUBTYPES
from azukari.wiring import KEK_NAME
from tests.compat.contract import ROOT
from tests.house import House, card, running

SCHEMAS = yaml.safe_load((ROOT / "contract/openapi.yaml").read_text(encoding="utf-8"))["components"]["schemas"]
#: Named by the contract, and not among what a session takes (4.6).
KNOWN_ONLY = {
    "credit_card_terminal", "grabpayotp", "paysafe_cash", "sepa_transfer", "steam_prepaid_card", "zgold", "apple_pay",
}  # fmt: skip
#: What the element reads as the first entry (15.7).
READABLE = ("credit_card", "konbini")
OURS = MerchantSettings(name="Tea House")
ABROAD = MerchantSettings(name="Tea House", rates={"USD": "150.2", "KRW": "0.11"})


def types(found: list[Offer]) -> list[str]:
    return [each.type for each in found]


def on_the_wire(found: Offer, amount: int | None) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(msgspec.json.encode(entry(found, amount)))
    return said


def test_every_type_of_the_contract_is_known() -> None:
    assert set(METHODS) - KNOWN_ONLY == set(SCHEMAS["PaymentType"]["enum"])
    assert not any(METHODS[slug].offered for slug in KNOWN_ONLY)
    assert NOT_OF_SESSIONS == KNOWN_ONLY
    assert all(slug == method.slug for slug, method in METHODS.items())


def test_a_type_has_a_name_in_four_languages_and_currencies_we_take() -> None:
    for method in METHODS.values():
        assert all(method.names)
        assert set(method.currencies or ()) <= set(CURRENCIES)
        assert method.offsite == (method.group == "offsite")
        assert method.names.in_("fr") == method.names.en
    assert "Credit Card" in METHODS["credit_card"].names.en
    assert "Konbini" in METHODS["konbini"].names.en


def test_what_the_contract_fixes() -> None:
    assert {slug for slug, method in METHODS.items() if method.storable} == {
        "credit_card",
        "paypay",
        "linepay",
        "aupay",
    }
    asked = {slug: METHODS[slug].additional_fields for slug in ("alipay", "giropay", "paypay")}
    assert asked == {"alipay": ("name",), "giropay": ("name",), "paypay": ()}
    assert set(STORES) == {"seven-eleven", "lawson", "family-mart", "ministop", "daily-yamazaki", "seicomart"}
    assert tuple(BRANDS)[:6] == SUBTYPES
    assert set(SUBTYPES) == set(SCHEMAS["PaymentMethod"]["properties"]["subtypes"]["items"]["enum"])


def test_a_new_merchant_offers_what_is_usual() -> None:
    assert types(offers(OURS, "test", "JPY")) == list(DEFAULTS["JPY"])
    assert types(offers(OURS, "test", "USD")) == ["credit_card"]
    assert types(offers(OURS, "test", "KRW"))[:2] == ["credit_card", "kakaopay"]
    assert types(offers(OURS, "test", "JPY", storable_only=True)) == ["credit_card", "paypay", "linepay", "aupay"]


def test_an_order_narrows_and_sorts_what_the_merchant_offers() -> None:
    some = MerchantSettings(payment_types={"JPY": ["credit_card", "konbini", "paypay"]})
    assert types(offers(some, "test", "JPY")) == ["credit_card", "konbini", "paypay"]
    assert types(offers(some, "test", "JPY", wanted=["paypay", "linepay", "credit_card", "paypay", "nothing"])) == [
        "paypay",
        "credit_card",
    ]
    assert offers(some, "test", "JPY", wanted=["linepay"]) == []
    assert types(offers(some, "test", "JPY", wanted=["konbini"], storable_only=True)) == []


@pytest.mark.parametrize("first", ["bank_transfer", "pay_easy", "web_money"])
def test_what_elements_cannot_read_never_stands_first(first: str) -> None:
    found = offers(OURS, "test", "JPY", wanted=[first, "nanaco", "paypay", "konbini"])
    assert types(found) == ["paypay", first, "nanaco", "konbini"]
    assert types(offers(OURS, "test", "JPY", wanted=[first])) == [first]


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_every_entry_is_as_the_contract_says(currency: str) -> None:
    every = [method.slug for method in METHODS.values() if method.offered and method.takes(currency)]
    for settled in (OURS, MerchantSettings(payment_types={currency: every})):
        found = offers(settled, "test", currency)
        assert found
        assert found[0].type in READABLE or found[0].method.offsite
        for each in found:
            said = on_the_wire(each, 1000)
            assert set(said) <= set(SCHEMAS["SessionPaymentMethod"]["properties"])
            assert (said["type"], said["amount"], said["currency"]) == (each.type, 1000, currency)
            assert said["exchange_rate"] == 1
            assert ("additional_fields" in said) == said["offsite"]
            saved = on_the_wire(each, None)
            assert set(said) - set(saved) == {"amount", "currency", "exchange_rate"}
            assert said == {**said, **saved}


def test_brands_are_a_list_for_cards_and_an_object_for_stores() -> None:
    card, konbini = offers(OURS, "test", "JPY", wanted=["credit_card", "konbini"])
    assert on_the_wire(card, None)["brands"][:2] == ["visa", "master"]
    assert on_the_wire(konbini, 1000)["brands"]["family-mart"] == {"icon": "/assets/konbini/family-mart.svg"}
    assert on_the_wire(konbini, 1000)["customer_fee"] == 190
    assert on_the_wire(card, 1000)["customer_fee"] == 0


def test_a_gateway_is_opaque_and_stays() -> None:
    one, other = offers(OURS, "test", "JPY")[:2]
    assert one.gateway != other.gateway
    assert one.type not in one.gateway
    assert offers(ABROAD, "test", "JPY")[0].gateway == one.gateway
    assert offers(OURS, "live", "JPY")[0].gateway != one.gateway


@pytest.mark.parametrize(("currency", "amount", "yen"), [
    ("USD", 1000, 1502), ("USD", 1, 2), ("USD", 333, 500), ("USD", 0, 0), ("KRW", 10_000, 1100), ("KRW", 1, 1),
    ("USD", 10**12, 1_502 * 10**9),
])  # fmt: skip
def test_an_order_abroad_is_paid_in_yen_at_the_rate(currency: str, amount: int, yen: int) -> None:
    (konbini,) = offers(ABROAD, "test", currency, wanted=["konbini"])
    assert konbini.amount_of(amount) == yen
    said = on_the_wire(konbini, amount)
    assert (said["amount"], said["currency"]) == (yen, "JPY")
    assert said["exchange_rate"] == {"USD": 150.2, "KRW": 0.11}[currency]
    assert konbini.fee == 190


def test_without_a_rate_nothing_is_paid_in_another_currency() -> None:
    assert types(offers(OURS, "live", "USD", wanted=["konbini", "credit_card"])) == ["credit_card"]
    assert offers(OURS, "live", "JPY", wanted=["kakaopay", "giropay", "credit_card_brazil"]) == []
    (card, *_) = offers(ABROAD, "test", "USD")
    assert (card.type, card.currency, card.rate) == ("credit_card", "USD", None)


# Test mode: what is asked for, at fixed rates


EVERY = [slug for slug in METHODS if slug not in NOT_OF_SESSIONS]


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_in_test_mode_every_type_that_is_asked_for_is_offered_in_every_currency(currency: str) -> None:
    found = offers(OURS, "test", currency, wanted=EVERY)

    assert set(types(found)) == set(EVERY)
    assert offers(OURS, "test", currency, wanted=[*NOT_OF_SESSIONS, "nothing"]) == []
    for each in found:
        assert each.method.takes(each.currency)
        assert (each.rate is None) == (each.currency == currency)
        # What is named alone is offered just so.
        assert offers(OURS, "test", currency, wanted=[each.type]) == [each]
    if currency != "JPY":
        assert all(each.currency == "JPY" for each in found if each.method.takes("JPY") and each.rate)


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_what_is_offered_when_nothing_is_asked_for_stays(currency: str) -> None:
    for mode in ("test", "live"):
        found = offers(OURS, mode, currency)
        assert sorted(types(found)) == sorted(DEFAULTS.get(currency, ("credit_card",)))
        assert {(each.currency, each.rate) for each in found} == {(currency, None)}


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_in_live_mode_a_request_that_asks_for_more_gets_no_more(currency: str) -> None:
    assert set(types(offers(OURS, "live", currency, wanted=EVERY))) == set(DEFAULTS.get(currency, ("credit_card",)))
    for each in offers(ABROAD, "live", currency, wanted=EVERY):
        assert each.rate in (None, ABROAD.rates.get(currency))


@pytest.mark.parametrize(("currency", "type", "rate", "amounts"), [
    ("USD", "konbini", "150", {6000: 9000, 1: 2, 333: 500, 0: 0}),
    ("USD", "alipay", "150", {6000: 9000}),
    ("USD", "giropay", "0.9375", {6000: 5625, 1: 1}),
    ("JPY", "giropay", "0.00625", {1000: 625, 1: 1}),
    ("JPY", "kakaopay", "9.090909090909", {1000: 9091}),
    ("KRW", "konbini", "0.11", {10_000: 1100, 1: 1}),
    ("VND", "paypay", "0.006", {10_000: 60, 1: 1}),
    ("VND", "przelewy24", "0.00015", {1_000_000: 15_000}),
    ("IDR", "konbini", "0.01", {1_000_000: 100}),
    ("BRL", "alipay_hk", "28", {100: 28}),
    ("EUR", "poli", "1.6", {1000: 1600}),
])  # fmt: skip
def test_test_mode_has_rates_of_its_own(currency: str, type: str, rate: str, amounts: dict[int, int]) -> None:
    (found,) = offers(OURS, "test", currency, wanted=[type])

    assert found.rate == rate
    assert {amount: found.amount_of(amount) for amount in amounts} == amounts


def test_every_currency_has_a_rate_in_test_mode_and_none_elsewhere() -> None:
    assert set(TEST_RATES) == set(CURRENCIES) - {"JPY"}
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    names, _, rates = (line.strip("| ").split(" | ") for line in page.partition("| USD |")[2].splitlines()[:3])
    assert dict(zip(["USD", *names], rates, strict=True)) == TEST_RATES
    # Each is one that a merchant could set.
    assert settings._CHECKS["rates"](TEST_RATES) == TEST_RATES


def test_what_the_merchant_has_chosen_still_holds_in_test_mode() -> None:
    own = MerchantSettings(payment_types={"JPY": ["credit_card", "konbini"]}, rates={"USD": "149.5"})
    wanted = ["konbini", "paypay", "giropay", "alipay", "credit_card"]

    assert types(offers(own, "test", "JPY", wanted=wanted)) == ["konbini", "credit_card"]
    abroad = offers(own, "test", "USD", wanted=wanted)
    # Alipay is paid in yuan too, for which nothing was chosen.
    assert {each.type: (each.currency, each.rate) for each in abroad} == {
        "konbini": ("JPY", "149.5"),
        "giropay": ("EUR", "0.934375"),
        "alipay": ("CNY", "7.119047619048"),
        "credit_card": ("USD", None),
    }
    chosen = MerchantSettings(payment_types={"USD": ["credit_card"]})
    assert types(offers(chosen, "test", "USD", wanted=wanted)) == ["credit_card"]
    assert types(offers(chosen, "test", "EUR", wanted=["paypay"])) == ["paypay"]


def test_a_fee_is_in_the_currency_of_its_type() -> None:
    own = MerchantSettings(fees={"credit_card": 50, "konbini": 190}, currency="USD")
    assert [offer.fee(own, "credit_card", currency) for currency in ("USD", "JPY")] == [50, 0]
    assert [offer.fee(own, "konbini", currency) for currency in ("USD", "JPY")] == [0, 190]
    assert offer.fee(own, "paypay", "JPY") == 0


# GET /payment_methods


async def test_an_account_lists_its_methods_as_a_bare_array(house: House) -> None:
    for api in (house.api, house.publishable):
        reply = await api.get("/payment_methods")
        assert reply.status_code == 200
        listed = reply.json()
        assert listed[0] == {
            "type_slug": "credit_card",
            "name_en": "Credit Card",
            "name_ja": "クレジットカード",
            "name_ko": "신용카드",
            "currency": "JPY",
            "subtypes": list(SUBTYPES),
            "secure_token_supported": ["visa", "master", "jcb", "american_express"],
        }
        pairs = [(each["type_slug"], each["currency"]) for each in listed]
        assert len(set(pairs)) == len(pairs)
        assert {currency for slug, currency in pairs if slug == "credit_card"} == set(CURRENCIES)
        assert {currency for slug, currency in pairs if slug == "konbini"} == {"JPY"}
        fees = {each["type_slug"]: each.get("payment_method_fee") for each in listed}
        assert {slug: fee for slug, fee in fees.items() if fee is not None} == {"konbini": 190}


async def test_3d_secure_is_promised_only_for_brands_that_have_it(house: House) -> None:
    promised = (await house.api.get("/payment_methods")).json()[0]["secure_token_supported"]
    order = {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example/back"}
    for brand, number in {"american_express": "378282246310005", "diners_club": "30569309025904"}.items():
        reply = await house.publishable.post("/secure_tokens", json=order | {"payment_details": card(number)})
        assert (brand in promised) == (reply.status_code == 200), reply.text


async def test_nothing_is_listed_that_nobody_takes(settings: Settings, tmp_path: Path) -> None:
    # Live keys need the vault's key to lie elsewhere.
    kek = tmp_path / "elsewhere.key"
    (settings.data / KEK_NAME).rename(kek)
    async with running(dataclasses.replace(settings, kek_file=kek)) as house:
        merchant = (await house.services.db.read(store.list_merchants))[0].id
        live = await house.services.api_keys.make_pair(merchant, keys.LIVE)
        reply = await house.api.as_key(live.secret.reveal()).get("/payment_methods")
        assert (reply.status_code, reply.json()) == (200, [])


async def test_the_list_follows_the_settings(house: House) -> None:
    services = house.services
    merchant = (await services.db.read(store.list_merchants))[0].id
    await settings.change(
        services.db,
        merchant,
        {"currency": "USD", "rates": {"USD": "150"}, "payment_types": {"JPY": ["konbini"]}, "fees": {"konbini": "7"}},
        (),
        offer.check,
    )
    house.clock.advance(1_000)
    listed = (await house.api.get("/payment_methods")).json()
    assert listed[0]["currency"] == "USD"
    assert [each["type_slug"] for each in listed if each["currency"] == "JPY"] == ["konbini"]
    assert [each["payment_method_fee"] for each in listed if each["type_slug"] == "konbini"] == [7]
