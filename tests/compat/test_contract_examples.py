"""The requests the contract gives as examples are answered with success, as JSON and as forms."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from azukari.processors.methods import METHODS
from tests.compat.contract import ROOT
from tests.house import Api, House, card

CONTRACT = yaml.safe_load((ROOT / "contract" / "openapi.yaml").read_text(encoding="utf-8"))
SERVED = yaml.safe_load((ROOT / "contract" / "additions.yaml").read_text(encoding="utf-8"))["served"]
#: What our simulator takes.
TYPES = METHODS | {"credit_card"}


def _resolved(node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        target: Any = CONTRACT
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = target
    return node


def _examples() -> Iterator[tuple[str, str, str, str, Any]]:
    """Operation, method, path, name and body of each example."""
    for path, item in CONTRACT["paths"].items():
        for method, operation in item.items():
            if not isinstance(operation, dict) or operation.get("operationId") not in SERVED:
                continue
            content = _resolved(operation.get("requestBody", {})).get("content", {})
            for media in content.values():
                for name, example in media.get("examples", {}).items():
                    yield operation["operationId"], method, path, name, _resolved(example)["value"]
                if "example" in media:
                    yield operation["operationId"], method, path, "example", media["example"]


EXAMPLES = {f"{operation} {name}": (method, path, value) for operation, method, path, name, value in _examples()}


def _is_served(value: Any) -> bool:
    details = value.get("payment_details") if isinstance(value, dict) else None
    return not isinstance(details, dict) or details.get("type") in TYPES


SERVED_EXAMPLES = {name: example for name, example in EXAMPLES.items() if _is_served(example[2])}


def form(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, held in value.items():
            yield from form(f"{name}[{key}]" if name else key, held)
    elif isinstance(value, list):
        for held in value:
            yield from form(f"{name}[]", held)
    elif value is not None:
        yield name, value if isinstance(value, str) else json.dumps(value)


async def _prepared(api: Api, value: Any) -> Any:
    """The example with ids of things that are there, and a card that is still good."""
    if not isinstance(value, dict):
        return value
    value = dict(value)
    if "customer" in value:
        value["customer"] = await api.customer()
    details = value.get("payment_details")
    if isinstance(details, str):
        value["payment_details"] = await api.token(verification_value="123")
    elif isinstance(details, dict):
        value["payment_details"] = details | {"year": "2099"}
    return value


async def _path(api: Api, path: str) -> str:
    if "{id}" not in path:
        return path
    if path.startswith("/sessions"):
        return path.replace("{id}", await api.session())
    customer = await api.customer()
    if path.startswith("/customers"):
        return path.replace("{id}", customer)
    order = {"amount": 5000, "currency": "JPY", "customer": customer, "capture": "refund" in path}
    return path.replace("{id}", (await api.post("/payments", json=order)).json()["id"])


@pytest.mark.parametrize("as_form", [False, True], ids=["json", "form"])
@pytest.mark.parametrize("name", SERVED_EXAMPLES)
async def test_an_example_of_the_contract_works(api: Api, name: str, as_form: bool) -> None:
    method, path, value = SERVED_EXAMPLES[name]
    body = await _prepared(api, value)
    target = await _path(api, path)
    if as_form:
        content = str(httpx.QueryParams(list(form("", body)))).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = await api.request(method, target, content=content, headers=headers)
    else:
        reply = await api.request(method, target, json=body)

    assert reply.status_code == 200, reply.text


def test_there_are_examples_of_every_way_to_pay_that_is_served() -> None:
    assert {"createPayment with_customer", "createPayment with_card", "createPayment with_token"} <= set(
        SERVED_EXAMPLES
    )


def test_there_is_no_example_of_a_type_that_is_not_served() -> None:
    assert EXAMPLES == SERVED_EXAMPLES


async def test_the_mobile_apps_way_of_writing_numbers_works(house: House) -> None:
    order = {"amount": "1000", "tax": "80", "currency": "JPY"}
    reply = await house.api.post("/payments", json={**order, "payment_details": card(month="02", year="99")})
    assert (reply.status_code, reply.json()["total"]) == (200, 1080)
    assert (reply.json()["payment_details"]["month"], reply.json()["payment_details"]["year"]) == (2, 2099)
