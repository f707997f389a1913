"""No call that acts does more than it was asked to because its body was lost, mislabelled or misplaced on the way.

A refund of 300 whose body is not read is a refund of everything. So each such call is served in full or refused with no
effect, over a real connection, on both databases.
"""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import uvicorn

from azukari.app import asgi
from azukari.web import server
from tests.house import Api, House

FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"
#: In pieces, each of which arrives by itself.
Pieces = list[bytes]


class Watched(server.Protocol):
    """Our protocol, which says when it has read something."""

    has_read = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.has_read.set()


@asynccontextmanager
async def listening(house: House) -> AsyncIterator[int]:
    """The port at which our own protocol serves the installation."""
    Watched.has_read = asyncio.Event()
    config = server.config(asgi(house.services), port=0)
    config.lifespan, config.http = "off", Watched
    running = uvicorn.Server(config)
    task = asyncio.ensure_future(running.serve())
    while not running.started:
        await asyncio.sleep(0)
    try:
        yield running.servers[0].sockets[0].getsockname()[1]
    finally:
        running.should_exit = True
        await task


async def send(port: int, pieces: Pieces) -> tuple[int, Any]:
    """Status and body of the answer to a request, each of whose pieces is read before the next one comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await asyncio.wait_for(_talk(reader, writer, pieces), 60)
    finally:
        writer.close()


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: Pieces) -> tuple[int, Any]:
    for piece in pieces:
        Watched.has_read.clear()
        writer.write(piece)
        await Watched.has_read.wait()
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    body = await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split(b" ", 2)[1]), json.loads(body)


@dataclass
class Act:
    """A call that acts.

    params: without them it does something else, or more. is_as_asked: whether it did what they say, from its answer.
    books: what the same before and after shows that nothing was done.
    """

    method: str
    path: str
    params: dict[str, str]
    is_as_asked: Callable[[Any], bool]
    books: Callable[[], Awaitable[Any]]


async def refund(api: Api, customer: str) -> Act:
    payment = (await api.charge(customer)).json()["id"]
    return Act(
        "POST",
        f"/payments/{payment}/refund",
        {"amount": "300"},
        lambda made: bool(made["amount_refunded"] == 300),
        lambda: shown(api, f"/payments/{payment}"),
    )


async def capture(api: Api, customer: str) -> Act:
    payment = await _held(api, customer)
    return Act(
        "POST",
        f"/payments/{payment}/capture",
        {"amount": "300"},
        lambda made: bool(made["status"] == "captured" and made["refunds"][0]["amount"] == 700),
        lambda: shown(api, f"/payments/{payment}"),
    )


async def _held(api: Api, customer: str) -> str:
    order = {"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    return str((await api.post("/payments", json=order)).json()["id"])


async def hold(api: Api, customer: str) -> Act:
    order = {"amount": "1000", "currency": "JPY", "customer": customer, "capture": "false"}
    return Act(
        "POST", "/payments", order, lambda made: bool(made["status"] == "authorized"), lambda: total(api, "payments")
    )


async def update_payment(api: Api, customer: str) -> Act:
    payment = (await api.charge(customer)).json()["id"]
    return Act(
        "PATCH",
        f"/payments/{payment}",
        {"description": "said"},
        lambda made: bool(made["description"] == "said"),
        lambda: shown(api, f"/payments/{payment}"),
    )


async def create_customer(api: Api, _: str) -> Act:
    return Act(
        "POST",
        "/customers",
        {"email": "taro@shop.example"},
        lambda made: bool(made["email"] == "taro@shop.example"),
        lambda: total(api, "customers"),
    )


async def update_customer(api: Api, customer: str) -> Act:
    return Act(
        "PATCH",
        f"/customers/{customer}",
        {"email": "taro@shop.example"},
        lambda made: bool(made["email"] == "taro@shop.example"),
        lambda: shown(api, f"/customers/{customer}"),
    )


async def create_session(api: Api, _: str) -> Act:
    order = {"amount": "1000", "currency": "JPY", "default_locale": "en"}
    return Act(
        "POST",
        "/sessions",
        order,
        lambda made: bool((made["amount"], made["default_locale"]) == (1000, "en")),
        lambda: nothing(),
    )


async def create_endpoint(api: Api, _: str) -> Act:
    order = {"url": "https://1.1.1.1/hook", "active": "false"}
    return Act(
        "POST",
        "/webhook_endpoints",
        order,
        lambda made: made["active"] is False,
        lambda: total(api, "webhook_endpoints"),
    )


async def set_clock(api: Api, _: str) -> Act:
    return Act(
        "POST",
        "/test/clock",
        {"freeze": "true"},
        lambda made: made["frozen"] is True,
        lambda: nothing(),
    )


async def shown(api: Api, path: str) -> Any:
    return (await api.get(path)).json()


async def total(api: Api, name: str) -> Any:
    return (await api.get(f"/{name}")).json()["total"]


async def nothing() -> Any:
    return None


ACTS = (
    refund,
    capture,
    hold,
    update_payment,
    create_customer,
    update_customer,
    create_session,
    create_endpoint,
    set_clock,
)

SERVED, REFUSED = True, False
UPGRADE = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA"]
WEBSOCKET = [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
             b"Sec-WebSocket-Version: 13"]  # fmt: skip


class Ways:
    """Every way a body may come, or get lost: the pieces of a request, and whether it is served."""

    def __init__(self, act: Act, key: str) -> None:
        self._act = act
        self._authorization = b"Basic " + base64.b64encode(key.encode())
        self.form = urlencode(act.params).encode()
        self.json = json.dumps(act.params).encode()

    def head(self, *headers: bytes, query: str = "", version: bytes = b"1.1") -> bytes:
        line = f"{self._act.method} /api/v1{self._act.path}{query} HTTP/".encode() + version
        # The older version of the API shows how much of a payment was not captured.
        always = [b"Host: a", b"Authorization: " + self._authorization, b"X-KOMOJU-API-VERSION: 2024-07-15"]
        return b"\r\n".join([line, *always, *headers]) + b"\r\n\r\n"

    def whole(self, media_type: bytes | None, body: bytes, *headers: bytes, **more: Any) -> bytes:
        typed = [] if media_type is None else [b"Content-Type: " + media_type]
        return self.head(*typed, b"Content-Length: %d" % len(body), *headers, **more) + body

    def chunked(self, media_type: bytes, body: bytes, *headers: bytes, trailer: bytes = b"") -> bytes:
        head = self.head(b"Content-Type: " + media_type, b"Transfer-Encoding: chunked", *headers)
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return head + chunk + b"0\r\n" + trailer + b"\r\n"

    def in_two(self, whole: bytes) -> Pieces:
        head, _, body = whole.partition(b"\r\n\r\n")
        return [head + b"\r\n\r\n", body]

    def each(self) -> Iterator[tuple[str, Pieces, bool]]:
        yield from self.served()
        for name, pieces in self.refused():
            yield name, pieces, REFUSED

    def served(self) -> Iterator[tuple[str, Pieces, bool]]:
        for name, pieces in {
            "a form": [self.whole(FORM, self.form)],
            "JSON": [self.whole(JSON, self.json)],
            "JSON in two packets": self.in_two(self.whole(JSON, self.json)),
            "JSON in chunks": [self.chunked(JSON, self.json)],
            "an offer of HTTP/2": [self.whole(FORM, self.form, *UPGRADE)],
            "an offer of HTTP/2 with JSON": [self.whole(JSON, self.json, *UPGRADE)],
            "an offer of HTTP/2 in two packets": self.in_two(self.whole(FORM, self.form, *UPGRADE)),
            "an offer of HTTP/2 with chunks": [self.chunked(FORM, self.form, *UPGRADE)],
            "an offer of HTTP/2 with chunks in two packets": self.in_two(self.chunked(JSON, self.json, *UPGRADE)),
            "an offer that comes before the rest": [
                self.whole(FORM, self.form, *UPGRADE)[:40],
                self.whole(FORM, self.form, *UPGRADE)[40:],
            ],
            "an offer of WebSocket": [self.whole(JSON, self.json, *WEBSOCKET)],
            "an offer of anything": [self.whole(JSON, self.json, b"connection: upgrade", b"upgrade: x/1")],
            "an offer by HTTP/1.0": [self.whole(JSON, self.json, *UPGRADE, version=b"1.0")],
            "HTTP/1.0": [self.whole(FORM, self.form, version=b"1.0")],
            "white space around values": [self.whole(b" \t" + FORM + b" \t", self.form)],
            "capitals and a charset": [self.whole(b"Application/JSON; Charset=UTF-8", self.json)],
            "an encoding that is none": [self.whole(JSON, self.json, b"Content-Encoding: identity")],
        }.items():
            yield name, pieces, SERVED

    def refused(self) -> Iterator[tuple[str, Pieces]]:
        quoted = quote(self.json).encode()
        packed = gzip.compress(self.json)
        multipart = (
            b"".join(
                b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), str(value).encode())
                for name, value in self._act.params.items()
            )
            + b"--x--\r\n"
        )
        yield from {
            "JSON as a form": [self.whole(FORM, self.json)],
            "indented JSON as a form": [self.whole(FORM, b"\r\n  " + self.json)],
            "JSON with = as a form": [self.whole(FORM, self.json[:-1] + b', "x": "a=b&c=d"}')],
            "escaped JSON as a form": [self.whole(FORM, quoted)],
            "JSON as a form's name": [self.whole(FORM, quoted + b"=")],
            "JSON as a form's value": [self.whole(FORM, b"=" + quoted)],
            "JSON in a list as a form": [self.whole(FORM, b"[" + self.json + b"]")],
            "JSON as a form behind an offer": [self.whole(FORM, self.json, *UPGRADE)],
            "a form as JSON": [self.whole(JSON, self.form)],
            "a form as JSON's text": [self.whole(JSON, json.dumps(self.form.decode()).encode())],
            "JSON in a list": [self.whole(JSON, b"[" + self.json + b"]")],
            "JSON twice": [self.whole(JSON, self.json + self.json)],
            "a form behind a byte order mark": [self.whole(FORM, b"\xef\xbb\xbf" + self.form)],
            "JSON as a form behind a byte order mark": [self.whole(FORM, b"\xef\xbb\xbf" + self.json)],
            "JSON behind a byte order mark": [self.whole(JSON, b"\xef\xbb\xbf" + self.json)],
            "an escaped byte order mark": [self.whole(FORM, b"%EF%BB%BF" + self.form)],
            "UTF-16": [self.whole(JSON, self.json.decode().encode("utf-16"))],
            "UTF-16 as it says": [self.whole(JSON + b"; charset=utf-16", self.json.decode().encode("utf-16"))],
            "a form of another charset": [self.whole(FORM + b"; charset=shift_jis", self.form)],
            "a body that is zipped": [self.whole(JSON, packed, b"Content-Encoding: gzip")],
            "a body said to be zipped": [self.whole(JSON, self.json, b"Content-Encoding: gzip")],
            "a form said to be encoded": [self.whole(FORM, self.form, b"Content-Encoding: br")],
            "a body that is zipped and does not say so": [self.whole(JSON, packed)],
            "a form that is zipped and does not say so": [self.whole(FORM, packed)],
            "a transfer that is zipped": [self.whole(JSON, packed, b"Transfer-Encoding: gzip")],
            "parts": [self.whole(b"multipart/form-data; boundary=x", multipart)],
            "parts as a form": [self.whole(FORM, multipart)],
            "plain text": [self.whole(b"text/plain", self.form)],
            "XML": [self.whole(b"application/xml", b'<a b="c">300</a>')],
            "XML as a form": [self.whole(FORM, b'<a b="c">300</a>')],
            "no content type": [self.whole(None, self.form)],
            "an empty content type": [self.whole(b"", self.form)],
            "parameters in the address": [self.head(b"Content-Length: 0", query="?" + self.form.decode())],
            "parameters in the address and no length": [self.head(query="?" + self.form.decode())],
            "parameters in the address beside a body": [self.whole(JSON, b"{}", query="?" + self.form.decode())],
            "parameters in a trailer": [self.chunked(FORM, b"", trailer=b"amount: 300\r\n")],
            "a trailer behind a body": [self.chunked(FORM, self.form, trailer=b"amount: 300\r\n")],
            "no length": [self.head(b"Content-Type: " + FORM) + self.form],
            "no length, JSON": [self.head(b"Content-Type: " + JSON) + self.json],
            "no length by HTTP/1.0": [self.head(b"Content-Type: " + FORM, version=b"1.0") + self.form],
            "a length of nothing": [self.head(b"Content-Type: " + JSON, b"Content-Length: 0") + self.json],
            "no length behind an offer": [self.head(b"Content-Type: " + JSON, *UPGRADE) + self.json],
            "two lengths": [self.whole(FORM, self.form, b"Content-Length: 0")],
            "a length and chunks": [self.chunked(FORM, self.form, b"Content-Length: 0")],
            "semicolons": [self.whole(FORM, b"x=1;" + self.form.replace(b"&", b";"))],
            "lines": [self.whole(FORM, b"x=1\r\n" + self.form.replace(b"&", b"\r\n"))],
            "entities": [self.whole(FORM, b"x=1&amp;" + self.form.replace(b"&", b"&amp;"))],
            "colons": [self.whole(FORM, self.form.replace(b"=", b":"))],
            "a value alone": [self.whole(FORM, b"300")],
            "a name alone": [self.whole(FORM, b"amount")],
            "white space": [self.whole(FORM, b" \r\n")],
            "a path with one slash more": [self.whole(JSON, self.json).replace(b" HTTP/1.1", b"/ HTTP/1.1", 1)],
        }.items()


@pytest.mark.parametrize("make", ACTS)
async def test_a_call_is_served_in_full_or_refused_with_no_effect(house: House, make: Any) -> None:
    customer = await house.api.customer()
    act = await make(house.api, customer)
    found = {}
    async with listening(house) as port:
        for name in [name for name, _, _ in Ways(act, house.api.key).each()]:
            pieces, served = next(
                (pieces, served) for each, pieces, served in Ways(act, house.api.key).each() if each == name
            )
            before = await act.books()
            status, made = await send(port, pieces)
            if served:
                is_right = status == 200 and act.is_as_asked(made)
            else:
                is_right = 400 <= status < 500 and await act.books() == before
            if not is_right:
                found[name] = status, made
            if status == 200:
                act = await make(house.api, customer)
    assert found == {}
