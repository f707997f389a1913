"""Exceptions for the log: what they are and where they came from, never what they say.

The text of an exception may hold anything that was being worked on, a security code of three digits too, and no filter
finds that. Only the operating system's and SQLite's own words are let through.
"""

import os
import sqlite3
import traceback
from typing import Any

_MOST_FRAMES = 30
_MOST_ERRORS = 8


def describe(error: BaseException) -> list[dict[str, Any]]:
    """The exception, its causes and the members of a group, each as ``{"type", "at"}``, at most eight.

    ``at``: module, line and function of each frame, outermost first. No locals, no paths, no source.
    """
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < _MOST_ERRORS:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        found.append(_one(current))
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
        waiting.append(current.__cause__ or (None if current.__suppress_context__ else current.__context__))
    return found


def _one(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    frames = list(traceback.walk_tb(error.__traceback__))[-_MOST_FRAMES:]
    told: dict[str, Any] = {"type": kind.__qualname__}
    if isinstance(error, OSError) and error.errno is not None:
        told["text"] = os.strerror(error.errno)
    elif isinstance(error, sqlite3.OperationalError):
        told["text"] = error.sqlite_errorname
    told["at"] = [f"{frame.f_globals.get('__name__')}:{line} {frame.f_code.co_name}" for frame, line in frames]
    return told
