"""What the bank and the off-site backend have done by their own journals: the truth that no row of ours can change."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec


class _Order(msgspec.Struct):
    """A line of either journal, as far as money is concerned. The latest of a ref counts."""

    ref: str
    kind: str
    amount: int
    parent: str | None = None
    voided: bool = False
    reply: dict[str, Any] | None = None
    id: str | None = None
    state: str | None = None
    card: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.id or (self.reply or {}).get("id") or ""

    @property
    def approved(self) -> bool:
        said = self.state if self.reply is None else self.reply["result"]
        return said == "approved" and not self.voided


_decode = msgspec.json.Decoder(_Order).decode


class Bank:
    """Both journals, read on from where they were left."""

    def __init__(self, data: Path) -> None:
        self._read = {data / name: 0 for name in ("simulator.jsonl", "simulator-desk.jsonl")}
        self._orders: dict[str, _Order] = {}

    def sums(self) -> Counter[tuple[int, int]]:
        """What was taken and what was given back, of each charge of which something was taken."""
        for path in self._read:
            self._read_on(path)
        taken, given = Counter[str](), Counter[str]()
        paid: Counter[str] = Counter()
        for order in self._orders.values():
            if order.card is not None and not order.voided and order.state in ("approved", "short"):
                paid[order.parent or order.name] += order.card["points"]
        for order in self._orders.values():
            if order.kind == "sale" and (order.approved or paid[order.name] == order.amount) and not order.voided:
                taken[order.name] += order.amount
            elif order.kind == "capture" and order.approved:
                taken[order.parent or ""] += order.amount
            elif order.kind == "refund" and order.approved:
                given[order.parent or ""] += order.amount
        return Counter((amount, given[name]) for name, amount in taken.items())

    def _read_on(self, path: Path) -> None:
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read[path])
            for line in file:
                order = _decode(line)
                self._orders[order.ref] = order
            self._read[path] = file.tell()
