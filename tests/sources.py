"""Where our own code stands, for tests that read it."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = [path for path in sorted((ROOT / "src/azukari").rglob("*.py")) if "migrations" not in path.parts]
