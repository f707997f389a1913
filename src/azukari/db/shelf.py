"""Small things that may only be in memory, shared by the processes of one machine through its memory file system."""

import os
from contextlib import suppress
from pathlib import Path

from azukari.db.units import DatabaseDown


class Shelf:
    """One file for each thing, readable by our user alone; it is there whole or not at all, whenever a process dies.

    folder: on a memory file system; None where there is none: then each process has a shelf of its own.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: dict[str, bytes] = {}

    def put(self, name: str, content: bytes) -> bytes:
        """Put a thing there, unless one of that name is there already: what is there then. Raises DatabaseDown."""
        if self._folder is None:
            return self._own.setdefault(name, content)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            _write_new(self._folder, name, content)
        except OSError as error:
            raise DatabaseDown from error
        return self.get(name) or content

    def get(self, name: str) -> bytes | None:
        """A thing, if it is there. Raises DatabaseDown."""
        if self._folder is None:
            return self._own.get(name)
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DatabaseDown from error

    def names(self) -> list[str]:
        """What is there. Raises DatabaseDown."""
        if self._folder is None:
            return list(self._own)
        try:
            return os.listdir(self._folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DatabaseDown from error

    def drop(self, name: str) -> None:
        """Destroy a thing: zeros are written over it, and its file goes. Raises DatabaseDown."""
        self._own.pop(name, None)
        if self._folder is None:
            return
        path = self._folder / name
        try:
            with suppress(FileNotFoundError):
                with path.open("r+b") as file:
                    file.write(bytes(path.stat().st_size))
                path.unlink()
        except OSError as error:
            raise DatabaseDown from error


def _write_new(folder: Path, name: str, content: bytes) -> None:
    """A file without a name until it is whole: a process that is killed before leaves nothing."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.fdopen(os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=place), "wb") as file:
            file.write(content)
            file.flush()
            with suppress(FileExistsError):
                # The folder is given only because link() follows the link to the open file in no other way.
                os.link(f"/proc/self/fd/{file.fileno()}", name, src_dir_fd=place, dst_dir_fd=place)
    finally:
        os.close(place)
