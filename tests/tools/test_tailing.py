"""``azukari tail``: requests of every server process and events, as they happen."""

import re
import signal
import time

import httpx

from azukari.tools.tail import Filter
from azukari.web.request_tail import FOLDER
from tests.commands import wait_for
from tests.house import card
from tests.tools.conftest import Installation, Tool, said

NUMBER = "4111111111111111"


def _watching(tool: Tool) -> None:
    wait_for(tool.noticed("is watched"), tool.process)


def test_requests_and_events_are_shown_and_nothing_about_a_person(shared: Installation) -> None:
    with shared.tool("tail", "--json") as tail, shared.tool("tail", "--filter", "customer.*,4xx") as chosen:
        _watching(tail)
        _watching(chosen)
        with shared.api as api:
            person = {"email": "taro.yamada@example.com", "payment_details": card(), "metadata": {"order": "x7"}}
            customer = api.post("/customers", json=person).json()["id"]
            paid = api.post("/payments", json={"amount": 700, "currency": "JPY", "customer": customer})
            refused = api.post("/payments", json={"amount": 0, "currency": "JPY", "customer": customer})
            api.get("/events?per_page=1")
            api.get(f"/nothing/taro?name={NUMBER}")
            assert api.get(f"/customers/{customer}").status_code == 200
        wait_for(lambda: len(tail.lines) == 7, tail.process)
        wait_for(lambda: "customer.created" in chosen.output.read_text(), chosen.process)
        assert tail.end() == 0
        assert chosen.end(signal.SIGTERM) == 0

    requests = [line for line in tail.lines if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"], line["code"]) for line in requests] == [
        ("POST", "/customers", 200, None),
        ("POST", "/payments", 200, None),
        ("POST", "/payments", 422, "invalid_parameter"),
        ("GET", None, 400, "bad_request"),
        ("GET", "/customers/{id}", 200, None),
    ]
    assert [line["request_id"] for line in requests[1:3]] == [
        reply.headers["X-Request-Id"] for reply in (paid, refused)
    ]
    events = [line for line in tail.lines if line["event"] == "event"]
    assert [(line["type"], line["object"], line["amount"], line["currency"]) for line in events] == [
        ("customer.created", customer, None, None),
        ("payment.captured", paid.json()["id"], 700, "JPY"),
    ]
    people = chosen.output.read_text()
    assert re.search(r"POST +/payments +422 +\d+ ms +invalid_parameter", people)
    assert "payment.captured" not in people
    shown = people + "".join(each.read_text() for each in (tail.output, tail.errors, chosen.errors))
    for secret in ("taro", "Taro", "example.com", "x7", NUMBER, NUMBER[-4:], shared.key[8:]):
        assert secret not in shown
    assert list((shared.data / FOLDER).iterdir()) == []


def test_a_tail_sees_a_server_that_comes_back_and_one_that_was_killed_is_forgotten(shared: Installation) -> None:
    folder = shared.data / FOLDER
    with shared.tool("tail", "--json", "--filter", "request", "--filter", "/payments") as tail:
        _watching(tail)
        shared.kill()
        shared.start()
        wait_for(tail.noticed("is watched", 2), tail.process)
        shared.charge()
        wait_for(lambda: [line["status"] for line in tail.lines] == [200], tail.process)
        assert len(list(folder.iterdir())) == 1
        tail.end(signal.SIGKILL)
    end = time.monotonic() + 60
    while list(folder.iterdir()):
        assert httpx.get(f"{shared.url}/health").status_code == 200
        assert time.monotonic() < end
    shared.charge()


def test_what_cannot_be_gets_a_sentence(shared: Installation) -> None:
    for words, sentence in (
        (("--key", f"pk_test_{'a' * 36}"), "it starts with sk_test_"),
        (("--data", str(shared.data), "--url", "http://127.0.0.1:1"), "No server answers"),
    ):
        status, output, errors = said("tail", *words)
        assert (status, output) == (1, "")
        assert sentence in errors


def test_each_pattern_must_fit_one_of_a_lines_words() -> None:
    assert Filter([]).passes("request", "GET", None)
    assert Filter(["payment.*,4xx"]).passes("event", "payment.captured", None)
    assert Filter(["request", "4xx"]).passes("request", "GET", "/payments", "404", "4xx")
    assert not Filter(["request", "4xx"]).passes("request", "GET", "/payments", "200", "2xx")
    assert not Filter(["/payments"]).passes("request", "GET", "/payments/{id}")
    assert Filter(["/payments*"]).passes("request", "GET", "/payments/{id}")
    assert Filter(["GET, /events"]).names("/events")
