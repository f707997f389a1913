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


class Busy:
    """How busy the machine is with others, from now on."""

    def __init__(self) -> None:
        self._total, self._idle = _machine()
        self._ours = cpu_seconds(os.getpid())

    def others(self) -> float:
        """The share of the machine's time that neither we nor our children used, nor nobody."""
        total, idle = (now - then for now, then in zip(_machine(), (self._total, self._idle), strict=True))
        return max(0.0, total - idle - (cpu_seconds(os.getpid()) - self._ours)) / total


def _machine() -> tuple[float, float]:
    """Seconds of all cores together: in all, and of these idle."""
    times = [int(field) * _TICK for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(times), times[3] + times[4]


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
