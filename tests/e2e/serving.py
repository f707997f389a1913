"""The two servers a shopper meets: Azukari, as anybody would start it, and the shop."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from azukari.setup import FIRST_PAIR
from tests.commands import answers, azukari, free_port, wait_for
from tests.house import Api, forget_memory


class Site:
    """An installation, served by a process of its own. Its address stays the same when it is started again.

    settings: ``AZUKARI_...``, read at the next start.
    """

    def __init__(self, data: Path, database: str | None = None, *, port: int | None = None, **settings: str) -> None:
        keys = json.loads((data / FIRST_PAIR).read_text())
        self.secret_key: str = keys["secret_key"]
        self.publishable_key: str = keys["publishable_key"]
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = data
        self.log = data.with_name(f"{data.name}.log")
        self._options = ["--data", str(data), *(["--database", database] if database else [])]
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve; returns when it is ready."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AZUKARI_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "azukari.cli", "serve", "--port", str(self.port), *self._options],
                env=ours | self.settings,
                stdout=log,
                stderr=log,
            )
        try:
            wait_for(lambda: answers(f"{self.url}/ready"), self._process)
        except AssertionError as error:
            raise AssertionError(f"no server; its log ends:\n{self.log.read_text()[-2_000:]}") from error

    def kill(self) -> None:
        """End it at once, without a chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def command(self, *words: str) -> str:
        """Run ``azukari ...`` on this installation; what it says."""
        ended = azukari(*words, *self._options, **self.settings)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def api(self, key: str | None = None) -> Api:
        """The API of this server; without a key, with the secret test key."""
        return Api(httpx.AsyncHTTPTransport(), key or self.secret_key, f"{self.url}/api/v1")

    def logged(self, since: int = 0) -> list[dict[str, Any]]:
        """The log's events. since: a size the log had, in bytes."""
        lines = self.log.read_bytes()[since:].decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None


#: Copies an installation of one of the engines and serves it.
Install = Callable[[str], AbstractContextManager[Site]]


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve, and leave nothing behind."""
    try:
        site.start()
        yield site
    finally:
        site.kill()
        forget_memory(site.data)


@dataclass(frozen=True)
class Visit:
    """A request that came to the shop. query: the last value of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Shop:
    """The merchant's site, on another origin and another site than ours.

    visits: what came in, in order; pictures of tabs left out.
    """

    url: str
    visits: list[Visit] = field(default_factory=list)
    _pages: dict[str, tuple[bytes, str, Mapping[str, str]]] = field(default_factory=dict)

    @property
    def thanks(self) -> str:
        """Where a shopper comes back to: a ``return_url``."""
        return f"{self.url}/thanks"

    def show(self, path: str, body: str, media_type: str = "text/html; charset=utf-8", **headers: str) -> str:
        """Put a page of the shop's at a path; its address.

        A page without a doctype gets a whole one around it. headers: ``content_security_policy="..."``.
        """
        if media_type.startswith("text/html") and not body.startswith("<!doctype"):
            body = (
                '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
                f'<meta name="viewport" content="width=device-width"><title>Shop</title><main>{body}</main></html>'
            )
        self._pages[path] = body.encode(), media_type, headers
        return self.url + path

    def visits_to(self, path: str) -> list[Visit]:
        """The requests for one path."""
        return [visit for visit in self.visits if visit.path == path]

    def _answer(self, visit: Visit) -> tuple[int, bytes, str, Mapping[str, str]]:
        if visit.path != "/favicon.ico":
            self.visits.append(visit)
        if visit.path not in self._pages:
            return 404, b"", "text/plain", {}
        return 200, *self._pages[visit.path]


@contextmanager
def shopping() -> Iterator[Shop]:
    """A shop that is open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            visit = Visit(self.command, split.path, query, dict(self.headers), body)
            status, page, media_type, headers = shop._answer(visit)
            self.send_response(status)
            for name, value in {"Content-Type": media_type, "Content-Length": str(len(page)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(page)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # Another name than ours: to a browser this is another site, not only another origin.
    shop = Shop(f"http://localhost:{server.server_port}")
    shop.show("/thanks", "<h1>Thank you</h1>")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
