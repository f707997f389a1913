"""Rate limits of all routes: by place, key and merchant, in all processes of a machine together."""

import base64
import dataclasses
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from azukari.app import asgi
from azukari.core.clock import HOUR, MINUTE, SECOND
from azukari.core.config import SettingError, Settings, read
from azukari.core.errors import TooManyRequests
from azukari.core.ids import RandomIds
from azukari.db import DatabaseDown, Owner, telling
from azukari.db import open as opening
from azukari.db.counts import CALLERS, KEYS, Counts
from azukari.db.open import COUNTS_FILE, counts_of
from azukari.merchants import keys, store
from azukari.merchants.keys import ApiKey
from azukari.secure_tokens.pages import PATH as CHALLENGE
from azukari.web import limits
from azukari.web.auth import UNNAMED, caller_of, client_address
from azukari.web.limits import Limiter
from azukari.wiring import Services
from tests.house import Api, House, TestClock, card, running

ROOT = "http://azukari.test"
HERE, ELSEWHERE = "198.51.100.1", "198.51.100.2"
#: Each is 20 characters, as ids are.
NOTHING = "0" * 20
#: Of people's pages, of scripts, of the API, and none at all: each needs no key.
PAGES = (f"/sessions/{NOTHING}", "/fields/frame", "/fields/return", f"/return/{NOTHING}", f"{CHALLENGE}?a=1",
         f"/offsite/{NOTHING}", f"/ja/instructions/{NOTHING}")  # fmt: skip
