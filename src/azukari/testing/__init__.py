"""A running Azukari for the tests of whoever builds on it: the pytest fixture ``azukari``. The guide: docs/testing.md.

What is here runs in the test's own process and imports nothing of the server, which has a process of its own.
"""

from azukari.testing.handle import Azukari, Clock, Webhook, Webhooks

__all__ = ["Azukari", "Clock", "Webhook", "Webhooks"]
