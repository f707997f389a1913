"""A real server on a port of its own, and the tools beside it, each in a process of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from azukari.cli import app
from azukari.core.secret import Secret
from azukari.setup import FIRST_PAIR
from azukari.tools.server import Place
from tests.commands import SOON, answers, environment, free_port, wait_for
from tests.house import card, copy_template, forget_memory


@dataclass
class Tool:
    """A command that runs until it is ended. JSON lines on standard output, sentences beside it."""

    process: subprocess.Popen[str]
    output: Path
    errors: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has said so far, whole lines alone."""
        return [json.loads(line) for line in self.output.read_text().split("\n")[:-1]]

    def noticed(self, sentence: str, times: int = 1) -> Callable[[], bool]:
        return lambda: self.errors.read_text().count(sentence) >= times

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(SOON)


@dataclass
class Installation:
    """A data directory with a server that can be started and killed, always on the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    _server: subprocess.Popen[str] | None = None
    _tools: int = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        return str(json.loads((self.data / FIRST_PAIR).read_text())["secret_key"])

    @property
    def place(self) -> Place:
        return Place(self.url, Secret(self.key))

    @property
    def api(self) -> httpx.Client:
        # No TLS, so no certificates to load each time.
        return httpx.Client(base_url=f"{self.url}/api/v1", auth=(self.key, ""), timeout=SOON, verify=False)

    @property
    def options(self) -> list[str]:
        """What a tool is told of it: the key it finds itself."""
        return ["--data", str(self.data), "--url", self.url]

    def charge(self, amount: int = 1000) -> str:
        """The id of a new payment."""
        with self.api as api:
            reply = api.post("/payments", json={"amount": amount, "currency": "JPY", "payment_details": card()})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    def start(self) -> None:
        with (self.folder / "log").open("a") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "azukari.cli", "serve", "--data", str(self.data), "--port", str(self.port)],
                env=environment({"AZUKARI_LOOPBACK_WEBHOOKS": "1"}),
                stdout=log,
                stderr=log,
                text=True,
            )
        wait_for(lambda: answers(f"{self.url}/ready"), self._server)

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    @contextmanager
    def tool(self, *words: str) -> Iterator[Tool]:
        """A tool that runs beside the server."""
        self._tools += 1
        output, errors = (self.folder / f"{self._tools}.{name}" for name in ("output", "errors"))
        with output.open("w") as out, errors.open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "azukari.cli", *words, *self.options],
                env=environment({}),
                stdout=out,
                stderr=err,
                text=True,
            )
        try:
            yield Tool(process, output, errors)
        finally:
            process.kill()
            process.wait()


def said(*words: str) -> tuple[int, str, str]:
    """Status, output and sentences of a command that ends by itself, run in this process to save the start of one."""
    # What a command leaves in the environment goes with it.
    ended = CliRunner().invoke(app, words, env={"AZUKARI_DATA": None, "NO_COLOR": "1", "COLUMNS": "200"})
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended.exit_code, ended.stdout, ended.stderr


@pytest.fixture(scope="package")
def shared(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a running server. The tools know no database, so one of the two will do."""
    installation = Installation(tmp_path_factory.mktemp("shared"))
    copy_template(sqlite_template, installation.data)
    installation.start()
    try:
        yield installation
    finally:
        installation.kill()
        forget_memory(installation.data)
