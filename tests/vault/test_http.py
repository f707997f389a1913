"""Orders over real sockets: certificates, redirects, and which failures prove that nothing was sent."""

import asyncio
import datetime
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from azukari.vault import Blank, Outbound, Reply, ReplyUnknown, RequestNotSent
from azukari.vault.inside import http

from .conftest import VISA, Room, card

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that answers each connection with one call; its ``host:port``."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def answering(answer: bytes, got: list[bytes] | None = None) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in request.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        request += await reader.readexactly(int(length.split(b":")[1]))
        if got is not None:
            got.append(request)
        writer.write(answer)
        await writer.drain()

    return handler


def http_answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


async def send(room: Room, host: str, scheme: str = "http", timeout_seconds: float = 5.0) -> Reply:
    if host.lower() not in room.vault.hosts:
        room.vault.allow(host)
    order = Outbound(
        "POST",
        f"{scheme}://{host}/charges",
        headers={"Idempotency-Key": "r1"},
        json={"number": Blank.NUMBER},
        timeout_seconds=timeout_seconds,
    )
    return await room.vault.send(await room.lend(card()), None, order)


async def test_an_order_goes_out_filled_and_its_answer_comes_back(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    got: list[bytes] = []
    async with serving(answering(http_answer(b'{"id":"1"}', headers="X-Id: 7\r\n"), got)) as host:
        reply = await send(room, host)

    assert (reply.status, reply.json(), reply.headers["x-id"]) == (200, {"id": "1"}, "7")
    assert got[0].startswith(b"POST /charges HTTP/1.1\r\n")
    assert b"idempotency-key: r1\r\n" in got[0].lower()
    assert got[0].endswith(b'\r\n\r\n{"number":"%s"}' % VISA.encode())


async def test_a_redirect_is_an_answer_and_is_not_followed(room: Room) -> None:
    got: list[bytes] = []
    async with serving(answering(http_answer(b"{}"), got)) as target:
        moved = http_answer(b"", "307 Temporary Redirect", f"Location: http://{target}/?n={VISA}\r\n")
        async with serving(answering(moved)) as host:
            reply = await send(room, host)

    assert (reply.status, reply.headers["location"]) == (307, f"http://{target}/?n=41111111****1111")
    assert got == []


async def test_no_connection_is_provably_not_sent(room: Room) -> None:
    async with serving(answering(b"")) as host:
        pass

    with pytest.raises(RequestNotSent, match="ConnectError"):
        await send(room, host)


async def test_a_name_nobody_knows_is_provably_not_sent(room: Room) -> None:
    with pytest.raises(RequestNotSent):
        await send(room, "bank.invalid", "https")


async def _close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize(
    "handler",
    [
        _close,
        _reset,
        _hang,
        answering(b"garbage\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde"),
        answering(http_answer(b" " * (http.MAX_REPLY + 1))),
    ],
    ids=["closed", "reset", "hanging", "garbage", "cut off", "bad gzip", "endless"],
)
async def test_everything_after_the_connection_is_unknown(room: Room, handler: Handler) -> None:
    async with serving(handler) as host:
        with pytest.raises(ReplyUnknown) as raised:
            # Only the one that hangs waits for the end of it, which is long enough for a busy machine to connect.
            await send(room, host, timeout_seconds=3)

    assert VISA not in repr(raised.value)
    assert raised.value.__context__ is None


async def test_a_compressed_echo_is_scrubbed_too(room: Room) -> None:
    import gzip

    body = gzip.compress(f'{{"number":"{VISA}"}}'.encode())
    async with serving(answering(http_answer(body, headers="Content-Encoding: gzip\r\n"))) as host:
        reply = await send(room, host)

    assert reply.json() == {"number": "41111111****1111"}


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """A certificate of nobody we trust, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(
    room: Room, self_signed: ssl.SSLContext
) -> None:
    got: list[bytes] = []
    async with serving(answering(http_answer(b"{}"), got), self_signed) as host:
        with pytest.raises(RequestNotSent, match="ConnectError"):
            await send(room, host, "https")

    assert got == []


async def test_plain_http_off_this_machine_is_refused(room: Room) -> None:
    for host in ("192.0.2.1", "127.0.0.1.example", "localhost.example"):
        with pytest.raises(RequestNotSent, match="https"):
            await send(room, host)


async def test_the_libraries_do_not_log_what_they_carry(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = http_answer(b"{}", headers=f"X-Echo: {VISA}\r\n")
    async with serving(answering(echo)) as host:
        await send(room, host)

    assert VISA not in caplog.text
