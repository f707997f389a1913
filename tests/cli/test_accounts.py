"""``azukari accounts``, each command in a process of its own, with a processor from a package of its own."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from azukari.cli.secrets import looks_like_a_secret
from azukari.core.config import Settings
from tests.commands import SOON, azukari, done, environment, of
from tests.faults.sites import Rows

PACKAGE = """
from azukari.processors.account import AccountFields


class Acme:
    name = "acme"
    account_fields = AccountFields(
        secrets=("secret_key", "signing_key"), profile=("shop_id",), hosts={"test": "sandbox.acme.example"}
    )

    async def probe(self, account):
        return "credentials" if account.profile["shop_id"] == "unknown" else None


def build(*_):
    return Acme()
"""
FIRST, SECOND = "zq7firstsecret", "zq7secondsecret"


@pytest.fixture
def acme(tmp_path: Path) -> dict[str, str]:
    """Settings under which the package is there."""
    site = tmp_path / "site"
    (site / "acme-1.dist-info").mkdir(parents=True)
    (site / "acme_processor.py").write_text(PACKAGE)
    (site / "acme-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    points = "[azukari.processors]\nacme = acme_processor:build\n"
    (site / "acme-1.dist-info" / "entry_points.txt").write_text(points)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "AZUKARI_PROCESSORS": "acme"}


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file with a secret, as editors write it."""
    file = tmp_path / "secret"
    file.write_text(f"{FIRST}\n")
    return file


ADD = ("accounts", "add", "acme-1", "--processor", "acme", "--mode", "test", "--profile", "shop_id=tshop1")
TEST = ("--mode", "test")


async def test_an_account_from_its_first_secret_to_its_end(
    settings: Settings, acme: dict[str, str], secret_file: Path
) -> None:
    said: list[str] = []

    def run(*words: str, given: str | None = None) -> Any:
        said.append(done("accounts", *words, *of(settings), "--json", given=given, **acme))
        assert said[-1].count("\n") == 1
        return json.loads(said[-1])

    files = ("--secret-file", f"secret_key={secret_file}")
    made = run(*ADD[1:], *files, "--secrets-stdin", given=json.dumps({"signing_key": SECOND}))
    assert (made["name"], made["state"], made["host"]) == ("acme-1", "open", "sandbox.acme.example")
    assert made["profile"] == {"shop_id": "tshop1"}
    assert list(made["secrets"]) == ["secret_key", "signing_key"]
    assert run("show", "acme-1", *TEST) == made
    assert run("list") == [made]
    assert run("list", "--mode", "live") == []
    assert run("test", "acme-1", *TEST) == {"name": "acme-1", "works": True, "problem": None}
    narrowed = run("narrow", "acme-1", *TEST, "--without-brand", "jcb", "--greatest", "JPY=500000")["narrowed"]
    nothing: dict[str, Any] = {"types": [], "brands": [], "currencies": [], "greatest": {}}
    assert narrowed == {**nothing, "brands": ["jcb"], "greatest": {"JPY": 500_000}}
    assert run("narrow", "acme-1", *TEST, "--anew")["narrowed"] == nothing
    rolled = run("roll", "acme-1", *TEST, "--secrets-stdin", given=f"secret_key={SECOND}\nsigning_key={FIRST}\n")
    assert min(rolled["secrets"].values()) > max(made["secrets"].values())
    assert run("drain", "acme-1", *TEST)["state"] == "draining"
    assert run("open", "acme-1", *TEST)["state"] == "open"
    run("drain", "acme-1", *TEST)
    closed = run("close", "acme-1", *TEST)
    assert (closed["state"], closed["secrets"]) == ("closed", {})

    assert "zq7" not in "".join(said)
    assert not [file for file in settings.data.rglob("*") if file.is_file() and b"zq7" in file.read_bytes()]
    rows = Rows(settings)
    lines = await rows.all("SELECT action, who FROM audit_lines ORDER BY id")
    await rows.close()
    assert {line["who"] for line in lines} == {"command line"}
    assert [line["action"].removeprefix("account.") for line in lines] == [
        "add",
        "test",
        "narrow",
        "narrow",
        "roll",
        "drain",
        "open",
        "drain",
        "close",
    ]


def test_an_account_is_shown_to_people(settings: Settings, acme: dict[str, str]) -> None:
    where = (*of(settings),)
    shown = done(*ADD, "--secrets-stdin", *where, given=f"secret_key={FIRST}\nsigning_key={SECOND}", **acme)
    assert "secret_key (set 20" in shown
    assert "shop_id=tshop1" in shown
    assert "zq7" not in shown
    assert "acme-1" in done("accounts", "list", *where, **acme)
    assert done("accounts", "test", "acme-1", *TEST, *where, **acme) == "acme-1 works.\n"


def test_an_account_that_does_not_work_ends_with_status_1_and_a_sentence(
    settings: Settings, acme: dict[str, str]
) -> None:
    words = [word.replace("tshop1", "unknown") for word in ADD]
    where = (*of(settings),)
    done(*words, "--secrets-stdin", *where, given=f"secret_key={FIRST}\nsigning_key={SECOND}", **acme)
    for more in ((), ("--json",)):
        ended = azukari("accounts", "test", "acme-1", *TEST, *where, *more, **acme)
        assert ended.returncode == 1
        assert "does not take these secrets" in ended.stdout + ended.stderr


