"""What every route has: its place in the description, CORS where a browser calls, JSON errors, headers."""

import json
from typing import Any

import httpx
import pytest

from azukari.app import API, ROUTERS
from azukari.web import limits
from azukari.web.auth import Access
from tests.compat.contract import ROOT
from tests.house import Api, House, card
from tests.web.paths import OPEN

ENDPOINTS = [endpoint for router in ROUTERS for endpoint in router.endpoints]
PATHS = sorted({endpoint.path for endpoint in ENDPOINTS})
FOR_BROWSERS = {endpoint.path for endpoint in ENDPOINTS if endpoint.access is Access.PUBLISHABLE}
SOME_ID = "0" * 25
ORIGIN = {"Origin": "https://shop.example"}


def path_of(template: str) -> str:
    return template.replace("{id}", SOME_ID)


def test_the_description_lists_exactly_what_is_served() -> None:
    description = json.loads((ROOT / "src/azukari/static/openapi.json").read_text(encoding="utf-8"))
    served = {
        (method.upper(), path)
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "operationId" in operation
        if operation.get("x-azukari-status") != "planned"
    }
    assert served == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS} | OPEN


def test_what_is_for_browsers_is_known_by_name() -> None:
    assert {
        "/tokens",
        "/secure_tokens",
        "/secure_tokens/{id}",
        "/payment_methods",
        "/sessions/{id}",
        "/sessions/{id}/pay",
    } == FOR_BROWSERS


