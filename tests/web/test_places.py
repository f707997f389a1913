"""Who is one caller: addresses, households, and what proxies of ours say."""

import dataclasses
from ipaddress import ip_network

import pytest

from azukari.core.config import Settings
from azukari.web import limits
from azukari.web.auth import UNNAMED, caller_of, client_address
from tests.house import House, card, running
from tests.web.callers import ELSEWHERE, HERE, at, statuses, visitor


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


@pytest.mark.usefixtures("three_a_minute")
async def test_an_address_in_the_form_of_ipv6_is_the_same_place(house: House) -> None:
    seen = [
        status
        for address in (HERE, f"::ffff:{HERE}", f"::ffff:{HERE}", HERE)
        for status in await statuses(visitor(house, address), "/nothing")
    ]
    assert seen == [404, 404, 404, 429]


@pytest.mark.usefixtures("three_a_minute")
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


@pytest.mark.usefixtures("three_a_minute")
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
