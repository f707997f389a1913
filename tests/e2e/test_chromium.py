"""How the browser of these tests is found, installed, or asked for, with programs that play its part."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e import chromium, programs
from tests.e2e.programs import program

NO_BROWSER = "#!/bin/sh\nexit 1\n"


def ask(path: Path, code: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command, or a line about it, on a machine with these programs alone."""
    return programs.ask(path, "chromium", code, **settings)


@pytest.mark.parametrize("name", chromium.NAMES)
def test_a_browser_on_the_path_is_found(tmp_path: Path, name: str) -> None:
    browser = program(tmp_path, name)

    assert ask(tmp_path, "print(chromium.find())").stdout.strip() == str(browser)


def test_a_name_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path, "chromium", NO_BROWSER)
    browser = program(tmp_path, "google-chrome")

    assert ask(tmp_path, "print(chromium.find())").stdout.strip() == str(browser)


def test_the_setting_comes_first_and_must_be_right(tmp_path: Path) -> None:
    program(tmp_path, "chromium")
    named = program(tmp_path, "mine")

    assert ask(tmp_path, "print(chromium.find())", AZUKARI_TEST_CHROMIUM=str(named)).stdout.strip() == str(named)
    wrong = ask(tmp_path, AZUKARI_TEST_CHROMIUM=str(tmp_path / "nothing"))
    assert wrong.returncode == 1
    assert wrong.stderr.strip() == f"AZUKARI_TEST_CHROMIUM names {tmp_path / 'nothing'}, which does not run."


def test_without_a_browser_nothing_is_found_and_the_sentence_says_what_to_do(tmp_path: Path) -> None:
    asked = ask(tmp_path, "print(chromium.find()); chromium.get()")

    assert asked.stdout == "None\n"
    assert asked.stderr.strip().endswith(chromium.HELP)


def test_what_is_missing_is_installed(tmp_path: Path) -> None:
    made = tmp_path / chromium.SHELL
    apt = (
        f'#!/bin/sh\necho "$@" >> {tmp_path}/said\ncase "$*" in *install*) '
        f"printf '#!/bin/sh\\nexit 0\\n' > {made}; {{ /bin/chmod 755 {made}; }} ;; esac\n"
    )
    program(tmp_path, "apt-get", apt)
    system = "chromium.system = lambda: 'debian'; chromium.os.geteuid = lambda: 0; "

    asked = ask(tmp_path, system + "print(chromium.ensure())")

    assert asked.stderr == ""
    assert asked.stdout.splitlines() == ["Installing a Chromium for the browser tests ...", str(made)]
    said = (tmp_path / "said").read_text().splitlines()
    assert [line.removeprefix("-qq -o Dpkg::Use-Pty=0 ") for line in said] == [
        "update",
        "install --yes --no-install-recommends chromium-headless-shell fonts-noto-cjk",
    ]


@pytest.mark.parametrize("there", [True, False])
def test_a_lighter_browser_is_added_where_it_is_to_be_had(tmp_path: Path, there: bool) -> None:
    heavy, light = program(tmp_path, "chromium"), tmp_path / chromium.SHELL
    install = f"/bin/cp {heavy} {light}" if there else "exit 1"
    program(tmp_path, "apt-get", f'#!/bin/sh\ncase "$*" in *install*{chromium.SHELL}*) {install} ;; esac\n')
    system = "chromium.system = lambda: 'debian'; chromium.os.geteuid = lambda: 0; "

    asked = ask(tmp_path, system + "print(chromium.ensure())")

    assert asked.stderr == ""
    assert asked.stdout.splitlines() == [
        "Installing a lighter Chromium for the browser tests ...",
        str(light if there else heavy),
    ]


@pytest.mark.parametrize(
    ("system", "root", "first"),
    [
        ("debian", True, "apt-get"),
        ("debian", False, "playwright"),
        ("ubuntu", True, "--with-deps"),
        ("ubuntu", False, "playwright"),
        ("", False, "playwright"),
    ],
)
def test_each_system_has_its_way_and_playwrights_download_is_the_last(system: str, root: bool, first: str) -> None:
    ways = chromium.ways(system, root=root)

    assert first in ways[0][0]
    assert ways[-1][-1][-3:] == ["playwright", "install", "chromium"]
    assert root or not any("apt-get" in command or "--with-deps" in command for way in ways for command in way)
