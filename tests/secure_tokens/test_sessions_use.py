"""What a session asks of 3-D Secure: one authentication for one try, however often it is pressed."""

import asyncio
from typing import Any

import pytest

from azukari.core.clock import Moment
from azukari.core.errors import InvalidToken
from azukari.processors.base import AuthenticationRequest, AuthenticationResult
from azukari.secure_tokens.errors import UnsupportedCardBrand
from azukari.secure_tokens.schemas import SecureTokenOut
from azukari.secure_tokens.service import begin_for_session, show
from azukari.vault import PaymentDetails
from azukari.wire.call import Call
from tests.faults.sites import Rows
from tests.house import House, card
from tests.secure_tokens.cards import CHALLENGE, FRICTIONLESS


async def begin(house: House, number: str = FRICTIONLESS["visa"], **more: Any) -> SecureTokenOut:
    """As the hosted page does it: nobody's key."""
    services = house.services
    key = await services.api_keys.resolve(house.installation.publishable_key.reveal(), None)
    now = services.clock.now()
    call = Call.of_page(services, key.owner, Moment(now, now), None, "request")
    given = more.pop("given", None) or PaymentDetails.parse(card(number, verification_value="123"), now=now)
    order = {"amount": 1000, "currency": "JPY", "return_url": "https://azukari.test/sessions/1", "made_for": "1:a"}
    return await begin_for_session(call, given, **order | more)


async def test_a_try_pressed_again_is_the_same_token(house: House, rows: Rows) -> None:
    first = await begin(house, CHALLENGE["visa"])
    again = await begin(house, CHALLENGE["visa"])
    other = await begin(house, CHALLENGE["visa"], made_for="1:b")

    assert first == again
    assert first.verification_status == "NEEDS_VERIFY"
    assert other.id != first.id
    for table in ("tokens", "vault_entries", "azukari_keys.deks", "azukari_sad.sad_values"):
        assert len(await rows.all(f"SELECT id FROM {table}")) == 2, table


async def test_a_double_press_is_one_authentication(house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator: Any = house.services.processors.named("simulator")
    authenticate, asked = simulator.authenticate, []

    async def counted(order: AuthenticationRequest) -> AuthenticationResult:
        asked.append(order.ref)
        result: AuthenticationResult = await authenticate(order)
        return result

    monkeypatch.setattr(simulator, "authenticate", counted)
    pressed = await asyncio.gather(*(begin(house) for _ in range(8)))

    assert len(asked) == 1
    assert len({each.id for each in pressed}) == 1
    assert {each.verification_status for each in pressed} <= {"CREATED", "OK"}
    for table in ("tokens", "vault_entries", "azukari_keys.deks"):
        assert len(await rows.all(f"SELECT id FROM {table}")) == 1, table
    owner = (await house.services.api_keys.resolve(house.installation.publishable_key.reveal(), None)).owner
    assert (await show(house.services, owner, pressed[0].id)).verification_status == "OK"


async def test_its_token_is_paid_with(house: House) -> None:
    made = await begin(house)
    order = {"amount": 1000, "currency": "JPY", "payment_details": made.id}
    assert (await house.api.post("/payments", json=order)).json()["status"] == "captured"


async def test_a_token_of_the_elements_is_verified_too(house: House) -> None:
    token = await house.publishable.token(FRICTIONLESS["master"], verification_value="123")
    made = await begin(house, given=token)
    again = await begin(house, given=token)
    assert (made.verification_status, again) == ("OK", made)
    with pytest.raises(InvalidToken):
        await begin(house, given=token, made_for="1:b")


async def test_a_brand_without_it_is_paid_without_it(house: House, rows: Rows) -> None:
    with pytest.raises(UnsupportedCardBrand):
        await begin(house, "30569309025904")
    assert await rows.all("SELECT id FROM tokens") == []
