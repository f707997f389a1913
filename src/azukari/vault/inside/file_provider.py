"""The file key provider: the KEK is a line of a file only we may read.

Each line is ``azk1 <kek id> <version> <64 hex digits>``; the highest version wraps, all of them unwrap. Lines that
start with ``#`` are for people.
"""

import os
import re
import stat
from pathlib import Path
from typing import Self

from azukari.vault.inside.envelope import KEY_BYTES, Cipher, cipher, new_key, seal, unseal
from azukari.vault.inside.errors import KeyFileError, ProviderDown, Unreadable, WrongKey
from azukari.vault.inside.provider import Context, Wrapped

_LINE = re.compile(r"azk1 ([0-9a-z]{1,64}) ([1-9][0-9]{0,8}) ([0-9a-f]{64})")
_HEADING = "# The key of an Azukari vault. Without it no stored card can be read: keep a copy, away from the data's.\n"


class FileKeyProvider:
    """Keys from a file of mode 0400."""

    name = "file"
    blocks = False

    def __init__(self, path: Path, kek_id: str, ciphers: dict[int, Cipher], *, fit_for_live: bool) -> None:
        self._path = path
        self._kek_id = kek_id
        self._ciphers = ciphers
        self._newest = max(ciphers)
        self.fit_for_live = fit_for_live

    @classmethod
    def load(cls, path: Path, *, data: Path, create: bool = False) -> Self:
        """The provider of a key file.

        data: the data directory; a key inside it is not fit for live cards.
        create: make the file when there is none.
        Raises KeyFileError.
        """
        if create and not path.exists():
            _create(path)
        kek_id, ciphers = _parse(_read(path), path)
        return cls(path, kek_id, ciphers, fit_for_live=not path.resolve().is_relative_to(data.resolve()))

    def wrap(self, key: bytes, context: Context) -> Wrapped:
        blob = seal(self._ciphers[self._newest], key, context.encoded())
        return Wrapped(self.name, self._kek_id, self._newest, blob)

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        ours = wrapped.provider == self.name and wrapped.kek_id == self._kek_id
        if ours and wrapped.kek_version not in self._ciphers:
            self._read_again()  # another process has rotated
        under = self._ciphers.get(wrapped.kek_version)
        if not ours or under is None:
            raise WrongKey(
                f"This key was wrapped by key {wrapped.kek_id}, version {wrapped.kek_version}, of the provider "
                f"{wrapped.provider}; {self._path} holds key {self._kek_id}, versions "
                f"{', '.join(map(str, sorted(self._ciphers)))}."
            )
        return unseal(under, wrapped.blob, context.encoded())

    def rotate(self) -> int:
        """Raises KeyFileError (the directory cannot be written)."""
        self._read_again()
        key, version = new_key(), self._newest + 1
        _replace(self._path, _read(self._path).rstrip("\n") + "\n" + _line(self._kek_id, version, key))
        self._ciphers[version] = cipher(key)
        self._newest = version
        return version

    def _read_again(self) -> None:
        kek_id, ciphers = _parse(_read(self._path), self._path)
        if kek_id == self._kek_id:
            self._ciphers, self._newest = ciphers, max(ciphers)

    def health(self) -> None:
        context = Context("health")
        try:
            self.unwrap(self.wrap(bytes(KEY_BYTES), context), context)
        except Unreadable as error:
            raise ProviderDown from error


def _line(kek_id: str, version: int, key: bytes) -> str:
    return f"azk1 {kek_id} {version} {key.hex()}\n"


def _parse(text: str, path: Path) -> tuple[str, dict[int, Cipher]]:
    kek_ids: set[str] = set()
    ciphers: dict[int, Cipher] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or int(match[2]) in ciphers:
            raise KeyFileError(f"Line {number} of the key file {path} is not a key. Put the file back as it was made.")
        kek_ids.add(match[1])
        ciphers[int(match[2])] = cipher(bytes.fromhex(match[3]))
    if len(kek_ids) != 1:
        raise KeyFileError(f"The key file {path} holds no key, or keys of several vaults.")
    return kek_ids.pop(), ciphers


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise KeyFileError(f"Others may read the key file {path}. Run: chmod 0400 {path}")
            return file.read()
    except FileNotFoundError:
        raise KeyFileError(
            f"There is no key file at {path}. Put it there; without it no stored card can be read."
        ) from None
    except (OSError, UnicodeDecodeError):
        raise KeyFileError(f"The key file {path} cannot be read.") from None


def _create(path: Path) -> None:
    """A file with version 1. Two servers starting at once agree on the first one's."""
    part = _write_beside(path, _HEADING + _line(os.urandom(8).hex(), 1, new_key()))
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    except OSError:
        raise KeyFileError(f"The key file {path} cannot be made.") from None
    finally:
        part.unlink()
    _sync(path.parent)


def _replace(path: Path, text: str) -> None:
    part = _write_beside(path, text)
    try:
        part.replace(path)
    except OSError:
        part.unlink()
        raise KeyFileError(f"The key file {path} cannot be written.") from None
    _sync(path.parent)


def _write_beside(path: Path, text: str) -> Path:
    """The whole file under another name, durable: a crash leaves the old file or the new one, never half of one."""
    part = path.with_name(f"{path.name}.{os.urandom(8).hex()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        raise KeyFileError(f"The directory of the key file {path} cannot be written.") from None
    return part


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
