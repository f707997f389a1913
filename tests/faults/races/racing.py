"""Requests that race, and what came of them."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from azukari.db.postgres import database as engine
from azukari.db.postgres.stepping import Step
from tests.house import ON_BOTH, Api

ROUNDS = 20


async def hold(api: Api, customer: str) -> str:
    """The id of an authorised payment of 1000."""
    reply = await api.post(
        "/payments", json={"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    )
    assert reply.json()["status"] == "authorized"
    return str(reply.json()["id"])


async def payment(api: Api, customer: str) -> str:
    """The id of a captured payment of 1000."""
    return str((await api.charge(customer)).json()["id"])


#: On SQLite nobody can come between the statements of a unit.
on_postgres = pytest.mark.parametrize("engine", [each for each in ON_BOTH if each == "postgres"], indirect=True)


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch, start: str) -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """The first statement that starts so is on its way for long: set once it is, and to be set when it may arrive."""
    stopped, go_on, send = asyncio.Event(), asyncio.Event(), engine._send

    async def late(connection: Any, step: Step) -> Any:
        if step.statement.postgres.sql.startswith(start) and not stopped.is_set():
            stopped.set()
            await go_on.wait()
        return await send(connection, step)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "_send", late)
        yield stopped, go_on


async def race(*requests: Coroutine[Any, Any, httpx.Response]) -> list[httpx.Response]:
    """The answers, whatever the order."""
    return await asyncio.gather(*requests)


def refused(reply: httpx.Response, *codes: str) -> None:
    """It was told that somebody else is at it (423), or was there first (422)."""
    assert reply.status_code in (422, 423), reply.text
    assert reply.json()["error"]["code"] in ("locked", *codes)
    if reply.status_code == 423:
        assert reply.headers["Retry-After"] == "1"


def sort(replies: list[httpx.Response]) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """Winners and losers."""
    winners = [reply for reply in replies if reply.status_code == 200]
    return winners, [reply for reply in replies if reply.status_code != 200]


async def shown(api: Api, payment_id: str) -> dict[str, Any]:
    body: dict[str, Any] = (await api.get(f"/payments/{payment_id}")).json()
    return body


async def begun(api: Api, details: dict[str, Any], amount: int = 1000) -> str:
    """The id of a payment that waits for its shopper."""
    reply = await api.post("/payments", json={"amount": amount, "currency": "JPY", "payment_details": details})
    assert reply.json()["status"] in ("authorized", "pending"), reply.text
    return str(reply.json()["id"])


def prepaid(name: str) -> dict[str, str]:
    return {"type": "web_money", "prepaid_number": f"{name:x<16}"}
