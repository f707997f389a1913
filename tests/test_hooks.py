"""Layers call those above them through hooks, and refuse where nobody has connected these."""

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from azukari import hooks, worker
from azukari.core.clock import MINUTE
from azukari.wiring import NotConnected, Services
from tests.house import House, card


@pytest.fixture
async def other(house: House) -> AsyncIterator[Services]:
    """The house's installation, opened by a process that has not connected its layers."""
    services = await Services.assemble(house.services.settings, clock=house.clock)
    yield services
    await services.close()


async def test_there_are_none_before_they_are_connected(other: Services) -> None:
    with pytest.raises(NotConnected):
        _ = other.hooks

    hooks.connect(other)
    assert other.hooks.outcome_writers.keys() == {"session", "subscription"}


async def test_an_outcome_is_never_written_without_what_the_charge_belongs_to(house: House, other: Services) -> None:
    session = await house.api.session()
    lost = {"Azukari-Fault": "lost_reply"}
    paid = await house.api.post(f"/sessions/{session}/pay", json={"payment_details": card()}, headers=lost)
    assert paid.json()["status"] == "pending"
    house.clock.advance(5 * MINUTE)

    await worker.reconcile_attempts(other)
    assert (await house.api.get(f"/sessions/{session}")).json()["status"] == "pending"
    assert "payment.captured" not in await house.api.events()

    hooks.connect(other)
    house.clock.advance(5 * MINUTE)
    await worker.reconcile_attempts(other)
    assert (await house.api.get(f"/sessions/{session}")).json()["status"] == "completed"
    assert "payment.captured" in await house.api.events()


def test_importing_a_layer_connects_nothing() -> None:
    code = "import sys, azukari.payments.record; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"azukari.sessions.record", "azukari.subscriptions.record", "azukari.hooks"} & {*done.stdout.split()}
