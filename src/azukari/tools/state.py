"""What the tools remember: the secret of ``azukari listen``, and how far it has come with each receiver.

In the data directory where there is one, else among the user's own files; for nobody else's eyes.
"""

import fcntl
import hmac
import os
from pathlib import Path

import msgspec

from azukari.core.clock import SystemClock
from azukari.core.config import Settings
from azukari.core.ids import RandomIds
from azukari.core.secret import Secret
from azukari.tools.server import Place, ToolError

FOLDER = "tools"
_KEPT_SECRET = "webhook-secret"  # noqa: S105 - the name of its file
_PREFIX, _LENGTH = "whsec_", 32


class State:
    """A folder of small files. Raises ToolError: it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from None

    @classmethod
    def of(cls, settings: Settings) -> "State":
        """Of an installation, or of whoever works with one that is elsewhere."""
        if settings.data.is_dir():
            return cls(settings.data / FOLDER)
        home = os.environ.get("XDG_STATE_HOME")
        return cls((Path(home) if home else Path.home() / ".local" / "state") / "azukari" / FOLDER)

    def secret(self) -> Secret:
        """What events are signed with; the same for every receiver, and made when it is first needed."""
        file = self._folder / _KEPT_SECRET
        if not file.exists():
            made = _PREFIX + RandomIds(SystemClock()).base62(_LENGTH)
            fresh = self._write(_KEPT_SECRET, made.encode())
            try:
                # All of it or nothing, and of two who make one at the same time the first.
                os.link(fresh, file)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return Secret(file.read_text(encoding="ascii"))

    def cursor(self, place: Place, target: str) -> "Cursor":
        """How far one receiver has come with one server's events. Raises ToolError: another one is at it."""
        what = "\n".join((place.url, place.key.reveal(), target))
        name = hmac.digest(self.secret().reveal().encode(), what.encode(), "sha256").hex()[:24]
        return Cursor(self, f"listen-{name}.json", self._lock(name))

    def _lock(self, name: str) -> int:
        handle = os.open(self._folder / f"listen-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise ToolError("Another `azukari listen` forwards this server's events there already.") from None
        return handle

    def read(self, name: str) -> bytes | None:
        """A file, if it is there."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, name: str, content: bytes) -> None:
        """Write a file anew."""
        self._write(name, content).replace(self._folder / name)

    def _write(self, name: str, content: bytes) -> Path:
        """Under a name of this process alone, and on the disk."""
        fresh = self._folder / f".{name}.{os.getpid()}"
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
        except OSError as error:
            raise _unwritable(self._folder, error) from None
        return fresh


class _Kept(msgspec.Struct):
    after: int


class Cursor:
    """The number of the last event that a receiver has answered."""

    def __init__(self, state: State, name: str, lock: int) -> None:
        self._state = state
        self._name = name
        self._lock = lock
        self._written: int | None = None

    def read(self) -> int | None:
        """None: nothing was ever forwarded there. Raises ToolError: the file is damaged."""
        kept = self._state.read(self._name)
        try:
            self._written = None if kept is None else msgspec.json.decode(kept, type=_Kept).after
        except msgspec.DecodeError:
            raise ToolError(
                f"The file {self._name} of the tools is damaged. Say where to begin: --since NUMBER, or --since start."
            ) from None
        return self._written

    def move(self, after: int) -> None:
        """Everything up to this event is done."""
        if after != self._written:
            self._state.replace(self._name, msgspec.json.encode(_Kept(after)))
            self._written = after

    def close(self) -> None:
        """Let others have it."""
        os.close(self._lock)


def _unwritable(folder: Path, error: OSError) -> ToolError:
    return ToolError(f"{folder} cannot be written: {error.strerror}.")