def test_what_cannot_be_done_gets_a_sentence(data: Path, acme: dict[str, str], secret_file: Path) -> None:
    done("init", "--data", data)
    add, file = ADD[:4], ("--secret-file", f"secret_key={secret_file}")
    both = f"secret_key={FIRST}\nsigning_key={SECOND}\n"
    for words, given, sentence in (
        ((*add, "simulator"), None, "The simulator needs no account."),
        ((*add, "nowhere"), None, "The processor nowhere is not loaded"),
        ((*add, "acme"), both, "acme has no live mode"),
        (ADD, None, "A secret is missing: secret_key, signing_key."),
        ((*ADD, *file), None, "A secret is missing: signing_key."),
        ((*ADD, "--secret-file", "secret_key"), None, "must look like"),
        ((*ADD, "--secret-file", "secret_key=/nowhere/file"), None, "cannot be read"),
        ((*ADD, "--secrets-stdin"), "", "must be a JSON object"),
        ((*ADD, "--secrets-stdin"), "{zq7", "is no JSON object"),
        ((*ADD, "--secrets-stdin"), '{"secret_key": 7}', "a JSON object of texts"),
        ((*ADD, "--secrets-stdin"), f"{both}third=a", "a secret too many"),
        ((*ADD[:-2], "--secrets-stdin"), both, "A value is missing: shop_id."),
        ((*ADD, "--secrets-stdin", "--merchant", "nobody"), both, "merchants list"),
        ((*ADD, "--profile", f"secret_key={FIRST}"), None, "looks like a secret"),
        ((*ADD, "--secret-file", "secret_key=sk_live_zq7zq7zq7"), None, "looks like a secret"),
        ((*ADD, "sk_live_zq7zq7zq7zq7"), None, "looks like a secret"),
        (("accounts", "show", "acme-1"), None, "There is no account of this name in this mode"),
        (("accounts", "narrow", "acme-1"), None, "Say what it does not cover"),
        (("accounts", "narrow", "acme-1", "--greatest", "JPY=1e9"), None, "must look like JPY=500000"),
        (("accounts", "close", "acme-1"), None, "There is no account of this name in this mode"),
    ):
        ended = azukari(*words, "--data", data, given=given or "", **acme)
        assert (ended.returncode, ended.stdout) == (1, ""), words
        assert sentence in ended.stderr, (words, ended.stderr)
        assert "zq7" not in ended.stderr
        assert "Traceback" not in ended.stderr
    assert json.loads(done("accounts", "list", "--data", data, "--json", **acme)) == []


def test_secrets_are_asked_for_on_a_terminal_and_not_shown_there(data: Path, acme: dict[str, str]) -> None:
    done("init", "--data", data)
    words = [*ADD[:-2], "--data", str(data), "--json"]

    said, status = on_a_terminal(words, acme, (("shop_id", "tshop1"), ("secret_key", FIRST), ("signing_key", SECOND)))

    assert status == 0, said
    assert "zq7" not in said
    assert "tshop1" in said
    shown = json.loads(done("accounts", "show", "acme-1", *TEST, "--data", data, "--json", **acme))
    assert (shown["profile"], list(shown["secrets"])) == ({"shop_id": "tshop1"}, ["secret_key", "signing_key"])


def on_a_terminal(words: list[str], settings: dict[str, str], answers: tuple[tuple[str, str], ...]) -> tuple[str, int]:
    """What a command shows to a person that answers its questions, and its status."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "azukari.cli", *words]
    process = subprocess.Popen(
        command, env=environment(settings), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said, left, end = "", list(answers), time.monotonic() + SOON
    while time.monotonic() < end:
        if left and said.rstrip().endswith(f"{left[0][0]}:"):
            time.sleep(0.1)  # until the terminal no longer shows what is typed
            os.write(ours, f"{left.pop(0)[1]}\n".encode())
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            said += os.read(ours, 4_096).decode()
        except OSError:
            break  # it has ended
    os.close(ours)
    return said, process.wait(SOON)


@pytest.mark.parametrize(
    "word",
    [
        "sk_live_abcdefgh",
        "secret_key=sk_test_abcdefgh",
        "whsec_abcdefgh",
        "rk_live_abcdefgh",
        "-----BEGIN PRIVATE",
        "Ab3" * 7,
        "signing_key=" + "Ab3" * 7,
        "0123456789abcdef" * 2,
    ],
)
def test_what_looks_like_a_secret(word: str) -> None:
    assert looks_like_a_secret(word)


@pytest.mark.parametrize(
    "word",
    [
        "komoju-1",
        "shop_id=tshop00001",
        "--processor",
        "JPY=500000",
        "01jf0c8w7x9k2m4n6p8q0r2s4",
        "task_live_report",
        "postgresql://azukari@db.internal:5432/azukari",
        "4f5d9c1e-7b1a-4f0e-9a55-1c2d3e4f5a6b",
        "",
    ],
)
def test_what_does_not(word: str) -> None:
    assert not looks_like_a_secret(word)


def test_the_name_of_a_file_that_is_there_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / ("Ab3" * 7)
    assert looks_like_a_secret(str(file))
    file.touch()
    assert not looks_like_a_secret(str(file))
    assert not looks_like_a_secret(f"secret_key={file}")
