"""Charges that come at fixed times, whatever became of those before: latency counts from when each was due."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from bench import house, load
from bench.house import Template
from bench.load import Measured, Window
from bench.measuring import POSTGRES, SQLITE, Bench, Contender, Running, charges, durability
from bench.report import Bound, Line

RATE = 100
CONNECTIONS = 64
#: How long a processor takes in the second half, and how many calls that keeps in flight.
DELAY_MS = 1_300
IN_FLIGHT = RATE * DELAY_MS // 1_000
_BOUNDS = {"p50_ms": Bound(5, 2, most=True), "p99_ms": Bound(15, 8, most=True), "p999_ms": None}


def run(bench: Bench) -> Iterator[Line]:
    """Every line of the benchmark."""
    window = Window(1.5, 1.4) if bench.quick else Window(8, 2)
    # Thirteen hundred milliseconds of warm-up fill the slow calls' room; a quick run looks at one store.
    both = [(SQLITE, bench.sqlite)] if bench.quick else [(SQLITE, bench.sqlite), (POSTGRES, bench.postgres)]
    turns = bench.in_turn(
        [
            Contender(_name(store, slow), _ready(template, slow=slow))
            for store, template in both
            for slow in (False, True)
        ],
        CONNECTIONS,
        window=window,
    )[CONNECTIONS]
    section = f"POST /payments, open loop, {RATE} a second"
    for store, _ in both:
        found = turns.median(_name(store, False))
        yield Line(section, _name(store, False), found, note=durability(store))
        for figure, bound in _BOUNDS.items():
            yield Line(section, _TITLES[figure], figure=getattr(found, figure), unit="ms", bound=bound)
        slow = _name(store, True)
        yield Line(section, slow, turns.median(slow), note=durability(store))
        ratio = turns.ratio(slow, _name(store, False), "p99_ms")
        yield Line(section, "p99, of that without them", figure=ratio, bound=Bound(2, 1.2, most=True))


_TITLES = {"p50_ms": "p50", "p99_ms": "p99", "p999_ms": "p99.9"}


def _name(store: str, slow: bool) -> str:
    return f"Azukari, {store}" + (f", {IN_FLIGHT} calls of {DELAY_MS / 1_000} s in flight" if slow else "")


def _ready(template: Template, *, slow: bool) -> Callable[[], AbstractContextManager[Running]]:
    @contextmanager
    def ready() -> Iterator[Running]:
        with house.serving(template) as server:
            yield _Due(server.port, server.pid, template, slow)

    return ready


@dataclass(frozen=True, slots=True)
class _Due:
    port: int
    pid: int
    template: Template
    slow: bool

    def window(self, connections: int, window: Window) -> Measured:
        if not self.slow:
            return self._look(connections, window)
        # The slow ones come on connections of their own, one by one, and are on their way before and after the window.
        around = Window(window.warm_up + window.seconds, 0)
        slow = charges(self.template, Azukari_Delay=str(DELAY_MS))
        with load.generating(self.port, slow, around, connections=2 * IN_FLIGHT, rate=RATE) as others:
            found = self._look(connections, window)
            others.communicate()
        return found

    def _look(self, connections: int, window: Window) -> Measured:
        requests = charges(self.template)
        return load.measure(self.port, requests, window, connections=connections, rate=RATE, server=self.pid)
