"""The test clock, through the front door."""

from typing import Any

from azukari.core.clock import parse_iso
from azukari.merchants import clock as clocks
from azukari.merchants.clock import TestClock
from tests.house import Api, House
from tests.webhooks.work import owner_of

PATH = "/test/clock"


async def set_clock(api: Api, **order: Any) -> dict[str, Any]:
    """Set it one way or another; what it shows then."""
    reply = await api.post(PATH, json=order)
    assert reply.status_code == 200, reply.text
    shown: dict[str, Any] = reply.json()
    return shown


async def now_of(api: Api) -> int:
    """What it shows, to the second."""
    return parse_iso((await api.get(PATH)).json()["now"])


async def jump(house: House, ahead: int) -> None:
    """Set it, and do nothing of what falls due: as a traveller leaves it who dies on the way."""
    await house.services.db.write_through(clocks.keep, await owner_of(house), TestClock(ahead), house.clock.now(), "")
