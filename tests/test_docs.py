"""The documentation says what the code does, and the code keeps to the field's words."""

import ast
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import azukari
from azukari.core import config
from azukari.core.errors import ApiError
from azukari.processors.declines import DECLINES
from azukari.tools.trigger import RECIPES
from tests.sources import ROOT, SOURCES

DOCS = ROOT / "docs"
#: Columns of a line of prose; tables, code and headings have what they need.
COLUMNS = 100
#: Names that mean something else to somebody who knows payments, or nothing; ``docs/glossary.md`` has ours.
FALSE_FRIENDS = frozenset({
    "Asked", "Asking", "Begun", "Book", "DeclinedBy", "FarOrder", "Guest", "Happened", "IssuerBook", "Keeping",
    "Keyring", "Lapsed", "Looked", "Means", "News", "NotDone", "NotMovable", "Order", "Parts", "Ready", "Rooms", "Said",
    "Shops", "Short", "Shown", "Slip", "Told", "Trying", "Unsettled", "Use", "Waiting", "Wanted",
    "adopt", "ask_again_at", "ends_with_customers", "in_turn", "look_again_at", "means", "persevere", "settle_now",
    "Beside", "Ended", "HOLD_DAYS", "Plan", "borrow", "carry_out", "conclude", "recall", "sold", "taps",
    "desk", "glance", "keyring", "settle_attempts", "slip", "spend", "why",
    "paid_at_last", "held_at_last", "held_by_chip", "still_short", "Ending", "waits_with", "written_by_sessions",
})  # fmt: skip

_EVENT = re.compile(r"(?:payment|customer|subscription)(?:\.[a-z_]+)+|ping")
#: Errors that are raised and caught inside, so that no caller is ever told of them.
_INSIDE = {"_Unauthenticated"}


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in SOURCES:
        yield path, ast.parse(path.read_text(encoding="utf-8"))


class _Asked(dict[str, str]):
    """An environment that notes what it is asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: object = None) -> None:  # type: ignore[override]
        self.names.add(name)


def test_every_setting_is_described() -> None:
    asked = _Asked()
    config.read(asked)
    names = {name for name in asked.names if not name.endswith("_FILE") or f"{name}_FILE" in asked.names}

    assert len(names) >= 20
    page = _page("operating.md").partition("\n## Settings\n")[2].partition("\n## ")[0]
    assert {name for name in names if f"`{name}`" not in page} == set()


def _events() -> set[str]:
    """Types of events that the code names, but in lines for the log."""
    found: set[str] = set()
    for _, tree in _trees():
        logged = {
            id(node.args[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and node.args
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "log"
        }
        found |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _EVENT.fullmatch(node.value)
            and id(node) not in logged
        }
    return found


def test_every_event_is_described() -> None:
    assert _events() >= set(RECIPES)
    page = _page("webhooks.md").partition("\n### Every event\n")[2].partition("\n## ")[0]
    assert (
        set(re.findall(r"`([a-z_.]+)`", "\n".join(line.split("|")[1] for line in _rows(page)))) - {"Type"} == _events()
    )


def _rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| `")]


def _errors() -> dict[str, set[int]]:
    """Each code with the statuses it comes with."""
    for module in pkgutil.walk_packages(azukari.__path__, "azukari."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = {(code, decline.status) for code, decline in DECLINES.items()}
    classes = [ApiError]
    while classes:
        error = classes.pop()
        classes += error.__subclasses__()
        if error.__module__.startswith("azukari.") and error.__name__ not in _INSIDE:
            found.add((error.code, error.status))
    return {code: {status for of, status in found if of == code} for code, _ in found}


def test_every_error_is_described_with_its_status() -> None:
    page = _page("api.md").partition("\n## Every error\n")[2].partition("\n## ")[0]
    described: dict[str, set[int]] = {}
    for row in _rows(page):
        _, codes, statuses, *_ = row.split("|")
        for code in re.findall(r"`(\w+)`", codes):
            assert code not in described, f"{code} has two lines"
            described[code] = {int(status) for status in statuses.split(",")}

    assert described == _errors()


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_lines_of_prose_are_short(path: Path) -> None:
    in_code, long = False, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and len(line) > COLUMNS and not line.lstrip().startswith("|"):
            long.append(f"{number}: {line}")

    assert not long


def test_the_layers_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [layer.replace(" | ", "  ") for layer in contracts["contracts"][0]["layers"]]

    assert "\n".join(["```", *layers, "```"]) in _page("architecture.md")


def test_the_modules_that_the_architecture_names_are_there() -> None:
    named = set(re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", _page("architecture.md")))

    assert len(named) > 30
    assert {name for name in named if not (ROOT / "src/azukari" / name).exists()} == set()


def test_links_lead_somewhere() -> None:
    dead = [
        f"{path.name}: {link}"
        for path in sorted(DOCS.glob("**/*.md"))
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if not (path.parent / link).exists()
    ]

    assert dead == []


def _identifiers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield name


def test_no_false_friend_has_come_back() -> None:
    back = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, tree in _trees()
        for name in _identifiers(tree)
        if name.strip("_") in FALSE_FRIENDS
    }

    assert back == set()
