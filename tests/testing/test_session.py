"""Whole runs of pytest with the plugin: what it costs who does not use it, several processes, and their ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

#: Others' plugins take longer to load than these runs do.
_BARE = ("-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")


def test_who_does_not_use_it_loads_nothing_of_the_server() -> None:
    asked = "import sys, pytest; had = set(sys.modules); import azukari.testing.plugin; print(*set(sys.modules) - had)"
    said = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout.split()

    ours = {"azukari", "azukari.testing", *(f"azukari.testing.{name}" for name in ("handle", "plugin", "process"))}
    assert {name for name in said if name.partition(".")[0] not in sys.stdlib_module_names} == ours
    assert not {"asyncio", "http", "email", "ssl"} & {name.partition(".")[0] for name in said}


def test_workers_of_one_run_have_servers_of_their_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_it_is_alone(azukari, azukari_server, number):
            assert [event["type"] for event in azukari.client.get("/events").json()["data"]] == ["ping"]
            azukari.client.post("/customers", json={"email": "a@shop.example"})
            assert azukari.webhooks.wait("customer.created").data["email"] == "a@shop.example"
            print("served at", azukari.url)
            print("kept in", azukari_server.log)
            assert number != 3
        """
    )
    ran = pytester.runpytest_subprocess(*_BARE, "-n", "2", "--dist", "load", "-rP")

    ran.assert_outcomes(passed=5, failed=1)
    said = ran.stdout.lines
    assert len({line for line in said if line.startswith("served at")}) == 2
    # The log of the server, from the beginning of the test that failed.
    ran.stdout.fnmatch_lines(["*Captured azukari teardown*", '*"route":"/customers","status":200*'])
    kept = {Path(line.removeprefix("kept in ")) for line in said if line.startswith("kept in")}
    assert not [path for path in kept if path.parent.exists()]


def test_a_run_that_is_killed_leaves_nothing_behind(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os, pathlib, signal, time

        def test_dies(azukari, azukari_server):
            pathlib.Path("data").write_text(str(azukari_server.log.parent))
            pathlib.Path("server").write_text(str(azukari_server.pid))
            if os.fork() == 0:
                # Holds on to all that was open, as a process pool does that nobody told of the end.
                pathlib.Path("fork").write_text(str(os.getpid()))
                time.sleep(600)
            while not pathlib.Path("fork").exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    with (pytester.path / "said").open("wb") as said:
        ran = subprocess.run([sys.executable, "-m", "pytest", *_BARE], cwd=pytester.path, stdout=said, stderr=said)
    data, server = Path((pytester.path / "data").read_text()), int((pytester.path / "server").read_text())
    try:
        assert ran.returncode == -9, (pytester.path / "said").read_text()
        while data.exists() or alive(server):
            time.sleep(0.01)
    finally:
        os.kill(int((pytester.path / "fork").read_text()), signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
