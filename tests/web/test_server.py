"""Raw sockets against a real uvicorn that runs our protocol."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from azukari.core.errors import ApiError, BadRequest, BodyTooLarge
from azukari.web import server
from azukari.web.sending import head
from azukari.web.server import MAX_BODY, Limits, read_body
from azukari.wire import errors
from tests.web.raw import request, running, status_of, talk

#: The paths the application was asked for.
SEEN: list[str] = []
SLOW_BEGUN = threading.Event()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    SEEN.append(scope["path"])
    status, body = 200, b""
    if scope["path"] == "/slow":
        SLOW_BEGUN.set()
        await asyncio.sleep(0.5)
    if scope["path"] != "/unread":
        try:
            body = await read_body(receive, scope["headers"])
        except ApiError as error:
            answer = errors.answer(error)
            status, body = answer.status, answer.body
    headers = [(b"content-length", b"%d" % len(body))]
    if scope["path"] == "/smuggle":
        headers.append((b"x-note", b"a\r\nset-cookie: b"))
    if scope["path"] == "/last":
        headers.append((b"connection", b"close"))
    if scope["path"] == "/stream":
        headers = []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if scope["path"] == "/stream":
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        body = b"two"
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(app, Limits(linger_seconds=0.1)) as number:
        yield number


@pytest.fixture(scope="module")
def impatient_port() -> Iterator[int]:
    with running(app, Limits(head_seconds=0.2, body_seconds=0.2, linger_seconds=0.1)) as number:
        yield number


def assert_refused(said: bytes, status: int) -> None:
    """One answer, in the API's words, and the end of the connection."""
    top, _, body = said.partition(b"\r\n\r\n")
    assert status_of(top) == status
    assert b"connection: close" in top.split(b"\r\n")
    assert b"content-type: application/json; charset=utf-8" in top.split(b"\r\n")
    error = json.loads(body)["error"]
    assert error["code"] == "bad_request"
    assert error["param"] is None
    assert "4111" not in body.decode()


def test_a_body_comes_back_whole(port: int) -> None:
    said = talk(port, request(body=b"hello"))

    assert status_of(said) == 200
    assert said.endswith(b"\r\n\r\nhello")
    assert said.lower().count(b"content-length: 5") == 1
    assert b"\r\ndate: " in said
    assert b"\r\nserver: " not in said


