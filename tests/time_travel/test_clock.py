"""The test clock itself: set, advanced, stopped, reset; who may, and who sees it."""

import asyncio

import pytest

from azukari import worker
from azukari.app import asgi
from azukari.core.clock import DAY, HOUR, MINUTE, SECOND, parse_iso
from azukari.db import Owner
from azukari.merchants import clock as clocks
from azukari.merchants import keys
from azukari.merchants import service as merchants
from azukari.merchants.clock import REAL, TestClock
from azukari.time_travel import service
from azukari.time_travel.schemas import Duration, duration
from azukari.wire import idempotency
from azukari.wire.bodies import InvalidValue
from azukari.wiring import Services
from tests.house import Api, House
from tests.replies import refused
from tests.time_travel.clocks import PATH, now_of, set_clock
from tests.webhooks.work import owner_of


def close(text: str, moment: int) -> bool:
    return abs(parse_iso(text) - moment) < MINUTE


async def test_until_it_is_set_it_shows_the_real_time(house: House, api: Api) -> None:
    shown = (await api.get(PATH)).json()

    assert close(shown.pop("now"), house.clock.now())
    assert shown == {"resource": "test_clock", "frozen": False, "real": True}


async def test_it_is_set_to_any_time_and_runs_on_from_there(house: House, api: Api) -> None:
    shown = await set_clock(api, now="2018-02-28T23:59:00+09:00")
    assert (shown["now"], shown["frozen"], shown["real"]) == ("2018-02-28T14:59:00Z", False, False)

    house.clock.advance(90 * SECOND)
    assert (await now_of(api)) - parse_iso("2018-02-28T15:00:30Z") in (0, SECOND)


async def test_it_stands_still_and_runs_again(house: House, api: Api) -> None:
    stopped = await set_clock(api, freeze=True)
    assert (stopped["frozen"], stopped["real"]) == (True, False)
    house.clock.advance(HOUR)
    assert (await api.get(PATH)).json() == stopped

    moved = await set_clock(api, now="2031-01-01T00:00:00Z")
    house.clock.advance(HOUR)
    assert (await api.get(PATH)).json() == moved == {**stopped, "now": "2031-01-01T00:00:00Z"}

    running = await set_clock(api, freeze="false")
    assert running == {**moved, "frozen": False}
    house.clock.advance(HOUR)
    assert close((await api.get(PATH)).json()["now"], parse_iso("2031-01-01T01:00:00Z"))


async def test_a_reset_brings_the_real_time_back(house: House, api: Api) -> None:
    await set_clock(api, now="2001-01-01")
    await set_clock(api, freeze=True)

    shown = await set_clock(api, reset=True)

    assert close(shown["now"], house.clock.now())
    assert (shown["frozen"], shown["real"]) == (False, True)


async def test_months_are_the_calendars(api: Api) -> None:
    await set_clock(api, now="2027-01-31T10:00:00Z")
    await set_clock(api, freeze=True)

    shown = [
        (await set_clock(api, advance=each))["now"] for each in ("P1M", "P1Y", "P1Y1M", "P1W", "P1DT1H1M1S", "PT0S")
    ]

    assert shown == [
        "2027-02-28T10:00:00Z",
        "2028-02-28T10:00:00Z",
        "2029-03-28T10:00:00Z",
        "2029-04-04T10:00:00Z",
        "2029-04-05T11:01:01Z",
        "2029-04-05T11:01:01Z",
    ]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("P1Y2M3W4DT5H6M7.8S", Duration(14, 25 * DAY + 5 * HOUR + 6 * MINUTE + 7_800)),
        ("PT90M", Duration(0, 90 * MINUTE)),
        ("P12M", Duration(12, 0)), ("PT0.001S", Duration(0, 1)), ("PT0.05S", Duration(0, 50)),
    ],
)  # fmt: skip
def test_durations_are_read(text: str, read: Duration) -> None:
    assert duration(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "", "P", "PT", "P1", "1D", "-P1D", "P-1D", "P1H", "PT1D", "P1D ", "p1d", "P1.5D", "P1M1Y", "PT1S1M",
        "P99999999D", "P\u0661D", 7, None,
    ],
)  # fmt: skip
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(InvalidValue):
        duration(text)


