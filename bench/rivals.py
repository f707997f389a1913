"""The rivals: servers a developer might test against instead, each from its package, at a pinned version.

They are installed into ``bench/.rivals`` and nowhere else. Nothing they answer is durable, but for localstripe's dump.
"""

import os
import subprocess
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from json import load as read_json
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from bench import house, load
from bench.load import Measured, Window
from bench.measuring import Contender, Running

FOLDER = Path(__file__).parent / ".rivals"
LOCALSTRIPE = "1.15.10"
STATEFUL_MOCK = "0.0.16"
KEY = "sk_test_rival"
CUSTOMERS = 10

Ready = Callable[[], AbstractContextManager[Running]]

#: localstripe writes its whole store there after every change, wherever it is started.
_DUMP = Path("/tmp/localstripe.pickle")
_WITHOUT_DUMP = "from localstripe import server; type(server.store).dump_to_disk = lambda store: None; server.start()"


@dataclass(frozen=True, slots=True)
class Missing:
    """A rival that could not be installed, and why."""

    name: str
    why: str


def contenders() -> tuple[list[Contender], list[Missing]]:
    """Those that can run."""
    python, node = FOLDER / "localstripe/bin/python", FOLDER / "mock/node_modules/.bin/stripe-stateful-mock"
    there: list[Contender] = []
    missing: list[Missing] = []
    for names, install, make in (
        (
            (f"localstripe {LOCALSTRIPE}, as shipped", f"localstripe {LOCALSTRIPE}, dump off"),
            _install_localstripe,
            lambda: (_localstripe(python, dump=True), _localstripe(python, dump=False)),
        ),
        ((f"stripe-stateful-mock {STATEFUL_MOCK}",), _install_mock, lambda: (_mock(node),)),
    ):
        why = _failure(install)
        if why is None:
            there += [Contender(name, ready) for name, ready in zip(names, make(), strict=True)]
        else:
            missing += [Missing(name, why) for name in names]
    return there, missing


def _failure(install: Callable[[], None]) -> str | None:
    try:
        install()
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        return str(said).strip().splitlines()[-1]
    return None


def _install_localstripe() -> None:
    home = FOLDER / "localstripe"
    if not (home / "bin/localstripe").exists():
        venv.create(home, with_pip=True)
        _call(home / "bin/python", "-m", "pip", "install", "--quiet", f"localstripe=={LOCALSTRIPE}")


def _install_mock() -> None:
    home = FOLDER / "mock"
    if not (home / "node_modules/.bin/stripe-stateful-mock").exists():
        home.mkdir(parents=True, exist_ok=True)
        _call("npm", "install", "--silent", "--prefix", home, f"stripe-stateful-mock@{STATEFUL_MOCK}")


def _call(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _localstripe(python: Path, *, dump: bool) -> Ready:
    def command(port: int) -> list[str]:
        start = ["-m", "localstripe"] if dump else ["-c", _WITHOUT_DUMP]
        return [str(python), *start, "--from-scratch", "--port", str(port)]

    return lambda: _running(command, {})


def _mock(program: Path) -> Ready:
    return lambda: _running(lambda port: [str(program)], {"NODE_ENV": "production"})


@contextmanager
def _running(command: Callable[[int], list[str]], environment: dict[str, str]) -> Iterator[Running]:
    """A rival with an empty store, then a few customers with a card."""
    port = house.free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command(port),
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **environment, "PORT": str(port)},
        )
        try:
            house.wait_for(f"http://127.0.0.1:{port}/v1/customers", KEY, process)
            yield _Rival(port, process.pid, [_customer(port) for _ in range(CUSTOMERS)])
        finally:
            house.stop(process)
            with suppress(FileNotFoundError):
                _DUMP.unlink()


def _customer(port: int) -> str:
    """The id of a customer whose card both rivals know by the usual test token."""
    token = "tok_visa"
    with suppress(OSError):  # one of them has no such call, and needs none
        token = _post(
            port,
            "tokens",
            **{
                "card[number]": "4242424242424242",
                "card[exp_month]": "12",
                "card[exp_year]": "2030",
                "card[cvc]": "123",
            },
        )
    return _post(port, "customers", source=token)


def _post(port: int, what: str, **form: str) -> str:
    request = Request(
        f"http://127.0.0.1:{port}/v1/{what}", urlencode(form).encode(), {"Authorization": f"Bearer {KEY}"}
    )
    with urlopen(request) as reply:
        return str(read_json(reply)["id"])


@dataclass(slots=True)
class _Rival:
    port: int
    pid: int
    customers: list[str]
    charged: int = 0

    def window(self, connections: int, window: Window) -> Measured:
        forms = [{"amount": "1000", "currency": "jpy", "customer": customer} for customer in self.customers]
        requests = load.posts("/v1/charges", KEY, forms)
        found = load.measure(self.port, requests, window, connections=connections, server=self.pid)
        # As many again as the window shows were made while it warmed up, in proportion.
        self.charged += round(found.per_second * (window.seconds + window.warm_up))
        found.stored = CUSTOMERS + self.charged
        return found
