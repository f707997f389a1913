"""``azukari webhooks``, each command in a process of its own."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azukari.core.config import Settings
from tests.commands import azukari, done, of, running
from tests.house import forget_memory
from tests.webhooks.receiver import receiving


async def test_an_endpoint_from_its_first_ping_to_its_end(settings: Settings, tmp_path: Path) -> None:
    def said(*words: str) -> Any:
        return json.loads(done(*words, *of(settings), "--json", AZUKARI_LOOPBACK_WEBHOOKS="1"))

    merchant = said("merchants", "list")[0]["id"]
    async with receiving() as receiver:
        made = said("webhooks", "add", merchant, receiver.url, "--event", "customer.created", "--ordered")
        assert made["secret"].startswith("whsec_")
        assert (made["events"], made["ordered"]) == (["customer.created"], True)
        id = made["id"]
        assert [each["id"] for each in said("webhooks", "list", merchant)] == [id]
        assert id in done("webhooks", "list", merchant, *of(settings), COLUMNS="60")
        assert "secret" not in said("webhooks", "show", id)
        rolled = said("webhooks", "roll", id)
        assert rolled["secret"] != made["secret"]
        said("webhooks", "ping", id)
        assert said("webhooks", "log", id) == []
        assert said("webhooks", "replay", id, "--dead")[0]["sent_again"] == 0
        assert said("webhooks", "replay", id, "--from", "2020-01-01")[0]["sent_again"] == 0

        await _until(settings, tmp_path, lambda: len(receiver.got) == 2)
        assert all(got.signed_with(rolled["secret"]) for got in receiver.got)
        log = said("webhooks", "log", id)
        assert [(each["type"], each["answer"], each["attempt"], each["delivery"]) for each in log] == [
            ("ping", 200, 1, "delivered")
        ] * 2
        again = said("webhooks", "replay", id, "--event", log[0]["event"])
        assert again[0]["sent_again"] == 1
        said("webhooks", "remove", id)
        assert said("webhooks", "list", merchant) == []


async def _until(settings: Settings, folder: Path, ready: Callable[[], bool]) -> None:
    """Run a worker of its own until something is so, and written down."""
    log = folder / "errors"
    here = {"AZUKARI_LOOPBACK_WEBHOOKS": "1"}
    with running("worker", *of(settings), folder=folder, ready=lambda: "worker.ready" in log.read_text(), **here):
        async with asyncio.timeout(60):
            while not (ready() and log.read_text().count("webhook.tried") == 2):
                await asyncio.sleep(0.02)


def test_a_secret_of_ones_own_comes_from_a_file_and_a_short_one_is_told_of(settings: Settings, tmp_path: Path) -> None:
    where = (*of(settings), "--json")
    merchant = json.loads(done("merchants", "list", *where))[0]["id"]
    file = tmp_path / "secret"

    file.write_text("8letters\n")
    short = azukari("webhooks", "add", merchant, "https://1.1.1.1/", "--secret-file", file, *where)
    made = json.loads(short.stdout)
    assert (short.returncode, made["secret"]) == (0, "8letters")
    assert short.stderr.strip() == made["warnings"][0]
    shown = azukari("webhooks", "roll", made["id"], "--secret-file", file, *of(settings))
    assert "shorter than 16 characters" in shown.stderr
    assert "warnings" not in shown.stdout

    file.write_text("sixteen letters!")
    good = azukari("webhooks", "roll", made["id"], "--secret-file", file, *where)
    assert (good.returncode, good.stderr, json.loads(good.stdout)["secret"]) == (0, "", "sixteen letters!")
    for text, sentence in (("7 signs", "8 to 255"), ("", "empty"), (None, "cannot be read")):
        file.unlink() if text is None else file.write_text(text)
        refused = azukari("webhooks", "add", merchant, "https://1.1.1.1/", "--secret-file", file, *where)
        assert (refused.returncode, sentence in refused.stderr) == (1, True), refused.stderr


def test_what_cannot_be_gets_a_sentence(settings: Settings) -> None:
    where = of(settings)
    merchant = json.loads(done("merchants", "list", *where, "--json"))[0]["id"]
    for words, sentence in (
        (("add", "nobody", "https://1.1.1.1/"), "There is no merchant with this id."),
        (("add", merchant, "https://10.0.0.1/"), "not on the open internet"),
        (("add", merchant, "http://1.1.1.1/"), "The value of url is invalid."),
        (("add", merchant, "https://1.1.1.1/", "--event", "Nonsense!"), "events"),
        (("show", "nothing"), "There is no such endpoint"),
        (("replay", "nothing", "--dead"), "There is no such endpoint"),
        (("replay", "nothing"), "Say which events"),
        (("replay", "nothing", "--from", "yesterday"), "A time must look like"),
    ):
        ended = azukari("webhooks", *words, *where)
        assert ended.returncode == 1, words
        assert sentence in ended.stderr
        assert "Traceback" not in ended.stderr


def test_beside_live_keys_a_server_whose_webhooks_may_go_to_this_machine_warns(tmp_path: Path) -> None:
    data, kek = tmp_path / "data", tmp_path / "vault.key"
    done("init", "--data", data)
    (data / "vault.key").rename(kek)
    elsewhere = {"AZUKARI_KEK_FILE": str(kek)}
    merchant = json.loads(done("merchants", "list", "--data", data, "--json", **elsewhere))[0]["id"]
    here = {**elsewhere, "AZUKARI_LOOPBACK_WEBHOOKS": "1"}
    try:
        warned = []
        for command in ([], ["keys", "create", merchant, "--live", "--data", str(data)]):
            if command:
                done(*command, **elsewhere)
            with running("serve", "--data", str(data), folder=tmp_path, **here) as server:
                warned.append("loopback_webhooks.beside_live_keys" in server.errors.read_text())
        assert warned == [False, True]
    finally:
        forget_memory(data)


def test_what_is_served_to_try_things_sends_webhooks_to_this_machine() -> None:
    ordered = subprocess.run(
        ["make", "-n", "serve"], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    ).stdout
    (line,) = [line for line in ordered.splitlines() if "azukari serve" in line]
    said = subprocess.run(
        line.replace(".venv/bin/azukari serve", "env"), shell=True, capture_output=True, text=True, check=True
    ).stdout
    assert "AZUKARI_LOOPBACK_WEBHOOKS=1" in said.splitlines()
