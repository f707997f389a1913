"""A Chromium for the browser tests: one that is there, or one installed now, or a sentence on what to do.

``python -m tests.e2e.chromium`` finds or installs it and says where it is.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: Names the browser to use.
SETTING = "AZUKARI_TEST_CHROMIUM"
#: Chromium without windows: half the work of one that only hides them.
SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HELP = (
    "The browser tests need Chromium, and none could be found or installed. Do one of these and try again:\n"
    "  as root on Debian:  apt-get install chromium-headless-shell fonts-noto-cjk\n"
    "  anywhere else:      .venv/bin/playwright install --with-deps chromium\n"
    f"  your own:           {SETTING}=/path/to/chromium"
)

_ASK_PLAYWRIGHT = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""
#: A registry that does not answer holds no test run for longer.
PATIENCE_SECONDS = 600

_PLAYWRIGHT = [sys.executable, "-m", "playwright", "install"]
#: How packages are installed without a question.
APT = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
APT_INSTALL = [*APT, "install", "--yes", "--no-install-recommends"]
#: Chinese, Japanese and Korean are boxes without it.
_FONTS = "fonts-noto-cjk"


class NoChromium(Exception):
    """There is no browser; the text says what to do."""


def find() -> Path | None:
    """The browser the setting names, one on the PATH, or the one Playwright has downloaded.

    Raises NoChromium when the setting names one that does not run.
    """
    if given := os.environ.get(SETTING):
        if not runs(given):
            raise NoChromium(f"{SETTING} names {given}, which does not run.")
        return Path(given)
    on_path = (found for name in NAMES if (found := shutil.which(name)))
    return next((Path(program) for program in (*on_path, *_playwrights_own()) if runs(program)), None)


def get() -> Path:
    """The browser. Raises NoChromium."""
    found = find()
    if found is None:
        raise NoChromium(HELP)
    return found


def ensure() -> Path:
    """The browser, installed if need be; what is installed is said. Raises NoChromium."""
    its_system, root = system(), os.geteuid() == 0
    if find() is None:
        print("Installing a Chromium for the browser tests ...", flush=True)
        # One way after the other, until one has brought a browser that runs.
        for commands in ways(its_system, root=root):
            if all(call(command) for command in commands) and find() is not None:
                break
    if its_system == "debian" and root:
        if SETTING not in os.environ and shutil.which(SHELL) is None:
            _add("a lighter Chromium", SHELL)
        if not has_japanese():
            _add("a Japanese font", _FONTS)
    return get()


def _add(what: str, package: str) -> None:
    """Something that would be good to have."""
    print(f"Installing {what} for the browser tests ...", flush=True)
    if call([*APT, "update"]):
        call([*APT_INSTALL, package])


def ways(system: str, *, root: bool) -> list[list[list[str]]]:
    """The ways to install a Chromium, each a list of commands.

    system: as in ``/etc/os-release``. Ubuntu's own package is a snap, which a container cannot install; and only root
    may install the libraries that Playwright's build needs.
    """
    debian = [[*APT, "update"], [*APT_INSTALL, SHELL, _FONTS]]
    if root and system == "debian":
        return [debian, [[*_PLAYWRIGHT, "chromium"]]]
    if root and system == "ubuntu":
        return [[[*_PLAYWRIGHT, "--with-deps", "chromium"]], [[*_PLAYWRIGHT, "chromium"]]]
    return [[[*_PLAYWRIGHT, "chromium"]]]


def has_japanese() -> bool:
    """Whether a Japanese text has letters, as far as fontconfig knows; without fontconfig nobody knows."""
    try:
        listed = subprocess.run(["fc-list", ":lang=ja"], capture_output=True, text=True)
    except FileNotFoundError:
        return True
    return bool(listed.stdout.strip())


def system() -> str:
    """What ``/etc/os-release`` calls it: ``debian``."""
    try:
        return platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return ""


def _playwrights_own() -> Iterator[str]:
    # In a process of its own: Playwright's blocking interface does not work where a loop runs.
    asked = subprocess.run([sys.executable, "-c", _ASK_PLAYWRIGHT], capture_output=True, text=True)
    if asked.returncode == 0:
        yield asked.stdout.strip()


def runs(program: str | Path) -> bool:
    """Whether it is there and says its version."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def call(command: list[str]) -> bool:
    """Whether a command that installs something went well, within ten minutes."""
    settings = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(command, env=settings, timeout=PATIENCE_SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    try:
        print(f"Browser tests run in {ensure()}")
    except NoChromium as error:
        sys.exit(str(error))
