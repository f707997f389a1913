"""Rate limits of all routes: what is counted, what is said, in all processes of a machine together."""

import dataclasses
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from azukari.core.clock import HOUR, MINUTE, SECOND
from azukari.core.config import SettingError, Settings, read
from azukari.core.errors import TooManyRequests
from azukari.db import open as opening
from azukari.db.counts import CALLERS, KEYS, Counts
from azukari.db.open import COUNTS_FILE, counts_of
from azukari.web import limits
from azukari.web.limits import Limiter
from azukari.wiring import Services
from tests.house import House, TestClock, card, running
from tests.web.callers import ELSEWHERE, FREE, HERE, IN_API, NOTHING, OTHERS, PAGES, SCRIPTS, at, statuses, visitor


@pytest.mark.usefixtures("three_a_minute")
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


@pytest.mark.usefixtures("three_a_minute")
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_what_never_changes_and_what_machines_ask_is_not_counted(house: House) -> None:
    client = visitor(house, HERE)
    assert set(await statuses(client, *FREE * 3)) == {200}
    preflights = [(await client.options("/api/v1/tokens")).status_code for _ in range(5)]
    assert preflights == [204] * 5
    assert await statuses(client, *["/nothing"] * 4) == [404, 404, 404, 429]


@pytest.mark.usefixtures("three_a_minute")
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


@pytest.mark.usefixtures("three_a_minute")
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


@pytest.mark.usefixtures("three_a_minute")
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_pages_script_is_told_what_it_can_show(house: House) -> None:
    client = visitor(house, HERE)
    await statuses(client, *["/nothing"] * 3)
    for path in (f"/sessions/{NOTHING}/pay?locale=en", "/fields/pay?locale=en"):
        reply = await client.post(path, json={})
        assert reply.status_code == 429
        assert (reply.json()["at"], reply.json()["h"]) == ("alert", "Too many attempts")
        assert 0 < int(reply.headers["Retry-After"]) <= 60


@pytest.mark.usefixtures("three_a_minute")
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_nothing_is_done_for_a_call_too_many(house: House) -> None:
    client = visitor(house, HERE)
    await statuses(client, *["/nothing"] * 3)
    # A body that would be refused is not even read.
    assert (await client.post("/csp-report", content=b" " * 300_000)).status_code == 429
    assert await statuses(client, "/?card=4111111111111111") == [429]


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


@pytest.mark.usefixtures("three_a_minute")
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
