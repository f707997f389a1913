"""What reading a body comes to."""

from collections.abc import Callable
from typing import Any

from azukari.core.errors import ApiError

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def outcome(read: Callable[[], object]) -> Any:
    """What it returns, or the caller's error it raises; anything else is a bug."""
    try:
        return read()
    except ApiError as error:
        return error
