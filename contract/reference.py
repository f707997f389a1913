"""The API description as the reference page shows it: operations by tag, errors by status, objects by name."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from contract.shapes import Field, Node, Part, Schemas, name_of

_METHODS = {"get", "post", "patch", "put", "delete"}
_KEYS = {"secretKey": "secret", "publishableKey": "publishable"}
_PLACES = {"path": "Path", "query": "Query", "header": "Headers"}
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back when all is well."""

    status: str
    description: str
    type: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. ``parameters`` by where they go, ``errors`` are statuses, ``curl`` and ``example`` texts to show."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    planned: bool
    keys: str
    parameters: dict[str, list[Field]]
    body: list[Field]
    answers: list[Answer]
    errors: list[str]
    curl: str
    example: str


@dataclass(frozen=True, slots=True)
class Group:
    """The operations of one tag."""

    name: str
    anchor: str
    operations: list[Operation] = field(default_factory=list)

    @property
    def planned(self) -> bool:
        return all(operation.planned for operation in self.operations)


@dataclass(frozen=True, slots=True)
class Error:
    """A status and what it means; ``headers`` come with it."""

    status: str
    description: str
    code: str
    headers: list[str]


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema with a place of its own. ``bases`` give it their fields; it looks like one of ``shapes``."""

    name: str
    description: str
    fields: list[Field]
    bases: list[str]
    shapes: list[tuple[Part, ...]]


class Reference:
    """Everything the page shows."""

    def __init__(self, description: Node) -> None:
        self._root = description
        self._schemas = Schemas(description["components"]["schemas"], _examples(description))
        self.server: str = description["servers"][0]["url"]
        self.groups = self._groups()
        self.errors = self._errors()
        self.objects, self.sent, self.returned = self._shapes()

    def _groups(self) -> list[Group]:
        groups = {tag["name"]: Group(tag["name"], _slug(tag["name"])) for tag in self._root["tags"]}
        for path, method, operation in _operations(self._root):
            groups[operation["tags"][0]].operations.append(self._operation(path, method, operation))
        # What answers today comes first.
        return sorted(groups.values(), key=lambda group: group.planned)

    def _operation(self, path: str, method: str, operation: Node) -> Operation:
        request = operation.get("requestBody", {})
        body = request.get("content", {}).get(_JSON, {})
        parameters = [self._component(parameter) for parameter in operation["parameters"]]
        statuses = operation["responses"]
        return Operation(
            anchor=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            description=operation.get("description", ""),
            planned=operation.get("x-azukari-status") == "planned",
            keys=_keys(operation["security"]),
            parameters=self._parameters(parameters),
            body=self._schemas.fields(body.get("schema", {})),
            answers=[self._answer(status, answer) for status, answer in statuses.items() if status < "400"],
            errors=[status for status in statuses if status >= "400"],
            curl=_curl(
                self.server, method, path, bool(operation["security"]), self._sent(body, request.get("required", False))
            ),
            example=self._returned(statuses),
        )

    def _parameters(self, parameters: list[Node]) -> dict[str, list[Field]]:
        found: dict[str, list[Field]] = {place: [] for place in _PLACES.values()}
        for parameter in parameters:
            schema = parameter["schema"]
            description = f"{parameter.get('description', '')} {schema.get('description', '')}".strip()
            told = {**schema, "description": description}
            here = self._schemas.field(parameter["name"], told, parameter.get("required", False))
            found[_PLACES[parameter["in"]]].append(here)
        return {place: fields for place, fields in found.items() if fields}

    def _answer(self, status: str, answer: Node) -> Answer:
        whole = self._component(answer)
        schema = whole.get("content", {}).get(_JSON, {}).get("schema")
        return Answer(status, whole["description"], self._schemas.type_of(schema) if schema else ())

    def _sent(self, body: Node, required: bool) -> Any:
        for example in body.get("examples", {}).values():
            return example["value"]
        if not body:
            return {}
        sample = self._schemas.sample(body["schema"])
        return sample or (self._schemas.optional_sample(body["schema"]) if required else {})

    def _returned(self, statuses: Node) -> str:
        media = self._component(next(iter(statuses.values()))).get("content", {}).get(_JSON)
        if media is None:
            return ""
        example = media.get("example") or self._schemas.sample(media["schema"])
        return msgspec.json.format(msgspec.json.encode(example), indent=2).decode()

    def _errors(self) -> list[Error]:
        found: dict[str, Error] = {}
        for _, _, operation in _operations(self._root):
            for status, answer in operation["responses"].items():
                if status >= "400" and "$ref" in answer:
                    found.setdefault(status, self._error(status, self._component(answer)))
        return [found[status] for status in sorted(found)]

    def _error(self, status: str, answer: Node) -> Error:
        code = answer["content"][_JSON]["example"]["error"]["code"]
        headers = [name for name in answer.get("headers", {}) if name != "X-Request-Id"]
        return Error(status, answer["description"], code, headers)

    def _shapes(self) -> tuple[list[Shape], list[Shape], list[Shape]]:
        sent = self._schemas.named_choices("PaymentDetailsRequest")
        returned = self._schemas.named_choices("PaymentDetails")
        elsewhere = {*sent, *returned, *self._bodies()}
        others = sorted(name for name in self._schemas if name not in elsewhere)
        objects, first, second = ([self._shape(name) for name in names] for names in (others, sent, returned))
        return objects, first, second

    def _bodies(self) -> set[str]:
        """The schemas whose fields stand with the one operation that takes them."""
        requests = (operation.get("requestBody", {}) for _, _, operation in _operations(self._root))
        return {name_of(request["content"][_JSON]["schema"]) for request in requests if request}

    def _shape(self, name: str) -> Shape:
        schema = self._schemas[name]
        description, fields = schema.get("description", ""), self._schemas.fields(schema)
        return Shape(name, description, fields, self._schemas.bases(schema), self._schemas.choices(schema))

    def _component(self, node: Node) -> Node:
        if "$ref" not in node:
            return node
        kind = node["$ref"].split("/")[2]
        found: Node = self._root["components"][kind][name_of(node)]
        return found


def _operations(description: Node) -> Iterator[tuple[str, str, Node]]:
    for path, item in description["paths"].items():
        yield from ((path, method, operation) for method, operation in item.items() if method in _METHODS)


def _examples(description: Node) -> dict[str, Any]:
    """The example of each schema that some answer gives one for."""
    found: dict[str, Any] = {}
    for _, _, operation in _operations(description):
        for answer in operation["responses"].values():
            media = answer.get("content", {}).get(_JSON, {})
            if "example" in media and "$ref" in media["schema"]:
                found.setdefault(name_of(media["schema"]), media["example"])
    return found


def _keys(options: list[Node]) -> str:
    """Who may call, as a sentence: ``Secret or publishable key``."""
    kinds = [_KEYS[key] for option in options for key in option]
    return f"{' or '.join(kinds).capitalize()} key" if kinds else "No key"


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _curl(server: str, method: str, path: str, with_key: bool, body: Any) -> str:
    """The call as a command to paste, with a form body."""
    verb = "" if method == "get" else f"-X {method.upper()} "
    lines = [f"curl {verb}{server}{_filled(path)}"]
    if with_key:
        lines.append("--user sk_test_...:")
    for name, value in _leaves(body):
        option = "--data" if value.isascii() and not set(value) & set(" &+%") else "--data-urlencode"
        lines.append(f"{option} {shlex.quote(f'{name}={value}')}")
    return " \\\n  ".join(lines)


def _filled(path: str) -> str:
    words = path.split("/")
    for place, word in enumerate(words):
        if word == "{id}":
            words[place] = words[place - 1].removesuffix("s").upper() + "_ID"
        elif word.startswith("{"):
            words[place] = "JPY" if word == "{currency}" else word.strip("{}").upper()
    return "/".join(words)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The pairs of a form, with brackets."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _leaves(member, f"{name}[{key}]" if name else key)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member, f"{name}[]")
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)
