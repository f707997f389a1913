"""The test clock, through the front door."""

from typing import Any

import httpx

from azukari.core.clock import iso, parse_iso
from tests.house import Api

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


async def later(api: Api, milliseconds: int) -> dict[str, Any]:
    """Advance it."""
    return await set_clock(api, advance=f"PT{milliseconds / 1_000:.3f}S")


async def jump(api: Api, milliseconds: int) -> None:
    """Let it show another time, and do nothing of what falls due: as a traveller leaves it who dies on the way."""
    await set_clock(api, reset=True)
    # Backwards a clock is just set: from the far end to where it is wanted.
    await set_clock(api, now="9998-12-31T23:59:59Z")
    await set_clock(api, now=iso(await now_of_real() + milliseconds))


async def now_of_real() -> int:
    """The machine's time."""
    import time

    return time.time_ns() // 1_000_000


def refused(reply: httpx.Response, status: int, code: str, param: str | None = None) -> None:
    """Whether a request was refused just so."""
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param), reply.text
