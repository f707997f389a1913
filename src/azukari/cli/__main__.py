"""``python -m azukari.cli``."""

from azukari.cli import app

app()
