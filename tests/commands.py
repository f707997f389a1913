"""Commands and servers in processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from azukari.core.config import Settings

SOON = 60


def environment(more: Mapping[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AZUKARI_")}
    return ours | {"NO_COLOR": "1", "COLUMNS": "200"} | dict(more)


def azukari(*words: str | Path, given: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. given: on its standard input. more: settings."""
    return subprocess.run(
        [sys.executable, "-m", "azukari.cli", *map(str, words)],
        env=environment(more),
        input=given,
        capture_output=True,
        text=True,
        timeout=SOON,
    )


def done(*words: str | Path, given: str | None = None, **more: str) -> str:
    """What a command that must succeed says."""
    ended = azukari(*words, given=given, **more)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def of(settings: Settings) -> list[str]:
    """The options that name a test's installation."""
    url = settings.database_url
    return ["--data", str(settings.data), *([] if url is None else ["--database", url.reveal()])]


@dataclass
class Server:
    """A server in a process of its own. said: what it wrote so far."""

    process: subprocess.Popen[str]
    url: str
    output: Path
    errors: Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(it: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + SOON
    while not it():
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < end
        time.sleep(0.02)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def running(*words: str, folder: Path, ready: Callable[[], bool] | None = None, **more: str) -> Iterator[Server]:
    output, errors = folder / "output", folder / "errors"
    port = free_port()
    with output.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "azukari.cli", *words, *(["--port", str(port)] if words[0] == "serve" else [])],
            env=environment(more),
            stdout=out,
            stderr=err,
            text=True,
            cwd=folder,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(ready or (lambda: answers(f"{url}/ready")), process)
        yield Server(process, url, output, errors)
    finally:
        process.kill()
        process.wait()


def ended_by(server: Server, number: signal.Signals) -> int:
    """The status of a server that was sent a signal."""
    server.process.send_signal(number)
    return server.process.wait(SOON)
