"""What bad input is sent to, and what it is answered."""

import json

import httpx

from azukari.app import ROUTERS
from tests.house import Api

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
#: Stands in every bad value that can hold text: no answer may show it.
MARK = "zq7mark"
ENDPOINTS = [endpoint for router in ROUTERS for endpoint in router.endpoints]
WITH_BODY = [(each.method, each.path) for each in ENDPOINTS if each.method in ("POST", "PATCH")]
SOME_ID = "0" * 25

Row = tuple[int, str, str | None]


def path_of(template: str) -> str:
    return template.replace("{id}", SOME_ID)


def outcome(reply: httpx.Response, bad: object = MARK) -> Row:
    """Status, code and param; fails on an answer that repeats what was sent or has no request id."""
    shown = reply.text + " ".join(f"{name}: {value}" for name, value in reply.headers.items() if name != "x-request-id")
    for text in {MARK, bad if isinstance(bad, str) else json.dumps(bad)}:
        assert len(text) < 5 or text not in shown, f"{reply.status_code} repeats the value"
    assert len(reply.headers["x-request-id"]) == 25
    error = reply.json().get("error", {})
    return reply.status_code, error.get("code", ""), error.get("param")


async def authorized(api: Api, customer: str) -> str:
    reply = await api.post(
        "/payments", json={"amount": 5000, "currency": "JPY", "customer": customer, "capture": False}
    )
    assert reply.json()["status"] == "authorized"
    return str(reply.json()["id"])
