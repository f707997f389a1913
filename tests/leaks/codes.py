"""Verification values that are looked for, and those that are stored."""

import secrets

from tests.house import House
from tests.leaks.places import rows_of


def new_codes(count: int) -> list[str]:
    """Four digits that are no year and the end of no card used here."""
    taken = {"2099", "2030", "4242", "0005", "1111", "1000"}
    found: list[str] = []
    while len(found) < count:
        code = f"{secrets.randbelow(9_000) + 1_000}"
        if code not in taken:
            taken.add(code)
            found.append(code)
    return found


async def stored_values(house: House) -> int:
    return next(len(rows) for name, rows in (await rows_of(house)).items() if name.endswith("sad_values"))
