"""A machine that has a few programs and no others, to look for browsers on."""

import os
import subprocess
import sys
from pathlib import Path

#: What any of the programs does.
RUNS = "#!/bin/sh\necho Program 1.2.3\n"


def program(folder: Path, name: str, script: str | None = None) -> Path:
    """Put a program into a folder; without a script, it runs and says its version."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(script or RUNS)
    path.chmod(0o755)
    return path


def ask(path: Path, module: str, code: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this folder as a command, or a line about it, where one folder's programs are all there are."""
    words = ["-c", f"from tests.e2e import {module}; {code}"] if code else ["-m", f"tests.e2e.{module}"]
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        env={"PATH": str(path), "PLAYWRIGHT_BROWSERS_PATH": str(path / "none"), "HOME": str(path)} | kept | settings,
    )
