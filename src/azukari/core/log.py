"""The log: one JSON object a line on standard error, plain lines on a terminal.

An event has a name of ours and fields from a fixed list: bodies, headers and texts of exceptions have no way in. Last
of all, whatever goes out is scrubbed of card numbers, keys and credentials, other libraries' records too (SEC-17).
"""

import functools
import logging
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, TextIO

import msgspec

from azukari.core.scrub import scrub
from azukari.core.traces import describe

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")

#: What an event may say. Ids, counts and words of our own: nothing a caller wrote, nothing about a person.
FIELDS = frozenset({
    "address", "attempt", "code", "count", "customer", "delivery", "endpoint", "engine", "entry", "event_id",
    "event_type", "failed", "host", "key", "kind", "merchant", "method", "migration", "mode", "ms", "outcome", "param",
    "payment", "pid", "port", "processor", "reason", "refund", "request_id", "retry_after", "route", "seconds",
    "session", "setting", "signal", "size", "state", "status", "step", "subscription", "table", "version", "waiting",
    "webhook", "worker",
})  # fmt: skip
_LEVELS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
#: Libraries that write addresses, headers or the parameters of statements below this level.
_QUIET = ("httpx", "httpcore", "sqlalchemy", "hpack", "asyncio")
_MOST_CHARACTERS = 2_000
#: What a request's line says of its method as it is; another word is the caller's own, and scrubbed.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

_encode = msgspec.json.Encoder().encode


@functools.lru_cache(2)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _moment() -> str:
    second, rest = divmod(time.time_ns() // 1_000_000, 1_000)
    return f"{_second(second)}.{rest:03d}Z"


class _Sink:
    """Where lines go, and which."""

    def __init__(self) -> None:
        self.level = logging.INFO
        self.stream: TextIO | None = None
        self.human = False

    def write(self, level: str, name: str, fields: Mapping[str, object], errors: list[dict[str, Any]]) -> None:
        write_line = _plain if self.human else _json
        self.put(write_line(_moment(), level, name, fields, errors))

    def put(self, line: str) -> None:
        try:
            stream = self.stream or sys.stderr
            stream.write(line)
            stream.flush()
        except (OSError, ValueError):
            # A full disk under the log, or a closed pipe, is no reason to fail a payment.
            pass


_sink = _Sink()


def event(name: str, /, **fields: object) -> None:
    """Something happened: ``log.event("payment.captured", payment=payment.id, ms=12)``."""
    if _sink.level <= logging.INFO:
        _sink.write("info", name, _allowed(fields), [])


def request(request_id: str, method: str, route: str | None, status: int, ms: int) -> None:
    """A request was answered. The line :func:`event` would write, at a fraction of its cost: every request has one.

    Only words are scrubbed here, and those once: the id is one of ours, the rest are numbers we counted. route: the
    template (``/payments/{id}``), never the address itself.
    """
    if _sink.level > logging.INFO:
        return
    if _sink.human or method not in _METHODS:
        event("request", request_id=request_id, method=method, route=route, status=status, ms=ms)
        return
    _sink.put(
        f'{{"time":"{_moment()}","level":"info","event":"request","request_id":"{request_id}","method":"{method}",'
        f'"route":{_route(route)},"status":{status:d},"ms":{ms:d}}}\n'
    )


def line(name: str, /, **fields: object) -> str:
    """Format the line that :func:`event` would write, for ``azukari tail``, without logging it."""
    return _json(_moment(), "info", name, _allowed(fields), [])


@functools.lru_cache(256)
def _route(template: str | None) -> str:
    return _encode(_safe(template)).decode()


def debug(name: str, /, **fields: object) -> None:
    """Something only a developer wants to know."""
    if _sink.level <= logging.DEBUG:
        _sink.write("debug", name, _allowed(fields), [])


def warning(name: str, /, **fields: object) -> None:
    """Something an operator should look at."""
    if _sink.level <= logging.WARNING:
        _sink.write("warning", name, _allowed(fields), [])


def bug(name: str, error: BaseException, /, **fields: object) -> None:
    """An exception nobody expected: its types and where it came from, without its text or a single value."""
    _sink.write("error", name, _allowed(fields), describe(error))


def _allowed(fields: Mapping[str, object]) -> dict[str, object]:
    known = {name: _safe(value) for name, value in fields.items() if name in FIELDS}
    if len(known) < len(fields):
        known["dropped"] = len(fields) - len(known)
    return known


def _safe(value: object) -> object:
    """Numbers and scrubbed text; of anything else the type, which is no secret."""
    if isinstance(value, str):
        return scrub(value[:_MOST_CHARACTERS])
    if value is None or (isinstance(value, int) and -(10**12) < value < 10**12):
        return value
    if isinstance(value, (int, float)):
        text = str(value)
        clean = scrub(text)
        return value if clean == text else clean
    return f"<{type(value).__name__}>"


def _json(moment: str, level: str, name: str, fields: Mapping[str, object], errors: list[dict[str, Any]]) -> str:
    line: dict[str, object] = {"time": moment, "level": level, "event": name, **fields}
    if errors:
        line["errors"] = errors
    return _encode(line).decode() + "\n"


def _plain(moment: str, level: str, name: str, fields: Mapping[str, object], errors: list[dict[str, Any]]) -> str:
    said = " ".join(
        f"{field}={value!r}" if isinstance(value, str) else f"{field}={value}" for field, value in fields.items()
    )
    lines = [f"{moment[11:19]} {level:<7} {name} {said}".rstrip()]
    for error in errors:
        lines.append(f"    {error['type']} {error.get('text', '')}".rstrip())
        lines += [f"      at {frame}" for frame in error["at"]]
    return "\n".join(lines) + "\n"


class _Handler(logging.Handler):
    """What other libraries log: the first line of their message, scrubbed; asyncio's further lines show exceptions."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:
            # Broken arguments are the library's bug, and might be shown by what reports it.
            message = str(record.msg)
        level = next((name for name, number in reversed(_LEVELS.items()) if record.levelno >= number), "debug")
        error = record.exc_info[1] if record.exc_info else None
        fields = {"logger": record.name, "message": scrub(message[:_MOST_CHARACTERS].partition("\n")[0])}
        _sink.write(level, "log", fields, describe(error) if error is not None else [])


def setup(level: Level = "info", *, stream: TextIO | None = None, human: bool | None = None) -> None:
    """Take over: our own events, ``logging``, warnings, and exceptions that nobody catches.

    stream: standard error unless given. human: plain lines instead of JSON, by default on a terminal.
    """
    _sink.level = _LEVELS[level]
    _sink.stream = stream
    _sink.human = (stream or sys.stderr).isatty() if human is None else human
    logging.basicConfig(handlers=[_Handler()], level=_sink.level, force=True)
    for library in _QUIET:
        logging.getLogger(library).setLevel(max(_sink.level, logging.WARNING))
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _in_thread


def _uncaught(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        bug("uncaught", error)


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is not None:
        bug("uncaught", args.exc_value)


def _in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        bug("uncaught", args.exc_value)
