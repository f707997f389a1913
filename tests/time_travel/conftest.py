"""A receiver of webhooks, and what is really stored."""

from tests.faults.conftest import rows
from tests.webhooks.conftest import receiver

__all__ = ["receiver", "rows"]
