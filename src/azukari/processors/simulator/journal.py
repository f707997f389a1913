"""The files in which the far side remembers what it did: one line of JSON for each entry, shared by all processes.

The far side stands outside of our database, as a real one does: what it did is true even when we died before we wrote
it down. The files survive the end of the process, not a power cut: no money is in them, and no card.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec


class JournalEntry(msgspec.Struct):
    """A card order and the bank's reply. stored, network_id: of a card kept before. code: whether one came along.

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


class HasRef(Protocol):
    """An entry; its ref comes first in its line."""

    ref: str


Entry = TypeVar("Entry", bound=HasRef)


class Reader(Protocol[Entry]):
    """Keeps the entries of a journal in a memory of its own."""

    def take_in(self, entry: Entry) -> None:
        """Learn an entry, our own too; each once, in order."""
        ...

    def kept(self) -> Iterable[Entry]:
        """The entries that are enough from now on, of all that were taken in."""
        ...

    def forget(self) -> None:
        """Begin anew: a shorter file has taken the place of the old one."""
        ...


_encode = msgspec.json.Encoder().encode


class Journal(Generic[Entry]):
    """Append-only; the latest entry of a ref counts.

    full_at: bytes after which a file is put aside for a new one, or shortened to what its reader keeps. remembered: so
    many entries are in memory at least, and twice as many at most. follows: what other processes write is taken in.
    """

    def __init__(
        self,
        path: Path,
        entry: type[Entry],
        full_at: int,
        remembered: int = 0,
        *,
        follows: bool = True,
        reader: Reader[Entry] | None = None,
    ) -> None:
        self._path, self._aside = path, path.with_suffix(".1.jsonl")
        self._decode = msgspec.json.Decoder(entry).decode
        self._least = self._full_at = full_at
        self._remembered = remembered
        self._follows = follows
        self._reader = reader
        self._file, self._read, self._cut_off = -1, 0, False
        # Two halves: when the younger is full, the older is forgotten as a whole.
        self._recent: dict[str, Entry] = {}
        self._older: dict[str, Entry] = {}

    def write(self, entry: Entry) -> Entry:
        """Remember an entry."""
        with self.held():
            self.append(entry)
        return entry

    def find(self, ref: str) -> Entry | None:
        """The latest entry of a ref, whichever process wrote it."""
        with self.held():
            return self.find_recent(ref)

    def find_recent(self, ref: str) -> Entry | None:
        """An entry that is in memory."""
        return self._recent.get(ref) or self._older.get(ref)

    def search(self, ref: str) -> Entry | None:
        """The latest entry of a ref, from memory or from the files: slow."""
        needle, found = f'{{"ref":"{ref}"'.encode(), self.find_recent(ref)
        for path in (self._aside, self._path) if found is None else ():
            with suppress(FileNotFoundError), path.open("rb") as lines:
                for line in lines:
                    if line.startswith(needle) and line.endswith(b"\n"):
                        found = self._decode(line)
        return found

    @contextmanager
    def held(self) -> Iterator[None]:
        """Where others are followed: none writes meanwhile, and all that was written is known."""
        self._take()
        try:
            yield
        finally:
            if self._follows:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def append(self, entry: Entry) -> None:
        """Write an entry; within :meth:`held`."""
        # A line that a crash cut short is ended first, so that it spoils no other.
        os.write(self._file, (b"\n" if self._cut_off else b"") + _encode(entry) + b"\n")
        if self._follows:
            self._catch_up()
        else:
            self._remember(entry)

    def _take(self) -> None:
        """Take the file that has the name now and is not full: another process may have put one in its place."""
        while True:
            is_new = self._file < 0
            if is_new:
                self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if self._follows:
                fcntl.flock(self._file, fcntl.LOCK_EX)
            if not self._follows or self._has_name():
                if is_new and self._follows and self._reader is None:
                    self._read_aside()
                self._catch_up()
                if self._read <= self._full_at:
                    return
                self._make_way()
            self._leave()

    def _has_name(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def _read_aside(self) -> None:
        with suppress(FileNotFoundError):
            self._take_in(self._aside.read_bytes())

    def _catch_up(self) -> None:
        size = os.fstat(self._file).st_size
        if self._follows and size > self._read:
            whole = self._take_in(os.pread(self._file, size - self._read, self._read))
            if self._reader is not None and not self._read:
                # Of a file that was made with what is kept, not even half is more than that.
                self._full_at = max(self._least, 2 * whole)
            self._cut_off = self._read + whole < size
            size = self._read + whole
        self._read = size

    def _take_in(self, data: bytes) -> int:
        """Take in each whole line. Returns their length."""
        whole, end, _ = data.rpartition(b"\n")
        for line in whole.split(b"\n") if end else ():
            with suppress(msgspec.DecodeError, UnicodeDecodeError):  # cut short by a crash
                (self._reader.take_in if self._reader else self._remember)(self._decode(line))
        return len(whole) + len(end)

    def _remember(self, entry: Entry) -> None:
        self._recent[entry.ref] = entry
        if len(self._recent) >= self._remembered:
            self._recent, self._older = {}, self._recent

    def _make_way(self) -> None:
        """Put the full file aside, or a shorter one in its place. Killed on the way, this one stays."""
        if self._reader is None:
            # Another process may have been faster: only a file that is still full is put aside.
            with suppress(FileNotFoundError):
                if self._path.stat().st_size > self._full_at:
                    self._path.replace(self._aside)
            return
        shorter = self._path.with_name(f"{self._path.name}.new")
        shorter.unlink(missing_ok=True)
        with os.fdopen(os.open(shorter, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.writelines(_encode(entry) + b"\n" for entry in self._reader.kept())
            file.flush()
            os.fsync(file.fileno())
        shorter.replace(self._path)

    def _leave(self) -> None:
        """Leave a file that has the name no more, with all that was written to it known."""
        if self._reader is None:
            self._catch_up()
        else:
            self._reader.forget()
        os.close(self._file)
        self._file, self._read, self._cut_off = -1, 0, False
