"""What every benchmark stands on: how long to look, fresh installations, and turns."""

import contextlib
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from rich.console import Console

from bench import house, load
from bench.house import Server, Template
from bench.load import Measured, Window

#: PostgreSQL as anybody runs it who wants to keep what it answered.
DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
SQLITE, POSTGRES = "SQLite", "PostgreSQL"
DURABILITY = {SQLITE: "WAL, synchronous=FULL", POSTGRES: "fsync=on, synchronous_commit=on"}
CUSTOMERS = 1_000


class Running(Protocol):
    """Something that answers load."""

    def window(self, connections: int, window: Window) -> Measured:
        """So many callers for so long."""
        ...


@dataclass(frozen=True, slots=True)
class Contender:
    """What takes part in a benchmark. ready: a context in which it runs, on fresh data."""

    name: str
    ready: Callable[[], AbstractContextManager[Running]]


@dataclass
class Bench:
    """One run. home: for templates. url, server: PostgreSQL's and its process."""

    quick: bool
    home: Path
    url: str
    console: Console

    @property
    def rounds(self) -> int:
        return 3

    @property
    def window(self) -> Window:
        return Window(0.5, 0.3) if self.quick else Window(3, 1)

    @cached_property
    def server(self) -> int:
        """PostgreSQL's first process."""
        return int(Path(parse_qs(urlsplit(self.url).query)["host"][0], "data/postmaster.pid").read_text().split()[0])

    @cached_property
    def sqlite(self) -> Template:
        return house.make_template(self.home, None, CUSTOMERS)

    @cached_property
    def postgres(self) -> Template:
        return house.make_template(self.home, house.new_database(self.url), CUSTOMERS)

    def say(self, what: str) -> None:
        """Show that something goes on."""
        self.console.print(f"[dim]{what}[/dim]")

    def in_turn(
        self, contenders: Iterable[Contender], *connections: int, window: Window | None = None
    ) -> "dict[int, Turns]":
        """Rounds in which each contender has one window: those who are compared see the same moods of the machine.

        Each window has fresh data; in a quick run the windows of a contender share them. The answer is by connections.
        """
        contenders, window = list(contenders), window or self.window
        turns = {number: Turns({each.name: [] for each in contenders}) for number in connections}
        with ExitStack() as kept:
            running = {each.name: kept.enter_context(each.ready()) for each in contenders} if self.quick else {}
            for turn, number in product(range(self.rounds), connections):
                for each in contenders:
                    self.say(f"{turn + 1} of {self.rounds}: {each.name}, {number} at a time")
                    with ExitStack() as fresh:
                        it = running.get(each.name) or fresh.enter_context(each.ready())
                        turns[number].found[each.name].append(it.window(number, window))
        return turns


def durability(name: str) -> str:
    """What a commit of this contender is worth: named in each of its rows."""
    return next((how for store, how in DURABILITY.items() if store in name), "")


@dataclass(frozen=True, slots=True)
class Turns:
    """What each contender showed, round by round."""

    found: dict[str, list[Measured]]

    def median(self, name: str) -> Measured:
        """Its middle, figure by figure."""
        windows = self.found[name]
        middle = {}
        for each in fields(Measured):
            values = [getattr(window, each.name) for window in windows]
            if each.name == "errors":
                middle[each.name] = sum(values)
            elif each.name != "notes":
                known = [value for value in values if value is not None]
                middle[each.name] = statistics.median(known) if known else None
        return Measured(**middle, notes=sorted({note for window in windows for note in window.notes}))

    def ratio(self, name: str, other: str, figure: str = "per_second") -> float | None:
        """How many times the other, in the middle of the rounds."""
        pairs = zip(self.found[name], self.found[other], strict=True)
        known = [(getattr(mine, figure), getattr(theirs, figure)) for mine, theirs in pairs]
        return (
            statistics.median(mine / theirs for mine, theirs in known) if all(theirs for _, theirs in known) else None
        )

    def thrift(self, name: str, other: str) -> float | None:
        """How many times as many answers as the other for the same CPU time, database and all.

        Steadier than the rates' ratio where other programs take a share of the machine.
        """
        pairs = zip(self.found[name], self.found[other], strict=True)
        return statistics.median(_cpu(theirs) / _cpu(mine) for mine, theirs in pairs)


def _cpu(found: Measured) -> float:
    return (found.cpu_us or 0.0) + (found.database_cpu_us or 0.0)


@dataclass(frozen=True, slots=True)
class Serving:
    """An Azukari under load. requests: what is sent to it."""

    server: Server
    requests: load.Requests
    database: int | None = None

    def window(self, connections: int, window: Window) -> Measured:
        return load.measure(
            self.server.port,
            self.requests,
            window,
            connections=connections,
            server=self.server.pid,
            database=self.database,
        )


def charging(bench: Bench, template: Template, *, workers: int = 1) -> Callable[[], AbstractContextManager[Running]]:
    """A fresh Azukari whose stored customers are charged."""

    @contextmanager
    def ready() -> Iterator[Running]:
        with house.serving(template, workers=workers) as server:
            yield Serving(server, charges(template), bench.server if template.database else None)

    return ready


def charges(template: Template, **headers: str) -> load.Requests:
    """Charges of a template's customers."""
    return load.charges(template.key, template.customers, **headers)


@contextmanager
def home() -> Iterator[Path]:
    """A folder for as long as the run takes."""
    with tempfile.TemporaryDirectory(prefix="azukari-bench-") as path, contextlib.suppress(FileNotFoundError):
        yield Path(path)
