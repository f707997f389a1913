"""Runs the tests of what a change touches: ``make test-fast``. Extra words go to pytest, ``--collect-only`` say.

Nearly every test goes in through the front door, so what a test imports, or runs, says nothing: all would be chosen.
Chosen are the tests of each changed folder of ``src/azukari``, those of the folders that import it directly, and those
of the structure. It is SQLite alone, without browsers, killed servers and long runs: ``make test`` has the last word.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
#: What holds of the whole source.
STRUCTURE = (
    "tests/test_docs.py",
    "tests/test_hooks.py",
    "tests/test_isolation.py",
    "tests/test_money.py",
    "tests/test_results.py",
)
#: Everything stands on them.
GROUND = ("src/azukari/core/", "src/azukari/db/", "src/azukari/migrations/", "src/azukari/wiring", "pyproject.toml")
#: What they are tried with: each layer, and a payment's life through all of them.
SMOKE = (
    "tests/core", "tests/db", "tests/test_migrations.py", "tests/vault/test_room.py", "tests/web/test_routes.py",
    "tests/payments/test_lifecycle.py", "tests/payments/test_transitions.py", "tests/customers", "tests/tokens",
    "tests/sessions/test_creating.py", "tests/subscriptions", "tests/webhooks/test_delivering.py", "tests/events",
)  # fmt: skip
#: They put everything together: an import there says nothing.
ASSEMBLY = {"app", "cli", "testing", "tools", "wiring", "worker", "setup"}
#: Browsers, killed servers, long runs.
LEFT_OUT = ("tests/e2e", "tests/faults", "tests/machine", "tests/leaks", "tests/compat/test_schemathesis.py")


def changed() -> list[str]:
    """The files that differ from where this branch left ``origin/main``, or from the last commit if none."""
    base = _git("merge-base", "origin/main", "HEAD") or ["HEAD"]
    return sorted({*_git("diff", "--name-only", base[0]), *_git("ls-files", "--others", "--exclude-standard")})


def _git(*words: str) -> list[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()


def importers(folder: str) -> list[str]:
    """The folders and modules of ``src/azukari`` that import one of them directly."""
    graph = grimp.build_graph("azukari")
    found = set()
    for module in graph.modules:
        if module.split(".")[1:2] == [folder]:
            found |= {importer.split(".")[1] for importer in graph.find_modules_that_directly_import(module)}
    return sorted(found - ASSEMBLY - {folder})


def tests_of(folder: str) -> list[str]:
    """Where a folder or module of ``src/azukari`` has its tests."""
    return [path for path in (f"tests/{folder}", f"tests/test_{folder}.py") if (ROOT / path).exists()]


def chosen(files: list[str]) -> Iterator[tuple[str, str]]:
    """Paths of tests, each with the reason."""
    for path in STRUCTURE:
        yield path, "structure"
    for file in files:
        parts = file.split("/")
        if file.startswith(GROUND) or (parts[0] == "tests" and (len(parts) == 2 or parts[-1] == "conftest.py")):
            for path in SMOKE:
                yield path, f"smoke, for {file}"
        if file.startswith("src/azukari/"):
            folder = parts[2].removesuffix(".py")
            for path in tests_of(folder):
                yield path, f"tests of {folder}"
            if not file.startswith(GROUND):
                for importer in importers(folder):
                    for path in tests_of(importer):
                        yield path, f"{importer} imports {folder}"
        elif parts[0] == "tests":
            yield (file if parts[-1].startswith("test_") else "/".join(parts[:-1])), "changed"


def main() -> int:
    """Print what is chosen and why, and run it."""
    reasons: dict[str, str] = {}
    for path, reason in chosen(changed()):
        if path != "tests" and (ROOT / path).exists() and not path.startswith(LEFT_OUT):
            reasons.setdefault(path, reason)
    for path, reason in reasons.items():
        print(f"{path}: {reason}", flush=True)
    print(f"Left out, besides PostgreSQL: {', '.join(LEFT_OUT)}", flush=True)
    words = ["-q", "-n", "2", "--dist", "worksteal", *(f"--ignore={path}" for path in LEFT_OUT), *sys.argv[1:]]
    environment = os.environ | {"AZUKARI_TEST_ENGINES": "sqlite"}
    return subprocess.call([sys.executable, "-m", "pytest", *words, *reasons], cwd=ROOT, env=environment)


if __name__ == "__main__":
    sys.exit(main())
