"""``python -m azukari.cli``."""

from azukari.cli import app

if __name__ == "__main__":
    app()