SCRIPTS = (f"/sessions/{NOTHING}/state", f"/sessions/{NOTHING}/words", "/fields/words", "/accent/112233.css")
IN_API = (f"/api/v1/barcodes/{NOTHING}", "/api/v1/payments", "/api/v1/nothing", "/api/v9/payments")
OTHERS = ("/", "/reference", "/openapi.yaml", "/nothing", "/api")
FREE = ("/health", "/ready", "/fields.js", "/static/dom.js", "/payment_methods/credit_card.svg")


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls a minute from one place."""
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 3)


def at(house: House, address: str | None, key: str | None = None) -> Api:
    """The API, called from an address."""
    client = None if address is None else (address, 40_000)
    transport = httpx.ASGITransport(asgi(house.services), raise_app_exceptions=False, client=client)  # type: ignore[arg-type]
    return Api(transport, key or house.api.key)


def visitor(house: House, address: str) -> httpx.AsyncClient:
    """Somebody without a key."""
    transport = httpx.ASGITransport(asgi(house.services), raise_app_exceptions=False, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url=ROOT)


async def statuses(client: httpx.AsyncClient, *paths: str, **more: str) -> list[int]:
    return [(await client.get(path, headers=more)).status_code for path in paths]


def wrong_key() -> str:
    """As good as a guess gets."""
    return keys.make("sk", "test", RandomIds(TestClock()))


def header(key: str) -> str:
    return f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"


# Who is one caller


async def test_the_addresses_of_one_household_are_one_place(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TEST_PER_MINUTE", 60)
    pk = house.installation.publishable_key.reveal()

    replies = [
        await at(house, f"2001:db8:1:2::{number:x}", pk).post("/tokens", json={"payment_details": card()})
        for number in range(1, 71)
    ]
    next_door = await at(house, "2001:db8:1:3::1", pk).post("/tokens", json={"payment_details": card()})

    assert [reply.status_code for reply in replies] == [200] * 60 + [429] * 10
    assert next_door.status_code == 200


@pytest.mark.usefixtures("three")
async def test_an_address_in_the_form_of_ipv6_is_the_same_place(house: House) -> None:
    seen = [
        status
        for address in (HERE, f"::ffff:{HERE}", f"::ffff:{HERE}", HERE)
        for status in await statuses(visitor(house, address), "/nothing")
    ]
    assert seen == [404, 404, 404, 429]


@pytest.mark.usefixtures("three")
async def test_this_machine_is_no_place(house: House) -> None:
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert await statuses(visitor(house, address), *["/nothing"] * 10) == [404] * 10


PROXIES = (ip_network("203.0.113.7"), ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "lines", "client", "place"),
    [
        # Nobody of ours says anything: what the caller says of himself is not believed.
        (HERE, [], HERE, HERE), (HERE, ["192.0.2.1"], HERE, HERE), (f"::ffff:{HERE}", ["192.0.2.1"], HERE, HERE),
        # From the right, up to the first that is not ours.
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", [f"192.0.2.1, {HERE}"], HERE, HERE), ("10.0.0.1", [f"junk, {HERE}, 10.0.0.2"], HERE, HERE),
        ("::ffff:10.0.0.1", [f"192.0.2.1, {HERE}"], HERE, HERE),
        ("10.0.0.1", [f"192.0.2.1, ::ffff:{HERE}, ::ffff:10.0.0.2"], HERE, HERE),
        # A proxy may write a line of its own behind those that came.
        ("10.0.0.1", ["192.0.2.1", HERE], HERE, HERE), ("10.0.0.1", [HERE, "10.0.0.2"], HERE, HERE),
        ("10.0.0.1", [f"192.0.2.1, {HERE}, ", ""], HERE, HERE),
        # Some name the port too.
        ("10.0.0.1", [f"{HERE}:4711"], HERE, HERE),
        ("10.0.0.1", ["[2001:db8:1:2::9]:4711"], "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("10.0.0.1", ["[2001:db8:1:2::9]"], "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("10.0.0.1", ["2001:db8:1:2::9"], "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        # What is no address is one place, and not out of sight.
        ("10.0.0.1", ["unknown"], None, UNNAMED), ("10.0.0.1", [f"{HERE}, unknown, 10.0.0.2"], None, UNNAMED),
        ("10.0.0.1", [f"{HERE}:"], None, UNNAMED), ("10.0.0.1", ["_hidden"], None, UNNAMED),
        ("10.0.0.1", ["0x7f.1"], None, UNNAMED), ("10.0.0.1", ["127.1"], None, UNNAMED),
        # Ours alone.
        ("10.0.0.1", [], "10.0.0.1", None), ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3", None),
        ("10.0.0.1", ["", " , "], "10.0.0.1", None), (None, [HERE], None, None),
    ],
)  # fmt: skip
def test_proxies_of_ours_name_the_caller(
    peer: str | None, lines: list[str], client: str | None, place: str | None
) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    scope = {"client": None if peer is None else (peer, 1), "headers": [(b"host", b"a"), *headers]}
    assert caller_of(scope, PROXIES) == (client, place)
    # Without proxies of ours nothing is believed.
    assert caller_of(scope, ())[0] == peer


def test_an_address_is_read_whatever_came_with_it() -> None:
    assert client_address("10.0.0.1", b"\xff\xfe, 198.51.100.1", PROXIES) == HERE
    assert client_address("10.0.0.1", b"\xff", PROXIES) is None
    assert client_address("10.0.0.1", None, PROXIES) == "10.0.0.1"


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_behind_a_proxy_each_caller_is_a_place_of_its_own_and_nobody_is_another(settings: Settings) -> None:
    async with running(dataclasses.replace(settings, trusted_proxies=PROXIES)) as house:
        proxied = visitor(house, "203.0.113.7")
        forged = [
            (await proxied.get("/nothing", headers={"X-Forwarded-For": f"192.0.2.{number}, {HERE}"})).status_code
            for number in range(5)
        ]
        assert forged == [404, 404, 404, 429, 429]
        assert await statuses(proxied, "/nothing", **{"X-Forwarded-For": f"{HERE}, {ELSEWHERE}"}) == [404]
        assert await statuses(proxied, *["/nothing"] * 4, **{"X-Forwarded-For": "unknown"}) == [404, 404, 404, 429]


# What is counted, and what is said


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("path", [*PAGES, *SCRIPTS, *IN_API, *OTHERS])
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_call_without_a_key_is_counted_whatever_it_asks_for(house: House, path: str) -> None:
    client = visitor(house, HERE)
    seen = await statuses(client, *[path] * 5)
    assert 429 not in seen[:3]
    assert seen[3:] == [429, 429]
    # All of it together, whatever the method.
    assert (await client.post("/csp-report", content=b"{}")).status_code == 429
    assert (await client.request("HEAD", "/")).status_code == 429
    assert (await client.request("BREW", "/nothing")).status_code == 429
    assert 429 not in await statuses(visitor(house, ELSEWHERE), path)
    assert 429 not in await statuses(client, *FREE)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_what_never_changes_and_what_machines_ask_is_not_counted(house: House) -> None:
    client = visitor(house, HERE)
    assert set(await statuses(client, *FREE * 3)) == {200}
    preflights = [(await client.options("/api/v1/tokens")).status_code for _ in range(5)]
    assert preflights == [204] * 5
    assert await statuses(client, *["/nothing"] * 4) == [404, 404, 404, 429]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_too_many_calls_are_told_when_to_come_back(house: House) -> None:
    client = visitor(house, HERE)
    assert await statuses(client, "/nothing") == [404]
    house.clock.advance(20 * SECOND)
    await statuses(client, "/nothing", "/nothing")

    refused = await client.get("/api/v1/payments", headers={"Origin": "https://shop.example"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "request_failed")
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "retry-after" in refused.headers["Access-Control-Expose-Headers"]
    # From the first call on.
    wait = int(refused.headers["Retry-After"])
    assert 30 <= wait <= 40
    house.clock.advance((wait - 10) * SECOND)
    assert await statuses(client, "/nothing") == [429]
    house.clock.advance(10 * SECOND)
    assert await statuses(client, *["/nothing"] * 4) == [404, 404, 404, 429]


TOLD = {"ja": "上限に達しました", "en": "Too many attempts", "ko": "초과했습니다", "zh": "过多"}


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_person_is_told_on_a_page_in_their_language(house: House, path: str) -> None:
    client = visitor(house, HERE)
    await statuses(client, *["/nothing"] * 3)
    for language, words in TOLD.items():
        reply = await client.get(path, headers={"Accept-Language": language})
        assert (reply.status_code, reply.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
        assert words in reply.text
        assert 0 < int(reply.headers["Retry-After"]) <= 60
        assert "script-src 'self'" in reply.headers["Content-Security-Policy"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_pages_script_is_told_what_it_can_show(house: House) -> None:
    client = visitor(house, HERE)
    await statuses(client, *["/nothing"] * 3)
    for path in (f"/sessions/{NOTHING}/pay?locale=en", "/fields/pay?locale=en"):
        reply = await client.post(path, json={})
        assert reply.status_code == 429
        assert (reply.json()["at"], reply.json()["h"]) == ("alert", "Too many attempts")
        assert 0 < int(reply.headers["Retry-After"]) <= 60


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_nothing_is_done_for_a_call_too_many(house: House) -> None:
    client = visitor(house, HERE)
    await statuses(client, *["/nothing"] * 3)
    # A body that would be refused is not even read.
    assert (await client.post("/csp-report", content=b" " * 300_000)).status_code == 429
    assert await statuses(client, "/?card=4111111111111111") == [429]


# Keys


@pytest.mark.usefixtures("three")
async def test_guessing_keys_is_slow(house: House) -> None:
    replies = [await at(house, HERE, guess).get("/payments") for guess in (wrong_key(), "sk_test_x", wrong_key())]
    assert [reply.status_code for reply in replies] == [401] * 3
    # A right guess is no better: that it is right is not looked at.
    assert (await at(house, HERE).get("/payments")).status_code == 429
    assert (await at(house, HERE, wrong_key()).get("/payments")).status_code == 429
    assert (await at(house, ELSEWHERE).get("/payments")).status_code == 200


@pytest.mark.usefixtures("three")
async def test_a_shops_server_goes_on_beside_somebody_who_guesses(house: House) -> None:
    server = at(house, HERE)
    assert (await server.get("/payments")).status_code == 200
    for _ in range(5):
        await at(house, HERE, wrong_key()).get("/payments")
    assert await statuses(visitor(house, HERE), "/nothing") == [429]

    assert [(await server.get("/payments")).status_code for _ in range(10)] == [200] * 10


@pytest.mark.usefixtures("three")
async def test_calls_with_secret_keys_are_not_counted_by_place(house: House) -> None:
    server = at(house, HERE)
    assert [(await server.get("/payments")).status_code for _ in range(20)] == [200] * 20
    # Two of the three are left: the first call brought a key that was not known yet.
    assert await statuses(visitor(house, HERE), "/nothing", "/nothing", "/nothing") == [404, 404, 429]


@pytest.mark.usefixtures("three")
async def test_a_key_that_is_good_no_longer_is_counted_like_a_wrong_one(house: House) -> None:
    server = at(house, HERE)
    assert (await server.get("/payments")).status_code == 200
    row = await house.services.db.read(store.find_by_hash, house.services.vault.mac("pepper", house.api.key.encode()))
    assert row is not None
    assert await house.services.keyring.revoke(row.id)
    house.clock.advance(SECOND)

    assert [(await server.get("/payments")).status_code for _ in range(4)] == [401, 401, 429, 429]


@pytest.mark.usefixtures("three")
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


@pytest.mark.usefixtures("three")
async def test_of_two_keys_in_one_request_the_one_that_is_read_counts(house: House) -> None:
    await house.api.get("/payments")
    good, wrong = header(house.api.key), header(wrong_key())
    client = visitor(house, HERE)
    assert (await client.get("/api/v1/payments", headers=[("Authorization", good)])).status_code == 200
    both = [("Authorization", good), ("Authorization", wrong)]
    assert [(await client.get("/api/v1/payments", headers=both)).status_code for _ in range(4)] == [401, 401, 429, 429]


def test_a_live_publishable_key_has_the_figures_of_the_guide() -> None:
    limiter = Limiter(TestClock())
    live, test = _key("a", "m1", "pk", "live"), _key("b", "m1", "pk", "test")
    assert [_allowed(limiter, key, 2_000, HERE) for key in (live, test)] == [60, 1_200]
    # From elsewhere there are as many again: who uses a shop's key up hinders no shopper but those behind his address.
    assert _allowed(limiter, live, 70, ELSEWHERE) == 60


def _key(id: str, merchant: str, kind: str = "sk", mode: str = "test") -> ApiKey:
    return ApiKey(id, Owner(merchant, mode), kind, "2025-01-28", "")


def _allowed(limiter: Limiter, key: ApiKey, tries: int, client: str | None = None) -> int:
    allowed = 0
    for _ in range(tries):
        try:
            limiter.count(key, client)
        except TooManyRequests:
            continue
        allowed += 1
    return allowed


def test_a_key_has_its_share_and_its_merchant_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEY_PER_MINUTE", 30)
    clock = TestClock()
    limiter = Limiter(clock)

    # Two keys use up what the merchant has in this mode; the third finds nothing.
    assert [_allowed(limiter, _key(id, "m1"), 40) for id in ("a", "b", "c")] == [30, 30, 0]
    assert _allowed(limiter, _key("d", "m1", mode="live"), 40) == 30
    assert _allowed(limiter, _key("e", "m2"), 40) == 30
    # What anybody may do with a publishable key takes nothing from the shop's server, nor it from them.
    assert _allowed(limiter, _key("f", "m1", "pk"), 40) == 30
    assert [_allowed(limiter, _key("g", "m3", "pk"), 40), _allowed(limiter, _key("h", "m3"), 40)] == [30, 30]
    clock.advance(MINUTE)
    assert _allowed(limiter, _key("a", "m1"), 40) == 30


def test_a_test_installation_is_not_held_up() -> None:
    limiter = Limiter(TestClock())
    assert _allowed(limiter, _key("a", "m1"), 50_000, HERE) == 50_000


# Many places, many processes


def test_100_000_places_free_nobody_and_block_nobody() -> None:
    clock = TestClock()
    limiter = Limiter(clock)
    blocked = [f"198.51.100.{number}" for number in range(100)]
    for place in blocked:
        for _ in range(limits.PLACE_PER_MINUTE):
            limiter.admit(place)
        with pytest.raises(TooManyRequests):
            limiter.admit(place)

    # Each of them once: none of them is refused.
    for number in range(100_000):
        limiter.admit(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::/64")

    for place in blocked:
        with pytest.raises(TooManyRequests):
            limiter.admit(place)


def test_who_counts_many_places_takes_no_more_memory_for_it() -> None:
    counts = Counts(TestClock())
    for number in range(300_000):
        counts.take(CALLERS, counts.tag(f"{number}"), 1_200, MINUTE)
    used = [at for at in range(0, len(counts._numbers), 3) if counts._numbers[at]]
    assert 100_000 < len(used) <= 131_072
    # Keys have room of their own, whatever callers bring.
    assert counts.take(KEYS, counts.tag("a key"), 1, MINUTE) == 0
    for number in range(300_000, 400_000):
        counts.take(CALLERS, counts.tag(f"{number}"), 1_200, MINUTE)
    assert counts.take(KEYS, counts.tag("a key"), 1, MINUTE) > 0


@asynccontextmanager
async def another_process(house: House) -> AsyncIterator[House]:
    """The same installation once more, as another process has it."""
    services = await Services.assemble(house.services.settings, clock=house.clock)
    try:
        yield dataclasses.replace(house, services=services)
    finally:
        await services.close()


@pytest.mark.usefixtures("three")
async def test_processes_count_together(house: House) -> None:
    async with another_process(house) as other:
        first, second = visitor(house, HERE), visitor(other, HERE)
        seen = [await statuses(client, "/nothing") for client in (first, second, second, first, second)]
        assert seen == [[404], [404], [404], [429], [429]]


async def test_a_publishable_key_is_slowed_down_by_all_processes_together(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TEST_PER_MINUTE", 60)
    pk = house.installation.publishable_key.reveal()
    async with another_process(house) as other:
        replies = [
            await at(each, f"2001:db8::{number:x}", pk).post("/tokens", json={"payment_details": card()})
            for number in range(40)
            for each in (house, other)
        ]
    assert [reply.status_code for reply in replies] == [200] * 60 + [429] * 20


async def test_a_pages_press_is_counted_with_the_merchants_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the session: bots open as many as they like."""
    monkeypatch.setattr(limits, "TEST_PER_MINUTE", 3)
    client = visitor(house, HERE)
    for number in range(5):
        session = await house.api.session()
        mark = house.services.vault.mac("pepper", f"page {session}".encode()).hex()[:40]
        given = {"csrf": mark, "nonce": f"n{number}", "locale": "en", "payment_details": card()}
        origin = {"Origin": house.services.settings.base_url}
        reply = await client.post(f"/sessions/{session}/pay?locale=en", json=given, headers=origin)
        assert (reply.status_code == 429) == (number >= 3)
    assert reply.json()["h"] == "Too many attempts"
    assert 0 < int(reply.headers["Retry-After"]) <= 60


