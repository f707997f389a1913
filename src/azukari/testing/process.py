"""The server's process, as the process of the tests sees it."""

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

#: How long the server may take to start, and to answer a question.
PATIENCE_SECONDS = 60.0
_MEMORY = Path("/dev/shm")  # noqa: S108 - a memory file system, where a commit does not wait for a disk
#: In a container it may be too small for a long run.
_ENOUGH = 256 * 1024 * 1024


class Server:
    """Azukari in a process of its own: whatever the tests patch, freeze or block, it does not notice.

    It ends with :meth:`stop`, and when the process that started it is gone, however that ended.
    """

    def __init__(self) -> None:
        self._data = Path(tempfile.mkdtemp(prefix="azukari-", dir=_folder()))
        self.log = self._data / "server.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                [sys.executable, "-P", "-m", "azukari.testing", str(self._data), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
                # Ctrl-C is for the tests: what they still have to tidy up may need the server.
                start_new_session=True,
            )
        try:
            self.url = self._address()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, question: str, wait_seconds: float = 0, **more: Any) -> dict[str, Any]:
        """Something no merchant can ask. From any thread. Raises RuntimeError."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(wait_seconds + PATIENCE_SECONDS)
            connection.connect(str(self._data / "control"))
            asked = {"ask": question, "wait_seconds": wait_seconds, **more}
            connection.sendall(json.dumps(asked).encode() + b"\n")
            with connection.makefile("rb") as reading:
                answer = reading.read()
        if not answer:
            raise RuntimeError(f"The test server has failed. Its log ends:\n{self._last_lines()}")
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise RuntimeError(found["error"])
        return found

    def stop(self) -> None:
        """End it, and leave nothing behind."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._data, ignore_errors=True)

    def _address(self) -> str:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], PATIENCE_SECONDS)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            raise RuntimeError(f"The test server does not start. Its log ends:\n{self._last_lines()}")
        return line.decode().strip()

    def _last_lines(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4_000:]


def _folder() -> Path | None:
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH
    return _MEMORY if roomy else None


def _environment() -> dict[str, str]:
    """The tests' own, but for settings of an Azukari, which are another installation's; it finds the same package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZUKARI_")}
    package = str(Path(__file__).parents[2])
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH"))))}
