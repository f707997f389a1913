"""The file with an installation's first test pair: the database holds only hashes of keys, and ``init`` shows it again.

For nobody else's eyes. No live key ever stands in it.
"""

import os
from pathlib import Path

import msgspec

FILE = "test-keys.json"


class FirstPair(msgspec.Struct):
    """What stands in it. enrolled: the database knows the pair."""

    secret_key: str
    publishable_key: str
    enrolled: bool = False


def find(data: Path) -> FirstPair | None:
    """The pair of a data directory, if it keeps one."""
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=FirstPair)
    except FileNotFoundError:
        return None


def keep(data: Path, pair: FirstPair) -> None:
    """All of it or nothing."""
    file = data / FILE
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as opened:
        opened.write(msgspec.json.encode(pair))
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
