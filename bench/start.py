"""``azukari serve`` to its first answer, and its memory."""

import statistics
from collections.abc import Iterator

from bench import house, processes
from bench.house import Template
from bench.load import Window
from bench.measuring import POSTGRES, SQLITE, Bench, Serving, charges
from bench.report import Bound, Line

STARTS, QUICK_STARTS = 5, 3
CONNECTIONS = 64
SECONDS = Bound(1, 0.5, most=True)
_MEMORY = Bound(150, 100, most=True)
_MB = 1e6


def run(bench: Bench) -> Iterator[Line]:
    """Every line of the benchmark."""
    section = "Start and memory, 1 worker"
    for store, template in ((SQLITE, bench.sqlite), (POSTGRES, bench.postgres)):
        bench.say(f"starts, {store}")
        starts, idle, loaded = _look(bench, template)
        yield Line(section, f"to the first answer, {store}", figure=statistics.median(starts), unit="s", bound=SECONDS)
        yield Line(section, f"memory after the start, {store}", figure=idle / _MB, unit="MB")
        yield Line(section, f"memory under load, {store}", figure=loaded / _MB, unit="MB", bound=_MEMORY)


def _look(bench: Bench, template: Template) -> tuple[list[float], int, int]:
    starts, most = [], QUICK_STARTS if bench.quick else STARTS
    with house.copied(template) as (data, database):
        for _ in range(most):
            with house.serve(data, database, template.key) as server:
                starts.append(server.start)
                idle = loaded = processes.resident_bytes(server.pid)
                if len(starts) == most:
                    Serving(server, charges(template)).window(CONNECTIONS, Window(2 * bench.window.seconds, 0))
                    loaded = processes.resident_bytes(server.pid)
    return starts, idle, loaded
