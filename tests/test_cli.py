"""The command line, each command in a process of its own."""

import asyncio
import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from azukari import __version__
from azukari.core.config import Settings
from azukari.db import migrate
from azukari.db.open import memory_of
from azukari.events.cursor import MOST_WAITING
from azukari.merchants.keys import well_formed
from azukari.setup import FIRST_PAIR
from tests.commands import SOON, Server, answers, azukari, done, of, running, wait_for
from tests.house import card, forget_memory


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    forget_memory(tmp_path / "data")


# init


def test_init_makes_everything_once_and_says_the_same_again(data: Path) -> None:
    first = done("init", "--data", data, "--json")
    kept = {file: file.read_bytes() for file in data.iterdir() if file.suffix in (".json", ".key")}
    again = done("init", "--data", data, "--json")

    assert first == again
    assert first.count("\n") == 1
    said = json.loads(first)
    assert list(said) == ["secret_key", "publishable_key", "data"]
    assert said["data"] == str(data)
    assert said["secret_key"].startswith("sk_test_")
    assert said["publishable_key"].startswith("pk_test_")
    assert well_formed(said["secret_key"])
    assert well_formed(said["publishable_key"])
    assert {file: file.read_bytes() for file in kept} == kept
    merchants = json.loads(done("merchants", "list", "--data", data, "--json"))
    assert len(merchants) == 1


def test_nobody_else_can_read_the_data(data: Path) -> None:
    umask = os.umask(0)
    try:
        done("init", "--data", data)
    finally:
        os.umask(umask)

    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / FIRST_PAIR).stat().st_mode) == 0o600
    # A lock holds nothing.
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in data.iterdir() if file.stat().st_size}
    assert len(modes) > 3
    assert [name for name, mode in modes.items() if mode & 0o077] == []


def test_a_data_directory_that_others_may_read_is_closed_before_anything_stands_in_it(data: Path) -> None:
    data.mkdir()
    data.chmod(0o755)

    done("init", "--data", data)

    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_init_for_people_shows_the_keys(data: Path) -> None:
    said = done("init", "--data", data)
    pair = json.loads((data / FIRST_PAIR).read_text())
    assert pair["secret_key"] in said
    assert pair["publishable_key"] in said
    assert str(data) in said