def test_an_answer_in_pieces_is_chunked(port: int) -> None:
    said = talk(port, request(target=b"/stream"))

    assert said.endswith(b"\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_head_request_has_the_length_and_no_body(port: int) -> None:
    said = talk(port, b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", request(body=b"next"))

    assert b"content-length: 2\r\n" in said
    assert said.partition(b"\r\n\r\n")[2].startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_application_may_end_the_connection(port: int) -> None:
    said = talk(port, request(target=b"/last", last=False))

    assert said.count(b"connection: close") == 1


def test_one_connection_carries_many_requests_pipelined_or_not(port: int) -> None:
    said = talk(port, request(body=b"a", last=False), request(body=b"b", last=False) + request(body=b"c"))

    assert [part[-1:] for part in said.split(b"HTTP/1.1 200 OK")[1:]] == [b"a", b"b", b"c"]


def test_a_request_in_single_bytes_is_understood(port: int) -> None:
    said = talk(port, *(bytes([byte]) for byte in request(body=b"slowly")))

    assert said.endswith(b"\r\n\r\nslowly")


def test_a_chunked_body_is_put_together(port: int) -> None:
    said = talk(port, request(b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")

    assert said.endswith(b"\r\n\r\nabcde")


def test_a_client_that_waits_for_100_continue_gets_it(port: int) -> None:
    said = talk(port, request(b"Expect: 100-continue", body=b"abc"))

    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_an_answer_to_a_body_that_was_never_asked_for_ends_the_connection(port: int) -> None:
    said = talk(port, request(b"Expect: 100-continue", b"Content-Length: 5", target=b"/unread", last=False))

    assert status_of(said) == 200
    assert b"connection: close\r\n" in said


OFFER = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")


def test_an_offer_of_another_protocol_is_passed_over(port: int) -> None:
    offering = request(*OFFER, body=b"hello", last=False)

    said = talk(port, request(body=b"before", last=False) + offering, offering + offering + request(body=b"last"))

    answers = [answer.rpartition(b"\r\n\r\n")[2] for answer in said.split(b"HTTP/1.1 200 OK")[1:]]
    assert answers == [b"before", b"hello", b"hello", b"hello", b"last"]
    assert b"upgrade" not in said.lower()


def test_a_head_with_an_offer_that_arrives_bit_by_bit_is_one_request(port: int) -> None:
    whole = request(*OFFER, body=b"hello")

    said = talk(port, *(whole[place : place + 7] for place in range(0, len(whole), 7)))

    assert said.count(b"HTTP/1.1") == 1
    assert said.endswith(b"\r\n\r\nhello")


def test_an_offer_changes_no_limit(port: int) -> None:
    assert_refused(talk(port, request(*OFFER, target=b"/" + b"a" * 9_000)), 414)
    assert_refused(talk(port, request(*OFFER, b"X-A: " + b"a" * 33_000)), 431)
    assert_refused(talk(port, request(*OFFER, b"Content-Length: 1", b"Content-Length: 2")), 400)


def test_nothing_is_tunnelled(port: int) -> None:
    assert_refused(talk(port, b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), 400)
    assert_refused(talk(port, b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\nhello"), 400)


def test_the_largest_headers_and_url_pass(port: int) -> None:
    long_url = b"/" + b"a" * (8 * 1024 - 1)
    filler = b"X-Filler: " + b"a" * (32 * 1024 - 100)

    assert status_of(talk(port, request(filler, target=long_url))) == 200


@pytest.mark.parametrize("size", [32 * 1024, 300 * 1024])
def test_headers_over_the_limit_are_431(port: int, size: int) -> None:
    assert_refused(talk(port, request(b"X-Filler: " + b"4111" * (size // 4))), 431)


def test_many_small_headers_over_the_limit_are_431(port: int) -> None:
    assert_refused(talk(port, request(*[b"X-N: 1234567890"] * 2_000)), 431)


def test_headers_that_never_end_are_431(port: int) -> None:
    assert_refused(talk(port, request(b"X-Filler: " + b"a" * 50_000)[:-4]), 431)


@pytest.mark.parametrize("size", [8 * 1024, 100 * 1024])
def test_a_url_over_the_limit_is_414(port: int, size: int) -> None:
    assert_refused(talk(port, request(target=b"/" + b"4111" * (size // 4))), 414)


def test_a_url_that_never_ends_is_414(port: int) -> None:
    assert_refused(talk(port, b"GET /" + b"a" * 50_000), 414)


def test_small_requests_pipelined_in_bulk_are_not_mistaken_for_one_large_head(port: int) -> None:
    bulk = request(body=b"x" * 5_000, last=False) * 20
    said = talk(port, bulk + request()[:30], request()[30:])

    assert said.count(b"HTTP/1.1 200 OK") == 21


@pytest.mark.parametrize(
    "said_by_client",
    [
        request(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        request(b"Transfer-Encoding: chunked", b"Content-Length: 3") + b"0\r\n\r\n",
        request(b"Content-Length: 3", b"Content-Length: 4") + b"4111",
        request(b"Content-Length: +3") + b"411",
        request(b"Transfer-Encoding: chunked") + b"4111411141114111zz\r\n",
        request(b"Transfer-Encoding: chunked") + b"1\r\nabc\r\n0\r\n\r\n",
        request(b"Transfer-Encoding: chunked") + b"0\r\nAuthorization: Basic 4111\r\n\r\n",
        request(b"Transfer-Encoding: gzip") + b"4111",
        request(b"X-A: b\rc"),
        request(b"X-A: b\0c"),
        request(b"X-A : b"),
        request(b"X-A: b", b" folded"),
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\rHost: a\r\r",
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /4111\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"4111111111111111\r\n\r\n",
    ],
)
def test_what_is_no_http_of_ours_is_400(port: int, said_by_client: bytes) -> None:
    assert_refused(talk(port, said_by_client), 400)


def test_rubbish_behind_a_good_request_does_not_spoil_its_answer(port: int) -> None:
    said = talk(port, request(body=b"good", last=False) + b"\x00rubbish\r\n\r\n")

    assert said.endswith(b"\r\n\r\ngood")
    assert b"connection: close\r\n" in said
    assert said.count(b"HTTP/1.1") == 1


def test_a_bad_body_behind_a_good_request_does_not_spoil_its_answer(port: int) -> None:
    bad = request(b"Transfer-Encoding: chunked", target=b"/never-seen") + b"zz\r\n"
    said = talk(port, request(body=b"good", last=False) + bad)

    assert "/never-seen" not in SEEN
    assert said.endswith(b"\r\n\r\ngood")
    assert said.count(b"HTTP/1.1") == 1


def test_a_refused_caller_that_keeps_sending_can_read_why(port: int) -> None:
    assert_refused(talk(port, b"NONSENSE\r\n\r\n", *[b"a" * 10_000] * 5), 400)


def test_a_body_over_the_limit_is_413_by_its_length_alone(port: int) -> None:
    said = talk(port, request(b"Content-Length: %d" % (MAX_BODY + 1), b"Expect: 100-continue"))

    assert status_of(said) == 413


def test_a_chunked_body_over_the_limit_is_413_and_the_next_request_is_heard(port: int) -> None:
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    said = talk(
        port, request(b"Transfer-Encoding: chunked", last=False) + chunk * 5 + b"0\r\n\r\n", request(body=b"next")
    )

    assert status_of(said) == 413
    assert said.endswith(b"\r\n\r\nnext")


def test_a_body_at_the_limit_passes(port: int) -> None:
    said = talk(port, request(body=b"a" * MAX_BODY))

    assert said.endswith(b"\r\n\r\n" + b"a" * MAX_BODY)


def test_a_header_that_smuggles_a_line_is_a_bug_of_ours_and_never_sent(port: int) -> None:
    said = talk(port, request(target=b"/smuggle", last=False))

    assert status_of(said) == 500
    assert b"set-cookie" not in said


@pytest.mark.parametrize("value", [b"a\nb", b"a\rb", b"a\0b", b"a\r\nb"])
def test_a_head_takes_no_line_breaks_or_nul(value: bytes) -> None:
    with pytest.raises(RuntimeError):
        head(200, [(b"x-a", value)])


@pytest.mark.parametrize(
    "begun",
    [b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 4111", b"GET /\r\n"],
)
def test_a_head_that_does_not_come_to_its_end_is_408(impatient_port: int, begun: bytes) -> None:
    assert_refused(talk(impatient_port, begun), 408)


@pytest.mark.parametrize("begun", [b"", b"\r\n"])
def test_a_connection_that_says_nothing_is_closed_without_a_word(impatient_port: int, begun: bytes) -> None:
    assert talk(impatient_port, begun) == b""


@pytest.mark.parametrize(
    "begun",
    [
        request(b"Content-Length: 5", last=False) + b"4111",
        request(b"Content-Length: 5", last=False),
        request(b"Transfer-Encoding: chunked", last=False) + b"4\r\n4111\r\n",
    ],
)
def test_a_body_that_does_not_come_to_its_end_is_408(impatient_port: int, begun: bytes) -> None:
    assert_refused(talk(impatient_port, begun), 408)


def test_a_body_that_nobody_waits_for_does_not_hold_the_connection(impatient_port: int) -> None:
    said = talk(impatient_port, request(b"Content-Length: 5", target=b"/unread", last=False))

    assert status_of(said) == 200
    assert said.count(b"HTTP/1.1") == 1


def test_half_a_request_behind_a_whole_one_is_408(impatient_port: int) -> None:
    said = talk(impatient_port, request(body=b"good", last=False) + b"GET / HT")

    assert status_of(said) == 200
    assert_refused(said.partition(b"good")[2], 408)


def test_a_caller_is_not_blamed_for_the_time_we_did_not_read(impatient_port: int) -> None:
    waiting = request(target=b"/slow", last=False) + request(last=False)
    said = talk(impatient_port, waiting + request()[:20], SLOW_BEGUN, request()[20:])

    assert said.count(b"HTTP/1.1 200 OK") == 3


def messages(*parts: bytes, end: str = "http.request") -> Any:
    queue = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    queue.append({"type": end, "body": b"", "more_body": False})

    async def receive() -> Any:
        return queue.pop(0)

    return receive


async def test_a_body_is_read_to_its_end() -> None:
    assert await read_body(messages(b"a", b"", b"b"), []) == b"ab"


async def test_a_caller_that_leaves_in_the_middle_is_an_error() -> None:
    with pytest.raises(BadRequest):
        await read_body(messages(b"a", end="http.disconnect"), [])


async def test_a_body_without_a_length_is_counted() -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(messages(b"a" * MAX_BODY, b"a"), [])


@pytest.mark.parametrize("length", [b"262145", b"9" * 5_000, b"-1", b"1e3", b""])
async def test_a_length_over_the_limit_is_believed_before_the_body_is_read(length: bytes) -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(messages(), [(b"content-length", length)])


def test_the_server_is_set_up_as_the_guides_say() -> None:
    made = server.config(app, host="127.0.0.1", port=1234)

    assert (made.http, made.loop, made.ws, made.lifespan) == (server.Protocol, "uvloop", "none", "on")
    assert (made.access_log, made.log_config, made.server_header, made.date_header) == (False, None, False, True)
    assert (made.timeout_keep_alive, made.timeout_graceful_shutdown, made.backlog) == (75, 30, 2048)
    assert not made.proxy_headers
    assert server.Protocol.limits == Limits(8_192, 32_768, 10, 10, 1)


def test_a_request_under_way_is_answered_whatever_comes_behind_it(port: int) -> None:
    SLOW_BEGUN.clear()

    said = talk(port, request(target=b"/slow", last=False), SLOW_BEGUN, b"no request\r\n\r\n")

    assert said.count(b"HTTP/1.1") == 1
    assert status_of(said) == 200


def test_a_request_whose_bodys_length_is_not_told_is_not_served_without_it(port: int) -> None:
    SEEN.clear()

    said = talk(port, request(body=b"first", last=False) + request(target=b"/unread-yet", last=False) + b"amount=300")

    assert said.startswith(b"HTTP/1.1 200 OK")
    assert b"first" in said
    assert said.count(b"HTTP/1.1") == 1
    assert SEEN == ["/"]


@pytest.mark.parametrize(
    "hosts",
    [
        [], [b"a", b"a"], [b"a", b"b"], [b"a", b""], [b"a", b"a", b"a"], [b""], [b"  "], [b"a, b"], [b"a,b"],
        [b"a b"],
        [b"a/b"], [b"a@b"], [b"u:w@a"], [b"http://a"], [b"a?b"], [b"a#b"], [b"a:b"], [b"a:1:2"], [b"a:-1"],
        [b"a:65536"],
        [b"a:999999"], [b":80"], [b"[::1"], [b"::1"], [b"[]"], [b"[::1]a"], [b"[::1]:x"], [b"\xff"], [b"<a>"],
        [b"a\\b"],
        [b"a%00"], [b'"a"'], [b"*"],
    ],
    ids=ascii,
)  # fmt: skip
def test_a_request_has_one_host_that_is_one(port: int, hosts: list[bytes]) -> None:
    SEEN.clear()
    for version in (b"1.1", b"1.0"):
        if version == b"1.0" and not hosts:
            continue
        lines = [b"Host: " + host for host in hosts]
        for body, end in ((b"", []), (b"hello", [b"Content-Length: 5"])):
            said = [b"POST /never-seen HTTP/" + version, *lines[:1], b"X-A: b", *lines[1:], *end]
            assert_refused(talk(port, b"\r\n".join(said) + b"\r\n\r\n" + body), 400)
    assert SEEN == []


def test_two_hosts_are_refused_behind_an_offer_and_behind_another_request_too(port: int) -> None:
    assert_refused(talk(port, request(*OFFER, b"hOST: b", body=b"hello")), 400)

    said = talk(port, request(body=b"good", last=False) + request(b"Host: b"))
    assert said.endswith(b"good")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "host",
    [
        b"localhost", b"localhost:8420", b"127.0.0.1:80", b"[::1]", b"[2001:db8::1]:443", b"pay.example.", b"a_b",
        b"xn--zckzah.example", b"a:", b"a:65535", b" a\t",
    ],
)  # fmt: skip
def test_a_host_is_a_name_or_an_address_and_a_port(port: int, host: bytes) -> None:
    said = talk(port, b"GET / HTTP/1.1\r\nhost: " + host + b"\r\nConnection: close\r\n\r\n")

    assert status_of(said) == 200


def test_a_request_of_http_1_0_needs_no_host(port: int) -> None:
    assert status_of(talk(port, b"GET / HTTP/1.0\r\n\r\n")) == 200
