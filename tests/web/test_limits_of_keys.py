"""Rate limits of keys, of their merchants, and of guesses."""

import httpx
import pytest

from azukari.core.clock import MINUTE, SECOND
from azukari.merchants import store
from azukari.web import limits
from azukari.web.limits import Limiter
from tests.house import House, TestClock
from tests.web.callers import ELSEWHERE, HERE, PAGES, admitted, api_key, at, header, statuses, visitor, wrong_key


@pytest.mark.usefixtures("three_a_minute")
async def test_guessing_keys_is_slow(house: House) -> None:
    replies = [await at(house, HERE, guess).get("/payments") for guess in (wrong_key(), "sk_test_x", wrong_key())]
    assert [reply.status_code for reply in replies] == [401] * 3
    # A right guess is no better: that it is right is not looked at.
    assert (await at(house, HERE).get("/payments")).status_code == 429
    assert (await at(house, HERE, wrong_key()).get("/payments")).status_code == 429
    assert (await at(house, ELSEWHERE).get("/payments")).status_code == 200


@pytest.mark.usefixtures("three_a_minute")
async def test_a_shops_server_goes_on_beside_somebody_who_guesses(house: House) -> None:
    server = at(house, HERE)
    assert (await server.get("/payments")).status_code == 200
    for _ in range(5):
        await at(house, HERE, wrong_key()).get("/payments")
    assert await statuses(visitor(house, HERE), "/nothing") == [429]

    assert [(await server.get("/payments")).status_code for _ in range(10)] == [200] * 10


@pytest.mark.usefixtures("three_a_minute")
async def test_calls_with_secret_keys_are_not_counted_by_place(house: House) -> None:
    server = at(house, HERE)
    assert [(await server.get("/payments")).status_code for _ in range(20)] == [200] * 20
    # Two of the three are left: the first call brought a key that was not known yet.
    assert await statuses(visitor(house, HERE), "/nothing", "/nothing", "/nothing") == [404, 404, 429]


@pytest.mark.usefixtures("three_a_minute")
async def test_a_key_that_is_good_no_longer_is_counted_like_a_wrong_one(house: House) -> None:
    server = at(house, HERE)
    assert (await server.get("/payments")).status_code == 200
    row = await house.services.db.read(store.find_by_hash, house.services.vault.mac("pepper", house.api.key.encode()))
    assert row is not None
    assert await house.services.api_keys.revoke(row.id)
    house.clock.advance(SECOND)

    assert [(await server.get("/payments")).status_code for _ in range(4)] == [401, 401, 429, 429]


@pytest.mark.usefixtures("three_a_minute")
async def test_a_good_key_is_no_way_to_ask_for_what_needs_none(house: House) -> None:
    auth = httpx.BasicAuth(house.api.key, "")
    client = visitor(house, HERE)
    assert (await client.get("/api/v1/payments", auth=auth)).status_code == 200
    seen = [(await client.get(path, auth=auth)).status_code for path in (PAGES[0], "/nothing", "/nothing")]
    assert seen == [404, 404, 429]
    # Nor for what nobody looks at a key for.
    client = visitor(house, ELSEWHERE)
    assert (await client.get("/api/v1/payments", auth=auth)).status_code == 200
    seen = [(await client.get("/api/v1/nothing", auth=auth)).status_code for _ in range(4)]
    assert seen == [404, 404, 429, 429]


@pytest.mark.usefixtures("three_a_minute")
async def test_of_two_keys_in_one_request_the_one_that_is_read_counts(house: House) -> None:
    await house.api.get("/payments")
    good, wrong = header(house.api.key), header(wrong_key())
    client = visitor(house, HERE)
    assert (await client.get("/api/v1/payments", headers=[("Authorization", good)])).status_code == 200
    both = [("Authorization", good), ("Authorization", wrong)]
    assert [(await client.get("/api/v1/payments", headers=both)).status_code for _ in range(4)] == [401, 401, 429, 429]


def test_a_live_publishable_key_has_the_figures_of_the_guide() -> None:
    limiter = Limiter(TestClock())
    live, test = api_key("a", "m1", "pk", "live"), api_key("b", "m1", "pk", "test")
    assert [admitted(limiter, key, 2_000, HERE) for key in (live, test)] == [60, 1_200]
    # From elsewhere there are as many again: who uses a shop's key up hinders no shopper but those behind his address.
    assert admitted(limiter, live, 70, ELSEWHERE) == 60


def test_a_key_has_its_share_and_its_merchant_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEY_PER_MINUTE", 30)
    clock = TestClock()
    limiter = Limiter(clock)

    # Two keys use up what the merchant has in this mode; the third finds nothing.
    assert [admitted(limiter, api_key(id, "m1"), 40) for id in ("a", "b", "c")] == [30, 30, 0]
    assert admitted(limiter, api_key("d", "m1", mode="live"), 40) == 30
    assert admitted(limiter, api_key("e", "m2"), 40) == 30
    # What anybody may do with a publishable key takes nothing from the shop's server, nor it from them.
    assert admitted(limiter, api_key("f", "m1", "pk"), 40) == 30
    assert [admitted(limiter, api_key("g", "m3", "pk"), 40), admitted(limiter, api_key("h", "m3"), 40)] == [30, 30]
    clock.advance(MINUTE)
    assert admitted(limiter, api_key("a", "m1"), 40) == 30


def test_a_test_installation_is_not_held_up() -> None:
    limiter = Limiter(TestClock())
    assert admitted(limiter, api_key("a", "m1"), 50_000, HERE) == 50_000
