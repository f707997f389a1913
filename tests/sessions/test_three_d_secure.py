"""Who is asked for 3-D Secure: the merchant says so, and the server sees to it, whatever a browser sends."""

from typing import Any

import httpx
import pytest

from azukari.merchants import settings as merchants
from azukari.processors.base import AuthenticationRequest, AuthenticationResult
from azukari.processors.three_ds import ThreeDs
from azukari.sessions.demands import NONE, Demand, demanded
from tests.checkout.shoppers import Shopper, get
from tests.faults.truth import Book
from tests.fields.frames import Frame
from tests.house import House, card
from tests.secure_tokens.cards import CHALLENGE, CHALLENGE_FAILS, FRICTIONLESS
from tests.sessions.sessions import CODE, make, pay

#: Cards whose bank asks its customer, knows them already, takes no part; a brand that has no 3-D Secure.
ASKED, KNOWN, OUTSIDE, NO_BRAND = CHALLENGE["visa"], FRICTIONLESS["visa"], "4111111111111111", "30569309025904"
WAYS = ["page", "fields", "session"]
LEVELS = ["required", "attempted", "off"]


async def choose(house: House, level: str | None, *, skipped: bool | None = None) -> None:
    """The merchant's choice for test mode."""
    values: dict[str, Any] = {} if level is None else {"three_d_secure": {"test": level}}
    if skipped is not None:
        values["three_d_secure_skipped"] = skipped
    await house.choose(**values)


async def send(house: House, way: str, session: dict[str, Any], details: Any) -> httpx.Response:
    """A try, as a browser sends it."""
    if way == "fields":
        return await Frame(house, session["id"]).pay(details)
    if way == "session":
        return await pay(house.publishable, session, details)
    shopper = Shopper(house, session)
    await shopper.open()
    return await shopper.pay(details)


async def details_of(house: House, kind: str, number: str) -> Any:
    """What a browser may have of a card."""
    if kind == "raw":
        return card(number, verification_value=CODE)
    if kind == "token":
        return await house.publishable.token(number, verification_value=CODE)
    return (await house.publishable.secure_token(number))["id"]


