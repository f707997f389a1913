"""The state machine of a payment, as the docs draw it and as the table has it."""

from pathlib import Path

from azukari.payments.transitions import TRANSITIONS

ARCHITECTURE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
#: Sums decide about it, not an attempt's word.
REFUNDED = ("captured", "refunded")


def drawn() -> set[tuple[str, str]]:
    """The arrows of the diagram, which is the first block under its heading."""
    diagram = ARCHITECTURE.read_text(encoding="utf-8").split("\n## The states of a payment\n")[1].split("```")[1]
    lines = [line.split("->") for line in diagram.strip().splitlines()]
    return {(source.strip(), target.strip()) for source, targets in lines for target in targets.split("|")}


def test_the_docs_draw_the_transitions_there_are() -> None:
    moves = {(source, target) for row in TRANSITIONS.values() for source in row.sources for target in row.targets}
    assert drawn() == {(source, target) for source, target in moves if source != target} | {REFUNDED}