def test_the_data_directory_may_come_from_the_environment_or_from_a_file(data: Path, tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text(f"{data}\n")
    first = done("init", "--json", AZUKARI_DATA=str(data))
    assert done("init", "--json", AZUKARI_DATA_FILE=str(named)) == first


def test_the_version_is_said(data: Path) -> None:
    assert done("--version").strip() == __version__


# What is wrong is said in a sentence


BAD: dict[str, tuple[list[str], dict[str, str], str]] = {
    "a port that is none": (["serve"], {"AZUKARI_PORT": "eighty"}, "AZUKARI_PORT must be a whole number"),
    "a port too large": (["serve"], {"AZUKARI_PORT": "65536"}, "AZUKARI_PORT must be a whole number"),
    "a flag": (["serve"], {"AZUKARI_WORKER": "maybe"}, "AZUKARI_WORKER must be 1 or 0"),
    "a log level": (["worker"], {"AZUKARI_LOG_LEVEL": "loud"}, "AZUKARI_LOG_LEVEL must be one of"),
    "networks": (["serve"], {"AZUKARI_TRUSTED_PROXIES": "10.0.0.0/40"}, "AZUKARI_TRUSTED_PROXIES must be"),
    "an address": (["init"], {"AZUKARI_PUBLIC_URL": "ftp://a"}, "AZUKARI_PUBLIC_URL must be an address"),
    "a database": (["migrate"], {"AZUKARI_DATABASE_URL": "mysql://root:zq7mark@db/a"}, "must start with postgresql://"),
    "a file that is not there": (["init"], {"AZUKARI_DATABASE_URL_FILE": "/nowhere/zq7"}, "cannot be read"),
    "a database that does not answer": (
        ["init"], {"AZUKARI_DATABASE_URL": "postgresql://a:zq7mark@127.0.0.1:1/a"}, "The database cannot be used",
    ),
    "half an IPv6 address": (["init"], {"AZUKARI_PUBLIC_URL": "https://[::1"}, "AZUKARI_PUBLIC_URL must be an address"),
    "a fault nobody knows": (["serve"], {"AZUKARI_SIMULATOR_FAULT": "zq7mark"}, "AZUKARI_SIMULATOR_FAULT"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_setting_ends_with_a_sentence_and_status_1(name: str, data: Path) -> None:
    words, settings, sentence = BAD[name]
    ended = azukari(*words, AZUKARI_DATA=str(data), **settings)

    assert ended.returncode == 1, ended.stderr
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "zq7mark" not in ended.stderr + ended.stdout
    assert ended.stdout == ""


@pytest.mark.parametrize("command", ["init", "serve", "worker"])
def test_a_key_file_that_is_not_there_is_missed_before_anything_is_made(command: str, data: Path) -> None:
    ended = azukari(command, "--data", data, AZUKARI_KEK_FILE="/nowhere/vault.key")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "AZUKARI_KEK_FILE names /nowhere/vault.key, and there is no such file." in ended.stderr
    assert "azukari init" in ended.stderr
    assert not data.exists()


def test_a_server_whose_key_file_has_gone_says_so_and_greets_nobody(data: Path, tmp_path: Path) -> None:
    done("init", "--data", data)
    kek = tmp_path / "vault.key"
    (data / "vault.key").rename(kek)
    kek.chmod(0o444)

    for path, sentence in ((kek, f"chmod 0400 {kek}"), (tmp_path / "gone", "there is no such file")):
        ended = azukari("serve", "--data", data, "--port", "0", AZUKARI_KEK_FILE=str(path))
        assert (ended.returncode, ended.stdout) == (1, "")
        assert sentence in ended.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example"])
def test_a_plaintext_listener_off_loopback_is_refused(host: str, data: Path) -> None:
    ended = azukari("serve", "--data", data, "--host", host)

    assert ended.returncode == 1
    assert f"Refusing to listen on {host} without TLS" in ended.stderr
    assert not data.exists()


def test_insecure_http_is_refused_once_there_are_live_keys(data: Path, tmp_path: Path) -> None:
    done("init", "--data", data)
    kek = tmp_path / "vault.key"
    (data / "vault.key").rename(kek)
    settings = {"AZUKARI_KEK_FILE": str(kek)}
    merchant = json.loads(done("merchants", "list", "--data", data, "--json", **settings))[0]["id"]
    done("keys", "create", merchant, "--live", "--data", data, **settings)

    ended = azukari("serve", "--data", data, "--host", "0.0.0.0", "--port", "0", AZUKARI_INSECURE_HTTP="1", **settings)

    assert ended.returncode == 1
    assert "This installation has live keys" in ended.stderr


async def test_live_keys_are_refused_while_a_server_is_in_the_clear(settings: Settings, tmp_path: Path) -> None:
    kek = {"AZUKARI_KEK_FILE": str((settings.data / "vault.key").rename(tmp_path / "vault.key"))}
    merchant = json.loads(done("merchants", "list", *of(settings), "--json", **kek))[0]["id"]
    create = ("keys", "create", merchant, "--live", *of(settings))

    with running("serve", *of(settings), folder=tmp_path, AZUKARI_INSECURE_HTTP="1", **kek) as server:
        refused = [azukari(*create, **kek), azukari(*create, **kek, AZUKARI_INSECURE_HTTP="1")]
        assert done("keys", "create", merchant, *of(settings), **kek).count("_test_") == 2
        ended_by(server, signal.SIGTERM)

    assert [(ended.returncode, ended.stdout) for ended in refused] == [(1, "")] * 2
    assert "A server or worker of this installation runs with AZUKARI_INSECURE_HTTP=1" in refused[0].stderr
    assert "AZUKARI_INSECURE_HTTP=1 is for installations without live keys." in refused[1].stderr
    assert "sk_live_" in done(*create, **kek)
    for command in ("serve", "worker"):
        ended = azukari(command, *of(settings), **kek, AZUKARI_INSECURE_HTTP="1")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "This installation has live keys, so AZUKARI_INSECURE_HTTP=1 is refused." in ended.stderr


#: Nobody is to read ``zq7mark`` in the list of processes.
WITH_PASSWORDS = (
    "postgresql://shop:zq7mark@127.0.0.1:1/shop", "postgres://shop:zq7mark@127.0.0.1:1,127.0.0.1:2/shop",
    "postgresql://shop:%7aq7mark@127.0.0.1:1/shop", "postgresql://shop%3Azq7mark@127.0.0.1:1/shop",
    "postgresql://:zq7mark@127.0.0.1:1/shop", "postgresql://shop:zq7mark@/shop?host=/tmp",
    "postgresql://shop:zq7/mark@127.0.0.1:1/shop", "postgresql://shop:1/zq7mark@127.0.0.1:1/shop",
    "postgresql://shop:zq7@mark@127.0.0.1:1/shop", "postgresql://shop:zq7?mark@127.0.0.1:1/shop",
    "postgresql://shop:zq7#mark@127.0.0.1:1/shop", "postgresql+asyncpg://shop:zq7mark@127.0.0.1:1/shop",
    "POSTGRESQL://shop:zq7mark@127.0.0.1:1/shop", "postgresql://shop@127.0.0.1:1/shop?password=zq7mark",
    "postgresql://shop@127.0.0.1:1/shop?sslmode=disable&p%61ssword=zq7mark",
    "postgresql://shop@127.0.0.1:1/shop?sslpassword=zq7mark&sslkey=/key", "postgresql:///shop?PASSWORD=zq7mark",
    "host=127.0.0.1 port=1 password=zq7mark", "host=127.0.0.1 password = 'zq7mark'",
)  # fmt: skip


def test_no_password_is_taken_where_every_user_can_read_it(data: Path) -> None:
    for address in WITH_PASSWORDS:
        ended = azukari("migrate", "--data", data, "--database", address)
        assert (ended.returncode, ended.stdout) == (1, ""), address
        assert "AZUKARI_DATABASE_URL_FILE" in ended.stderr, address
        assert "zq7" not in ended.stderr, address
    assert not data.exists()


@pytest.mark.parametrize("command", [["init"], ["serve"], ["worker"], ["merchants", "list"], ["keys", "list", "a"]])
def test_no_command_takes_one(command: list[str], data: Path) -> None:
    ended = azukari(*command, "--data", data, "--database", WITH_PASSWORDS[0])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "AZUKARI_DATABASE_URL_FILE" in ended.stderr


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://shop@127.0.0.1:1/shop", "postgresql://127.0.0.1:1/shop?user=shop@home", "postgresql://[::1]:1/shop",
        "postgresql://shop@[::1]:1,127.0.0.1:1/shop?passfile=/nowhere", "postgresql:///shop?host=127.0.0.1&port=1",
        "postgresql://shop:@127.0.0.1:1/shop",
    ],
)  # fmt: skip
def test_an_address_without_a_password_is(address: str, data: Path) -> None:
    ended = azukari("migrate", "--data", data, "--database", address)
    assert ended.stderr == "The database cannot be used: nothing listens at its address.\n"


async def test_an_address_in_a_file_stays_out_of_the_environment_of_every_process(
    settings: Settings, tmp_path: Path
) -> None:
    """Also of the workers of one server."""
    address = "sqlite:///zq7mark" if settings.database_url is None else settings.database_url.reveal()
    named = tmp_path / "database"
    named.write_text(address)
    with running(
        "serve", "--data", str(settings.data), "--workers", "2", folder=tmp_path, AZUKARI_DATABASE_URL_FILE=str(named)
    ) as server:
        family = [server.process.pid, *_children(server.process.pid)]
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in family]
        assert answers(f"{server.url}/ready")

    assert len(family) >= 3
    assert all(f"AZUKARI_DATABASE_URL_FILE={named}".encode() in each for each in environments)
    assert not any(b"AZUKARI_DATABASE_URL=" in each or address.encode() in each for each in environments)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_live_keys_are_refused_while_the_key_file_lies_beside_the_data(data: Path) -> None:
    done("init", "--data", data)
    merchant = json.loads(done("merchants", "list", "--data", data, "--json"))[0]["id"]

    ended = azukari("keys", "create", merchant, "--live", "--data", data)

    assert ended.returncode == 1
    assert "AZUKARI_KEK_FILE" in ended.stderr
    assert "_live_" not in ended.stdout


