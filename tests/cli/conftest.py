"""A data directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import forget_memory


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    forget_memory(tmp_path / "data")