async def test_bad_orders_are_refused_and_change_nothing(api: Api) -> None:
    for order, code, param in [
        ({}, "missing_parameter", "now"),
        ({"now": "yesterday"}, "invalid_parameter", "now"),
        ({"now": "1969-12-31T23:59:59Z"}, "invalid_parameter", "now"),
        ({"now": "9999-01-01T00:00:01Z"}, "invalid_parameter", "now"),
        ({"advance": "soon"}, "invalid_parameter", "advance"),
        ({"advance": "P9000Y"}, "invalid_parameter", "advance"),
        ({"advance": "P99999Y"}, "invalid_parameter", "advance"),
        ({"advance": "P9999999D"}, "invalid_parameter", "advance"),
        ({"freeze": "perhaps"}, "invalid_parameter", "freeze"),
        ({"reset": False}, "invalid_parameter", "reset"),
        ({"freeze": True, "now": "2030-01-01"}, "invalid_parameter", "freeze"),
        ({"advance": "P1D", "reset": True}, "invalid_parameter", "reset"),
    ]:
        refused(await api.post(PATH, json=order), 422, code, param)
    assert (await api.get(PATH)).json()["real"] is True


async def test_a_live_key_has_no_clock_to_set(house: House, api: Api) -> None:
    owner = await owner_of(house)
    ring = house.services.api_keys
    ring._live_allowed = True
    live = api.as_key((await ring.make_pair(owner.merchant_id, keys.LIVE)).secret.reveal())
    await set_clock(api, now="2001-01-01")

    refused(await live.get(PATH), 404, "not_found")
    refused(await live.post(PATH, json={"advance": "P1D"}), 404, "not_found")
    customer = await live.post("/customers", json={"email": "taro@example.com"})
    assert close(customer.json()["created_at"], house.clock.now())


async def test_each_merchant_has_its_own(house: House, api: Api) -> None:
    services = house.services
    merchant = await merchants.create(services.db, "Another shop", services.clock, services.ids)
    other = api.as_key((await services.api_keys.make_pair(merchant.id, keys.TEST)).secret.reveal())

    await set_clock(api, now="2040-01-01")

    assert (await other.get(PATH)).json()["real"] is True
    assert close((await other.post("/customers", json={})).json()["created_at"], house.clock.now())


async def test_every_process_sees_a_change_at_once(house: House, api: Api) -> None:
    import httpx

    second = await Services.assemble(house.services.settings, clock=house.clock)
    transport = httpx.ASGITransport(asgi(second), client=("203.0.113.7", 40_000))
    try:
        async with Api(transport, api.key) as other:
            for number in range(20):
                setting, looking = (api, other) if number % 2 else (other, api)
                wanted = f"20{30 + number}-01-01T00:00:00Z"
                await set_clock(setting, now=f"20{30 + number}-01-01")
                assert (await looking.post("/customers", json={})).json()["created_at"] >= wanted
                assert (await looking.get(PATH)).json()["now"][:4] == wanted[:4]
    finally:
        await second.close()


async def test_no_answer_is_older_than_the_change_before_it(house: House) -> None:
    """Whoever asks while others do shares what they are told, and never what was read before a change it knows of."""
    owner, services = await owner_of(house), house.services
    known = 0

    async def set_again_and_again() -> None:
        nonlocal known
        for ahead in range(1, 40):
            await services.db.write_through(clocks.keep, owner, TestClock(ahead * DAY), services.clock.now(), "")
            known = ahead

    async def ask_again_and_again() -> None:
        while known < 39:
            before = known
            at = await services.moment_of(owner)
            assert (at.now - at.system_now) // DAY >= before
            await asyncio.sleep(0)

    await asyncio.gather(set_again_and_again(), *(ask_again_and_again() for _ in range(8)))


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_who_goes_away_while_setting_it_leaves_nobody_with_an_old_answer(house: House) -> None:
    owner, services = await owner_of(house), house.services
    number = services.db._cache._number
    for turns in range(6):
        clock = TestClock((turns + 1) * DAY)
        setting = asyncio.ensure_future(services.db.write_through(clocks.keep, owner, clock, services.clock.now(), ""))
        while number[0] % 2 == 0:
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        setting.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
            await services.moment_of(owner)

        # It is written after all, or it is not; whoever stands in line behind it sees which.
        stored = await services.db.write(clocks.clock_of, owner)
        await asyncio.gather(setting, return_exceptions=True)
        at = await services.moment_of(owner)
        assert at.now - at.system_now == stored.ahead


