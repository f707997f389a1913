"""A shop with few customers against one with many: every one of them real, with a card that opens."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from bench import house
from bench.house import Template
from bench.measuring import POSTGRES, SQLITE, Bench, Contender, Running, Serving, charges, durability
from bench.report import Bound, Line
from bench.start import SECONDS

FEW, MANY = 1_000, 1_000_000
CONNECTIONS = 64


def run(bench: Bench) -> Iterator[Line]:
    """Every line of the benchmark. So many rows are made once: the windows of a size share one database."""
    section = f"POST /payments with {MANY:,} customers against {FEW:,}, {CONNECTIONS} connections"
    if bench.quick:
        yield Line(section, "left to the full run")
        return
    for store, on_postgres in ((SQLITE, False), (POSTGRES, True)):
        names = {count: f"Azukari, {store}, {count:,} customers" for count in (FEW, MANY)}
        contenders: list[Contender] = []
        starts: dict[int, list[float]] = {FEW: [], MANY: []}
        for count, name in names.items():
            bench.say(f"making {count:,} customers, {store}")
            database = house.new_database(bench.url) if on_postgres else None
            template = house.make_template(bench.home / "scale", database, count)
            contenders.append(Contender(name, _ready(bench, template, starts[count])))
        turns = bench.in_turn(contenders, CONNECTIONS)[CONNECTIONS]
        for name in names.values():
            yield Line(section, name, turns.median(name), note=durability(store))
        ratio = turns.ratio(names[MANY], names[FEW])
        yield Line(section, f"of that with {FEW:,}", figure=ratio, bound=Bound(0.9, 0.98))
        seconds = statistics.median(starts[MANY])
        yield Line(section, f"to the first answer with {MANY:,}", figure=seconds, unit="s", bound=SECONDS)


def _ready(bench: Bench, template: Template, starts: list[float]) -> Callable[[], AbstractContextManager[Running]]:
    @contextmanager
    def ready() -> Iterator[Running]:
        with house.serve(template.data, template.database, template.key) as server:
            starts.append(server.start)
            mixed = replace(template, customers=sorted(template.customers, key=lambda it: it[::-1]))
            yield Serving(server, charges(mixed), bench.server if template.database else None)

    return ready
