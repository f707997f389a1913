"""Cards and the account's key on their way to KOMOJU, through its errors and echoes: they are left nowhere."""

import io
from pathlib import Path
from typing import Any

import pytest

from azukari import worker
from azukari.core.clock import MINUTE
from azukari.vault import Filled, Reply
from tests.house import card
from tests.leaks.codes import new_codes
from tests.leaks.conftest import logged, temporary
from tests.leaks.places import assert_nowhere, listening
from tests.leaks.scanner import new_number
from tests.processors.komoju.far import AFTER, BEFORE
from tests.processors.komoju.front import Front

__all__ = ["logged", "temporary"]


async def echo(request: Filled) -> Reply:
    """A far side that shows all it was sent."""
    text = request.body.decode()
    headers = {"X-Body": text.replace("\n", " "), "X-Authorization": request.headers["Authorization"]}
    return Reply(500, headers, f"<pre>{text}</pre>{request.headers}".encode())


@pytest.mark.parametrize("fault", [None, "echo", *BEFORE, *AFTER])
async def test_live_cards_and_the_accounts_key_are_left_nowhere(
    front: Front, logged: io.StringIO, temporary: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    if fault == "echo":
        monkeypatch.setattr(front.road, "send", echo)
    else:
        front.road.fault = fault
    numbers = [new_number() for _ in range(3)]
    codes = new_codes(len(numbers))
    raw, by_token, stored = (card(number, verification_value=code) for number, code in zip(numbers, codes, strict=True))
    replies = listening(front.api)

    await front.pay(payment_details=raw)
    token = (await front.api.post("/tokens", json={"payment_details": by_token})).json()["id"]
    await front.pay(payment_details=token)
    kept = await front.api.post("/customers", json={"payment_details": stored})
    if kept.status_code == 200:
        await front.pay(customer=kept.json()["id"])
    front.house.clock.advance(2 * MINUTE)
    await worker.reconcile_attempts(front.house.services)
    await front.api.get("/events")

    hay = await assert_nowhere(front.house, numbers, codes, replies, logged, temporary)
    assert [place for place, raw in hay.items() if front.far.secret_key.encode() in raw] == []
