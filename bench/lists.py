"""Lists of a merchant with many payments: the first page, others, and by date."""

import asyncio
import time
from collections.abc import Iterator

from azukari.core.clock import DAY, iso
from azukari.core.config import Settings
from azukari.core.secret import Secret
from bench import house, load
from bench.fill import fill_payments, settle
from bench.house import Template
from bench.measuring import POSTGRES, SQLITE, Bench, Serving
from bench.report import Bound, Line

MANY, QUICK = 1_000_000, 20_000
#: Payments are spread over so many days.
DAYS = 365
_MS = Bound(20, 10, most=True)


def run(bench: Bench) -> Iterator[Line]:
    """Every line of the benchmark. Nothing is written, so the windows share one database."""
    count = QUICK if bench.quick else MANY
    section = f"GET /payments with {count:,} payments of one merchant, 1 connection"
    since = int(time.time() * 1_000) - DAYS * DAY
    for store, on_postgres in ((SQLITE, False), (POSTGRES, True)):
        bench.say(f"making {count:,} payments, {store}")
        template = _template(bench, on_postgres, count, since)
        with house.serve(template.data, template.database, template.key) as server:
            for name, queries in _queries(count, since).items():
                bench.say(f"{name}, {store}")
                requests = load.gets([f"/api/v1/payments?{query}" for query in queries], template.key)
                serving = Serving(server, requests, bench.server if on_postgres else None)
                found = serving.window(1, bench.window)
                yield Line(section, f"{name}, {store}", found, figure=found.p50_ms, unit="ms", bound=_MS)


def _template(bench: Bench, on_postgres: bool, count: int, since: int) -> Template:
    database = house.new_database(bench.url) if on_postgres else None
    template = house.make_template(bench.home / "lists", database, 1)
    settings = Settings(data=template.data, database_url=Secret(database) if database else None)
    asyncio.run(fill_payments(settings, template.key, count, since))
    asyncio.run(settle(settings))
    return template


def _queries(count: int, since: int) -> dict[str, list[str]]:
    """By name, the queries that are sent in turn."""
    days = [since + day * DAY for day in range(5, DAYS - 5, 10)]
    return {
        "page 1": ["page=1"],
        "page 2": ["page=2"],
        f"page {count // 20:,}": [f"page={count // 20}"],
        f"page {count // 10:,}": [f"page={count // 10}"],
        "a day": [_between(day, day + DAY) for day in days],
        "ten days, page 20": [_between(day, day + 10 * DAY) + "&page=20" for day in days],
        "since a day": [f"start_time={iso(day)}" for day in days],
        "until a day": [f"end_time={iso(day)}" for day in days],
    }


def _between(start: int, end: int) -> str:
    return f"start_time={iso(start)}&end_time={iso(end)}"