# Counting other things


def test_something_of_ours_may_happen_so_often(house_counts: tuple[TestClock, Counts, Counts]) -> None:
    clock, one, other = house_counts
    for counts in (one, other, one):
        counts.count_named("authentication c1", 3, HOUR)
    for counts in (one, other):
        with pytest.raises(TooManyRequests) as refused:
            counts.count_named("authentication c1", 3, HOUR)
        assert 3_590 <= (refused.value.retry_after or 0) <= 3_600
        counts.count_named("authentication c2", 3, HOUR)
    clock.advance(HOUR // 2)
    with pytest.raises(TooManyRequests):
        one.count_named("authentication c1", 3, HOUR)
    clock.advance(HOUR // 2)
    for counts in (one, other, one):
        counts.count_named("authentication c1", 3, HOUR)


def test_a_clock_that_is_set_back_keeps_nobody_out(house_counts: tuple[TestClock, Counts, Counts]) -> None:
    clock, one, _ = house_counts
    one.count_named("a", 1, MINUTE)
    clock.advance(-HOUR)
    one.count_named("a", 1, MINUTE)


@pytest.fixture
def house_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TestClock, Counts, Counts]:
    """The counts of two processes, where there is no memory file system."""
    monkeypatch.setattr(opening, "memory_of", lambda _: None)
    clock = TestClock()
    one, other = (counts_of(tmp_path, clock, b"k" * 32) for _ in range(2))
    return clock, one, other


def test_names_are_kept_as_hashes_under_a_key(house_counts: tuple[TestClock, Counts, Counts], tmp_path: Path) -> None:
    _, one, _ = house_counts
    one.count_named(f"somebody at {HERE}", 3, HOUR)
    file = tmp_path / COUNTS_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert HERE.encode() not in file.read_bytes()
    assert one.tag(HERE) != Counts(TestClock(), b"another key").tag(HERE)


def test_where_memory_is_short_a_process_counts_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(opening, "memory_of", lambda _: None)
    monkeypatch.setattr(os, "posix_fallocate", full)
    counts = counts_of(tmp_path, TestClock(), b"k")
    counts.count_named("a", 1, MINUTE)
    with pytest.raises(TooManyRequests):
        counts.count_named("a", 1, MINUTE)


# Settings


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_an_operator_may_choose_other_figures(settings: Settings) -> None:
    chosen = dataclasses.replace(settings, rate_address=2, rate_key=4)
    async with running(chosen) as house:
        assert await statuses(visitor(house, HERE), *["/nothing"] * 3) == [404, 404, 429]
        assert [(await house.api.get("/payments")).status_code for _ in range(5)] == [200] * 4 + [429]


def test_rates_are_read_from_the_environment() -> None:
    found = read({"AZUKARI_RATE_ADDRESS": "5000", "AZUKARI_RATE_PUBLISHABLE": "120", "AZUKARI_RATE_KEY": "1000000"})
    assert (found.rate_address, found.rate_publishable, found.rate_key) == (5_000, 120, 1_000_000)
    assert read({}).rate_address is None
    for wrong in ("0", "-1", "1000001", "many"):
        with pytest.raises(SettingError, match="AZUKARI_RATE_KEY"):
            read({"AZUKARI_RATE_KEY": wrong})


# Between machines


@dataclass
class Machines:
    """Two that count apart, and tell each other through one database."""

    house: House

    def __post_init__(self) -> None:
        self.counts = [Counts(self.house.clock, b"the installation's") for _ in range(2)]
        self.limiters = [Limiter(self.house.clock, counts) for counts in self.counts]

    async def talk(self) -> list[bool]:
        return [await telling.tell(counts, self.house.services.db, self.house.clock.now()) for counts in self.counts]

    async def admitted(self, tries: int, place: str = HERE) -> int:
        """Of so many calls to each, in between which they talk."""
        admitted = 0
        for number in range(tries):
            for limiter in self.limiters:
                with suppress(TooManyRequests):
                    limiter.admit(place)
                    admitted += 1
            if number % 10 == 9:
                await self.talk()
        return admitted


@pytest.fixture
def machines(house: House) -> Machines:
    return Machines(house)


async def test_machines_count_together_through_their_database(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 100)
    # Each by itself would let 100 through; they hear of each other after each ten calls.
    assert 100 <= await machines.admitted(100) <= 120
    assert await machines.admitted(10) == 0
    assert await machines.admitted(10, ELSEWHERE) == 20

    machines.house.clock.advance(MINUTE)
    assert 100 <= await machines.admitted(100) <= 120


async def test_while_nobody_comes_near_a_limit_machines_say_nothing(machines: Machines) -> None:
    for number in range(2_000):
        machines.limiters[0].admit(f"203.0.{number % 250}.1")
        machines.limiters[0].count(_key("a", "m1"), None)
    assert await machines.talk() == [False, False]


async def test_what_was_told_is_not_told_again(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 100)
    for _ in range(60):
        machines.limiters[0].admit(HERE)
    assert [await machines.talk(), await machines.talk()] == [[True, False], [False, False]]
    for _ in range(60):
        with suppress(TooManyRequests):
            machines.limiters[1].admit(HERE)
    assert [await machines.talk(), await machines.talk()] == [[False, True], [False, False]]
    with pytest.raises(TooManyRequests):
        machines.limiters[1].admit(HERE)


async def test_what_cannot_be_told_is_told_later(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 100)

    async def away(*_: object) -> None:
        raise DatabaseDown

    for _ in range(60):
        machines.limiters[0].admit(HERE)
    with monkeypatch.context() as patch:
        patch.setattr(machines.house.services.db, "write", away)
        with pytest.raises(DatabaseDown):
            await machines.talk()
    assert await machines.talk() == [True, False]
    for _ in range(45):
        machines.limiters[1].admit(HERE)
    await machines.talk()
    with pytest.raises(TooManyRequests):
        machines.limiters[1].admit(HERE)


async def test_what_may_happen_three_times_an_hour_does_so_on_all_machines_together(machines: Machines) -> None:
    one, other = machines.counts
    for counts in (one, one, other):
        counts.count_named("authentication c1", 3, HOUR)
        await machines.talk()
    for counts in (one, other):
        counts.count_named("authentication c2", 3, HOUR)
        with suppress(TooManyRequests):
            counts.count_named("authentication c1", 3, HOUR)
        await machines.talk()
        with pytest.raises(TooManyRequests):
            counts.count_named("authentication c1", 3, HOUR)


async def test_what_is_over_is_deleted(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLACE_PER_MINUTE", 100)
    await machines.admitted(50)
    db, clock = machines.house.services.db, machines.house.clock
    assert await db.write(telling.forget, clock.now()) == 0
    clock.advance(MINUTE)
    assert [await db.write(telling.forget, clock.now()) for _ in range(2)] == [1, 0]