async def preflight(house: House, path: str, asked: str, method: str = "POST") -> httpx.Response:
    headers = {**ORIGIN, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": asked}
    return await house.api.send(house.api.build_request("OPTIONS", path_of(path), headers=headers), auth=None)


@pytest.mark.parametrize(
    "asked",
    [
        "accept, authorization, content-type, komoju-via",
        "authorization,traceparent,sentry-trace,baggage,x-requested-with",
        "authorization,content-type,x-datadog-trace-id,x-b3-traceid,x-what-the-next-one-sends",
    ],
)
async def test_a_preflight_is_answered_everywhere_and_names_what_was_asked_for(house: House, asked: str) -> None:
    for path in [*PATHS, "/nothing", "/payments/"]:
        reply = await preflight(house, path, asked)
        assert (reply.status_code, reply.content) == (204, b"")
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        allowed = {name.strip() for name in reply.headers["Access-Control-Allow-Headers"].split(",")}
        assert {name.strip() for name in asked.split(",")} <= allowed
        for method in ("POST", "PATCH", "PUT", "DELETE"):
            assert method in reply.headers["Access-Control-Allow-Methods"]
        assert "Access-Control-Request-Headers" in reply.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in reply.headers
        assert "Set-Cookie" not in reply.headers


async def test_what_is_no_list_of_names_is_not_repeated_by_a_preflight(house: House) -> None:
    for asked in (
        "zq7mark: a",
        "zq7mark;b",
        'zq7mark"',
        "zq7mark,,b",
        "zq7mark " * 2,
        "zq7mark," * 300,
        "",
        "zq7mark,x-4111111111111111",
        "zq7mark,4111-1111-1111-1111",
    ):
        reply = await preflight(house, "/tokens", asked)
        assert reply.status_code == 204
        assert "zq7mark" not in str(reply.headers)
        assert "authorization" in reply.headers["Access-Control-Allow-Headers"]


async def test_a_page_may_read_why_it_was_refused(house: House) -> None:
    nobody = house.api.as_key("sk_test_none")
    replies = [
        await nobody.get("/payments", headers=ORIGIN),
        await house.publishable.post("/payments", json={}, headers=ORIGIN),
        await house.publishable.get("/nothing", headers=ORIGIN),
        await house.publishable.get("/sessions/" + SOME_ID, headers=ORIGIN),
        await house.api.put("/payments", headers=ORIGIN),
        await house.publishable.post("/tokens?number=4111111111111111", headers=ORIGIN),
    ]

    assert [reply.status_code for reply in replies] == [401, 403, 404, 404, 405, 400]
    for reply in replies:
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert reply.json()["error"]["message"]


async def test_a_secret_key_in_another_origins_page_does_nothing_and_says_why(house: House) -> None:
    customer = await house.api.customer()
    page = {**ORIGIN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}

    refused = await house.api.charge(customer, headers=page)
    # Programs that send a part of this are no pages.
    served = [
        await house.api.charge(customer, headers=headers)
        for headers in (ORIGIN, {"Sec-Fetch-Site": "cross-site"}, {**page, "Sec-Fetch-Site": "same-origin"})
    ]

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert "publishable key" in refused.json()["error"]["message"]
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert [reply.status_code for reply in served] == [200, 200, 200]
    assert (await house.api.get("/payments")).json()["total"] == 3


async def _answers_of_tokens(house: House, monkeypatch: pytest.MonkeyPatch) -> dict[int, httpx.Response]:
    """An answer of every kind ``POST /tokens`` gives."""
    api = house.publishable
    key = {"X-KOMOJU-IDEMPOTENCY": "a"}
    good: dict[str, Any] = {"payment_details": card()}
    found = [
        await api.post("/tokens", json=good, headers=ORIGIN | key),
        await api.post("/tokens", json={}, headers=ORIGIN),
        await api.post("/tokens", json=good | {"currency": "USD"}, headers=ORIGIN | key),
        await api.post("/tokens", content=b"{", headers=ORIGIN | {"Content-Type": "application/json"}),
        await api.post("/tokens", content=b"{}", headers=ORIGIN | {"Content-Type": "text/plain"}),
        await api.post("/tokens", content=b" " * 300_000, headers=ORIGIN | {"Content-Type": "application/json"}),
        await house.api.as_key("sk_test_none").post("/tokens", json=good, headers=ORIGIN),
        await api.get("/tokens", headers=ORIGIN),
    ]
    simulated = api.build_request("POST", "/tokens", json=good, headers=ORIGIN)
    with monkeypatch.context() as patch:
        patch.setattr(limits, "TEST_PER_MINUTE", 0)
        found.append(await api.send(simulated))

    async def broken(*_: Any) -> Any:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(house.services.vault, "seal", broken)
        found.append(await api.send(api.build_request("POST", "/tokens", json=good, headers=ORIGIN)))
    await house.services.stores.close()
    house.clock.advance(2_000)
    found.append(await api.send(api.build_request("POST", "/tokens", json=good, headers=ORIGIN)))
    return {reply.status_code: reply for reply in found}


async def test_a_browser_may_read_every_answer_about_tokens(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = await _answers_of_tokens(house, monkeypatch)

    assert set(answers) == {200, 400, 401, 405, 413, 415, 422, 429, 500, 503}
    for status, reply in answers.items():
        assert reply.headers["Access-Control-Allow-Origin"] == "*", status
        assert "Access-Control-Allow-Credentials" not in reply.headers
        assert "retry-after" in reply.headers["Access-Control-Expose-Headers"]


async def test_no_other_answer_but_an_error_is_for_browsers_to_read(house: House) -> None:
    read = 0
    for endpoint in ENDPOINTS:
        if endpoint.path in FOR_BROWSERS:
            continue
        for api in (house.api, house.publishable):
            reply = await api.request(endpoint.method, path_of(endpoint.path), headers=ORIGIN)
            is_readable = bool([name for name in reply.headers if name.startswith("access-control-")])
            assert is_readable == (reply.status_code >= 400), endpoint.path
            read += is_readable
    assert read > len(ENDPOINTS)


async def test_a_method_a_path_does_not_know_is_405_and_says_which_it_does(api: Api) -> None:
    for path in PATHS:
        known = {endpoint.method for endpoint in ENDPOINTS if endpoint.path == path}
        expected = known | ({"HEAD"} if "GET" in known else set()) | {"OPTIONS"}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "ZQ7MARK"} - known:
            reply = await api.request(method, path_of(path))
            assert (reply.status_code, reply.json()["error"]["code"]) == (405, "bad_request"), (method, path)
            assert {name.strip() for name in reply.headers["Allow"].split(",")} == expected
            assert "ZQ7MARK" not in reply.text
    for path in ("/", "/reference", "/health", "/ready", "/openapi.yaml", "/static/style.css"):
        reply = await api.post(f"http://azukari.test{path}")
        assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, HEAD"), path


async def test_every_answer_has_the_headers_it_must_have(house: House) -> None:
    customer = await house.api.customer()
    replies = [
        await house.api.get(f"/customers/{customer}"),
        await house.api.get("/customers/none"),
        await house.api.get("/nothing"),
        await house.api.post("/payments", json={}),
        await house.api.as_key("none").get("/payments"),
        await house.api.get("http://azukari.test/health"),
        await house.api.get("http://azukari.test/ready"),
        await house.api.get("http://azukari.test/nothing"),
    ]
    assert [reply.status_code for reply in replies] == [200, 404, 404, 422, 401, 200, 200, 404]
    for reply in replies:
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in reply.headers
        assert isinstance(reply.json(), dict)
    ids = [reply.headers["X-Request-Id"] for reply in replies]
    assert len(set(ids)) == len(ids)


async def test_every_get_answers_head_too(house: House) -> None:
    customer = await house.api.customer()
    for path in ("/payments", "/customers", f"/customers/{customer}", "/events", "/customers/none"):
        get, head = await house.api.get(path), await house.api.head(path)
        assert (head.status_code, head.headers["Content-Type"]) == (get.status_code, get.headers["Content-Type"])


async def test_a_request_id_is_ours_and_not_the_callers(api: Api) -> None:
    reply = await api.get("/payments", headers={"X-Request-Id": "zq7mark"})
    assert "zq7mark" not in str(reply.headers)


async def test_the_prefix_belongs_to_every_path(api: Api) -> None:
    assert API == "/api/v1"
    for path in PATHS:
        reply = await api.get(f"http://azukari.test{path_of(path)}")
        if path.startswith("/sessions/{id}"):
            # Without the prefix it is the shopper's page.
            assert reply.status_code in (404, 405)
        else:
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")
