"""The folders of data directories on the machine's memory file system, and when they go.

A process holds the folder of its data directory as long as it runs. One that nobody holds goes at a clean stop with
nothing of use in it; at the start of another process of the same user when its data directory is gone, or when nothing
was written there for so long that nothing in it can be of use.
"""

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Verification values and their keys live for a day.
USELESS_AFTER_SECONDS = 2 * 24 * 3_600
#: In a folder: whose it is, and what its processes hold. Beside the folders: what is locked while they come and go.
_WHOSE, _HELD, _LOCK = "whose", "held", "lock"


class NotOurs(Exception):
    """A folder belongs to somebody else, or others may write to it. Its text says which."""


class Folder:
    """Of one data directory, held by this process until :meth:`let_go`. Raises NotOurs, OSError."""

    def __init__(self, path: Path, data: Path) -> None:
        self.path = path
        make_private(path.parent)
        with _alone(path.parent):
            make_private(path)
            self._handle = os.open(path / _HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_SH)
            with suppress(OSError):  # it is full: then it is only known for old some day
                _write(path / _WHOSE, f"{_namespace()}\n{data.absolute()}")
            for other in path.parent.iterdir():
                if other != path and other.is_dir() and not other.is_symlink():
                    _remove_if_useless(other)

    def let_go(self, *, needed: bool) -> None:
        """This process is over. needed: something in it is of use to the next one."""
        if self._handle < 0:
            return
        with _alone(self.path.parent):
            self._close()
            if not needed:
                _remove_unless_held(self.path)

    def _close(self) -> None:
        os.close(self._handle)
        self._handle = -1


def make_private(folder: Path) -> None:
    """Make a folder of ours alone. Its name is known to everybody: one that somebody else made first is not ours.

    Raises NotOurs.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    made = folder.lstat()
    if not stat.S_ISDIR(made.st_mode) or made.st_uid != os.getuid() or made.st_mode & 0o022:
        raise NotOurs(f"{folder} belongs to somebody else, or others may write to it. Remove it.")


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    handle = os.open(parent / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") == text:
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(path)


def _namespace() -> str:
    """Which files this process sees: of another container's, that shares the memory, it sees none."""
    try:
        return os.readlink("/proc/self/ns/mnt")
    except OSError:
        return ""


def _remove_if_useless(folder: Path) -> None:
    with suppress(OSError):  # another process removes it this moment
        if _is_gone(folder) or time.time() - _written_at(folder) > USELESS_AFTER_SECONDS:
            _remove_unless_held(folder)


def _is_gone(folder: Path) -> bool:
    """Whether its data directory is."""
    try:
        namespace, _, data = (folder / _WHOSE).read_text(encoding="utf-8").partition("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return False  # of a release that did not say whose
    if not data or namespace != _namespace():
        return False
    try:
        os.lstat(data)
    except (FileNotFoundError, NotADirectoryError):
        return True
    return False


def _written_at(folder: Path) -> float:
    return max(each.lstat().st_mtime for each in (folder, *folder.rglob("*")))


def _remove_unless_held(folder: Path) -> None:
    """Within :func:`_alone`: nobody comes meanwhile."""
    with suppress(FileNotFoundError):
        handle = os.open(folder / _HELD, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        finally:
            os.close(handle)
    shutil.rmtree(folder, ignore_errors=True)
