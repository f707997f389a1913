"""Where a card may leave a trace, caught while a test runs."""

import io
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from azukari.core import log


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that is logged, at the most talkative level: our own log, and what libraries say before any filter."""
    written = io.StringIO()
    root, levels = logging.getLogger(), {}
    handlers, level = root.handlers[:], root.level
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    for name in ("level", "stream", "human"):
        monkeypatch.setattr(log._sink, name, getattr(log._sink, name))
    for name in log._QUIET:
        levels[name] = logging.getLogger(name).level
    log.setup("debug", stream=written, human=False)
    raw = logging.StreamHandler(written)
    raw.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root.addHandler(raw)
    yield written
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder
