"""What the simulator's bank remembers: one line of JSON for each order, in the data directory.

The bank stands outside of our database, as a real one does: what it did is true even when we died before we wrote it
down. The file survives the end of the process, not a power cut: no money is in it, and no card.
"""

import os
from pathlib import Path

import msgspec

#: Bytes after which a new file is begun; the one before is kept.
ROTATE = 64 * 1024 * 1024
#: Orders after which those before them go: so many are remembered at least, and twice as many at most.
_REMEMBERED = 10_000


class JournalEntry(msgspec.Struct):
    """An order and the bank's reply to it. stored, network_id: of a card kept before. code: whether one came along.

    authenticated: the proof of a 3-D Secure authentication came along. ds_trans_id: of the one the order named.
    """

    ref: str
    kind: str
    amount: int
    currency: str
    parent: str | None
    reply: dict[str, object]
    voided: bool = False
    stored: bool = False
    network_id: str | None = None
    code: bool = False
    authenticated: bool = False
    ds_trans_id: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JournalEntry).decode


class Journal:
    """Append-only; several processes may share one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._size = 0
        # Two halves: when the younger is full, the older is forgotten as a whole.
        self._recent: dict[str, JournalEntry] = {}
        self._older: dict[str, JournalEntry] = {}

    def write(self, line: JournalEntry) -> None:
        """Remember an order."""
        if self._file < 0 or self._size > ROTATE:
            self._open()
        encoded = _encode(line) + b"\n"
        self._size += os.write(self._file, encoded)
        self._recent[line.ref] = line
        if len(self._recent) >= _REMEMBERED:
            self._recent, self._older = {}, self._recent

    def _open(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            # Another process may have been faster: only a file that is still full is put aside.
            if self._path.exists() and self._path.stat().st_size > ROTATE:
                self._path.replace(self._path.with_suffix(".1.jsonl"))
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    def recall(self, ref: str) -> JournalEntry | None:
        """An order of this process that is fresh in memory."""
        return self._recent.get(ref) or self._older.get(ref)

    def search(self, ref: str) -> JournalEntry | None:
        """The latest line of a ref, from memory or from the files: slow, for those who look things up."""
        needle, found = f'{{"ref":"{ref}"'.encode(), self.recall(ref)
        if found is not None:
            return found
        for path in (self._path.with_suffix(".1.jsonl"), self._path):
            if path.exists():
                with path.open("rb") as lines:
                    for line in lines:
                        if line.startswith(needle) and line.endswith(b"\n"):
                            found = _decode(line)
        return found
