"""Holds answers against the API description: the served one, and the contract it is made from.

contract = Contract.load()
contract.check("POST", "/api/v1/payments", reply.status_code, reply.content)
"""

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from jsonschema_rs import Draft202012Validator, Registry

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "/api/v1"
LONGEST = 200
_WORDS = {"get", "post", "put", "patch", "delete"}


class Contract:
    """Both descriptions, with their validators compiled on first use and kept."""

    def __init__(self, contract: Mapping[str, Any], served: Mapping[str, Any]) -> None:
        self._contract = _Description("contract", contract)
        self._served = _Description("served", served)

    @classmethod
    @functools.cache
    def load(cls) -> "Contract":
        """From the repository's files; the same object each time."""
        with (ROOT / "contract" / "openapi.yaml").open(encoding="utf-8") as file:
            contract = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        served = json.loads((ROOT / "src" / "azukari" / "static" / "openapi.json").read_text(encoding="utf-8"))
        _learn(contract, served)
        return cls(contract, served)

    def check(self, method: str, path: str, status: int, body: object, *, served: bool = True) -> None:
        """Raise AssertionError unless this is an answer the operation may give.

        method, path: of the request; the path with or without ``/api/v1``, a query is ignored.
        body: the answer's bytes, or what they decode to.
        served: False holds it against the contract alone, without what Azukari adds.
        """
        call = _Call(method.lower(), _path(path), status, body)
        if served:
            self._served.check(call)
            if not self._contract.declares(call):
                return
        self._contract.check(call)

    def check_request(self, method: str, path: str, body: bytes) -> None:
        """Raise AssertionError unless the contract's operation may be asked this."""
        self._contract.check_request(_Call(method.lower(), _path(path), 0, body))

    def check_error(self, body: object) -> None:
        """Raise AssertionError unless this is an error body. For paths and methods the description does not know."""
        validator = self._contract.validator({"$ref": "#/components/schemas/Error"})
        _hold(validator, _decoded(body, "application/json", "error"), "error")


#: Types of payment details that the contract's text names and its description has no shape for.
TEXT_ONLY = ("SteamPrepaidCard", "Zgold", "ApplePay")


def _learn(contract: dict[str, Any], served: Mapping[str, Any]) -> None:
    """Let answers show the types of the contract's text too, in the shape we give them."""
    schemas = contract["components"]["schemas"]
    for name in TEXT_ONLY:
        schemas[name] = served["components"]["schemas"][name]
        schemas["PaymentDetails"]["oneOf"].append({"$ref": f"#/components/schemas/{name}"})


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    status: int
    body: object

    def __str__(self) -> str:
        return f"{self.method.upper()} {_short(self.path)} {self.status}"


@dataclass(slots=True)
class _Operation:
    template: list[str]
    planned: bool
    responses: dict[int, Mapping[str, Any]]
    request: Mapping[str, Any] | None = None
    #: status -> media type and validator; None for an answer without a body.
    expected: dict[int, tuple[str, Draft202012Validator] | None] = field(default_factory=dict)

    def fits(self, segments: list[str]) -> bool:
        return all(a == b or (a.startswith("{") and b) for a, b in zip(self.template, segments, strict=True))


class _Description:
    def __init__(self, name: str, description: Mapping[str, Any]) -> None:
        self._name = name
        self._root = description
        self._base = f"urn:azukari:{name}"
        self._registry = Registry([(self._base, {"components": description["components"]})])
        self._operations: dict[tuple[str, int], list[_Operation]] = defaultdict(list)
        for path, item in description["paths"].items():
            for method in item.keys() & _WORDS:
                operation = self._operation(path, item[method])
                self._operations[method, len(operation.template)].append(operation)
        for operations in self._operations.values():
            # `/disbursements/report` before `/disbursements/{id}`.
            operations.sort(key=lambda operation: sum(word.startswith("{") for word in operation.template))

    def declares(self, call: _Call) -> bool:
        operation = self._find(call)
        return operation is not None and call.status in operation.responses

    def check(self, call: _Call) -> None:
        operation = self._find(call)
        assert operation is not None, f"{call}: the {self._name} description has no such operation"
        assert call.status in operation.responses, (
            f"{call}: not a status of the {self._name} description, which has {sorted(operation.responses)}"
        )
        assert not (operation.planned and call.status < 300), (
            f"{call}: succeeded, but contract/additions.yaml does not list the operation as served"
        )
        expected = self._expected(operation, call.status)
        if expected is None:
            assert not call.body, f"{call}: has a body, the {self._name} description says there is none"
            return
        media_type, validator = expected
        _hold(validator, _decoded(call.body, media_type, str(call)), f"{call} ({self._name})")

    def check_request(self, call: _Call) -> None:
        operation = self._find(call)
        assert operation is not None, f"{call}: the {self._name} description has no such operation"
        if not call.body:
            assert operation.request is None or not operation.request.get("required"), f"{call}: has no body"
            return
        assert operation.request is not None, f"{call}: has a body, the {self._name} description says there is none"
        schema = operation.request["content"]["application/json"]["schema"]
        _hold(self.validator(schema), _decoded(call.body, "application/json", str(call)), f"{call} (asked)")

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        """Compiled, with references into this description and formats checked."""
        return _compiled(self._registry, json.dumps(schema).replace('"#/', f'"{self._base}#/'))

    def _operation(self, path: str, operation: Mapping[str, Any]) -> _Operation:
        responses = {int(status): self._resolved(answer) for status, answer in operation["responses"].items()}
        asked = self._resolved(operation["requestBody"]) if "requestBody" in operation else None
        return _Operation(path.split("/"), operation.get("x-azukari-status") == "planned", responses, asked)

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            target: Any = self._root
            for key in node["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            node = target
        return node

    def _find(self, call: _Call) -> _Operation | None:
        segments = call.path.split("/")
        for operation in self._operations.get((call.method, len(segments)), ()):
            if operation.fits(segments):
                return operation
        return None

    def _expected(self, operation: _Operation, status: int) -> tuple[str, Draft202012Validator] | None:
        if status not in operation.expected:
            content = operation.responses[status].get("content", {})
            media_type = next(iter(content), "")
            found = (media_type, self.validator(content[media_type].get("schema", {}))) if content else None
            operation.expected[status] = found
        return operation.expected[status]


@functools.cache
def _compiled(registry: Registry, schema: str) -> Draft202012Validator:
    return Draft202012Validator(
        json.loads(schema), validate_formats=True, registry=registry, offline=True, mask="the value"
    )


def _hold(validator: Draft202012Validator, body: object, call: str) -> None:
    if not validator.is_valid(body):
        raise AssertionError("\n".join(_complaint(call, validator.iter_errors(body))))


def _complaint(call: str, errors: Iterable[Any]) -> Iterable[str]:
    yield f"{call}: the body is not what the description says"
    for _, error in zip(range(5), errors, strict=False):
        place = "/".join(map(str, error.instance_path)) or "the top"
        yield f"  at {place}: {error.message}, got {_short(repr(error.instance))}"


def _decoded(body: object, media_type: str, call: str) -> object:
    if not isinstance(body, bytes):
        return body
    if media_type != "application/json":
        return body.decode("utf-8", "replace")
    try:
        return json.loads(body)
    except ValueError as error:
        raise AssertionError(f"{call}: the body is not JSON: {_short(repr(body))}") from error


def _path(path: str) -> str:
    path = urlsplit(path).path
    return path.removeprefix(PREFIX) if path.startswith(PREFIX + "/") else path


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
