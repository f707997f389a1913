"""What is due gets its turn, however many before it cannot be ended: those stay the oldest, and hold up nobody."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import DAY, HOUR, iso, parse_iso
from azukari.db import Owner
from azukari.processors.base import AttemptQuery, Outcome
from azukari.time_travel import service as time_travel
from azukari.vault import ReplyUnknown
from tests.cards import PAYPAY
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.payments.methods import KONBINI, begun, shown, waiting
from tests.sessions.sessions import make, pay
from tests.time_travel.clocks import set_clock

OPEN_SESSIONS = "SELECT id FROM sessions WHERE open_until IS NOT NULL"


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look finds as many as there are in each of these tests that cannot be ended."""
    monkeypatch.setattr(worker, "BATCH", 2)
    monkeypatch.setattr(time_travel, "_BATCH", 2)


@pytest.fixture
async def rows(house: House) -> AsyncIterator[Rows]:
    """What is really stored in the house."""
    rows = Rows(house.services.settings)
    yield rows
    await rows.close()


async def says_nothing(*_: object) -> Outcome:
    """A processor that does not answer."""
    raise ReplyUnknown("NoAnswer")


async def of_type(api: Api, type: str) -> list[dict[str, Any]]:
    """The events of one type, newest first."""
    found = (await api.get("/events")).json()["data"]
    return [each for each in found if each["type"] == type]


async def three_unpaid(house: House, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Payments that nobody makes; the far side says nothing of the first two."""
    simulator, silent = house.services.processors.simulator, set[str]()
    lookup, made = simulator.lookup, [await begun(house.api, KONBINI)]
    silent.add(await waiting(house, made[0]))
    made.append(await begun(house.api, KONBINI))
    silent.add(await waiting(house, made[1]))
    made.append(await begun(house.api, KONBINI))

    async def says_nothing_of_some(query: AttemptQuery) -> Outcome:
        if query.ref in silent:
            raise ReplyUnknown("NoAnswer")
        return await lookup(query)

    monkeypatch.setattr(simulator, "lookup", says_nothing_of_some)
    return made


async def test_a_deadline_behind_those_that_cannot_be_ended(
    house: House, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await three_unpaid(house, monkeypatch)
    house.clock.advance(parse_iso(made[2]["payment_deadline"]) + HOUR - house.clock.now())

    await worker.end_holds(house.services)

    assert [(await shown(api, each))["status"] for each in made] == ["authorized", "authorized", "expired"]


async def test_a_deadline_behind_them_on_a_journey(house: House, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await three_unpaid(house, monkeypatch)

    await set_clock(api, now=iso(parse_iso(made[2]["payment_deadline"]) + HOUR))

    assert [(await shown(api, each))["status"] for each in made] == ["authorized", "authorized", "expired"]


async def test_a_journey_stops_where_something_falls_due_behind_what_cannot_be_ended(
    house: House, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await begun(api, card(), capture=False)
    monkeypatch.setattr(house.services.processors.simulator, "lookup", says_nothing)
    await begun(api, KONBINI)

    await set_clock(api, now=iso(parse_iso(held["payment_deadline"]) + DAY))

    ended = {each["data"]["id"]: each["created_at"] for each in await of_type(api, "payment.expired")}
    assert ended[held["id"]] == held["payment_deadline"]


async def three_expired(house: House, api: Api) -> list[str]:
    """Sessions whose time is over; the first two wait for a shopper who has gone to a wallet."""
    made = [await make(api, expires_in_seconds=seconds) for seconds in (60, 60, 120)]
    for each in made[:2]:
        assert (await pay(house.publishable, each, PAYPAY)).status_code == 200
    house.clock.advance(HOUR)
    return [each["id"] for each in made]


async def test_a_session_behind_those_that_cannot_be_ended(
    house: House, api: Api, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await three_expired(house, api)
    monkeypatch.setattr(house.services.processors.simulator, "perform", says_nothing)

    await worker.end_sessions(house.services)

    assert sorted(await rows.column(OPEN_SESSIONS)) == sorted(made[:2])


async def test_a_session_behind_those_whose_processor_is_gone(house: House, api: Api, rows: Rows) -> None:
    made = await three_expired(house, api)
    await rows.change("UPDATE payments SET processor = 'gone'")

    await worker.end_sessions(house.services)

    assert sorted(await rows.column(OPEN_SESSIONS)) == sorted(made[:2])


async def test_a_token_behind_those_that_cannot_be_forgotten(
    house: House, api: Api, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = [await api.token() for _ in range(2)]
    entries = set(await rows.column("SELECT entry_id FROM tokens"))
    await api.token()
    shred = house.services.vault.shred

    async def not_these(owner: Owner, entry_id: str) -> None:
        if entry_id in entries:
            raise RuntimeError
        await shred(owner, entry_id)

    monkeypatch.setattr(house.services.vault, "shred", not_these)
    house.clock.advance(2 * DAY)

    await worker.forget_tokens(house.services)

    assert sorted(await rows.column("SELECT id FROM tokens")) == sorted(stuck)


async def test_an_authentication_behind_those_that_cannot_be_ended(house: House, api: Api, rows: Rows) -> None:
    stuck = [await api.secure_token("4100000000005000") for _ in range(2)]
    await rows.change("UPDATE tokens SET three_ds = '{'")
    made = await api.secure_token("4100000000005000")
    house.clock.advance(HOUR)

    await worker.end_authentications(house.services)

    left = await rows.column("SELECT id FROM tokens WHERE verification = 'NEEDS_VERIFY'")
    assert sorted(left) == sorted(each["id"] for each in stuck)
    assert (await api.get(f"/secure_tokens/{made['id']}")).json()["verification_status"] == "EXPIRED"
