"""The pytest plugin, which every installation of Azukari brings along: the fixtures ``azukari`` and ``azukari_server``.

Every test-suite loads it that runs beside an installed Azukari, so until a fixture is asked for it costs nothing.
"""

from collections.abc import Iterator

import pytest

from azukari.testing.handle import Azukari
from azukari.testing.process import Server

#: Of a test's log, at most.
_LOGGED_LINES = 100


@pytest.fixture(scope="session")
def azukari_server() -> Iterator[Server]:
    """The server that all tests of this process share."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def azukari(azukari_server: Server, request: pytest.FixtureRequest) -> Iterator[Azukari]:
    """A running Azukari, with a merchant that nobody has had before."""
    start = azukari_server.log.stat().st_size
    handle = Azukari(azukari_server)
    yield handle
    handle.close()
    with azukari_server.log.open("rb") as log:
        log.seek(start)
        lines = log.read().decode(errors="replace").splitlines()[-_LOGGED_LINES:]
    # Shown with a test that failed, as its output is.
    request.node.add_report_section("teardown", "azukari", "\n".join(lines))
