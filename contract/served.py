"""Make the API description Azukari serves, the contract and what we add to it, and the pages that show it.

Reads ``openapi.yaml`` and ``additions.yaml`` beside this file, writes ``openapi.yaml``, ``openapi.json``,
``reference.html`` and ``start.html`` into ``src/azukari/static``, and the table of operations into ``docs/api.md``. Run
by ``make openapi``. The overlay can only add: a value that is already there stays, a list may grow, and an addition
that would change anything stops the run.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from contract.pages import pages

HERE = Path(__file__).resolve().parent
STATIC = HERE.parent / "src" / "azukari" / "static"
TABLE = HERE.parent / "docs" / "api.md"
#: Around what is made; the rest of the page is written by hand.
BEGIN, END = "<!-- table: made by `make openapi` -->", "<!-- end of table -->"
METHODS = ("get", "post", "put", "patch", "delete")


class Conflict(Exception):
    """An addition would change what the contract says."""


class _PlainDumper(yaml.SafeDumper):
    """YAML without anchors: every part stands where it is read."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def read(name: str) -> dict[str, Any]:
    """A file beside this one."""
    # The loader written in C is twenty times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load((HERE / name).read_text(encoding="utf-8"), loader)  # noqa: S506
    return loaded


def build() -> dict[str, Any]:
    """The served description."""
    contract = read("openapi.yaml")
    additions = read("additions.yaml")
    return lay_over(contract, additions)


def page_of(served: Mapping[str, Any]) -> str:
    """``docs/api.md`` as it should be."""
    contract = read("openapi.yaml")
    reasons = read("additions.yaml")["not_served"]
    return with_table(TABLE.read_text(encoding="utf-8"), table(served, contract, reasons))


def lay_over(contract: Mapping[str, Any], additions: Mapping[str, Any]) -> dict[str, Any]:
    """The contract with the additions on it. Raises Conflict."""
    served = copy.deepcopy(dict(contract))
    served["info"] |= additions["info"]
    served["servers"] = additions["servers"] + served["servers"]
    _add(served["components"], additions["components"], "components")
    _add(served["paths"], additions["paths"], "paths")

    operations = {operation["operationId"]: (method, operation) for method, operation in _operations(served)}
    for rule in additions["rules"]:
        for name in _named_by(rule, operations):
            _apply(rule, operations[name][1])
    for name in operations.keys() - set(_known(additions["served"], operations)):
        operations[name][1]["x-azukari-status"] = "planned"
    return served


def render(served: Mapping[str, Any]) -> dict[str, str]:
    """The text of each generated file by its name."""
    plain = yaml.dump(dict(served), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=120)
    return {
        "openapi.yaml": "# Made by `make openapi` from contract/openapi.yaml and contract/additions.yaml.\n" + plain,
        "openapi.json": json.dumps(served, ensure_ascii=False, indent=1) + "\n",
        **pages(served),
    }


def table(served: Mapping[str, Any], contract: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    """A line for each operation of the contract, and one for each of ours.

    reasons: why an operation is not served, by the first word of its path.
    """
    lines = ["| Call | What it does | Whose | Served |", "|---|---|---|---|"]
    for path, item in served["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            whose = "contract" if method in contract["paths"].get(path, {}) else "Azukari"
            planned = operation.get("x-azukari-status") == "planned"
            word = f"no: {reasons.get(path.split('/')[1], 'not yet')}" if planned else "yes"
            lines.append(f"| `{method.upper()} {path}` | {operation['summary']} | {whose} | {word} |")
    return "\n".join(lines)


def with_table(page: str, made: str) -> str:
    """A page with this table in the place of the one before."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"


def _operations(description: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in description["paths"].values():
        for method in METHODS:
            if method in item:
                yield method, item[method]


def _named_by(rule: Mapping[str, Any], operations: Mapping[str, tuple[str, Any]]) -> list[str]:
    if "operations" in rule:
        return _known(rule["operations"], operations)
    return [name for name, (method, _) in operations.items() if method in rule.get("methods", METHODS)]


def _known(names: list[str], operations: Mapping[str, Any]) -> list[str]:
    if unknown := set(names) - operations.keys():
        raise Conflict(f"no such operation: {', '.join(sorted(unknown))}")
    return names


def _apply(rule: Mapping[str, Any], operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status, name in rule.get("responses", {}).items():
        responses.setdefault(status, {"$ref": f"#/components/responses/{name}"})
    operation["responses"] = dict(sorted(responses.items()))

    for name in rule.get("parameters", ()):
        reference = {"$ref": f"#/components/parameters/{name}"}
        if reference not in operation["parameters"]:
            operation["parameters"].append(reference)

    inline = [response for response in responses.values() if "$ref" not in response]
    for name in rule.get("headers", ()):
        for response in inline:
            response.setdefault("headers", {})[name] = {"$ref": f"#/components/headers/{name}"}


def _add(whole: dict[str, Any], part: Mapping[str, Any], where: str) -> None:
    for key, value in part.items():
        if key not in whole:
            whole[key] = copy.deepcopy(value)
        elif isinstance(whole[key], dict) and isinstance(value, dict):
            _add(whole[key], value, f"{where}.{key}")
        elif isinstance(whole[key], list) and isinstance(value, list):
            whole[key] += [copy.deepcopy(item) for item in value if item not in whole[key]]
        elif whole[key] != value:
            raise Conflict(f"{where}.{key} already has another value")


def main() -> None:
    """Write the generated files."""
    STATIC.mkdir(exist_ok=True)
    served = build()
    for name, text in render(served).items():
        (STATIC / name).write_text(text, encoding="utf-8")
    TABLE.write_text(page_of(served), encoding="utf-8")


if __name__ == "__main__":
    main()
