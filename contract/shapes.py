"""Reads the schemas of an API description for people: each field's name, type and limits, an example of the whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]

#: Where a choice of shapes needs one to show.
_FAVOURITES = ("CreditCardRequest", "CreditCard")
_TEXTS = {
    "date-time": "2026-03-01T02:00:00Z",
    "email": "taro@example.com",
    "uri": "https://shop.example/return",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A word of a type: ``string``, ``array of``, or the name of a schema that is shown on its own."""

    text: str
    is_schema: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One member of an object, or one parameter. ``choices`` are all values it may have."""

    name: str
    type: tuple[Part, ...]
    required: bool
    description: str
    choices: tuple[str, ...]
    limits: str


_OR = Part("or")


class Schemas:
    """The ``components.schemas`` of a description, and the examples its answers give."""

    def __init__(self, schemas: Node, examples: Node) -> None:
        self._schemas = schemas
        self._examples = examples

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._schemas if self.stands_alone(name))

    def __getitem__(self, name: str) -> Node:
        schema: Node = self._schemas[name]
        return schema

    def stands_alone(self, name: str) -> bool:
        """Whether a schema has members or shapes worth a place of its own; the others are told where they are used."""
        schema = self[name]
        return "properties" in schema or "allOf" in schema or "$ref" in repr(schema.get("oneOf", ""))

    def resolve(self, schema: Node) -> Node:
        """The schema a reference leads to, with what stands beside the reference on top."""
        while "$ref" in schema:
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self[name_of(schema)], **beside}
        return schema

    def bases(self, schema: Node) -> list[str]:
        """The schemas whose fields it takes over."""
        return [name_of(part) for part in self.resolve(schema).get("allOf", ()) if "$ref" in part]

    def choices(self, schema: Node) -> list[tuple[Part, ...]]:
        """The types one of which it is."""
        return [self.type_of(choice) for choice in _choices(self.resolve(schema))]

    def named_choices(self, name: str) -> list[str]:
        """The schemas one of which it is."""
        return [name_of(choice) for choice in _choices(self[name])]

    def fields(self, schema: Node, inside: str = "") -> list[Field]:
        """An object's own members, with those of unnamed objects in it."""
        whole = self.resolve(schema)
        found = [field for part in whole.get("allOf", ()) if "$ref" not in part for field in self.fields(part, inside)]
        for name, member in whole.get("properties", {}).items():
            found.append(self.field(inside + name, member, name in whole.get("required", ())))
            if "$ref" not in member:
                found += self.fields(member.get("items", member), f"{inside}{name}{'[]' if 'items' in member else ''}.")
        return found if "$ref" not in schema or not inside else []

    def field(self, name: str, schema: Node, required: bool) -> Field:
        """One member or parameter."""
        whole = self.resolve(schema)
        choices = tuple(str(value) for value in whole.get("enum", ()))
        return Field(name, self.type_of(schema), required, whole.get("description", ""), choices, _limits(whole))

    def type_of(self, schema: Node) -> tuple[Part, ...]:
        """What may stand there, in words."""
        if "$ref" in schema and self.stands_alone(name_of(schema)):
            return (Part(name_of(schema), is_schema=True),)
        whole = self.resolve(schema)
        if choices := self.choices(whole):
            return _joined(choices)
        if whole.get("type") == "array":
            return (Part("array of"), *self.type_of(whole.get("items", {})))
        types = whole.get("type", "any")
        return (Part(" or ".join([types] if isinstance(types, str) else types)),)

    def sample(self, schema: Node) -> Any:
        """An example: the description's own where it has one, made up of the required members otherwise."""
        if "$ref" in schema and (example := self._examples.get(name_of(schema))) is not None:
            return example
        whole = self.resolve(schema)
        for key in ("example", "const", "default"):
            if key in whole:
                return whole[key]
        if "enum" in whole:
            return whole["enum"][0]
        if choices := _choices(whole):
            return self.sample(next((c for c in choices if name_of(c) in _FAVOURITES), choices[0]))
        return self._made_up(whole)

    def optional_sample(self, schema: Node) -> dict[str, Any]:
        """An example of an object without required members: those the description has examples for."""
        members = self.resolve(schema).get("properties", {})
        return {name: self.sample(member) for name, member in members.items() if "example" in self.resolve(member)}

    def _made_up(self, schema: Node) -> Any:
        types = schema.get("type", "object")
        if "allOf" in schema or types == "object":
            members = {name: self.sample(schema["properties"][name]) for name in schema.get("required", ())}
            for part in schema.get("allOf", ()):
                members |= self.sample(part)
            return members
        if types == "array":
            return [self.sample(schema.get("items", {}))]
        if "null" in types:
            return None
        return _scalar(types, schema)


def name_of(schema: Node) -> str:
    """The last word of a reference; empty where there is none."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _choices(schema: Node) -> Sequence[Node]:
    choices: Sequence[Node] = schema.get("oneOf") or schema.get("anyOf") or ()
    # `required` alone is a rule about members, not another shape.
    return [choice for choice in choices if choice.keys() != {"required"}]


def _joined(types: Sequence[tuple[Part, ...]]) -> tuple[Part, ...]:
    single = (part for one in types for part in one if part != _OR)
    first, *others = dict.fromkeys(single)
    return (first, *(part for other in others for part in (_OR, other)))


def _limits(schema: Node) -> str:
    told = []
    if "const" in schema:
        told.append(f"Always “{schema['const']}”.")
    if "default" in schema:
        default = schema["default"]
        told.append(f"Default {str(default).lower() if isinstance(default, bool) else default}.")
    if "minimum" in schema:
        told.append(f"At least {schema['minimum']}.")
    if "maximum" in schema:
        told.append(f"At most {schema['maximum']}.")
    if "maxLength" in schema:
        least, most = schema.get("minLength"), schema["maxLength"]
        told.append(f"Exactly {most} characters." if least == most else f"At most {most} characters.")
    return " ".join(told)


def _scalar(kind: str, schema: Node) -> Any:
    match kind:
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
        case _:
            return _TEXTS.get(schema.get("format", ""), "…")
