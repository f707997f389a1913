"""Requests, and a window of load on a server."""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

from bench import processes

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests that differ in their tails only."""

    head: str
    tails: Sequence[str]


def posts(path: str, key: str, forms: Sequence[dict[str, str]], **headers: str) -> Requests:
    """Form posts. Their bodies are of one length, or each gets its own head."""
    bodies = [urlencode(form) for form in forms]
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\n{_common(key)}{lines}Content-Type: {FORM}\r\nContent-Length: "
    return Requests(head, [f"{len(body)}\r\n\r\n{body}" for body in bodies])


def charges(key: str, customers: Sequence[str], **headers: str) -> Requests:
    """Charges of stored customers, in turn: the form a merchant's ``curl`` sends."""
    forms = [{"amount": "1000", "currency": "JPY", "customer": customer} for customer in customers]
    return posts("/api/v1/payments", key, forms, **headers)


def gets(paths: Sequence[str], key: str) -> Requests:
    """Requests without a body."""
    return Requests("GET ", [f"{path} HTTP/1.1\r\n{_common(key)}\r\n" for path in paths])


def basic(key: str) -> str:
    """An ``Authorization`` header's value."""
    return f"Basic {b64encode(f'{key}:'.encode()).decode()}"


def _common(key: str) -> str:
    return f"Host: localhost\r\nAuthorization: {basic(key)}\r\nAccept: */*\r\n"


@dataclass(frozen=True, slots=True)
class Window:
    """How long, and how long before that without looking."""

    seconds: float
    warm_up: float


@dataclass(slots=True)
class Measured:
    """What a window showed. cpu_us: per answer, of the server's processes; database_cpu_us: of PostgreSQL's.
    stored: objects in a rival's store at the end.
    """

    per_second: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None
    mean_ms: float | None = None
    errors: int = 0
    cpu_us: float | None = None
    database_cpu_us: float | None = None
    generator_cpu_us: float | None = None
    stored: int | None = None
    notes: list[str] = field(default_factory=list)


@contextmanager
def generating(
    port: int, requests: Requests, window: Window, *, connections: int, rate: float | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """The load generator at work."""
    orders = {
        "address": ["127.0.0.1", port],
        "head": requests.head,
        "tails": list(requests.tails),
        "rate": rate,
        "connections": connections,
        "seconds": window.seconds,
        "warm_up": window.warm_up,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "bench.generator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as generator:
        assert generator.stdin is not None
        generator.stdin.write(json.dumps(orders))
        generator.stdin.close()
        generator.stdin = None  # for communicate()
        yield generator


def measure(
    port: int,
    requests: Requests,
    window: Window,
    *,
    connections: int,
    rate: float | None = None,
    server: int | None = None,
    database: int | None = None,
) -> Measured:
    """One window. server, database: whose CPU time is looked at, by process id."""
    with generating(port, requests, window, connections=connections, rate=rate) as generator:
        watched = [pid for pid in (server, database) if pid is not None]
        _expect(generator, "begin")
        before = [processes.cpu_seconds(pid) for pid in watched]
        _expect(generator, "end")
        spent = [processes.cpu_seconds(pid) - then for pid, then in zip(watched, before, strict=True)]
        assert generator.stdout is not None
        found = json.loads(generator.stdout.readline())
    answers = found["answers"] or 1
    per_answer = dict(zip(watched, (1e6 * seconds / answers for seconds in spent), strict=True))
    return Measured(
        per_second=found["answers"] / found["seconds"],
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        p999_ms=found["p999_ms"],
        errors=sum(found["errors"].values()),
        cpu_us=per_answer.get(server or -1),
        database_cpu_us=per_answer.get(database or -1),
        generator_cpu_us=1e6 * found["generator_cpu"] / answers,
        notes=[f"{number} answers with status {status}" for status, number in found["errors"].items()],
    )


def _expect(generator: "subprocess.Popen[str]", word: str) -> None:
    assert generator.stdout is not None
    line = generator.stdout.readline().strip()
    if line != word:
        raise RuntimeError("the load generator lost its connections: is the server still there?")
