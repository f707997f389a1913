"""``python -m bench [--quick] [--json FILE] [--markdown FILE] [NAME …]``: run the benchmarks and show one table."""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from tests import postgres

from bench import calls, charges, lists, measuring, open_loop, processes, report, scale, start
from bench.measuring import DURABLE, Bench
from bench.report import Line

BENCHMARKS = {
    "charges": charges,
    "open_loop": open_loop,
    "calls": calls,
    "lists": lists,
    "scale": scale,
    "start": start,
}


def main() -> None:
    options = _options()
    began, others = time.monotonic(), {}
    with measuring.home() as home, postgres.server(*DURABLE) as url:
        bench = Bench(options.quick, home, url, Console(stderr=True))
        lines = []
        for name in options.names or BENCHMARKS:
            busy = processes.Busy()
            lines += _lines(bench, name)
            others[name] = round(busy.others(), 2)
    took, window = time.monotonic() - began, bench.window
    kind = "quick run" if options.quick else "full run"
    title = (
        f"Azukari benchmarks, {kind} of {took / 60:.1f} minutes: medians of {bench.rounds} windows of "
        f"{window.seconds:g} s after {window.warm_up:g} s, in turns.\n"
        "Only ratios of one run mean anything. Other programs took of the machine meanwhile: "
        f"{', '.join(f'{name} {share:.0%}' for name, share in others.items())}.\n"
        "CPU: user and system time per answer, of the server's processes + PostgreSQL's."
    )
    console = Console() if sys.stdout.isatty() else Console(width=118)
    console.print(report.table(lines, title))
    console.print("The hosted page's rendering is not measured.")
    if options.json is not None:
        options.json.write_text(report.as_json(lines, kind=kind, seconds=round(took), others=others) + "\n")
    if options.markdown is not None:
        options.markdown.write_text(report.markdown(lines))


def _lines(bench: Bench, name: str) -> list[Line]:
    """A benchmark's lines; one that fails says so in the table, and the others go on."""
    try:
        return list(BENCHMARKS[name].run(bench))
    except Exception as error:
        bench.console.print_exception()
        return [Line(name, "failed", note=f"{type(error).__name__}: {error}")]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short windows, few customers, under two minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the same as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as it stands in the docs")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=", ".join(BENCHMARKS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
