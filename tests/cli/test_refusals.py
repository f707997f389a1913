"""What is wrong is said in a sentence, each command in a process of its own."""

import json
import signal
from pathlib import Path

import pytest

from azukari.core.config import Settings
from tests.commands import answers, azukari, done, ended_by, of, running

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
