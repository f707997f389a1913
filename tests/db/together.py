"""Several units at the same time."""

import asyncio
from typing import Any


async def all_of(*calls: Any) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)
