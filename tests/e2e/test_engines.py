"""How Firefox and WebKit are found, installed, or asked for, with programs that play their parts."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e import driving, engines
from tests.e2e.chromium import APT
from tests.e2e.programs import ask, program
from tests.e2e.serving import Shop

FOUND = "print(engines.firefox(), engines.webkit())"
#: A machine of Debian's where the tests run as root. The system's own Python is out of the way.
ROOT = "engines.system = lambda: 'debian'; engines.os.geteuid = lambda: 0; "
ALONE = "engines.shutil.which = lambda name, path=None, of=engines.shutil.which: None if path else of(name); "
PARTS = ("firefox-esr", "WebKitWebDriver", "Xvfb", "python3")


def run(folder: Path, code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a line about the engines on a machine with the programs in a folder alone."""
    return ask(folder, "engines", ALONE + code, **settings)


def test_what_is_on_the_path_is_found(tmp_path: Path) -> None:
    for name in PARTS:
        program(tmp_path, name)

    assert run(tmp_path, FOUND).stdout.split("(")[0] == f"{tmp_path}/firefox-esr WebKit"


@pytest.mark.parametrize("missing", PARTS[1:])
def test_webkit_takes_its_driver_a_screen_and_a_python_with_its_bindings(tmp_path: Path, missing: str) -> None:
    for name in PARTS:
        if name != missing:
            program(tmp_path, name)

    assert run(tmp_path, FOUND).stdout == f"{tmp_path}/firefox-esr None\n"


def test_a_python_without_the_bindings_is_passed_over(tmp_path: Path) -> None:
    for name in PARTS:
        program(tmp_path, name, "#!/bin/sh\nexit 1\n" if name == "python3" else None)

    assert run(tmp_path, FOUND).stdout == f"{tmp_path}/firefox-esr None\n"


@pytest.mark.parametrize(
    ("setting", "said"),
    [(None, "firefox webkit"), ("webkit", "webkit"), ("webkit,firefox", "firefox webkit"), ("none", ""), ("", "")],
)
def test_a_machine_may_name_the_engines_it_has(tmp_path: Path, setting: str | None, said: str) -> None:
    settings = {} if setting is None else {engines.SETTING: setting}

    assert run(tmp_path, "print(*engines.chosen())", **settings).stdout.strip() == said


def test_an_engine_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    asked = ask(tmp_path, "engines", AZUKARI_TEST_BROWSERS="firefox safari")

    assert asked.returncode == 1
    assert asked.stderr == "AZUKARI_TEST_BROWSERS names safari; it takes firefox, webkit, both, or none.\n"


def test_what_is_missing_is_installed(tmp_path: Path) -> None:
    program(tmp_path, "firefox-esr")
    made = "".join(
        f"printf '#!/bin/sh\\nexit 0\\n' > {tmp_path / name}; /bin/chmod 755 {tmp_path / name}; " for name in PARTS[1:]
    )
    program(tmp_path, "apt-get", f'#!/bin/sh\necho "$@" >> {tmp_path}/said\ncase "$*" in *install*) {made} ;; esac\n')

    asked = run(tmp_path, ROOT + "engines.ensure(); print(engines.webkit() is not None)")

    assert (asked.stdout, asked.stderr) == ("Installing webkit for the browser tests ...\nTrue\n", "")
    said = (tmp_path / "said").read_text().splitlines()
    assert [line.removeprefix(" ".join(APT[1:]) + " ") for line in said] == [
        "update",
        "install --yes --no-install-recommends webkit2gtk-driver xvfb python3-gi gir1.2-webkit2-4.1",
    ]


@pytest.mark.parametrize("root", [True, False])
def test_what_cannot_be_installed_ends_the_run_with_what_to_do(tmp_path: Path, root: bool) -> None:
    program(tmp_path, "apt-get", "#!/bin/sh\nexit 1\n")
    program(tmp_path, "firefox")
    rights = ROOT if root else "engines.os.geteuid = lambda: 1000; "

    asked = run(tmp_path, rights + "engines.main()")

    assert asked.returncode == 1
    assert asked.stderr.strip().endswith(
        "The browser tests need webkit, and it could not be found or installed. Do one of these and try again:\n"
        "  as root on Debian:  apt-get install webkit2gtk-driver xvfb python3-gi gir1.2-webkit2-4.1\n"
        "  without it:         AZUKARI_TEST_BROWSERS=firefox"
    )
    assert ("Installing webkit" in asked.stdout) == root


def test_without_an_engine_its_window_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "firefox", lambda: None)
    monkeypatch.setattr(engines, "webkit", lambda: None)

    for name, open_window in driving.ENGINES.items():
        with pytest.raises(engines.NoEngine, match=f"need {name}, .*"), open_window(tmp_path, []):
            pass


WRONG = """<!doctype html><meta http-equiv="Content-Security-Policy" content="img-src 'none'"><title>Wrong</title>
<img src="/picture"><script>
console.error("written", 3);
setTimeout(() => { throw new Error("thrown"); });
Promise.reject(new Error("refused"));
</script>"""


@pytest.mark.parametrize("engine", engines.chosen())
def test_what_goes_wrong_in_a_page_is_found(tmp_path: Path, shop: Shop, engine: str) -> None:
    found: list[str] = []
    with driving.ENGINES[engine](tmp_path, found) as window:
        window.open(shop.show("/wrong", WRONG))
        window.until("document.readyState === 'complete'")

    for what in ("written", "thrown", "refused", "img-src"):
        assert [what in line for line in found].count(True) == 1, found