def outcome(house: House, reply: httpx.Response) -> str:
    """``charged`` or ``authenticated`` (and charged), ``asked``, or the error's code; the book of the bank agrees."""
    told, lines = reply.json(), list(Book.read(house.services.settings.data).by_ref.values())
    if reply.status_code == 200 and told["status"] == "completed":
        (line,) = lines
        return "authenticated" if line.authenticated else "charged"
    assert lines == []
    if reply.status_code == 200:
        assert told["status"] == "pending"
        assert "/three_d_secure_service/offsite?token=tok_" in told["redirect_url"]
        return "asked"
    return str(told["error"]["code"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["raw", "token"])
@pytest.mark.parametrize(
    ("number", "required", "attempted"),
    [
        (ASKED, "asked", "asked"),
        (KNOWN, "authenticated", "authenticated"),
        (OUTSIDE, "verification_status_errored", "charged"),
        (NO_BRAND, "verification_status_errored", "charged"),
    ],
)
async def test_a_card_is_authenticated_where_the_merchant_wants_it(
    house: House, way: str, level: str, kind: str, number: str, required: str, attempted: str
) -> None:
    await choose(house, level)
    made = await make(house.api)
    expected = {"required": required, "attempted": attempted, "off": "charged"}[level]

    assert outcome(house, await send(house, way, made, await details_of(house, kind, number))) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", LEVELS)
async def test_a_secure_token_is_what_every_way_takes(house: House, way: str, level: str) -> None:
    await choose(house, level)
    made = await make(house.api)

    assert outcome(house, await send(house, way, made, await details_of(house, "secure", KNOWN))) == "authenticated"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", LEVELS)
async def test_a_secure_token_whose_shopper_has_not_answered_pays_nowhere(house: House, way: str, level: str) -> None:
    await choose(house, level)
    made = await make(house.api)

    assert outcome(house, await send(house, way, made, await details_of(house, "secure", ASKED))) == "invalid_token"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("skipped", [False, True])
@pytest.mark.parametrize("kind", ["raw", "token", "secure"])
async def test_a_bank_that_takes_no_part_will_do_where_the_merchant_says_so(
    house: House, way: str, skipped: bool, kind: str
) -> None:
    await choose(house, "required", skipped=skipped)
    made = await make(house.api)

    reply = await send(house, way, made, await details_of(house, kind, OUTSIDE))

    assert outcome(house, reply) == ("charged" if skipped else "verification_status_errored")


@pytest.mark.parametrize("kind", ["raw", "token", "secure"])
async def test_our_own_page_asks_and_a_key_does_not_where_nothing_is_chosen(house: House, kind: str) -> None:
    found = []
    for way in WAYS:
        made = await make(house.api)
        reply = await send(house, way, made, await details_of(house, kind, ASKED))
        told = reply.json()
        found.append(told["error"]["code"] if told.get("error") else told["status"])

    assert found == (["invalid_token"] * 3 if kind == "secure" else ["pending", "pending", "completed"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("said", ["N", "R", "U", None])
async def test_a_bank_that_says_no_at_once_is_heard(
    house: House, monkeypatch: pytest.MonkeyPatch, way: str, level: str, said: str | None
) -> None:
    await choose(house, level)
    made = await make(house.api)
    simulator: Any = house.services.processors.named("simulator")

    async def authenticate(order: AuthenticationRequest) -> AuthenticationResult:
        return AuthenticationResult("ERRORED", None if said is None else ThreeDs("2.2.0", said))

    monkeypatch.setattr(simulator, "authenticate", authenticate)
    goes_on = level == "off" or (level == "attempted" and said in ("U", None))

    reply = await send(house, way, made, card(ASKED, verification_value=CODE))

    assert outcome(house, reply) == ("charged" if goes_on else "verification_status_errored")


@pytest.mark.parametrize("mode", ["customer", "customer_payment"])
async def test_a_card_that_is_to_be_kept_is_authenticated_too(house: House, mode: str) -> None:
    await choose(house, "required")
    customer = await house.api.customer()
    made = await make(house.api, mode=mode, customer_id=customer)

    reply = await pay(house.publishable, made, card(ASKED, verification_value=CODE))

    assert reply.json()["status"] == "pending"
    assert (await house.api.get(f"/customers/{customer}")).json()["source"]["last_four_digits"] != ASKED[-4:]


@pytest.mark.parametrize("kind", ["raw", "token"])
async def test_a_press_repeated_while_the_bank_asks_leads_to_the_same_page(house: House, kind: str) -> None:
    await choose(house, "required")
    made = await make(house.api)
    details, key = await details_of(house, kind, ASKED), {"X-KOMOJU-IDEMPOTENCY": "press-1"}

    replies = [await pay(house.publishable, made, details, headers=key) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [200] * 3
    assert len({reply.json()["redirect_url"] for reply in replies}) == 1


@pytest.mark.parametrize("level", LEVELS)
async def test_a_secret_key_is_the_merchants_own_server(house: House, level: str) -> None:
    await choose(house, level)

    reply = await pay(house.api, await make(house.api), card(ASKED, verification_value=CODE))

    assert outcome(house, reply) == "charged"


async def test_other_ways_to_pay_are_not_asked(house: House) -> None:
    await choose(house, "required")
    token = await house.publishable.post("/tokens", json={"payment_details": {"type": "paypay"}})
    for details in ({"type": "paypay"}, token.json()["id"]):
        made = await make(house.api, payment_types=["credit_card", "paypay"])
        assert "/offsite/" in (await pay(house.publishable, made, details)).json()["redirect_url"]


async def test_a_challenge_that_fails_is_no_way_around(house: House) -> None:
    await choose(house, "required")
    made = await make(house.api)
    number = CHALLENGE_FAILS["visa"]
    token = await details_of(house, "token", number)

    first = await send(house, "session", made, token)
    again = await send(house, "session", made, token)
    fields = await send(house, "fields", made, token)

    assert outcome(house, first) == "asked"
    assert [outcome(house, reply) for reply in (again, fields)] == ["invalid_token"] * 2


async def test_what_holds_where_nothing_is_chosen_is_stricter_with_real_money(house: House) -> None:
    key = await house.services.api_keys.resolve(house.publishable.key, None)
    live = key._replace(owner=key.owner._replace(mode="live"))
    none = merchants.MerchantSettings()

    assert demanded(none, live, by_default=False) == demanded(none, live, by_default=True) == Demand("attempted", True)
    assert demanded(none, key, by_default=False) == NONE
    assert demanded(none, key, by_default=True) == Demand("attempted", True)
    chosen = merchants.MerchantSettings(three_d_secure={"live": "required"})
    assert demanded(chosen, live, by_default=False) == Demand("required", False)
    assert demanded(chosen, key, by_default=False) == NONE
    assert demanded(merchants.MerchantSettings(three_d_secure={"live": "off"}), live, by_default=True).asks is False


@pytest.mark.parametrize("level", [*LEVELS, None])
async def test_the_fields_know_where_no_card_may_become_a_token_without(house: House, level: str | None) -> None:
    await choose(house, level)
    made = await make(house.api)

    page = await get(house, "/fields/frame", params={"session": made["id"], "origin": "http://localhost:5173"})

    assert f'"required":{"true" if level == "required" else "false"}' in page.text
