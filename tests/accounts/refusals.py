"""Refusals and their sentences."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from azukari.accounts.errors import AccountRefused


@contextmanager
def refused(words: str) -> Iterator[None]:
    """What is tried is refused with a sentence that has these words."""
    with pytest.raises(AccountRefused) as error:
        yield
    assert words in error.value.message
    assert "zq7" not in error.value.message
