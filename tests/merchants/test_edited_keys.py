"""A row of ``api_keys`` that somebody has edited is no key any more: neither its own nor another's."""

import io
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from azukari import setup
from azukari.core import log
from azukari.core.config import SettingError, Settings
from azukari.db import migrate
from azukari.merchants import store
from azukari.merchants.service import create
from azukari.vault import KeyFileError
from azukari.wiring import KEK_NAME
from tests.faults.sites import Rows
from tests.house import BACK_TO_0013, Api, House, running


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


@pytest.fixture
async def neighbour(house: House) -> Api:
    """The API with the secret key of another merchant, which was made after the house's own."""
    merchant = await create(house.services.db, "Neighbour", house.services.clock, house.services.ids)
    pair = await house.services.api_keys.make_pair(merchant.id, "test")
    return house.api.as_key(pair.secret.reveal())


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


#: What may become of a row of the house's, in SQL. The neighbour's is ``theirs``.
EDITS = {
    "another merchant's": "merchant_id = (SELECT merchant_id FROM theirs)",
    "another id": "id = '000000000000000000000000a'",
    "live": "mode = 'live'",
    "publishable": "kind = 'pk'",
    "other letters at its end": "last_four = (SELECT last_four FROM theirs)",
    "an older version": "api_version = '2024-07-15'",
    "other scopes": "scopes = 'payments'",
    "from one more network": "ip_allow = '0.0.0.0/0,203.0.113.7/32'",
    "made later": "created_at = created_at + 1",
    "unbound": "binding = ''",
    "bound as another is": "binding = (SELECT binding FROM theirs)",
}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The log."""
    stream = io.StringIO()
    log.setup("info", stream=stream, human=False)
    yield stream
    log.setup("info", human=False)


def _theirs(of: Api) -> str:
    return f"WITH theirs AS (SELECT * FROM api_keys WHERE last_four = '{of.key[-4:]}' AND kind = 'sk')"


def _mine(of: Api) -> str:
    return f"last_four = '{of.key[-4:]}' AND kind = 'sk'"


@pytest.mark.parametrize("edit", EDITS)
async def test_no_part_of_a_row_can_be_edited(
    edit: str, house: House, neighbour: Api, rows: Rows, written: io.StringIO
) -> None:
    assert (await house.api.get("/payments")).status_code == 200

    await rows.change(f"{_theirs(neighbour)} UPDATE api_keys SET {EDITS[edit]} WHERE {_mine(house.api)}")
    house.clock.advance(1_000)

    reply = await house.api.get("/payments")
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")
    assert '"event":"key.edited"' in written.getvalue()
    assert (await neighbour.get("/payments")).status_code == 200


@pytest.mark.parametrize("column", ["hash", "id", "merchant_id", "last_four", "binding"])
async def test_two_rows_cannot_change_places(column: str, house: House, neighbour: Api, rows: Rows) -> None:
    merchants = await house.services.db.read(store.list_merchants)
    listed = [row for each in merchants for row in await house.services.db.read(store.list_keys, each.id)]
    mine, theirs = [row for row in listed if row.kind == "sk"]
    await rows.change("DELETE FROM api_keys WHERE kind = 'sk'")
    for row, other in ((mine, theirs), (theirs, mine)):
        await house.services.db.write(store.add_key, msgspec.structs.replace(row, **{column: getattr(other, column)}))

    assert [(await api.get("/payments")).status_code for api in (house.api, neighbour)] == [401, 401]


async def test_no_new_key_is_made_like_one_whose_row_was_edited(house: House, neighbour: Api, rows: Rows) -> None:
    edit = EDITS["another merchant's"]
    (id,) = await rows.column(f"SELECT id FROM api_keys WHERE {_mine(house.api)}")
    await rows.change(f"{_theirs(neighbour)} UPDATE api_keys SET {edit} WHERE id = '{id}'")

    assert await house.services.api_keys.roll(id) is None


# Keys of an earlier release


async def test_keys_of_an_earlier_release_are_bound_when_the_schema_moves(settings: Settings) -> None:
    await _step_back(settings)
    with pytest.raises(SettingError, match="azukari migrate"):
        await setup.ensure(settings)

    await setup.migrate(settings)

    async with running(settings) as house:
        assert (await house.api.get("/payments")).status_code == 200
        assert (await house.publishable.get("/payment_methods")).status_code == 200


async def test_they_are_bound_with_the_vaults_key_or_nothing_is_changed(settings: Settings) -> None:
    await _step_back(settings)
    key = (settings.data / KEK_NAME).rename(settings.data / "elsewhere.key")

    with pytest.raises(KeyFileError):
        await setup.migrate(settings)
    with pytest.raises(SettingError, match="where the key file is"):
        await migrate.migrate(settings)

    assert not (settings.data / KEK_NAME).exists()
    assert await migrate.current(settings) == "0013"
    key.rename(settings.data / KEK_NAME)
    await setup.migrate(settings)
    assert await migrate.is_current(settings)


async def test_a_row_that_came_unbound_later_is_bound_by_no_start(settings: Settings) -> None:
    rows = Rows(settings)
    await rows.change("UPDATE api_keys SET binding = ''")
    await rows.close()
    for set_up in (setup.migrate, setup.ensure, setup.init):
        await set_up(settings)
    async with running(settings) as house:
        assert (await house.api.get("/payments")).status_code == 401


async def _step_back(settings: Settings) -> None:
    rows = Rows(settings)
    for statement in BACK_TO_0013:
        await rows.change(statement)
    await rows.close()