# Merchants and keys


def test_a_merchants_settings_are_set_shown_and_unset(settings: Settings, tmp_path: Path) -> None:
    where = of(settings)

    def run(*words: str | Path) -> Any:
        said = done(*words, *where, "--json")
        assert said.count("\n") == 1
        return json.loads(said)

    merchant = run("merchants", "list")[0]["id"]
    fresh = run("merchants", "show", merchant)
    assert (fresh["id"], fresh["name"], fresh["currency"]) == (merchant, "Test shop", "JPY")
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))

    changed = run(
        "merchants",
        "set",
        merchant,
        "--name",
        "サンプル茶舗",
        "--logo",
        logo,
        "--accent",
        "#1f5a4e",
        "--support",
        "help@shop.example",
        "--payment-types",
        "JPY=credit_card, konbini,paypay",
        "--payment-types",
        "USD=credit_card,konbini",
        "--rate",
        "USD=150.2",
        "--fee",
        "konbini=200",
        "--fee",
        "paypay=0",
        "--languages",
        "ja,en",
        "--origin",
        "https://shop.example",
        "--origin",
        "https://two.example",
        "--legal-url",
        "https://shop.example/legal",
        "--legal-text",
        "販売者 サンプル",
        "--bank-fee",
        "--privacy-url",
        "https://shop.example/privacy",
        "--currency",
        "USD",
        "--time-zone",
        "Europe/Berlin",
        "--retry-days",
        "2,5",
    )

    assert changed == run("merchants", "show", merchant)
    assert changed["payment_types"] == {"JPY": ["credit_card", "konbini", "paypay"], "USD": ["credit_card", "konbini"]}
    assert changed["logo"].startswith("data:image/png;base64,")
    assert (changed["fees"], changed["rates"]) == ({"konbini": 200, "paypay": 0}, {"USD": "150.2"})
    assert changed["bank_fee"] is True
    assert (changed["time_zone"], changed["retry_days"]) == ("Europe/Berlin", [2, 5])
    shown = done("merchants", "show", merchant, *where)
    assert "image/png, 38 bytes" in shown
    assert "JPY=credit_card, konbini, paypay; USD=credit_card, konbini" in shown
    assert "base64" not in shown
    assert run("merchants", "set", merchant, "--no-bank-fee")["bank_fee"] is False
    every = (
        "name", "logo", "accent", "support", "payment-types", "fee", "rate", "languages", "origin", "currency",
        "legal-url", "legal-text", "privacy-url", "bank-fee", "time-zone", "retry-days",
    )  # fmt: skip
    assert run("merchants", "set", merchant, *(word for each in every for word in ("--unset", each))) == fresh


