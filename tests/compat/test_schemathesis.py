"""Requests made from the description, right and wrong ones: each is answered as the description says (SEC-26)."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from azukari.core.config import Settings
from tests.cards import KONBINI
from tests.compat.contract import ROOT
from tests.house import Api, House, running

T = TypeVar("T")

#: For each operation, mode and database.
EXAMPLES = 12


def _served() -> dict[str, Any]:
    """The description without what is only planned."""
    description: dict[str, Any] = json.loads((ROOT / "src/azukari/static/openapi.json").read_text(encoding="utf-8"))
    for path, item in list(description["paths"].items()):
        for method, operation in list(item.items()):
            if isinstance(operation, dict) and operation.get("x-azukari-status") == "planned":
                del item[method]
        if not any(isinstance(operation, dict) and "operationId" in operation for operation in item.values()):
            del description["paths"][path]
    return description


SCHEMA = schemathesis.openapi.from_dict(_served())
OPERATIONS = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations()}
#: A decline is a 502 on this wire, and a processor that was not reached a 504: no faults of the server's.
NO_FAULTS = (502, 504)
CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


class Loop:
    """An event loop in a thread of its own: Hypothesis runs its examples without one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="house")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Open:
    """A running installation, and ids of things in it by the path they stand in."""

    loop: Loop
    api: Api
    ids: dict[str, str]


#: Operations that need a payment in a state of its own.
OF_THEIR_OWN = {
    "capture": "held", "refund_requests": "refund_requests", "simulate": "waiting", "refund_request": "waiting",
    "barcodes": "waiting", "finalize": "at_terminal",
}  # fmt: skip
TERMINAL = {"type": "credit_card_terminal", "track2": "4111111111111111=991220112345", "flowType": "1"}
ACCOUNT = {
    "amount": 100, "customer_name": "ヤマダ タロウ", "bank_name": "テスト銀行", "branch_number": "001",
    "account_type": "normal", "account_number": "1234567", "include_payment_method_fee": True,
}  # fmt: skip


async def _ids(api: Api) -> dict[str, str]:
    customer = await api.customer()
    payment = (await api.charge(customer)).json()["id"]
    held = {"amount": 1000, "currency": "JPY", "customer": customer, "capture": False}
    paid = (await api.post("/payments", json={**held, "customer": None, "payment_details": KONBINI})).json()["id"]
    await api.post(f"/test/payments/{paid}/simulate", json={"outcome": "paid"})
    asked = await api.post(f"/payments/{paid}/refund_request", json=ACCOUNT)
    at_terminal = await api.post("/payments", json={**held, "customer": None, "payment_details": TERMINAL})
    monthly = {"amount": 1000, "currency": "JPY", "customer": customer, "period": "monthly"}
    return {
        "refund_requests": asked.json()["refund_requests"][0]["id"],
        "at_terminal": at_terminal.json()["id"],
        "customers": customer,
        "payments": payment,
        "external_customers": customer,
        "held": (await api.post("/payments", json=held)).json()["id"],
        "waiting": (await api.post("/payments", json={**held, "customer": None, "payment_details": KONBINI})).json()[
            "id"
        ],
        "events": (await api.get("/events")).json()["data"][0]["id"],
        "secure_tokens": (await api.secure_token())["id"],
        "sessions": await api.session(),
        "subscriptions": (await api.post("/subscriptions", json=monthly)).json()["id"],
        "webhook_endpoints": (await api.post("/webhook_endpoints", json={"url": "https://1.1.1.1/"})).json()["id"],
    }


async def _let_nobody_wait(house: House) -> None:
    """For events that made-up requests would wait for."""
    house.services.news.close()


@pytest.fixture
def opened(template: Any, settings: Settings) -> Iterator[Open]:
    loop = Loop()
    manager = running(settings)
    house: House = loop.run(manager.__aenter__())
    api = house.api
    try:
        ids = loop.run(_ids(api))
        loop.run(_let_nobody_wait(house))
        # Schemathesis holds the answers against the description itself; made-up ids make paths that are none of its.
        api.event_hooks = {}
        yield Open(loop, api, ids)
    finally:
        loop.run(manager.__aexit__(None, None, None))
        loop.close()


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A form with brackets."""
    if isinstance(value, dict):
        for key, held in value.items():
            yield from _pairs(f"{name}[{key}]" if name else str(key), held)
    elif isinstance(value, list):
        for held in value:
            yield from _pairs(f"{name}[]", held)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _request(api: Api, case: Case, ids: dict[str, str] | None) -> httpx.Request:
    """The request of a case, with our key; ids: of things that are there, instead of made-up ones."""
    made_up = {name: quote(str(value), safe="") for name, value in (case.path_parameters or {}).items()}
    path = case.operation.path.format_map(made_up)
    if ids is not None and "{id}" in case.operation.path:
        thing = case.operation.path.removeprefix("/test").split("/")[1]
        thing = next((other for word, other in OF_THEIR_OWN.items() if word in case.operation.path), thing)
        path = case.operation.path.replace("{id}", ids[thing])
    headers = {
        name.encode(): str(value).encode()
        for name, value in (case.headers or {}).items()
        if name.lower() not in ("authorization", "azukari-delay", "content-type") and value != "slow"
    }
    content = None
    if isinstance(case.body, bytes):
        content = case.body
    elif case.body is not None and not isinstance(case.body, type(schemathesis.core.NOT_SET)):
        if case.media_type == "application/json":
            content = json.dumps(case.body).encode()
        else:
            content = str(httpx.QueryParams(list(_pairs("", case.body)))).encode("utf-8", "replace")
    if content is not None:
        headers[b"Content-Type"] = (case.media_type or "application/json").encode()
    query = httpx.QueryParams(list(_pairs("", dict(case.query or {}))))
    return api.build_request(case.method, path, params=query, headers=headers, content=content)


def _try(opened: Open, label: str, mode: GenerationMode) -> list[int]:
    """Send what is made for an operation; the statuses that came."""
    statuses: list[int] = []

    @limits(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode), known=st.booleans())
    def one(case: Case, known: bool) -> None:
        request = _request(opened.api, case, opened.ids if known else None)
        reply = opened.loop.run(opened.api.send(request, auth=httpx.BasicAuth(opened.api.key, "")))
        statuses.append(reply.status_code)
        checks = CHECKS if reply.status_code in NO_FAULTS else [*CHECKS, not_a_server_error]
        case.validate_response(reply, checks=checks)

    one()
    return statuses


@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_description_allows_and_forbids_is_answered_as_it_says(opened: Open, label: str) -> None:
    right = _try(opened, label, GenerationMode.POSITIVE)
    assert len(right) >= 2
    assert not {405, 415} & set(right)
    if OPERATIONS[label].body or OPERATIONS[label].query:
        wrong = _try(opened, label, GenerationMode.NEGATIVE)
        assert len(wrong) >= 2


def test_every_served_operation_is_tried() -> None:
    listed = yaml.safe_load((ROOT / "contract" / "additions.yaml").read_text(encoding="utf-8"))["served"]
    assert len(OPERATIONS) == len(listed)
