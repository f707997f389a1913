"""What a process and its children cost, from ``/proc``."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its children, and those of them that have ended."""
    return sum(sum(map(int, fields[11:15])) for _, fields in _tree(pid)) * _TICK


def resident_bytes(pid: int) -> int:
    """Memory of a process and its children."""
    return sum(int(fields[21]) for _, fields in _tree(pid)) * _PAGE


def _tree(pid: int) -> Iterator[tuple[int, list[str]]]:
    family = {pid}
    # Children have later numbers than their parents, unless the numbers have gone round once.
    for each in sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if each in family or int(fields[1]) in family:
            family.add(each)
            yield each, fields
