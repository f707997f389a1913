"""The books of the simulator's bank."""

import json
from typing import Any

from tests.house import House


def orders_of_the_bank(house: House) -> list[dict[str, Any]]:
    """What reached the simulator's bank."""
    book = house.services.settings.data / "simulator.jsonl"
    return [json.loads(line) for line in book.read_text().splitlines()]