async def test_a_second_traveller_is_told_to_wait_and_takes_over_from_a_dead_one(house: House, api: Api) -> None:
    owner, services = await owner_of(house), house.services
    await services.db.write_through(clocks.keep, owner, REAL, services.clock.now(), "somebody", travels=True)

    for order in ({"advance": "P1D"}, {"reset": True}, {"freeze": True}, {"now": "2001-01-01"}):
        refused(await api.post(PATH, json=order), 423, "locked")
    assert (await api.get(PATH)).json()["real"] is True

    house.clock.advance(clocks.LEASE)
    assert close((await set_clock(api, advance="P1D"))["now"], house.clock.now() + DAY)


async def test_two_advances_at_once_are_never_half_done(api: Api) -> None:
    before = await now_of(api)
    replies = await asyncio.gather(*(api.post(PATH, json={"advance": "P1D"}) for _ in range(3)))

    done = [reply for reply in replies if reply.status_code == 200]
    assert {reply.status_code for reply in replies} <= {200, 423}
    assert (await now_of(api) - before + MINUTE) // DAY == len(done) >= 1


async def test_a_repeated_advance_is_made_once(house: House, api: Api) -> None:
    header = {"X-KOMOJU-IDEMPOTENCY": "one day"}
    first, again = [await api.post(PATH, json={"advance": "P1D"}, headers=header) for _ in range(2)]

    assert first.status_code == 200
    # A key lives for a day, by the clock that has just gone on by one.
    assert again.status_code == 200
    assert again.headers.get("X-Idempotent-Replayed") is None
    assert close((await api.get(PATH)).json()["now"], house.clock.now() + 2 * DAY)

    header = {"X-KOMOJU-IDEMPOTENCY": "one hour"}
    first, again = [await api.post(PATH, json={"advance": "PT1H"}, headers=header) for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["X-Idempotent-Replayed"] == "true"


async def test_an_advance_that_died_is_not_said_to_be_done(
    house: House, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = asyncio.Event()

    async def hang(*_: object) -> None:
        left.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(service, "run_due", hang)
    header = {"X-KOMOJU-IDEMPOTENCY": "one year"}
    going = asyncio.create_task(api.post(PATH, json={"advance": "P1Y"}, headers=header))
    await asyncio.wait_for(left.wait(), 30)

    house.clock.advance(idempotency.PATIENCE)
    again = await api.post(PATH, json={"advance": "P1Y"}, headers=header)
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)

    refused(again, 503, "service_unavailable")
    assert (await api.get(PATH)).json()["real"] is True


@pytest.mark.parametrize("swept", [True, False])
async def test_the_key_of_an_advance_that_died_lives_for_a_day_like_any_other(
    house: House, api: Api, monkeypatch: pytest.MonkeyPatch, swept: bool
) -> None:
    left, run_due = asyncio.Event(), service.run_due

    async def hang(*_: object) -> None:
        left.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(service, "run_due", hang)
    order = {"json": {"advance": "P1Y"}, "headers": {"X-KOMOJU-IDEMPOTENCY": "one year"}}
    going = asyncio.create_task(api.post(PATH, **order))
    await asyncio.wait_for(left.wait(), 30)
    monkeypatch.setattr(service, "run_due", run_due)

    for passed, status in ((HOUR, 503), (DAY, 200)):
        house.clock.advance(passed)
        if swept:
            await worker.forget_keys(house.services)
        assert (await api.post(PATH, **order)).status_code == status

    # The dead one does not come back.
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)


async def test_the_key_of_an_advance_that_goes_on_is_nobody_elses_though_its_clock_is_a_year_ahead(
    house: House, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {"json": {"advance": "P1Y"}, "headers": {"X-KOMOJU-IDEMPOTENCY": "one year"}}
    seen: list[int] = []

    async def look(services: Services, owner: Owner) -> None:
        await worker.forget_keys(services)
        seen.append((await api.post(PATH, **order)).status_code)

    monkeypatch.setattr(service, "run_due", look)

    assert (await api.post(PATH, **order)).status_code == 200
    assert seen == [409, 409]
