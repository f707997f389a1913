"""Answers are for the wire: what has happened, code reads from results (``azukari.wire.answers.Done``)."""

import ast
from collections.abc import Iterator

import pytest

from tests.sources import ROOT, SOURCES

HOME = ROOT / "src/azukari"
#: What makes, stores and sends answers, and the tools that talk HTTP to a server.
AT_THE_EDGE = {"wire", "web", "tools"}
MODULES = {str(path.relative_to(HOME)): path.read_text(encoding="utf-8") for path in SOURCES}


def _answers_in(tree: ast.Module) -> set[str]:
    """What a module calls its answers."""
    names = {"answer"}
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name, annotation=kind) | ast.AnnAssign(target=ast.Name(id=name), annotation=kind) if kind:
                names |= {name} if "Answer" in ast.unparse(kind).split(" | ") else set()
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=made)) if _makes_an_answer(made):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr="answer")):
                names.add(name)
    return names


def _makes_an_answer(made: ast.expr) -> bool:
    return ast.unparse(made) in ("Answer", "Answer.of", "errors.answer", "pay_error")


def _read_back(tree: ast.Module) -> Iterator[int]:
    """The lines where an answer's status or body is read, but to pass a status on to another answer."""
    answers = _answers_in(tree)
    passed_on = {
        id(arg)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _makes_an_answer(node.func)
        for arg in node.args
        if isinstance(arg, ast.Attribute) and arg.attr == "status"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("status", "body") and id(node) not in passed_on:
            read = node.value
            name = read.id if isinstance(read, ast.Name) else read.attr if isinstance(read, ast.Attribute) else None
            if name in answers or (isinstance(read, ast.Await) and node.attr == "body"):
                yield node.lineno


def _keys_made(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "ApiKey":
            yield node.lineno


def test_nobody_reads_an_answer_to_learn_what_happened() -> None:
    inside = {
        name: source
        for name, source in MODULES.items()
        if name.partition("/")[0] not in AT_THE_EDGE and not name.endswith("/routes.py")
    }
    found = {name: lines for name, source in inside.items() if (lines := list(_read_back(ast.parse(source))))}

    assert len(inside) > 150
    assert found == {}


def test_keys_are_made_from_keys_alone() -> None:
    made = {name for name, source in MODULES.items() if list(_keys_made(ast.parse(source)))}

    assert made == {"merchants/service.py"}


@pytest.mark.parametrize(
    "line",
    [
        "answer = await pay(call)\nif answer.status == 202: pass",
        "if (await pay(call)).answer.status >= 400: pass",
        "status = done.answer.status",
        "told = json.loads(done.answer.body)",
        "told = json.loads((await change(order)).body)",
        "def tell(reply: Answer): return decode(reply.body)",
        "stored = done.answer\nstored.status != 200",
        "out = Answer.of(out)\nout.body",
    ],
)
def test_reading_one_back_is_found(line: str) -> None:
    assert list(_read_back(ast.parse(line)))


def test_passing_a_status_on_is_none() -> None:
    assert not list(_read_back(ast.parse("Answer.of(went, done.answer.status)")))
