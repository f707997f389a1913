"""Other calls than the charge: tokens, customers, a look at a payment."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from bench import house, load
from bench.fill import CARD
from bench.house import Server, Template
from bench.measuring import POSTGRES, SQLITE, Bench, Contender, Running, Serving, durability
from bench.report import Line

CONNECTIONS = 16
PAYMENTS = 200
_DETAILS = {f"payment_details[{name}]": value for name, value in CARD.items()}


def run(bench: Bench) -> Iterator[Line]:
    """Every line of the benchmark."""
    both = [(SQLITE, bench.sqlite)] if bench.quick else [(SQLITE, bench.sqlite), (POSTGRES, bench.postgres)]
    contenders = [
        Contender(f"{name}, {store}", _ready(bench, template, requests))
        for name, requests in _CALLS.items()
        for store, template in both
    ]
    turns = bench.in_turn(contenders, CONNECTIONS)[CONNECTIONS]
    for each in contenders:
        yield Line(
            f"Other calls, {CONNECTIONS} connections", each.name, turns.median(each.name), note=durability(each.name)
        )


def _ready(
    bench: Bench, template: Template, requests: Callable[[Server], load.Requests]
) -> Callable[[], AbstractContextManager[Running]]:
    @contextmanager
    def ready() -> Iterator[Running]:
        with house.serving(template) as server:
            yield Serving(server, requests(server), bench.server if template.database else None)

    return ready


def _tokens(server: Server) -> load.Requests:
    return load.posts("/api/v1/tokens", server.key, [{**_DETAILS, "payment_details[verification_value]": "123"}])


def _customers(server: Server) -> load.Requests:
    return load.posts("/api/v1/customers", server.key, [_DETAILS])


def _payments(server: Server) -> load.Requests:
    paths = []
    for _ in range(PAYMENTS):
        form = urlencode({"amount": "1000", "currency": "JPY", **_DETAILS}).encode()
        request = Request(
            f"http://127.0.0.1:{server.port}/api/v1/payments", form, {"Authorization": load.basic(server.key)}
        )
        with urlopen(request) as reply:
            paths.append(f"/api/v1/payments/{json.load(reply)['id']}")
    return load.gets(paths, server.key)


_CALLS: dict[str, Callable[[Server], load.Requests]] = {
    "POST /tokens": _tokens, "POST /customers": _customers, "GET /payments/{id}": _payments,
}  # fmt: skip
