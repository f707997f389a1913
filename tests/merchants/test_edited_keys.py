"""A row of ``api_keys`` that somebody has edited does not make another kind of key of it."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.sites import Rows
from tests.house import House


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.parts.settings)
    yield rows
    await rows.close()


@pytest.mark.parametrize("edit", ["mode = 'live'", "kind = 'sk'", "kind = 'sk', mode = 'live'"])
async def test_a_key_whose_row_was_edited_is_no_key_any_more(house: House, rows: Rows, edit: str) -> None:
    key = house.publishable
    assert (await key.get("/payment_methods")).status_code == 200

    await rows.change(f"UPDATE api_keys SET {edit} WHERE kind = 'pk'")
    house.clock.advance(1_000)

    reply = await key.get("/payments")
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")
    assert (await key.get("/payment_methods")).status_code == 401
    assert (await house.api.get("/payments")).status_code == 200
