"""The served description is the contract and more, never less; the files in the package are made from it."""

import copy
import json
from typing import Any

import pytest
import yaml
from contract import served as maker
from jsonschema_rs import Draft202012Validator, Registry

from tests.compat.contract import ROOT, TEXT_ONLY

#: The only values of the contract that the served description words anew.
OURS = {"info.title", "info.summary", "info.description"}


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "contract" / "openapi.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def served() -> dict[str, Any]:
    return maker.build()


def _losses(theirs: object, ours: object, where: str = "") -> list[str]:
    """Where ``ours`` lacks something that stands in ``theirs``. Lists may grow, and only grow."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [loss for key, value in theirs.items() for loss in _member(value, ours, key, where)]
    if isinstance(theirs, list) and isinstance(ours, list):
        return [f"{where}[{i}]" for i, item in enumerate(theirs) if all(_losses(item, mine) for mine in ours)]
    same = type(theirs) is type(ours) and theirs == ours
    return [] if same else [where]


def _member(value: object, ours: dict[str, Any], key: str, where: str) -> list[str]:
    path = f"{where}.{key}" if where else key
    if path in OURS:
        return []
    return _losses(value, ours[key], path) if key in ours else [path]


def test_nothing_of_the_contract_is_taken_away_or_changed(contract, served):
    assert _losses(contract, served) == []


def test_the_comparison_itself_finds_a_loss():
    whole = {"a": [1, {"b": "c"}], "d": {"e": None}}
    assert _losses(whole, {"a": [0, {"b": "c", "x": 1}, 1], "d": {"e": None, "f": 1}, "g": 1}) == []
    assert _losses(whole, {"a": [1, {"b": "C"}], "d": {}}) == ["a[1]", "d.e"]
    assert _losses({"a": 1}, {"a": True}) == ["a"]


#: What schemas of the contract have besides, none of it required.
OUR_MEMBERS = {
    "Event": {"sequence"}, "EventList": {"next", "has_more"}, "PaymentCreate": {"webhooks"},
    "SecureTokenCreate": {"customer_grant"},
}  # fmt: skip


def test_schemas_security_and_tags_are_the_contracts_own(contract, served):
    schemas = copy.deepcopy(served["components"]["schemas"])
    types = {name + kind for name in TEXT_ONLY for kind in ("", "Request")}
    added = ("Webhook", "PaymentWebhook", "TestClock", "CustomerGrant")
    ours = types | {name for name in schemas if name.startswith(added)}
    assert len(ours) == 9 + 2 * len(TEXT_ONLY)
    for name, members in OUR_MEMBERS.items():
        for member in members:
            del schemas[name]["properties"][member]
    theirs = contract["components"]["schemas"]
    grown = {"PaymentDetails", "PaymentDetailsRequest", "PaymentType"}
    assert {name: schemas[name] for name in schemas.keys() - ours - grown} == {
        name: theirs[name] for name in theirs.keys() - grown
    }
    before = theirs["PaymentType"]["enum"]
    assert schemas["PaymentType"]["enum"] == [*before, *sorted(set(schemas["PaymentType"]["enum"]) - set(before))]
    assert len(schemas["PaymentType"]["enum"]) == len(before) + len(TEXT_ONLY)
    for name in grown - {"PaymentType"}:
        more = [part["$ref"].rpartition("/")[2] for part in schemas[name]["oneOf"][len(theirs[name]["oneOf"]) :]]
        assert set(more) <= types
    assert served["components"]["securitySchemes"] == contract["components"]["securitySchemes"]
    assert served["tags"] == contract["tags"]
    # What a test does in a shopper's place is ours, what sets webhooks up, and what lets a page verify a saved card;
    # every other path is the contract's.
    places = ("/test/", "/webhook_endpoints", "/customers/{id}/grants")
    assert {path for path in served["paths"] if not path.startswith(places)} == contract["paths"].keys()


def test_the_generated_files_are_up_to_date(served):
    for name, text in maker.render(served).items():
        kept = (ROOT / "src" / "azukari" / "static" / name).read_text(encoding="utf-8")
        assert kept == text, f"{name} is old: run `make openapi`"


def test_both_files_say_the_same():
    static = ROOT / "src" / "azukari" / "static"
    with (static / "openapi.yaml").open(encoding="utf-8") as file:
        assert yaml.safe_load(file) == json.loads((static / "openapi.json").read_text(encoding="utf-8"))


def test_an_addition_that_changes_the_contract_is_refused(contract):
    additions = {"info": {}, "servers": [], "paths": {}, "rules": [], "served": []}
    changed = {"schemas": {"Currency": {"type": "integer"}}}
    with pytest.raises(maker.Conflict, match="already has another value"):
        maker.lay_over(contract, additions | {"components": changed})


def test_a_name_that_is_no_operation_is_refused(contract):
    additions = {"info": {}, "servers": [], "paths": {}, "components": {}, "rules": [], "served": ["createPaiment"]}
    with pytest.raises(maker.Conflict, match="createPaiment"):
        maker.lay_over(contract, additions)


def _operations(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {operation["operationId"]: operation for _, operation in maker._operations(description)}


def test_every_operation_declares_every_error_with_the_error_schema(served):
    statuses = {400, 401, 404, 405, 408, 413, 414, 415, 422, 429, 431, 500, 502, 503, 504}
    for name, operation in _operations(served).items():
        missing = {str(status) for status in statuses} - operation["responses"].keys()
        assert missing <= ({"401"} if operation["security"] == [] else set()), name
        for status, response in operation["responses"].items():
            if status >= "400":
                answer = _at(served, response["$ref"]) if "$ref" in response else response
                schema = answer["content"]["application/json"]["schema"]["$ref"]
                # `paySession` adds a member to the error; the contract has a schema of its own for it.
                assert schema.endswith(("/Error", "/SessionPayError")), (name, status)
                assert "X-Request-Id" in answer["headers"], (name, status)


def test_a_payment_whose_outcome_is_open_is_202_and_a_busy_one_423(served):
    operations = _operations(served)
    for name in ("createPayment", "capturePayment", "refundPayment", "cancelPayment"):
        assert {"202", "423"} <= operations[name]["responses"].keys()
    assert "202" not in operations["createCustomer"]["responses"]


def test_answers_that_ask_for_patience_say_how_much(served):
    for name in ("Conflict", "Locked", "TooManyRequests", "Unavailable"):
        assert "Retry-After" in served["components"]["responses"][name]["headers"]


def test_failures_can_be_ordered_on_creates(served):
    for name in ("createPayment", "createCustomer"):
        parameters = [p["$ref"].rpartition("/")[2] for p in _operations(served)[name]["parameters"]]
        assert {"Scenario", "Fault", "Delay"} <= set(parameters)
        assert len(parameters) == len(set(parameters))


def test_our_own_address_comes_first(served):
    assert served["servers"][0]["url"] == "http://127.0.0.1:8420/api/v1"


def test_planned_is_whatever_is_not_listed_as_served(served):
    listed = yaml.safe_load((ROOT / "contract" / "additions.yaml").read_text(encoding="utf-8"))["served"]
    for name, operation in _operations(served).items():
        assert (operation.get("x-azukari-status") == "planned") != (name in listed), name


def test_every_reference_leads_somewhere_and_every_example_fits(served):
    registry = Registry([("urn:served", {"components": served["components"]})])
    for name, response in served["components"]["responses"].items():
        media = response["content"]["application/json"]
        reference = media["schema"]["$ref"].replace("#", "urn:served#")
        validator = Draft202012Validator({"$ref": reference}, registry=registry, validate_formats=True)
        assert "example" not in media or validator.is_valid(media["example"]), name
    for reference in _references(served):
        assert _at(served, reference) is not None


def _at(description: dict[str, Any], reference: str) -> Any:
    node: Any = description
    for key in reference.removeprefix("#/").split("/"):
        node = node[key]
    return node


def _references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(_references, node.values()))
    return set().union(*map(_references, node)) if isinstance(node, list) else set()