def test_a_bad_setting_gets_a_sentence(data: Path) -> None:
    done("init", "--data", data)
    merchant = json.loads(done("merchants", "list", "--data", data, "--json"))[0]["id"]
    for words, sentence in (
        (("--accent", "#7cc9b4"), "darker"),
        (("--fee", "convenience=190"), "There are: credit_card, "),
        (("--payment-types", "credit_card"), "JPY=credit_card"),
        (("--payment-types", "USD=konbini"), "--rate USD="),
        (("--logo", "/nowhere/logo.png"), "cannot be read"),
        (("--unset", "logos"), "logo, accent"),
    ):
        ended = azukari("merchants", "set", merchant, *words, "--data", data)
        assert ended.returncode == 1
        assert sentence in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_settings_of_nobody_get_a_sentence(data: Path) -> None:
    done("init", "--data", data)
    for words in (("show", "nobody"), ("set", "nobody", "--name", "a")):
        ended = azukari("merchants", *words, "--data", data)
        assert (ended.returncode, "merchants list" in ended.stderr) == (1, True)


async def test_merchants_and_keys_are_made_listed_rolled_and_revoked(settings: Settings) -> None:
    where = of(settings)

    def run(*words: str) -> Any:
        said = done(*words, *where, "--json")
        assert said.count("\n") == 1
        return json.loads(said)

    made = run("merchants", "create", "Zwei Läden 二号店")[0]
    listed = run("merchants", "list")
    assert [each["name"] for each in listed] == ["Test shop", "Zwei Läden 二号店"]
    assert made["id"] == listed[1]["id"]

    pair = run("keys", "create", made["id"])
    assert list(pair) == ["secret_key", "publishable_key"]
    rows = run("keys", "list", made["id"])
    assert [row["key"][:8] for row in rows] == ["sk_test_", "pk_test_"]
    assert rows[0]["key"].endswith(pair["secret_key"][-4:])
    assert not any(pair["secret_key"][8:-4] in json.dumps(row) for row in rows)
    assert [row["revoked"] for row in rows] == [None, None]

    rolled = run("keys", "roll", rows[0]["id"])[0]["key"]
    assert well_formed(rolled)
    assert rolled != pair["secret_key"]
    assert run("keys", "revoke", rows[0]["id"]) == [{"id": rows[0]["id"], "revoked": True}]
    states = {row["id"]: row["revoked"] is not None for row in run("keys", "list", made["id"])}
    assert list(states.values()).count(True) == 1
    assert states[rows[0]["id"]]

    for words in (
        ["keys", "revoke", rows[0]["id"]],
        ["keys", "revoke", "none"],
        ["keys", "roll", "none"],
        ["keys", "create", "none"],
    ):
        ended = azukari(*words, *where)
        assert (ended.returncode, ended.stdout) == (1, ""), words
        assert "There is no" in ended.stderr
    assert pair["publishable_key"][-4:] in done("keys", "list", made["id"], *where)


