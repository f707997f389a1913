"""The table at the end, and the same as JSON."""

import dataclasses
import json
import os
import platform
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.load import Measured


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure must hold, and what we aim at. most: it is an upper bound."""

    must: float
    aim: float
    most: bool = False

    def mark(self, value: float) -> str:
        """``aim``, ``holds`` or ``MISSED``."""
        for bound, word in ((self.aim, "aim"), (self.must, "holds")):
            if value <= bound if self.most else value >= bound:
                return word
        return "MISSED"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: what a contender showed, or a figure and its bound.

    figure: a ratio, or a number with a unit.
    """

    section: str
    what: str
    measured: Measured | None = None
    figure: float | None = None
    unit: str = "x"
    bound: Bound | None = None
    note: str = ""

    @property
    def mark(self) -> str:
        if self.bound is None:
            return ""
        return "not measured" if self.figure is None else self.bound.mark(self.figure)


def table(lines: Iterable[Line], title: str) -> Table:
    """Everything in one table: figures stand under the row they are about."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    shown.add_column("", min_width=34)
    for name in ("per s", "p50 ms", "p99 ms", "CPU µs", "err", "figure", "must", "aim", ""):
        shown.add_column(name, justify="right", no_wrap=True)
    section = None
    for line in lines:
        if line.section != section:
            if section is not None:
                shown.add_section()
            shown.add_row(f"[bold]{line.section}[/bold]")
            section = line.section
        shown.add_row(*_cells(line))
    return shown


_COLOURS = {"aim": "green", "holds": "yellow", "MISSED": "red", "not measured": "red"}


def _cells(line: Line) -> list[str]:
    found, bound = line.measured, line.bound
    notes = [note for note in (line.note, *(found.notes if found else ())) if note]
    what = "\n  ".join([line.what, *(f"[dim]{note}[/dim]" for note in notes)])
    if found is None:
        cells = [f"  {what}", *[""] * 5]
    else:
        middle = found.p50_ms if found.p50_ms is not None else found.mean_ms
        cells = [what, *map(_number, (found.per_second, middle, found.p99_ms)), _cpu(found), str(found.errors)]
    sign = "" if bound is None else "≤" if bound.most else "≥"
    cells.append("" if line.figure is None else f"{_number(line.figure)} {line.unit}")
    cells += ["", ""] if bound is None else [f"{sign}{bound.must:g}", f"{sign}{bound.aim:g}"]
    colour = _COLOURS.get(line.mark)
    return [*cells, f"[{colour}]{line.mark}[/{colour}]" if colour else ""]


def _cpu(found: Measured) -> str:
    """The server's and, after a plus, PostgreSQL's."""
    database = "" if found.database_cpu_us is None else f"+{_number(found.database_cpu_us)}"
    return _number(found.cpu_us) + database


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown(lines: Iterable[Line]) -> str:
    """The same for ``docs/performance.md``."""
    shown, section = (
        ["| | per s | p50 ms | p99 ms | CPU µs | errors | figure | must | aim | |", "|---" * 10 + "|"],
        None,
    )
    for line in lines:
        if line.section != section:
            shown.append(f"| **{line.section}** |" + " |" * 9)
            section = line.section
        what, *cells = (re.sub(r"\[/?\w+\]", "", cell) for cell in _cells(line))
        indent = "" if line.measured else "&nbsp;&nbsp;"
        shown.append("| " + " | ".join([indent + what.strip().replace("\n  ", "; "), *cells]) + " |")
    return "\n".join(shown) + "\n"


def as_json(lines: Iterable[Line], **about: Any) -> str:
    """The same for programs."""
    return json.dumps(
        {**about, "machine": machine(), "lines": [{**dataclasses.asdict(line), "mark": line.mark} for line in lines]},
        indent=1,
    )


def machine() -> dict[str, str | int]:
    """What it ran on, in general terms."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "cores": os.cpu_count() or 0,
        "memory_gb": round(int(memory.split()[1]) / 2**20),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
