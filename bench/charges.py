"""``POST /payments`` on a stored customer, against the bare databases and the rivals."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from bench import loop, pgbench, rivals
from bench.load import Measured, Window
from bench.measuring import POSTGRES, SQLITE, Bench, Contender, Running, Turns, charging, durability
from bench.report import Bound, Line

CONNECTIONS = (16, 64)
ON_SQLITE = f"Azukari, {SQLITE}"
ON_POSTGRES = f"Azukari, {POSTGRES}"
TWO_WORKERS = f"{ON_POSTGRES}, 2 workers"
BAR = f"pgbench, same statements, {POSTGRES}"
GROUPS = f"tight loop, groups of this size, {SQLITE}"
ONE_BY_ONE = f"tight loop, one by one, {SQLITE}"

_OF_BAR = {(ON_SQLITE, 16): Bound(1.0, 2.0), (ON_SQLITE, 64): Bound(1.0, 2.0),
           (ON_POSTGRES, 16): Bound(0.6, 1.1), (ON_POSTGRES, 64): Bound(1.0, 1.9)}  # fmt: skip
_OF_RIVALS = {"as shipped": Bound(10, 25), "dump off": Bound(2, 5), "stateful-mock": Bound(0.7, 1.0)}


def run(bench: Bench) -> Iterator[Line]:
    """Every line of the benchmark."""
    bar, tight = pgbench.Bar(bench.postgres, bench.server), loop.Bar(bench.sqlite)
    there, missing = rivals.contenders()
    first, second = CONNECTIONS
    always = [
        Contender(ON_SQLITE, charging(bench, bench.sqlite)),
        Contender(ON_POSTGRES, charging(bench, bench.postgres)),
        Contender(TWO_WORKERS, charging(bench, bench.postgres, workers=2)),
        Contender(BAR, bar.ready),
        Contender(GROUPS, tight.ready),
    ]
    alone = Contender(ONE_BY_ONE, lambda: _alone(tight))
    turns = bench.in_turn([*always, alone, *there], first)
    # A quick run looks at the others once.
    turns |= bench.in_turn(always if bench.quick else [*always, alone, *there], second)
    for connections in CONNECTIONS:
        yield from _lines(turns[connections], connections)
        for rival in missing:
            yield Line(_section(connections), rival.name, note=f"could not be installed: {rival.why}")


def _section(connections: int) -> str:
    return f"POST /payments on a stored customer, {connections} connections"


def _lines(turns: Turns, connections: int) -> Iterator[Line]:
    section = _section(connections)
    for mine in (ON_SQLITE, ON_POSTGRES, TWO_WORKERS):
        yield Line(section, mine, turns.median(mine), note=durability(mine))
        yield Line(section, "of pgbench", figure=turns.ratio(mine, BAR), bound=_OF_BAR.get((mine, connections)))
        yield Line(section, "of pgbench, for the same CPU time", figure=turns.thrift(mine, BAR))
        if mine == ON_SQLITE:
            yield Line(section, "of the loop in groups", figure=turns.ratio(mine, GROUPS))
            for name, bound in _rivals(turns):
                yield Line(section, f"of {name}", figure=turns.ratio(mine, name), bound=bound)
        if mine == TWO_WORKERS:
            bound = Bound(1.4, 1.4) if connections == CONNECTIONS[-1] else None
            yield Line(section, "of one worker", figure=turns.ratio(mine, ON_POSTGRES), bound=bound)
    for other in (BAR, GROUPS, ONE_BY_ONE):
        if other in turns.found:
            yield Line(section, other, turns.median(other), note=durability(other))
    for name, _ in _rivals(turns):
        found = turns.median(name)
        yield Line(section, name, found, note=f"in memory; {found.stored or 0:,.0f} objects in its store at the end")


def _rivals(turns: Turns) -> Iterator[tuple[str, Bound]]:
    """The rivals that were measured, and what we must be of them."""
    for word, bound in _OF_RIVALS.items():
        yield from ((name, bound) for name in turns.found if word in name)


def _alone(tight: loop.Bar) -> AbstractContextManager[Running]:
    """The loop without groups, whatever the number of connections."""

    @contextmanager
    def ready() -> Iterator[Running]:
        with tight.ready() as running:
            yield _Alone(running)

    return ready()


class _Alone:
    def __init__(self, running: loop.Running) -> None:
        self._running = running

    def window(self, connections: int, window: Window) -> Measured:
        return self._running.window(1, window)
