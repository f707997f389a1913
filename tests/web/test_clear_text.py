"""What comes in the clear past the proxy that ends TLS is refused; where cards may travel so, live keys are not."""

import base64
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from uvicorn.protocols.http import httptools_impl

from azukari.app import App, asgi
from azukari.core import log
from azukari.core.clock import MINUTE
from azukari.core.config import Settings
from azukari.merchants import clear_text, store
from azukari.merchants.service import ServedInTheClear
from azukari.setup import FIRST_PAIR
from azukari.web.server import Limits
from azukari.wiring import KEK_NAME, Services
from tests.faults.sites import Rows
from tests.house import Api, card
from tests.web.raw import request, running, status_of, talk

PROXY = "10.9.9.9"
OUTSIDE = ("203.0.113.9", "10.9.9.8", "2001:db8::7", "::ffff:203.0.113.9", "fe80::1%eth0", "169.254.0.7")
OURS = (PROXY, f"::ffff:{PROXY}", "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1")


@pytest.fixture
def come_from(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Connections come from this address from now on."""

    def come(address: str) -> None:
        monkeypatch.setattr(httptools_impl, "get_remote_addr", lambda transport: (address, 40_000))

    return come


@pytest.fixture
def behind_a_proxy(settings: Settings) -> Iterator[int]:
    """The port of a server that listens off loopback, behind a proxy."""
    outside = replace(settings, host="0.0.0.0", trusted_proxies=(ip_network(PROXY),), worker_inside=False)
    with running(App(outside), Limits(linger_seconds=0)) as port:
        yield port


def order_of(settings: Settings, *headers: bytes) -> bytes:
    key = json.loads((settings.data / FIRST_PAIR).read_text())["secret_key"]
    basic = b"Authorization: Basic " + base64.b64encode(f"{key}:".encode())
    body = json.dumps({"amount": 1000, "currency": "JPY", "payment_details": card()}).encode()
    return request(basic, b"Content-Type: application/json", *headers, target=b"/api/v1/payments", body=body)


async def payments(settings: Settings) -> int:
    rows = Rows(settings)
    (count,) = await rows.column("SELECT count(*) FROM payments")
    await rows.close()
    return int(count)


@pytest.mark.parametrize("address", OUTSIDE)
async def test_a_payment_that_comes_past_the_proxy_is_refused(
    address: str, settings: Settings, behind_a_proxy: int, come_from: Callable[[str], None]
) -> None:
    come_from(address)

    said = talk(behind_a_proxy, order_of(settings, b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: https"))

    head, _, body = said.partition(b"\r\n\r\n")
    assert status_of(said) == 421
    assert b"connection: close" in head.lower()
    assert json.loads(body)["error"]["code"] == "bad_request"
    assert "HTTPS" in json.loads(body)["error"]["message"]
    assert await payments(settings) == 0


@pytest.mark.parametrize("address", OURS)
async def test_one_that_comes_from_the_proxy_or_this_machine_is_not(
    address: str, settings: Settings, behind_a_proxy: int, come_from: Callable[[str], None]
) -> None:
    come_from(address)

    assert status_of(talk(behind_a_proxy, order_of(settings))) == 200
    assert await payments(settings) == 1


def get(target: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    return (
        b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: a", *headers, b"Connection: close"]) + b"\r\n\r\n"
    )


@pytest.mark.parametrize("target", [b"/health", b"/ready", b"/health?a=1"])
def test_a_balancer_may_look_from_anywhere(
    target: bytes, behind_a_proxy: int, come_from: Callable[[str], None]
) -> None:
    come_from(OUTSIDE[0])
    for method in (b"GET", b"HEAD"):
        assert status_of(talk(behind_a_proxy, get(target, method=method))) == 200


WAYS_IN = {
    "a page": get(b"/"),
    "a file": get(b"/fields.js"),
    "an unknown path": get(b"/nowhere"),
    "a slash behind": get(b"/health/"),
    "a slash before": get(b"//health"),
    "a path that leads elsewhere": get(b"/health/../api/v1/payments"),
    "a path with an escape": get(b"/%68ealth"),
    "an address in full": get(b"http://127.0.0.1/health"),
    "a preflight": get(b"/api/v1/tokens", b"Origin: https://shop.example", method=b"OPTIONS"),
    "another protocol": get(b"/api/v1/payments", b"Upgrade: h2c"),
    "a body in pieces": request(b"Transfer-Encoding: chunked", target=b"/api/v1/tokens") + b"1\r\na\r\n0\r\n\r\n",
    "an announced body": request(b"Content-Length: 4000", b"Expect: 100-continue", target=b"/api/v1/tokens"),
    "the old protocol": b"GET / HTTP/1.0\r\n\r\n",
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_nothing_else_is_answered_to_others(way: str, behind_a_proxy: int, come_from: Callable[[str], None]) -> None:
    come_from(OUTSIDE[0])
    assert status_of(talk(behind_a_proxy, WAYS_IN[way])) == 421


async def test_nothing_gets_in_behind_a_look(
    settings: Settings, behind_a_proxy: int, come_from: Callable[[str], None]
) -> None:
    """Two requests on one connection: the first is answered, and the end of it comes."""
    come_from(OUTSIDE[0])

    said = talk(behind_a_proxy, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" + order_of(settings))

    assert status_of(said) == 200
    assert b"HTTP/1.1 200" not in said[10:]
    assert await payments(settings) == 0


async def test_where_the_operator_says_so_all_are_served(settings: Settings, come_from: Callable[[str], None]) -> None:
    come_from(OUTSIDE[0])
    outside = replace(settings, host="0.0.0.0", insecure_http=True, worker_inside=False)
    with running(App(outside), Limits()) as port:
        assert status_of(talk(port, order_of(settings))) == 200


# Live keys


@pytest.fixture
async def installation(settings: Settings, tmp_path: Path) -> AsyncIterator[Services]:
    """One that may have live keys."""
    kek = (settings.data / KEK_NAME).rename(tmp_path / KEK_NAME)
    services = await Services.assemble(replace(settings, kek_file=kek))
    yield services
    await services.close()


INSECURE = {"http": {"insecure_http": True}, "database": {"insecure_database": True}}


def in_the_clear(services: Services, **more: bool) -> Settings:
    return replace(services.settings, worker_inside=False, **(more or {"insecure_http": True}))


@contextmanager
def serving(settings: Settings) -> Iterator[None]:
    """A server in a thread, as soon as it answers."""
    with running(App(settings), Limits()) as port:
        assert status_of(talk(port, get(b"/health"))) == 200
        yield


async def live_key(services: Services) -> str:
    merchant = (await services.db.read(store.list_merchants))[0].id
    return (await services.api_keys.make_pair(merchant, "live")).secret.reveal()


async def leases(settings: Settings) -> list[Any]:
    rows = Rows(settings)
    found = await rows.column("SELECT until FROM clear_text_leases")
    await rows.close()
    return found


async def change(settings: Settings, sql: str) -> None:
    rows = Rows(settings)
    await rows.change(sql)
    await rows.close()


async def test_no_live_key_is_made_while_a_server_is_in_the_clear(installation: Services) -> None:
    with serving(in_the_clear(installation)), pytest.raises(ServedInTheClear):
        await live_key(installation)
    assert await leases(installation.settings) == []
    assert (await live_key(installation)).startswith("sk_live_")


async def test_no_live_key_is_rolled_either(installation: Services) -> None:
    await live_key(installation)
    (id,) = [each.id for each in await installation.db.read(_live_rows) if each.kind == "sk"]
    await change(installation.settings, "INSERT INTO clear_text_leases (id, until) VALUES ('a', 9999999999999)")

    with pytest.raises(ServedInTheClear):
        await installation.api_keys.roll(id)


async def _live_rows(tx: Any) -> list[store.KeyRow]:
    merchants = await store.list_merchants(tx)
    return [row for each in merchants for row in await store.list_keys(tx, each.id) if row.mode == "live"]


async def test_a_server_that_was_killed_stops_nobody_for_longer_than_a_minute(installation: Services) -> None:
    now = installation.clock.now()
    with serving(in_the_clear(installation)):
        (until,) = await leases(installation.settings)
        assert now < until <= installation.clock.now() + MINUTE
    await change(installation.settings, f"INSERT INTO clear_text_leases (id, until) VALUES ('killed', {now})")

    assert (await live_key(installation)).startswith("sk_live_")


async def test_a_server_says_again_that_it_is_there(installation: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clear_text, "RENEWED", 0)
    async with clear_text.leased(installation.db, installation.clock, "a"):
        await change(installation.settings, "UPDATE clear_text_leases SET until = 1")
        while await leases(installation.settings) == [1]:
            await installation.db.read(store.any_live)


@pytest.mark.parametrize("setting", INSECURE.values(), ids=INSECURE.keys())
async def test_a_server_in_the_clear_lets_no_live_key_in(
    setting: dict[str, bool], installation: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it came to be there: another machine may have made it."""
    written = io.StringIO()
    monkeypatch.setattr(log._sink, "stream", written)
    monkeypatch.setattr(log._sink, "human", False)
    settings = in_the_clear(installation, **setting)
    key = await live_key(installation)
    services = await Services.assemble(settings)
    transport = httpx.ASGITransport(asgi(services), raise_app_exceptions=False)
    is_insecure = settings.insecure is not None
    async with Api(transport, key) as api:
        reply = await api.get("/payments")
    await services.close()

    assert is_insecure == (setting != INSECURE["database"] or settings.on_postgres)
    assert reply.status_code == (401 if is_insecure else 200)
    assert ('"event":"clear_text.live_key"' in written.getvalue()) == is_insecure


async def test_nor_does_it_show_live_pages(installation: Services) -> None:
    """Those of a time when there were live keys."""
    secret = json.loads((installation.settings.data / FIRST_PAIR).read_text())["secret_key"]
    async with Api(httpx.ASGITransport(asgi(installation)), secret) as api:
        session = await api.session()
    for table in ("sessions", "public_ids"):
        await change(installation.settings, f"UPDATE {table} SET mode = 'live'")
    insecure = await Services.assemble(in_the_clear(installation))
    found = []
    for services in (installation, insecure):
        transport = httpx.ASGITransport(asgi(services), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://azukari.test") as shopper:
            found.append([(await shopper.get(f"/sessions/{session}{path}")).status_code for path in ("", "/state")])
    await insecure.close()

    assert found == [[200, 200], [404, 404]]


async def test_a_server_in_the_clear_does_not_start_beside_live_keys(installation: Services) -> None:
    """Also one that finds them as late as that."""
    await live_key(installation)
    services = await Services.assemble(in_the_clear(installation))
    with pytest.raises(clear_text.LiveKeysThere):
        async with services.at_work():
            pass
    await services.close()
    assert await leases(installation.settings) == []