# migrate


async def test_migrate_brings_an_empty_store_to_the_newest_schema_and_may_be_repeated(settings: Settings) -> None:
    where = of(settings)
    for _ in range(2):
        assert done("migrate", *where).strip() == f"The schema is at {migrate.HEAD}."


def test_migrate_on_an_empty_directory_makes_the_stores(data: Path) -> None:
    done("migrate", "--data", data)
    assert {"azukari.db", "keys.db"} <= {file.name for file in data.iterdir()}


# serve and worker


def ended_by(server: Server, number: signal.Signals) -> int:
    server.process.send_signal(number)
    return server.process.wait(SOON)


def curl(command: str) -> Any:
    """Run a curl line as a shell would."""
    words = shlex.split(command)
    assert words[0] == "curl"
    ended = subprocess.run([*words, "--silent", "--show-error", "--fail-with-body"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


async def test_serve_answers_and_the_lines_of_the_guide_work(settings: Settings, tmp_path: Path) -> None:
    assert shutil.which("curl")
    keys = json.loads((settings.data / FIRST_PAIR).read_text())
    secret, publishable = keys["secret_key"], keys["publishable_key"]
    with running("serve", *of(settings), folder=tmp_path) as server:
        assert httpx.get(f"{server.url}/health").json() == {"status": "alive", "version": __version__}
        assert httpx.get(f"{server.url}/ready").json()["status"] == "ready"
        assert "<html" in httpx.get(f"{server.url}/").text
        api = f"{server.url}/api/v1"

        token = curl(
            f"curl -X POST {api}/tokens --user {publishable}: --data 'payment_details[type]=credit_card' "
            "--data 'payment_details[number]=4111111111111111' --data 'payment_details[month]=12' "
            "--data 'payment_details[year]=2099' --data 'payment_details[verification_value]=123'"
        )["id"]
        customer = curl(f"curl -X POST {api}/customers --user {secret}: --data payment_details='{token}'")
        assert customer["source"]["last_four_digits"] == "1111"
        line = f"curl -X POST {api}/payments  --user {secret}: --data amount=5000 --data currency=JPY --data customer="
        payments = [curl(line + customer["id"]) for _ in range(2)]
        assert [payment["status"] for payment in payments] == ["captured", "captured"]
        assert payments[0]["id"] != payments[1]["id"]
        as_json = json.dumps({"amount": 1, "currency": "JPY", "payment_details": card()})
        raw = curl(f"curl {api}/payments -u {secret} --json {shlex.quote(as_json)}")
        assert raw["status"] == "captured"

        assert ended_by(server, signal.SIGTERM) in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in server.errors.read_text().splitlines()]
    assert {"server.ready", "request"} <= {line["event"] for line in lines}
    assert not any(line["level"] == "error" for line in lines)
    assert secret not in server.errors.read_text()


def test_serve_sets_an_empty_directory_up_and_shows_a_line_that_works(data: Path, tmp_path: Path) -> None:
    with running("serve", "--data", str(data), folder=tmp_path) as server:
        said = server.output.read_text()
        pair = json.loads((data / FIRST_PAIR).read_text())
        assert pair["secret_key"] in said
        assert pair["publishable_key"] in said
        line = re.search(r"^  curl .*\n(?:    .*\n)+", said, re.MULTILINE)
        assert line is not None
        customer = curl(line[0].replace("\\\n", " ").strip())
        assert customer["source"]["brand"] == "visa"
        assert ended_by(server, signal.SIGINT) in (0, 130, -signal.SIGINT)


def test_the_doctor_holds_served_pages_against_their_manifest(data: Path, tmp_path: Path) -> None:
    with running("serve", "--data", str(data), folder=tmp_path) as server:
        well = azukari("doctor", "--pages", "--url", server.url)
        assert (well.returncode, well.stderr) == (0, "")
        assert "as the manifest says" in well.stdout
    gone = azukari("doctor", "--pages", "--url", server.url)
    assert gone.returncode == 1
    assert "does not answer" in gone.stderr
    assert "--pages" in azukari("doctor").stderr


def test_the_doctor_says_what_is_different_and_fails() -> None:
    other = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        ill = azukari("doctor", "--pages", "--url", f"http://127.0.0.1:{other.server_port}")
    finally:
        other.shutdown()
        other.server_close()
    assert ill.returncode == 1
    assert "the header Content-Security-Policy is missing; it must be: default-src 'none'" in ill.stderr
    assert "/static/pay.js: the script is not the one that was reviewed" in ill.stderr
    assert "Stop taking cards" in ill.stderr


def test_insecure_http_on_an_installation_without_live_keys_serves(data: Path, tmp_path: Path) -> None:
    with running(
        "serve", "--data", str(data), "--host", "0.0.0.0", folder=tmp_path, AZUKARI_INSECURE_HTTP="1"
    ) as server:
        assert answers(f"{server.url}/health")


def test_settings_of_the_environment_reach_the_server(data: Path, tmp_path: Path) -> None:
    with running(
        "serve",
        folder=tmp_path,
        AZUKARI_DATA=str(data),
        AZUKARI_PUBLIC_URL="https://pay.example/",
        AZUKARI_TRUSTED_PROXIES="127.0.0.1",
        AZUKARI_LOG_LEVEL="error",
    ) as server:
        headers = httpx.get(f"{server.url}/health").headers
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert "https://pay.example/api/v1/customers" in server.output.read_text()
        assert server.errors.read_text() == ""


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_clean_stop_leaves_nothing_in_the_machines_memory(
    workers: str, settings: Settings, tmp_path: Path
) -> None:
    folder = memory_of(settings.data)
    assert folder is not None
    with running("serve", *of(settings), "--workers", workers, folder=tmp_path) as server:
        assert folder.exists()
        ended_by(server, signal.SIGTERM)

    assert not folder.exists()


async def test_a_request_in_flight_is_answered_before_the_server_ends(settings: Settings, tmp_path: Path) -> None:
    secret = json.loads((settings.data / FIRST_PAIR).read_text())["secret_key"]
    book = settings.data / "simulator.jsonl"
    with running("serve", *of(settings), folder=tmp_path) as server:
        async with httpx.AsyncClient(auth=(secret, ""), base_url=f"{server.url}/api/v1", timeout=SOON) as api:
            order = {"amount": 1000, "currency": "JPY", "payment_details": card()}
            charging = asyncio.ensure_future(api.post("/payments", json=order, headers={"Azukari-Delay": "1500"}))
            while not (await api.get("/payments")).json()["total"]:
                await asyncio.sleep(0.01)
            server.process.send_signal(signal.SIGTERM)
            reply = await charging
        assert (reply.status_code, reply.json()["status"]) == (200, "captured")
        assert server.process.wait(SOON) in (0, -signal.SIGTERM)
    assert len(book.read_text().splitlines()) == 1


async def test_a_worker_settles_beside_a_server_that_does_not(settings: Settings, tmp_path: Path) -> None:
    secret = json.loads((settings.data / FIRST_PAIR).read_text())["secret_key"]
    for name in ("server", "worker"):
        (tmp_path / name).mkdir()
    with running("serve", *of(settings), folder=tmp_path / "server", AZUKARI_WORKER="0") as server:
        api = httpx.Client(auth=(secret, ""), base_url=f"{server.url}/api/v1", timeout=SOON)
        order = {"amount": 1000, "currency": "JPY", "payment_details": card()}
        reply = api.post("/payments", json=order, headers={"Azukari-Fault": "lost_reply"})
        assert (reply.status_code, reply.json()["status"]) == (202, "pending")
        payment = f"/payments/{reply.json()['id']}"
        log = tmp_path / "worker" / "errors"
        with running(
            "worker", *of(settings), folder=tmp_path / "worker", ready=lambda: "worker.ready" in log.read_text()
        ) as worker:
            wait_for(lambda: api.get(payment).json()["status"] == "captured", worker.process)
            assert ended_by(worker, signal.SIGTERM) == 0
        api.close()
        assert "Traceback" not in log.read_text()


async def test_two_server_processes_share_a_port_and_a_database(settings: Settings, tmp_path: Path) -> None:
    secret = json.loads((settings.data / FIRST_PAIR).read_text())["secret_key"]
    with running("serve", *of(settings), "--workers", "2", folder=tmp_path) as server:
        for _ in range(10):
            order = {"amount": 1000, "currency": "JPY", "payment_details": card()}
            assert httpx.post(f"{server.url}/api/v1/payments", json=order, auth=(secret, "")).status_code == 200
        assert httpx.get(f"{server.url}/api/v1/payments", auth=(secret, "")).json()["total"] == 10
        for _ in range(10):
            # Whichever of them makes the token, either may take its verification value.
            details = {"payment_details": card(verification_value="123")}
            token = httpx.post(f"{server.url}/api/v1/tokens", json=details, auth=(secret, "")).json()["id"]
            order = {"amount": 1000, "currency": "JPY", "payment_details": token}
            reply = httpx.post(f"{server.url}/api/v1/payments", json=order, auth=(secret, ""))
            assert (reply.status_code, reply.json()["status"]) == (200, "captured")
        assert ended_by(server, signal.SIGTERM) in (0, -signal.SIGTERM)


async def test_two_server_processes_count_calls_together(settings: Settings, tmp_path: Path) -> None:
    page = "/sessions/00000000000000000000/state"

    async def ask(client: httpx.AsyncClient, last: int) -> int:
        # Another connection each time: each process gets some of them.
        household = {"X-Forwarded-For": f"2001:db8:1:2::{last:x}", "Connection": "close"}
        return (await client.get(page, headers=household)).status_code

    words = "serve", *of(settings), "--workers", "2"
    with running(*words, folder=tmp_path, AZUKARI_TRUSTED_PROXIES="127.0.0.1", AZUKARI_RATE_ADDRESS="40") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=SOON) as client:
            seen = Counter(await asyncio.gather(*(ask(client, last) for last in range(200))))
            next_door = await client.get(page, headers={"X-Forwarded-For": "2001:db8:1:3::1"})
        assert ended_by(server, signal.SIGTERM) in (0, -signal.SIGTERM)
    # Two that count in the same moment may lose one; each for itself they would let 80 through.
    assert 40 <= seen[404] < 60
    assert seen[404] + seen[429] == 200
    assert next_door.status_code == 404


