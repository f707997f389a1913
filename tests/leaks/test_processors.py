"""Live cards reach the processor that is named, and nothing else: no package beside it, no place of ours."""

import io
import json
from pathlib import Path

import pytest

from azukari import worker
from azukari.core.config import Settings
from tests.house import card
from tests.leaks.codes import new_codes
from tests.leaks.places import assert_nowhere, listening
from tests.leaks.scanner import new_number
from tests.processors.planted import live, plant, traces, with_key_elsewhere


@pytest.mark.parametrize("late", [None, "evil.example"])
async def test_live_cards_leave_no_trace_and_go_to_the_named_processor_alone(
    settings: Settings, logged: io.StringIO, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    late: str | None,
) -> None:  # fmt: skip
    site = tmp_path / "site"
    aaa, acme = plant(site, "aaa"), plant(site, "acme", late=late)
    monkeypatch.syspath_prepend(site)
    numbers = [new_number() for _ in range(3)]
    codes = new_codes(len(numbers))
    async with live(with_key_elsewhere(settings, tmp_path), "acme") as (house, api):
        replies = listening(api)
        order = {"amount": 1000, "currency": "JPY"}
        raw, by_token, stored = (
            card(number, verification_value=code) for number, code in zip(numbers, codes, strict=True)
        )
        await api.post("/payments", json={**order, "payment_details": raw})
        token = (await api.post("/tokens", json={"payment_details": by_token})).json()["id"]
        await api.post("/payments", json={**order, "payment_details": token})
        await api.post("/customers", json={"payment_details": stored})
        house.clock.advance(10_000)
        await worker.reconcile_attempts(house.services)
        await api.get("/events")
        await assert_nowhere(house, numbers, codes, replies, logged, temporary)

    received = (acme / "orders").read_text().splitlines() if late is None else []
    assert [json.loads(line)["number"] for line in received] == (numbers if late is None else [])
    assert traces(acme) == {"imported", "built"} | ({"orders"} if late is None else set())
    assert traces(aaa) == set()
