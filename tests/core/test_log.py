"""The log: what it says, and above all what it does not."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azukari.core import log
from azukari.core.pan import luhn
from azukari.core.scrub import scrub
from azukari.core.traces import describe

CARD = "4111111111111111"
KEY = "sk_test_abcdefghij1234567890"


class Written(io.StringIO):
    """What was logged."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, sys.unraisablehook, threading.excepthook
    stream = Written()
    log.setup("info", stream=stream)
    yield stream
    log.setup("info", human=False)
    logging.captureWarnings(False)
    root.handlers, root.level, sys.excepthook, sys.unraisablehook, threading.excepthook = before


def test_an_event_is_one_line_of_json(written: Written) -> None:
    log.event("payment.captured", payment="p1", ms=12, status=None)

    line = written.lines()[0]
    assert line.pop("time")[-1] == "Z"
    assert line == {"level": "info", "event": "payment.captured", "payment": "p1", "ms": 12, "status": None}
    assert written.getvalue().count("\n") == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PURGE", f"X-{CARD}", 'a"}\n{"level":"error"'])
@pytest.mark.parametrize("route", [None, "/", "/payments/{id}", f"/{CARD}", 'a"}\n{"level":"error"', f"/{KEY}"])
def test_a_request_is_written_as_the_event_of_its_name(written: Written, method: str, route: str | None) -> None:
    log.request("0abc", method, route, 200, 12)
    log.event("request", request_id="0abc", method=method, route=route, status=200, ms=12)

    request, event = written.lines()
    assert CARD not in written.getvalue()
    assert KEY not in written.getvalue()
    assert list(request) == list(event)
    assert request | {"time": None} == event | {"time": None}


def test_a_request_is_a_plain_line_on_a_terminal_and_none_where_only_warnings_are_wanted(written: Written) -> None:
    log.setup("info", stream=written, human=True)
    log.request("0abc", "GET", "/", 200, 12)
    log.setup("warning", stream=written)
    log.request("0abc", "GET", "/", 200, 12)

    assert written.getvalue().endswith("info    request request_id='0abc' method='GET' route='/' status=200 ms=12\n")
    assert written.getvalue().count("\n") == 1


def test_a_field_that_is_not_on_the_list_is_dropped_and_counted(written: Written) -> None:
    log.event("payment.captured", payment="p1", body="secret", email="a@example.com")

    assert "secret" not in written.getvalue()
    assert "example" not in written.getvalue()
    assert written.lines()[0]["dropped"] == 2


def test_of_a_value_that_is_no_text_or_number_only_the_type_is_told(written: Written) -> None:
    log.event("x", payment=[CARD], code={"a": KEY}, state=b"secret", count=1.5, failed=True)

    line = written.lines()[0]
    assert (line["payment"], line["code"], line["state"]) == ("<list>", "<dict>", "<bytes>")
    assert (line["count"], line["failed"]) == (1.5, True)


def test_a_line_cannot_be_forged(written: Written) -> None:
    log.event("x", payment='a"}\n{"level":"error"')
    logging.getLogger("lib").error('a"}\n{"level":"error"')

    assert [line["level"] for line in written.lines()] == ["info", "error"]


SECRETS = [
    CARD,
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    f"x{CARD}x",
    KEY,
    "pk_live_abcdefghij1234567890",
    "sk_1234567890abcdef",
    "Authorization: Basic c2tfdGVzdF9hYmM6",
    "authorization: c2tfdGVzdF9hYmM6",
    "{'Authorization': 'Basic c2tfdGVzdF9hYmM6'}",
    "[(b'authorization', b'Basic c2tfdGVzdF9hYmM6')]",
    '{"authorization": "Bearer c2tfdGVzdF9hYmM6"}',
    '{\\"authorization\\": \\"Bearer c2tfdGVzdF9hYmM6\\"}',
    "sent Basic c2tfdGVzdF9hYmM6",
    "Cookie: azukari=4b5c6d; other=7e8f9a",
    "Set-Cookie: azukari=4b5c6d; Path=/",
    "{'cookie': 'azukari=4b5c6d'}",
]
TELLING = ["4111", "abcdefghij", "1234567890", "c2tf", "4b5c6d", "7e8f9a"]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_masked_wherever_they_are_said(written: Written, secret: str) -> None:
    log.event("x", payment=f"before {secret} after")
    log.warning("x", code=secret)
    logging.getLogger("lib").error("said %s", secret)
    logging.getLogger("lib").error(f"said {secret}")

    assert len(written.lines()) == 4
    for telling in TELLING:
        assert telling not in written.getvalue()


def test_warnings_are_logged_and_masked_too(written: Written) -> None:
    logging.captureWarnings(False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log.setup("info", stream=written, human=False)
        warnings.warn(f"old key {KEY}", UserWarning, stacklevel=1)

    assert written.lines()[0]["logger"] == "py.warnings"
    assert written.lines()[0]["message"].endswith("UserWarning: old key sk_***")


def test_a_card_number_that_is_a_number_is_masked_and_an_amount_is_not(written: Written) -> None:
    log.event("x", count=int(CARD), size=10**12, ms=999_999_999_999)

    assert [written.lines()[0][field] for field in ("count", "size", "ms")] == ["***", 10**12, 999_999_999_999]


def test_what_is_no_secret_stays(written: Written) -> None:
    said = "payment 0f3k2j1h4g5f6d7s8a9q1w2e3 took 12 ms, 4111111111111112 is no card, task_queue, a basic thing"

    assert scrub(said) == said


@given(st.text(), st.integers(10**11, 10**18 - 1), st.sampled_from(["", " ", "-"]), st.text())
def test_no_card_number_survives(before: str, number: int, separator: str, after: str) -> None:
    digits = next(f"{number}{last}" for last in range(10) if luhn(f"{number}{last}"))
    if len(digits) < 13:
        return
    shown = separator.join(digits[start : start + 4] for start in range(0, len(digits), 4))

    assert shown not in scrub(f"{before} {shown} {after}")


def fail(secret: str) -> None:
    local = secret
    raise ValueError(f"cannot read {local}")


def caught(secret: str) -> BaseException:
    try:
        try:
            fail(secret)
        except ValueError as error:
            raise KeyError(secret) from error
    except KeyError as error:
        return error
    raise AssertionError


def test_a_bug_tells_types_and_places_and_nothing_else(written: Written) -> None:
    log.bug("request failed", caught("123"), request_id="r1")

    line = written.lines()[0]
    assert (line["level"], line["event"], line["request_id"]) == ("error", "request failed", "r1")
    assert [error["type"] for error in line["errors"]] == ["KeyError", "ValueError"]
    assert [place.split(" ")[1] for place in line["errors"][1]["at"]] == ["caught", "fail"]
    assert all(place.startswith("tests.core.test_log:") for place in line["errors"][1]["at"])
    assert "123" not in written.getvalue()
    assert "cannot read" not in written.getvalue()


def test_an_exception_in_a_librarys_record_is_told_the_same_way(written: Written) -> None:
    error = caught("123")
    logging.getLogger("lib").error("it broke", exc_info=error)

    line = written.lines()[0]
    assert (line["logger"], line["message"]) == ("lib", "it broke")
    assert line["errors"][0]["type"] == "KeyError"
    assert "123" not in written.getvalue()


def test_only_the_first_line_of_a_librarys_record_is_told(written: Written) -> None:
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=ValueError('123')>")

    assert written.lines()[0]["message"] == "Task exception was never retrieved"
    assert "123" not in written.getvalue()


def test_a_record_with_broken_arguments_is_told_without_them(written: Written) -> None:
    ours = logging.getLogger().handlers[0]
    ours.handle(logging.LogRecord("lib", logging.ERROR, "", 0, "%d pieces", ("123",), None))

    assert written.lines()[0]["message"] == "%d pieces"


def test_groups_of_exceptions_and_rings_of_them_come_to_an_end() -> None:
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first
    group = ExceptionGroup("group", [first, OSError(28, "secret")])

    told = describe(group)

    assert [error["type"] for error in told] == ["ExceptionGroup", "ValueError", "OSError", "TypeError"]
    assert told[2]["text"] == "No space left on device"
    assert len(describe(ExceptionGroup("group", [ValueError() for _ in range(50)]))) == 8


def test_what_nobody_catches_is_logged_without_its_text(written: Written) -> None:
    error = caught(CARD)
    sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=fail, args=("secret",))
    thread.start()
    thread.join()

    assert [line["event"] for line in written.lines()] == ["uncaught", "uncaught"]
    assert CARD not in written.getvalue()
    assert "secret" not in written.getvalue()


def test_levels_decide_what_is_written(written: Written) -> None:
    log.setup("warning", stream=written, human=False)
    log.debug("a")
    log.event("b")
    log.warning("c")
    log.bug("d", ValueError())
    logging.getLogger("lib").info("e")

    assert [line["event"] for line in written.lines()] == ["c", "d"]
    log.setup("debug", stream=written, human=False)
    log.debug("f")
    assert written.lines()[-1]["event"] == "f"


@pytest.mark.parametrize("library", ["httpx", "httpcore", "sqlalchemy.engine", "hpack.hpack"])
def test_libraries_that_show_addresses_headers_or_parameters_are_quiet_even_in_debug(
    written: Written, library: str
) -> None:
    log.setup("debug", stream=written, human=False)
    logging.getLogger(library).info("HTTP Request: POST https://acme.example/123")
    logging.getLogger(library).debug("send_request_headers")

    assert written.getvalue() == ""


def test_on_a_terminal_lines_are_for_people(written: Written) -> None:
    log.setup("info", stream=written, human=True)
    log.event("payment.captured", payment="p\n1", ms=12)
    log.bug("request failed", caught("123"))

    lines = written.getvalue().splitlines()
    assert lines[0].endswith(" info    payment.captured payment='p\\n1' ms=12")
    assert lines[1].endswith(" error   request failed")
    assert lines[2] == "    KeyError"
    assert "123" not in written.getvalue()


def test_a_stream_that_fails_fails_no_payment(written: Written) -> None:
    broken = io.StringIO()
    broken.close()
    log.setup("info", stream=broken, human=False)

    log.event("payment.captured")