@pytest.mark.parametrize("engine", ["postgres"])
async def test_servers_of_two_machines_count_calls_together(settings: Settings, tmp_path: Path) -> None:
    elsewhere = dataclasses.replace(settings, data=tmp_path / "elsewhere")
    shutil.copytree(settings.data, elsewhere.data)
    assert settings.database_url is not None
    database = await asyncpg.connect(settings.database_url.reveal())

    def ask(server: Server) -> int:
        household = {"X-Forwarded-For": "198.51.100.1"}
        return httpx.get(f"{server.url}/nothing", headers=household).status_code

    async def told(limits: float) -> bool:
        used = await database.fetchval("SELECT max(used) FROM call_counts")
        return used is not None and bool(used >= limits * 2**48)

    with ExitStack() as stack:
        one, other = (
            stack.enter_context(
                running(
                    "serve",
                    *of(each),
                    folder=each.data,
                    AZUKARI_TRUSTED_PROXIES="127.0.0.1",
                    AZUKARI_RATE_ADDRESS="40",
                )
            )
            for each in (settings, elsewhere)
        )
        async with asyncio.timeout(SOON):
            assert [ask(one) for _ in range(41)] == [404] * 40 + [429]
            while not await told(0.99):
                await asyncio.sleep(0.02)
            seen = [ask(other) for _ in range(15)]
            while not await told(1.25):
                await asyncio.sleep(0.02)
            while 429 not in seen:
                seen.append(ask(other))
                await asyncio.sleep(0.02)
        # By itself it would have answered forty.
        assert seen.count(404) < 40
    await database.close()
    forget_memory(elsewhere.data)


async def test_who_waits_for_events_is_answered_before_the_server_ends(settings: Settings, tmp_path: Path) -> None:
    secret = json.loads((settings.data / FIRST_PAIR).read_text())["secret_key"]
    with running("serve", *of(settings), folder=tmp_path, AZUKARI_WORKER="0") as server:
        async with httpx.AsyncClient(auth=(secret, ""), base_url=f"{server.url}/api/v1", timeout=SOON) as api:
            asked = [asyncio.ensure_future(api.get("/events?after=latest&wait=30")) for _ in range(MOST_WAITING + 1)]
            # One too many is refused: so the others are there, and wait.
            refused, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert [each.result().status_code for each in refused] == [429]
            async with asyncio.timeout(20):
                server.process.send_signal(signal.SIGTERM)
                answers = await asyncio.gather(*waiting)
        assert [(each.status_code, each.json()["data"]) for each in answers] == [(200, [])] * MOST_WAITING
        assert server.process.wait(SOON) in (0, -signal.SIGTERM)
