"""Firefox and WebKitGTK for the browser tests: what is there, or installed now, or a sentence on what to do.

``python -m tests.e2e.engines`` finds or installs them and says where they are.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.chromium import APT, APT_INSTALL, call, runs, system

#: The engines to test in, beside Chromium; a machine that can have only some of them names those, or ``none``.
SETTING = "AZUKARI_TEST_BROWSERS"
ENGINES = ("firefox", "webkit")
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "firefox": ("firefox-esr",),
    "webkit": ("webkit2gtk-driver", "xvfb", "python3-gi", "gir1.2-webkit2-4.1"),
}
HELP = (
    "The browser tests need {missing}, and it could not be found or installed. Do one of these and try again:\n"
    "  as root on Debian:  apt-get install {packages}\n"
    f"  without it:         {SETTING}={{others}}"
)
_BINDINGS = (
    "import gi; gi.require_version('Gtk', '3.0'); gi.require_version('WebKit2', '4.1'); "
    "from gi.repository import Gtk, WebKit2"
)


class NoEngine(Exception):
    """An engine is missing; the text says what to do."""


@dataclass(frozen=True)
class WebKit:
    """What a window of WebKitGTK needs. python: the one that has GTK's bindings, the system's own."""

    driver: Path
    screen: Path
    python: Path


def chosen() -> tuple[str, ...]:
    """The engines the setting names: all of them without it. Raises NoEngine when it names something else."""
    given = os.environ.get(SETTING, " ".join(ENGINES)).replace(",", " ").split()
    if strange := {*given} - {*ENGINES, "none"}:
        raise NoEngine(f"{SETTING} names {', '.join(sorted(strange))}; it takes firefox, webkit, both, or none.")
    return tuple(engine for engine in ENGINES if engine in given)


def firefox() -> Path | None:
    """Firefox on the PATH."""
    on_path = (found for name in ("firefox-esr", "firefox") if (found := shutil.which(name)))
    return next((Path(program) for program in on_path if runs(program)), None)


def webkit() -> WebKit | None:
    """WebKitGTK with its driver and a screen without a monitor."""
    driver, screen = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
    on_path = [found for folder in (None, "/usr/bin") if (found := shutil.which("python3", path=folder))]
    python = next((Path(program) for program in on_path if _has_bindings(program)), None)
    return WebKit(Path(driver), Path(screen), python) if driver and screen and python else None


FINDERS: Mapping[str, Callable[[], object]] = {"firefox": firefox, "webkit": webkit}


def get_firefox() -> Path:
    """Firefox. Raises NoEngine."""
    found = firefox()
    if found is None:
        raise NoEngine(_help(["firefox"]))
    return found


def get_webkit() -> WebKit:
    """WebKitGTK. Raises NoEngine."""
    found = webkit()
    if found is None:
        raise NoEngine(_help(["webkit"]))
    return found


def ensure() -> None:
    """Install what is missing of the chosen engines; what is installed is said. Raises NoEngine."""
    missing = _missing()
    if missing and system() in ("debian", "ubuntu") and os.geteuid() == 0:
        print(f"Installing {' and '.join(missing)} for the browser tests ...", flush=True)
        if call([*APT, "update"]):
            for engine in missing:
                call([*APT_INSTALL, *PACKAGES[engine]])
        missing = _missing()
    if missing:
        raise NoEngine(_help(missing))


def _missing() -> list[str]:
    return [engine for engine in chosen() if FINDERS[engine]() is None]


def _help(missing: list[str]) -> str:
    packages = " ".join(package for engine in missing for package in PACKAGES[engine])
    others = " ".join(engine for engine in ENGINES if engine not in missing) or "none"
    return HELP.format(missing=" and ".join(missing), packages=packages, others=others)


def _has_bindings(python: str) -> bool:
    asked = subprocess.run([python, "-c", _BINDINGS], capture_output=True)
    return asked.returncode == 0


def main() -> None:
    """Have the engines, and say which; or what to do."""
    try:
        ensure()
        print(f"and in {' and '.join(chosen()) or 'no other engine, as the setting says'}")
    except NoEngine as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
